package cmds

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel/sched"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "timer",
		Args: "[-r] [-C CPUS]",
		Help: "show the timers that wait",
		Doc: `timer shows the timers that wait on each CPU, those that expire first in front:
when they do and in how much time (TTE), their address, and the function that they
call. Times are in ticks (jiffies), and with -r in nanoseconds.

    -r        high-resolution timers, clock by clock, in place of the others
    -C CPUS   those of some CPUs, such as 0 or 0-3,8

Where the dump was made while CPUs stood still, timers may be overdue.`,
		Run: runTimer,
	})
}

func runTimer(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("timer", args, "rC:")
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usage("timer", "timer takes options only")
	}
	cpus, err := env.Kernel.OnlineCPUs()
	if err == nil && opts.has('C') {
		cpus, err = parseCPUs("timer", opts.value('C'), cpus)
	}
	if err != nil {
		return err
	}
	if opts.has('r') {
		return env.showTimers(ctx, sched.ClockBases(env.Kernel), cpus, true)
	}
	now, err := sched.Jiffies(env.Kernel)
	if err != nil {
		return err
	}
	if !env.JSON {
		if err := env.Printf("JIFFIES\n%d\n", now); err != nil {
			return err
		}
	}
	return env.showTimers(ctx, sched.TickBases(env.Kernel), cpus, false)
}

// timerObject is a timer in JSON.
type timerObject struct {
	CPU      int    `json:"cpu"`
	Base     string `json:"base"` // of ticks, or the clock
	Address  string `json:"address"`
	Expires  uint64 `json:"expires"`
	TTE      int64  `json:"tte"`
	Soft     uint64 `json:"soft_expires,omitempty"`
	Function string `json:"function"`
	Symbol   string `json:"symbol"`
}

// functionText writes a function as crash does.
func (e *Env) functionText(a vmcore.Addr) string {
	text := hexAddr(a)
	if name := e.Kernel.SymbolName(a); name != "" {
		text += "  <" + name + ">"
	}
	return text
}

// showTimers writes the timers of some CPUs.
func (e *Env) showTimers(ctx context.Context, bases iter.Seq2[sched.TimerBase, error], cpus []int, clocks bool) error {
	last := -1
	wanted := where(bases, func(b sched.TimerBase) bool { return slices.Contains(cpus, b.CPU) })
	for b := range sound(ctx, e, wanted) {
		show := func() error { return e.showBase(b, last, clocks) }
		if e.JSON {
			show = func() error { return e.timerObjects(b) }
		}
		if err := show(); err != nil {
			return err
		}
		last = b.CPU
	}
	return ctx.Err()
}

func (e *Env) timerObjects(b sched.TimerBase) error {
	for _, t := range b.Timers {
		if err := e.Object(timerObject{
			b.CPU, b.Name, t.Addr.String(), t.Expires, int64(t.Expires - b.Now), t.Soft, t.Function.String(), e.Kernel.SymbolName(t.Function),
		}); err != nil {
			return err
		}
	}
	return nil
}

// showBase writes the timers of a base under its title; last is the CPU of the one
// before.
func (e *Env) showBase(b sched.TimerBase, last int, clock bool) error {
	var title strings.Builder
	if b.CPU != last && (last >= 0 || !clock) { // the jiffies stand above the first
		title.WriteByte('\n')
	}
	if !clock {
		fmt.Fprintf(&title, "TIMER_BASES[%d][%s]: %s\n", b.CPU, b.Name, hexAddr(b.Addr))
	} else {
		if b.CPU != last {
			fmt.Fprintf(&title, "CPU: %d  HRTIMER_CPU_BASE: %s\n", b.CPU, hexAddr(b.CPUBase))
		}
		fmt.Fprintf(&title, "  CLOCK: %d  HRTIMER_CLOCK_BASE: %s  [%s]\n", b.Index, hexAddr(b.Addr), b.Name)
		if len(b.Timers) > 0 {
			fmt.Fprintf(&title, "  CURRENT: %d\n", b.Now)
		}
	}
	if len(b.Timers) == 0 {
		title.WriteString("  (none)\n")
	}
	if err := e.Printf("%s", title.String()); err != nil {
		return err
	}
	header := []string{"", ">EXPIRES", ">TTE", "TIMER_LIST", "FUNCTION"}
	if clock {
		header = []string{"", ">SOFTEXPIRES", ">EXPIRES", ">TTE", "HRTIMER", "FUNCTION"}
	}
	var rows [][]string
	for _, t := range b.Timers {
		row := []string{"", strconv.FormatUint(t.Expires, 10), strconv.FormatInt(int64(t.Expires-b.Now), 10), hexAddr(t.Addr), e.functionText(t.Function)}
		if clock {
			row = slices.Insert(row, 1, strconv.FormatUint(t.Soft, 10))
		}
		rows = append(rows, row)
	}
	return writeTable(e.Out, header, rows)
}
