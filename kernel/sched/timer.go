package sched

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Timer is a timer that waits, of the kernel's ticks (struct timer_list) or of
// its clocks (struct hrtimer).
type Timer struct {
	Addr     vmcore.Addr
	Function vmcore.Addr
	Expires  uint64 // jiffies, or nanoseconds of the base's clock
	Soft     uint64 // of a high-resolution timer: when it may, at the earliest
}

// TimerBase is the timers of a CPU that go by one clock: a wheel for the kernel's
// ticks (struct timer_base, kernel/time/timer.c), or a tree of high-resolution
// timers (struct hrtimer_clock_base, include/linux/hrtimer_defs.h).
type TimerBase struct {
	CPU     int
	CPUBase vmcore.Addr // struct hrtimer_cpu_base; 0 for ticks
	Index   int         // among the bases of the CPU
	Addr    vmcore.Addr
	Name    string
	Now     uint64  // jiffies, or nanoseconds of the clock at the last tick
	Timers  []Timer // the next to expire first
}

// baseNames are the bases of a CPU by their number. Linux kernel commit
// 83a665dc99a7 ("timers: Keep the pinned timers separate from the others") (in
// v6.9) made three of two; without CONFIG_NO_HZ_COMMON there is one.
var baseNames = map[int][]string{
	1: {"BASE_STD"},
	2: {"BASE_STD", "BASE_DEF"},
	3: {"BASE_LOCAL", "BASE_GLOBAL", "BASE_DEF"},
}

// maxVectors bounds the lists of a wheel; 9 levels of 64 are the most there are.
const maxVectors = 1 << 12

// Jiffies returns the kernel's count of ticks, as far as a long goes.
func Jiffies(k *kernel.Kernel) (uint64, error) {
	v, err := k.Object("jiffies_64", k.BasicType("unsigned long long"))
	if err != nil {
		return 0, err
	}
	n, err := v.UintAt()
	return n & (^uint64(0) >> (64 - 8*k.Arch().Layout.WordSize)), err
}

// yield passes on a base with its timers, those that are broken first as errors,
// and reports whether to go on.
func (b TimerBase) yield(timers iter.Seq2[Timer, error], yield func(TimerBase, error) bool) bool {
	for t, err := range timers {
		if err == nil {
			b.Timers = append(b.Timers, t)
		} else if !yield(TimerBase{}, fmt.Errorf("timers of CPU %d: %w", b.CPU, err)) {
			return false
		}
	}
	slices.SortStableFunc(b.Timers, func(x, y Timer) int { return cmp.Compare(x.Expires, y.Expires) })
	return yield(b, nil)
}

// TickBases returns the timers of the CPUs that are online. A base whose lists
// are broken comes with what could be read of it, after the error.
func TickBases(k *kernel.Kernel) iter.Seq2[TimerBase, error] {
	return func(yield func(TimerBase, error) bool) {
		cpus, err := k.OnlineCPUs()
		if err != nil {
			yield(TimerBase{}, err)
			return
		}
		now, err := Jiffies(k)
		if err != nil && !yield(TimerBase{}, err) {
			return
		}
		for _, cpu := range cpus {
			bases, err := timerBases(k, cpu)
			if err != nil && !yield(TimerBase{}, err) {
				return
			}
			for i, v := range bases {
				b := TimerBase{CPU: cpu, Index: i, Addr: addr(v), Name: fmt.Sprintf("BASE_%d", i), Now: now}
				if names := baseNames[len(bases)]; names != nil {
					b.Name = names[i]
				}
				if !b.yield(wheel(k, v), yield) {
					return
				}
			}
		}
	}
}

// timerBases returns the elements of a CPU's timer_bases, an array since there
// are several.
func timerBases(k *kernel.Kernel, cpu int) ([]kernel.Value, error) {
	t, err := k.Struct("timer_base")
	if err != nil {
		return nil, err
	}
	v, err := k.Object("timer_bases", t)
	if err == nil && v.PerCPU() {
		v, err = k.PerCPU(v, cpu)
	}
	if err != nil {
		return nil, fmt.Errorf("timers of CPU %d: %w", cpu, err)
	}
	a, ok := btfsrc.Strip(v.Type()).(*btf.Array)
	if !ok {
		return []kernel.Value{v}, nil
	}
	var bases []kernel.Value
	for i := range min(a.Nelems, 16) {
		b, err := v.Index(int64(i))
		if err != nil {
			return bases, err
		}
		bases = append(bases, b)
	}
	return bases, nil
}

// wheel yields the timers of a base, which is an array of lists.
func wheel(k *kernel.Kernel, base kernel.Value) iter.Seq2[Timer, error] {
	return func(yield func(Timer, error) bool) {
		timer, err := k.Struct("timer_list")
		if err != nil {
			yield(Timer{}, err)
			return
		}
		vectors, err := base.Path("vectors")
		if err != nil {
			yield(Timer{}, err)
			return
		}
		a, ok := btfsrc.Strip(vectors.Type()).(*btf.Array)
		if !ok {
			yield(Timer{}, fmt.Errorf("%s is no array of lists", vectors.TypeName()))
			return
		}
		heads := vectors.Snapshot()
		for i := range min(a.Nelems, maxVectors) {
			head, err := heads.Index(int64(i))
			if err != nil {
				yield(Timer{}, err)
				return
			}
			first, err := head.UintAt("first")
			if err == nil && first == 0 {
				continue
			}
			if err != nil {
				if !yield(Timer{}, err) {
					return
				}
				continue
			}
			for v, err := range k.HList(addr(head), timer, "entry") {
				var t Timer
				if err == nil {
					r := kernel.Reader{Value: v.Snapshot()}
					t = Timer{Addr: addr(v), Function: r.Pointer("function"), Expires: r.Uint("expires")}
					err = r.Err
				}
				if !yield(t, err) {
					return
				}
			}
		}
	}
}
