package cmds

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "sig",
		Args: "[-g] [TASK...] | -l | -s MASK",
		Help: "show what tasks do about signals, and which wait",
		Doc: `sig shows for the current task, or for others, which are named as in ps: what its
process does about each signal, which signals the task blocks, and which wait for
it alone or for any thread of its process.

    -g       of all threads of the process, what they share once
    -l       list the signals of Linux by number
    -s MASK  the signals in a mask, such as 0x4002`,
		Run: runSig,
	})
}

// signalNames are the signals of x86, arm64, riscv and most others by number, 1 to
// 31 (include/uapi/asm-generic/signal.h).
var signalNames = strings.Fields("SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 " +
	"SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF " +
	"SIGWINCH SIGIO SIGPWR SIGSYS")

// The signals for programs to use as they like; those from the middle on are
// counted from the last.
const firstRealTime, middleRealTime, lastRealTime = 32, 49, 64

// signalName names a signal.
func signalName(n int) string {
	switch {
	case n >= 1 && n <= len(signalNames):
		return signalNames[n-1]
	case n == firstRealTime:
		return "SIGRTMIN"
	case n > firstRealTime && n < middleRealTime:
		return fmt.Sprintf("SIGRTMIN+%d", n-firstRealTime)
	case n >= middleRealTime && n < lastRealTime:
		return fmt.Sprintf("SIGRTMAX-%d", lastRealTime-n)
	case n == lastRealTime:
		return "SIGRTMAX"
	}
	return strconv.Itoa(n)
}

