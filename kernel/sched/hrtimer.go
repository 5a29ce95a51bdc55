package sched

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

// clockNames are the clocks of the bases (enum hrtimer_base_type): each once for
// timers that run in the interrupt and once for those that run after it.
var clockNames = [...]string{"monotonic", "realtime", "boottime", "tai"}

// ClockBases returns the high-resolution timers of the CPUs that are online. A
// base whose tree is broken comes with what could be read of it, after the error.
func ClockBases(k *kernel.Kernel) iter.Seq2[TimerBase, error] {
	return func(yield func(TimerBase, error) bool) {
		cpus, err := k.OnlineCPUs()
		if err != nil {
			yield(TimerBase{}, err)
			return
		}
		now, err := k.Monotonic()
		if err != nil && !yield(TimerBase{}, err) {
			return
		}
		for _, cpu := range cpus {
			v, err := onCPU(k, "hrtimer_bases", "hrtimer_cpu_base", cpu)
			if err == nil {
				v, err = v.Field("clock_base")
			}
			if err != nil {
				if !yield(TimerBase{}, err) {
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
func clocksOf(k *kernel.Kernel, cpu int, bases kernel.Value, now uint64, yield func(TimerBase, error) bool) bool {
	a, ok := btfsrc.Strip(bases.Type()).(*btf.Array)
	if !ok {
		return yield(TimerBase{}, fmt.Errorf("%s is no array of clocks", bases.TypeName()))
	}
	for i := range min(int(a.Nelems), 64) {
		v, err := bases.Index(int64(i))
		if err != nil {
			return yield(TimerBase{}, err)
		}
		r := kernel.Reader{Value: v}
		b := TimerBase{CPU: cpu, CPUBase: r.Pointer("cpu_base"), Index: i, Addr: addr(v), Name: clockNames[i%len(clockNames)], Now: now + r.Uint("offset")}
		if i >= len(clockNames) {
			b.Name += " (soft)"
		}
		if r.Err != nil && !yield(TimerBase{}, fmt.Errorf("clocks of CPU %d: %w", cpu, r.Err)) {
			return false
		}
		if !b.yield(hrtimers(k, v), yield) {
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
