package sched

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// ClockBase is the high-resolution timers of a CPU for one clock (struct
// hrtimer_clock_base, include/linux/hrtimer_defs.h).
type ClockBase struct {
	CPU     int
	CPUBase vmcore.Addr // struct hrtimer_cpu_base
	Index   int
	Addr    vmcore.Addr
	Clock   string
	Now     uint64  // nanoseconds of that clock at the last tick
	Timers  []Timer // the next to expire first
}

// clockNames are the clocks of the bases (enum hrtimer_base_type): each once for
// timers that run in the interrupt and once for those that run after it.
var clockNames = [...]string{"monotonic", "realtime", "boottime", "tai"}

// ClockBases returns the high-resolution timers of the CPUs that are online. A
// base whose tree is broken comes with what could be read of it, after the error.
func ClockBases(k *kernel.Kernel) iter.Seq2[ClockBase, error] {
	return func(yield func(ClockBase, error) bool) {
		cpus, err := k.OnlineCPUs()
		if err != nil {
			yield(ClockBase{}, err)
			return
		}
		now, err := k.Monotonic()
		if err != nil && !yield(ClockBase{}, err) {
			return
		}
		for _, cpu := range cpus {
			v, err := onCPU(k, "hrtimer_bases", "hrtimer_cpu_base", cpu)
			if err == nil {
				v, err = v.Field("clock_base")
			}
			if err != nil {
				if !yield(ClockBase{}, err) {
					return
				}
				continue
			}
			if !clocksOf(k, cpu, v, uint64(now), yield) {
				return
			}
		}
	}
}

// clocksOf yields the bases of one CPU, and reports whether to go on.
func clocksOf(k *kernel.Kernel, cpu int, bases kernel.Value, now uint64, yield func(ClockBase, error) bool) bool {
	a, ok := btfsrc.Strip(bases.Type()).(*btf.Array)
	if !ok {
		return yield(ClockBase{}, fmt.Errorf("%s is no array of clocks", bases.TypeName()))
	}
	for i := range min(int(a.Nelems), 64) {
		v, err := bases.Index(int64(i))
		if err != nil {
			return yield(ClockBase{}, err)
		}
		r := kernel.Reader{Value: v}
		b := ClockBase{CPU: cpu, CPUBase: r.Pointer("cpu_base"), Index: i, Addr: addr(v), Clock: clockNames[i%len(clockNames)], Now: now + r.Uint("offset")}
		if i >= len(clockNames) {
			b.Clock += " (soft)"
		}
		if r.Err != nil && !yield(ClockBase{}, fmt.Errorf("clocks of CPU %d: %w", cpu, r.Err)) {
			return false
		}
		for t, err := range hrtimers(k, v) {
			if err != nil {
				if !yield(ClockBase{}, fmt.Errorf("timers of CPU %d: %w", cpu, err)) {
					return false
				}
				continue
			}
			b.Timers = append(b.Timers, t)
		}
		if !yield(b, nil) {
			return false
		}
	}
	return true
}

// hrtimers yields the timers of a clock, which are in a tree by when they expire.
// Where the nodes of the tree are linked as well (struct rb_node_linked, newer
// than v6.12), one more structure is around struct rb_node.
func hrtimers(k *kernel.Kernel, base kernel.Value) iter.Seq2[Timer, error] {
	return func(yield func(Timer, error) bool) {
		timer, err := k.Struct("hrtimer")
		if err != nil {
			yield(Timer{}, err)
			return
		}
		root, err := base.Path("active.rb_root")
		if err != nil {
			yield(Timer{}, err)
			return
		}
		node := "node.node"
		if k.At(0, timer).Has("node.node.node") {
			node = "node.node.node"
		}
		for v, err := range k.RBTree(addr(root), timer, node) {
			var t Timer
			if err == nil {
				r := kernel.Reader{Value: v.Snapshot()}
				t = Timer{Addr: addr(v), Function: r.Pointer("function"), Expires: r.Uint("node.expires"), Soft: r.Uint("_softexpires")}
				err = r.Err
			}
			if !yield(t, err) {
				return
			}
		}
	}
}
