package cmds

import (
	"testing"
	"time"
)

func TestMeterLine(t *testing.T) {
	for _, tc := range []struct {
		total, done uint64
		after       time.Duration
		want        string
	}{
		{0, 0, 1500 * time.Millisecond, "searching … 1 s"},
		{100, 0, 2 * time.Second, "searching … 2 s"},
		{100, 25, 2 * time.Second, "searching … 2 s, 25 %, 6 s left"},
		{100, 200, 2 * time.Second, "searching … 2 s, 100 %, 0 s left"},
	} {
		m := &Meter{what: "searching", total: tc.total}
		m.Add(tc.done)
		if got := m.line(tc.after); got != tc.want {
			t.Errorf("%d of %d: got %q, want %q", tc.done, tc.total, got, tc.want)
		}
	}
}

// TestMeter shows a line after a second, and takes it away.
func TestMeter(t *testing.T) {
	lines := make(chan string, 100)
	m := (&Env{Status: func(line string) { lines <- line }}).Progress("working", 0)
	if got, want := <-lines, "working … 1 s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	m.Close()
	last := ""
	for len(lines) > 0 {
		last = <-lines
	}
	if last != "" {
		t.Errorf("the line stays: %q", last)
	}
	new(Env).Progress("unwatched", 0).Close()
}
