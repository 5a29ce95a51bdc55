package kernel

import (
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// SignalAction is what a process does about a signal (struct k_sigaction,
// include/linux/signal_types.h).
type SignalAction struct {
	Signal  int
	Addr    vmcore.Addr // of the k_sigaction
	Handler uint64      // 0: the default, 1: nothing, else a function of the program
	Mask    uint64      // of signals that are blocked meanwhile
	Flags   uint64      // SA_RESTART and others
}

// maxSignals is above _NSIG of every architecture.
const maxSignals = 128

// SignalActions returns what a task's process does about each signal.
func (t Task) SignalActions() ([]SignalAction, error) {
	table, err := t.value.Path("sighand.action")
	if err != nil {
		return nil, fmt.Errorf("signal handlers of task %d: %w", t.PID, err)
	}
	a, ok := btfsrc.Strip(table.typ).(*btf.Array)
	if !ok {
		return nil, typeErrorf("%s is no table of signals", table.TypeName())
	}
	table = table.Snapshot()
	var all []SignalAction
	for i := range min(a.Nelems, maxSignals) {
		e, err := table.Index(int64(i))
		if err != nil {
			return nil, err
		}
		r := Reader{Value: e}
		s := SignalAction{Signal: int(i) + 1, Addr: e.addr, Handler: r.Uint("sa.sa_handler"), Flags: r.Uint("sa.sa_flags")}
		if r.Err == nil {
			s.Mask, r.Err = e.signalSet("sa.sa_mask")
		}
		if r.Err != nil {
			return all, fmt.Errorf("signal handlers of task %d: %w", t.PID, r.Err)
		}
		all = append(all, s)
	}
	return all, nil
}

// signalSet returns the first 64 signals of a sigset_t, signal 1 as bit 0.
func (v Value) signalSet(path string) (uint64, error) {
	set, err := v.Path(path, "sig")
	if err != nil {
		return 0, err
	}
	b, err := set.Bytes()
	if err != nil {
		return 0, err
	}
	var mask uint64
	for _, bit := range v.k.setBits(b) {
		if bit < 64 {
			mask |= 1 << bit
		}
	}
	return mask, nil
}

// BlockedSignals returns the signals that a task blocks, signal 1 as bit 0.
func (t Task) BlockedSignals() (uint64, error) { return t.value.signalSet("blocked") }

// PendingSignals are signals that wait for a task, or for any thread of a
// process.
type PendingSignals struct {
	Mask  uint64
	Queue []QueuedSignal
}

// QueuedSignal is a signal that waits with what is known of it (struct sigqueue).
type QueuedSignal struct {
	Addr   vmcore.Addr
	Signal int
	Code   int // SI_USER and others, include/uapi/asm-generic/siginfo.h
}

// maxQueued bounds the signals that wait; RLIMIT_SIGPENDING bounds them, too.
const maxQueued = 1 << 16

// PendingSignals returns the signals that wait for a task, and those for any
// thread of its process.
func (t Task) PendingSignals() (own, shared PendingSignals, err error) {
	if own, err = t.pending("pending"); err == nil {
		shared, err = t.pending("signal.shared_pending")
	}
	if err != nil {
		err = fmt.Errorf("signals that wait for task %d: %w", t.PID, err)
	}
	return own, shared, err
}

func (t Task) pending(path string) (p PendingSignals, err error) {
	v, err := t.value.Path(path)
	if err != nil {
		return p, err
	}
	if p.Mask, err = v.signalSet("signal"); err != nil {
		return p, err
	}
	head, err := v.Field("list")
	if err != nil {
		return p, err
	}
	queued, err := t.value.k.structType("sigqueue")
	if err != nil {
		return p, err
	}
	for q, err := range t.value.k.List(head.addr, queued, "list") {
		if err != nil {
			return p, err
		}
		r := Reader{Value: q}
		s := QueuedSignal{Addr: q.addr, Signal: int(r.Int("info.si_signo")), Code: int(r.Int("info.si_code"))}
		if r.Err != nil {
			return p, r.Err
		}
		if p.Queue = append(p.Queue, s); len(p.Queue) > maxQueued {
			return p, fmt.Errorf("more than %d", maxQueued)
		}
	}
	return p, nil
}
