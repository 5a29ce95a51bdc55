package kernel

import (
	"errors"
	"fmt"
	"time"
)

// clocks are where kernels keep the time of day (kernel/time/timekeeping.c),
// newest first: the variable, its type, and the timekeeper in it. Before v6.13,
// tk_core had no named type, and the shadow beside it has the same time.
var clocks = []struct {
	variable, typ string
	timekeeper    []string
}{
	{"timekeeper_data", "tk_data", []string{"timekeeper"}},
	{"tk_core", "tk_data", []string{"timekeeper"}},
	{"shadow_timekeeper", "timekeeper", nil},
}

// timekeeper returns the kernel's struct timekeeper
// (include/linux/timekeeper_internal.h).
func (k *Kernel) timekeeper() (Value, error) {
	for _, c := range clocks {
		syms := dataSymbols(k.syms.Lookup(c.variable))
		typ, err := k.structType(c.typ)
		if len(syms) != 1 || err != nil {
			continue
		}
		v, err := k.At(syms[0].Addr, typ).Path(c.timekeeper...)
		if err != nil {
			continue
		}
		v = v.Snapshot()
		if sec, err := v.UintAt("xtime_sec"); err == nil && sec != 0 && sec < 1<<40 {
			return v, nil
		}
	}
	return Value{}, errors.New("the kernel's clock was not found")
}

// Time returns the kernel's time of day, to the second: in a dump, that of the
// crash, up to the last tick before it.
func (k *Kernel) Time() (t time.Time, ok bool) {
	tk, err := k.timekeeper()
	if err != nil {
		return time.Time{}, false
	}
	sec, err := tk.UintAt("xtime_sec")
	return time.Unix(int64(sec), 0), err == nil
}

// BootTime returns the time of day at which the kernel's clock was 0, about when
// it started.
func (k *Kernel) BootTime() (time.Time, error) {
	ns, err := k.clock("offs_real")
	return time.Unix(0, ns).UTC(), err
}

// Uptime returns for how long the kernel ran, the time that it slept included.
func (k *Kernel) Uptime() (time.Duration, error) {
	mono, err := k.Monotonic()
	if err != nil {
		return 0, err
	}
	slept, err := k.clock("offs_boot")
	return mono + time.Duration(slept), err
}

// Monotonic returns the kernel's clock (CLOCK_MONOTONIC) at the last tick.
func (k *Kernel) Monotonic() (time.Duration, error) {
	base, err := k.clock("tkr_mono.base")
	if err != nil {
		return 0, err
	}
	part, err := k.clock("tkr_mono.xtime_nsec")
	if err != nil {
		return 0, err
	}
	shift, err := k.clock("tkr_mono.shift")
	return time.Duration(base + int64(uint64(part)>>uint64(shift))), err
}

// clock returns a number of the timekeeper.
func (k *Kernel) clock(member string) (int64, error) {
	tk, err := k.timekeeper()
	if err != nil {
		return 0, err
	}
	n, err := tk.UintAt(member)
	if err != nil {
		err = fmt.Errorf("the kernel's clock: %w", err)
	}
	return int64(n), err
}

// HZ returns how often a second the kernel's clock ticks, by the length of a
// jiffy that it gave the clock of last resort (kernel/time/jiffies.c).
func (k *Kernel) HZ() (uint64, error) {
	clock, err := k.ObjectOf("clocksource_jiffies", "clocksource")
	if err != nil {
		return 0, err
	}
	r := Reader{Value: clock}
	mult, shift := r.Uint("mult"), r.Uint("shift")
	if r.Err == nil && mult>>shift == 0 {
		r.Err = fmt.Errorf("clocksource_jiffies is damaged: a tick of %d>>%d ns", mult, shift)
	}
	if r.Err != nil {
		return 0, r.Err
	}
	tick := mult >> shift
	return (uint64(time.Second) + tick/2) / tick, nil
}