func runSig(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("sig", args, "gls:")
	switch {
	case err != nil:
		return err
	case opts.has('l'):
		return env.listSignals(^uint64(0))
	case opts.has('s'):
		mask, err := strconv.ParseUint(strings.TrimPrefix(opts.value('s'), "0x"), 16, 64)
		if err != nil {
			return usage("sig", "-s wants a mask in hexadecimal")
		}
		return env.listSignals(mask)
	}
	return env.eachTask(ctx, rest, func(t kernel.Task) error {
		threads := []kernel.Task{t}
		if opts.has('g') {
			threads = slices.Collect(sound(ctx, env, t.Threads()))
		}
		for j, thread := range threads {
			if err := env.showSignals(thread, j == 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// listSignals writes the signals in a mask with their names.
func (e *Env) listSignals(mask uint64) error {
	for n := 1; n <= lastRealTime; n++ {
		if mask>>(n-1)&1 == 0 {
			continue
		}
		var err error
		if e.JSON {
			err = e.Object(struct {
				Signal int    `json:"signal"`
				Name   string `json:"name"`
			}{n, signalName(n)})
		} else {
			err = e.Printf("%4s %s\n", fmt.Sprintf("[%d]", n), signalName(n))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// taskSignals is what a task does about signals, and its JSON.
type taskSignals struct {
	taskObject
	Threads  uint64          `json:"threads"`
	Handlers []handlerObject `json:"handlers"` // of all signals that have one
	Blocked  string          `json:"blocked"`
	Private  pendingObject   `json:"private_pending"`
	Shared   pendingObject   `json:"shared_pending"`

	signal  uint64 // address of the signal_struct
	actions []kernel.SignalAction
}

type handlerObject struct {
	Signal  int    `json:"signal"`
	Name    string `json:"name"`
	Handler string `json:"handler"` // "SIG_IGN" or the address of a function
	Mask    string `json:"mask"`
	Flags   string `json:"flags"`
}

type pendingObject struct {
	Mask  string         `json:"mask"`
	Queue []queuedObject `json:"queue"`
}

type queuedObject struct {
	Signal int    `json:"signal"`
	Name   string `json:"name"`
	Code   int    `json:"code"`
	Addr   string `json:"address"`
}

// signalsOf reads what a task does about signals. What cannot be read is a
// problem.
func (e *Env) signalsOf(t kernel.Task) taskSignals {
	check := func(err error) {
		if err != nil {
			e.Problem(err)
		}
	}
	s := taskSignals{taskObject: newTaskObject(t), Handlers: []handlerObject{}}
	r := kernel.Reader{Value: t.Value()}
	s.signal, s.Threads = r.Uint("signal"), r.Uint("signal.nr_threads")
	check(r.Err)
	var err error
	s.actions, err = t.SignalActions()
	check(err)
	for _, a := range s.actions {
		if a.Handler != 0 {
			s.Handlers = append(s.Handlers, handlerObject{a.Signal, signalName(a.Signal), handlerText(a.Handler, "0x"), fmt.Sprintf("%#x", a.Mask), fmt.Sprintf("%#x", a.Flags)})
		}
	}
	blocked, err := t.BlockedSignals()
	check(err)
	s.Blocked = fmt.Sprintf("%#x", blocked)
	own, shared, err := t.PendingSignals()
	check(err)
	s.Private, s.Shared = newPendingObject(own), newPendingObject(shared)
	return s
}

func newPendingObject(p kernel.PendingSignals) pendingObject {
	o := pendingObject{Mask: fmt.Sprintf("%#x", p.Mask), Queue: []queuedObject{}}
	for _, q := range p.Queue {
		o.Queue = append(o.Queue, queuedObject{q.Signal, signalName(q.Signal), q.Code, q.Addr.String()})
	}
	return o
}

// handlerText writes what handles a signal.
func handlerText(h uint64, prefix string) string {
	switch h {
	case 0:
		return "SIG_DFL"
	case 1:
		return "SIG_IGN"
	}
	return prefix + strconv.FormatUint(h, 16)
}

// actionFlags are bits of sa_flags (include/uapi/asm-generic/signal-defs.h, and
// SA_RESTORER of x86).
var actionFlags = []struct {
	bit  uint64
	name string
}{
	{1, "SA_NOCLDSTOP"}, {2, "SA_NOCLDWAIT"}, {4, "SA_SIGINFO"}, {0x04000000, "SA_RESTORER"}, {0x08000000, "SA_ONSTACK"},
	{0x10000000, "SA_RESTART"}, {0x40000000, "SA_NODEFER"}, {0x80000000, "SA_RESETHAND"},
}

func flagText(flags uint64) string {
	var names []string
	for _, f := range actionFlags {
		if flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	if names == nil {
		return strconv.FormatUint(flags, 16)
	}
	return fmt.Sprintf("%x (%s)", flags, strings.Join(names, "|"))
}

// showSignals writes what a task does about signals; what threads share comes
// with the first of them.
func (e *Env) showSignals(t kernel.Task, first bool) error {
	s := e.signalsOf(t)
	if e.JSON {
		return e.Object(s)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", taskLine(t))
	if first {
		fmt.Fprintf(&b, "SIGNAL_STRUCT: %x  NR_THREADS: %d\n", s.signal, s.Threads)
		fmt.Fprintf(&b, " SIG    SIGACTION        HANDLER       MASK       FLAGS\n")
		for _, a := range s.actions {
			fmt.Fprintf(&b, "%4s %s %10s %016x %s\n", fmt.Sprintf("[%d]", a.Signal), hexAddr(a.Addr), handlerText(a.Handler, ""), a.Mask, flagText(a.Flags))
		}
	}
	waiting := "no"
	if s.Private.Mask != "0x0" || s.Shared.Mask != "0x0" {
		waiting = "yes"
	}
	fmt.Fprintf(&b, "SIGPENDING: %s\n   BLOCKED: %s\n", waiting, maskText(s.Blocked))
	writePending(&b, "PRIVATE_PENDING", s.Private)
	if first {
		writePending(&b, "SHARED_PENDING", s.Shared)
	}
	return e.Printf("%s", b.String())
}

func maskText(mask string) string { return fmt.Sprintf("%016s", strings.TrimPrefix(mask, "0x")) }

// writePending writes signals that wait.
func writePending(b *strings.Builder, title string, p pendingObject) {
	fmt.Fprintf(b, "%s\n    SIGNAL: %s\n", title, maskText(p.Mask))
	if len(p.Queue) == 0 {
		fmt.Fprintf(b, "  SIGQUEUE: (empty)\n")
		return
	}
	for _, q := range p.Queue {
		fmt.Fprintf(b, "  SIGQUEUE: SIG %2d  SIGINFO %s  %s, code %d\n", q.Signal, strings.TrimPrefix(q.Addr, "0x"), q.Name, q.Code)
	}
}
