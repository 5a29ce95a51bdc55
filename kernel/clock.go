package kernel

import "time"

// clocks are where kernels keep the time of day (kernel/time/timekeeping.c),
// newest first: the variable, its type, and the seconds in it. Before v6.13,
// tk_core had no named type, and the shadow beside it has the same seconds.
var clocks = []struct {
	variable, typ string
	seconds       []string
}{
	{"timekeeper_data", "tk_data", []string{"timekeeper", "xtime_sec"}},
	{"tk_core", "tk_data", []string{"timekeeper", "xtime_sec"}},
	{"shadow_timekeeper", "timekeeper", []string{"xtime_sec"}},
}

// Time returns the kernel's time of day, to the second: in a dump, that of the
// crash, up to the last tick before it.
func (k *Kernel) Time() (t time.Time, ok bool) {
	for _, c := range clocks {
		syms := dataSymbols(k.syms.Lookup(c.variable))
		typ, err := k.structType(c.typ)
		if len(syms) != 1 || err != nil {
			continue
		}
		sec, err := k.At(syms[0].Addr, typ).UintAt(c.seconds...)
		if err == nil && sec != 0 && sec < 1<<40 {
			return time.Unix(int64(sec), 0), true
		}
	}
	return time.Time{}, false
}
