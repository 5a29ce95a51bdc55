package repl

import (
	"io"
	"testing"
)

// BenchmarkComplete completes a line at ten places, on two kernels, and says how
// the words of the list would be described.
func BenchmarkComplete(b *testing.B) {
	for _, dump := range []string{"vars-7.2-amd64", "debian-6.12-amd64"} {
		s := New(openDump(b, dump), io.Discard, io.Discard, nil)
		s.Warm()
		for _, place := range completePlaces {
			b.Run(dump+"/"+place, func(b *testing.B) {
				for b.Loop() {
					e := Editor{completer: s}
					e.list(place, 80)
				}
			})
		}
	}
}

// completePlaces are lines that end where TAB is pressed.
var completePlaces = []string{
	"", "print ", "print i", "print init_task.", "print init_task.parent->", "print runqueues:0.cfs.",
	"print sizeof(struct t", "ps ", "sym ", "info > /",
}
