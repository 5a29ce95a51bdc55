package repl

import (
	"io"
	"slices"
	"testing"
	"time"
)

// BenchmarkComplete presses TAB at ten places, on two kernels, to the list with
// what it says of each word. It tells the middle and the slowest of the times.
func BenchmarkComplete(b *testing.B) {
	for _, dump := range []string{"vars-7.2-amd64", "debian-6.12-amd64"} {
		s := New(openDump(b, dump), io.Discard, io.Discard, nil)
		s.Warm()
		e := Editor{completer: s}
		for _, place := range completePlaces {
			b.Run(dump+"/"+place, func(b *testing.B) {
				var times []time.Duration
				for b.Loop() {
					begun := time.Now()
					e.list(place, 80)
					times = append(times, time.Since(begun))
				}
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
			})
		}
	}
}

// completePlaces are lines that end where TAB is pressed.
var completePlaces = []string{
	"", "print ", "print init_", "print init_task.", "print init_task.parent->sig", "print runqueues:0.cfs.",
	"print sizeof(struct t", "print init_task.{pid,", "sym ", "files ",
}
