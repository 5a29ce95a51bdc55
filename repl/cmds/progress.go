package cmds

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Meter shows a person at a terminal how far a command is that takes over a
// second. It is safe for concurrent use.
type Meter struct {
	env   *Env
	what  string
	total uint64
	begun time.Time
	done  atomic.Uint64
	stop  chan struct{}
	wait  sync.WaitGroup
}

// Progress returns a meter for work of total units, of which what is the name;
// total is 0 where it is not known. Close takes the line off the terminal:
//
//	m := env.Progress("searching", uint64(size))
//	defer m.Close()
//	…
//	m.Add(n)
//
// Nothing is shown where nobody watches.
func (e *Env) Progress(what string, total uint64) *Meter {
	m := &Meter{env: e, what: what, total: total, begun: time.Now(), stop: make(chan struct{})}
	if e.Status != nil {
		m.wait.Go(m.show)
	}
	return m
}

// Add says that n more units are done.
func (m *Meter) Add(n uint64) { m.done.Add(n) }

// Close ends the meter.
func (m *Meter) Close() {
	close(m.stop)
	m.wait.Wait()
}

// show writes the line ten times a second, after the first.
func (m *Meter) show() {
	next := time.NewTimer(time.Second)
	defer next.Stop()
	shown := false
	for {
		select {
		case <-m.stop:
			if shown {
				m.env.Status("")
			}
			return
		case <-next.C:
			m.env.Status(m.line(time.Since(m.begun)))
			shown = true
			next.Reset(100 * time.Millisecond)
		}
	}
}

// line is what is shown after some time.
func (m *Meter) line(after time.Duration) string {
	done := m.done.Load()
	text := fmt.Sprintf("%s … %d s", m.what, int(after.Seconds()))
	if m.total == 0 || done == 0 {
		return text
	}
	part := min(1, float64(done)/float64(m.total))
	left := time.Duration(float64(after) * (1 - part) / part)
	return fmt.Sprintf("%s, %.0f %%, %d s left", text, 100*part, int(left.Seconds()+0.5))
}
