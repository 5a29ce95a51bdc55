package cmds

import (
	"context"
	"fmt"
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
		return env.clockTimers(ctx, cpus)
	}
	return env.tickTimers(ctx, cpus)
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

func (e *Env) timerObject(cpu int, base string, t sched.Timer, now uint64) timerObject {
	return timerObject{cpu, base, t.Addr.String(), t.Expires, int64(t.Expires - now), t.Soft, t.Function.String(), e.Kernel.SymbolName(t.Function)}
}

// functionText writes a function as crash does.
func (e *Env) functionText(a vmcore.Addr) string {
	text := hexAddr(a)
	if name := e.Kernel.SymbolName(a); name != "" {
		text += "  <" + name + ">"
	}
	return text
}

// tickTimers writes the timers of the kernel's ticks.
func (e *Env) tickTimers(ctx context.Context, cpus []int) error {
	now, err := sched.Jiffies(e.Kernel)
	if err != nil {
		return err
	}
	if !e.JSON {
		if err := e.Printf("JIFFIES\n%d\n", now); err != nil {
			return err
		}
	}
	last := -1
	for b, err := range sched.TimerBases(e.Kernel) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			e.Problem(err)
			continue
		case !slices.Contains(cpus, b.CPU):
			continue
		}
		if e.JSON {
			for _, t := range b.Timers {
				if err := e.Object(e.timerObject(b.CPU, b.Name, t, now)); err != nil {
					return err
				}
			}
			continue
		}
		blank := "\n"
		if b.CPU == last {
			blank = ""
		}
		last = b.CPU
		if err := e.Printf("%sTIMER_BASES[%d][%s]: %s\n", blank, b.CPU, b.Name, hexAddr(b.Addr)); err != nil {
			return err
		}
		if err := e.timerTable(b.Timers, now, false); err != nil {
			return err
		}
	}
	return nil
}

// clockTimers writes the high-resolution timers.
func (e *Env) clockTimers(ctx context.Context, cpus []int) error {
	last := -1
	for b, err := range sched.ClockBases(e.Kernel) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			e.Problem(err)
			continue
		case !slices.Contains(cpus, b.CPU):
			continue
		}
		if e.JSON {
			for _, t := range b.Timers {
				if err := e.Object(e.timerObject(b.CPU, b.Clock, t, b.Now)); err != nil {
					return err
				}
			}
			continue
		}
		var head strings.Builder
		if b.CPU != last {
			if last >= 0 {
				head.WriteByte('\n')
			}
			fmt.Fprintf(&head, "CPU: %d  HRTIMER_CPU_BASE: %s\n", b.CPU, hexAddr(b.CPUBase))
		}
		last = b.CPU
		fmt.Fprintf(&head, "  CLOCK: %d  HRTIMER_CLOCK_BASE: %s  [%s]\n", b.Index, hexAddr(b.Addr), b.Clock)
		if len(b.Timers) > 0 {
			fmt.Fprintf(&head, "  CURRENT: %d\n", b.Now)
		}
		if err := e.Printf("%s", head.String()); err != nil {
			return err
		}
		if err := e.timerTable(b.Timers, b.Now, true); err != nil {
			return err
		}
	}
	return nil
}

// timerTable writes timers of one base.
func (e *Env) timerTable(timers []sched.Timer, now uint64, clock bool) error {
	if len(timers) == 0 {
		return e.Printf("  (none)\n")
	}
	header := []string{"", ">EXPIRES", ">TTE", "TIMER_LIST", "FUNCTION"}
	if clock {
		header = []string{"", ">SOFTEXPIRES", ">EXPIRES", ">TTE", "HRTIMER", "FUNCTION"}
	}
	var rows [][]string
	for _, t := range timers {
		row := []string{"", strconv.FormatUint(t.Expires, 10), strconv.FormatInt(int64(t.Expires-now), 10), hexAddr(t.Addr), e.functionText(t.Function)}
		if clock {
			row = slices.Insert(row, 1, strconv.FormatUint(t.Soft, 10))
		}
		rows = append(rows, row)
	}
	return writeTable(e.Out, header, rows)
}
