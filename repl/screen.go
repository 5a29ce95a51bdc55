package repl

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen shows the output of one command at a terminal: as it is while it fits,
// in a pager once it does not.
type screen struct {
	tty   *os.File
	paged bool

	mu     sync.Mutex
	held   []byte // what a pager would show first: the output up to a screenful
	shown  int    // how much of held is on the terminal
	rows   int    // lines begun on the terminal by held
	width  int
	height int
	late   *time.Timer // shows what is held by then
	pager  output      // once it runs
	status bool        // a line of progress is shown
	err    error
}

// holdTime is how long output is held until it is known whether it fits on the
// screen.
const holdTime = 100 * time.Millisecond

func newScreen(tty *os.File, paged bool) *screen {
	s := &screen{tty: tty, paged: paged}
	s.width, s.height = terminalSize(tty)
	return s
}

// terminalSize returns the columns and lines of a terminal, 80 and 24 where it
// does not say.
func terminalSize(tty *os.File) (width, height int) {
	width, height, err := term.GetSize(int(tty.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if s.pager != nil {
		return s.pager.Write(p)
	}
	s.held = append(s.held, p...)
	s.rows += s.count(p)
	if s.paged && s.rows >= s.height {
		if s.pager = startPager(s.tty); s.pager != nil {
			s.clearStatus()
			_, s.err = s.pager.Write(s.held)
			s.held = nil
			return len(p), s.err
		}
		s.paged = false
	}
	if !s.paged && len(s.held)-s.shown >= outSize {
		s.show()
		s.held, s.shown = s.held[:0], 0
	} else if s.late == nil {
		s.late = time.AfterFunc(holdTime, s.showLate)
	}
	return len(p), s.err
}

// count returns how many lines of the terminal text takes.
func (s *screen) count(text []byte) (rows int) {
	for line := range bytes.Lines(text) {
		if bytes.HasSuffix(line, []byte("\n")) {
			rows++
		}
		rows += max(0, utf8.RuneCount(line)-2) / s.width
	}
	return rows
}

// show writes to the terminal what is held.
func (s *screen) show() {
	if s.pager != nil || s.shown == len(s.held) {
		return
	}
	s.clearStatus()
	if _, err := s.tty.Write(s.held[s.shown:]); err != nil && s.err == nil {
		s.err = err
	}
	s.shown = len(s.held)
}

// showLate shows what a command that takes its time has written so far.
func (s *screen) showLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.show()
	s.late = nil
}

// Status shows a line of progress in place of the one before; an empty one takes
// it away. It is passed over where it would stand in the middle of a line.
func (s *screen) Status(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pager != nil {
		return
	}
	s.show()
	s.clearStatus()
	if line == "" || os.Getenv("TERM") == "dumb" || len(s.held) > 0 && s.held[len(s.held)-1] != '\n' {
		return
	}
	if runes := []rune(line); len(runes) >= s.width {
		line = string(runes[:s.width-1])
	}
	s.tty.WriteString(line)
	s.status = true
}

func (s *screen) clearStatus() {
	if s.status {
		s.tty.WriteString("\r\x1b[K")
	}
	s.status = false
}

func (s *screen) finish(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late != nil {
		s.late.Stop()
	}
	s.show()
	s.clearStatus()
	if s.pager != nil {
		return s.pager.finish(err)
	}
	return cmp.Or(err, s.err)
}

// startPager starts $PAGER, or else less, or else the pager below. It returns nil
// where there shall be none: with an empty $PAGER, or one that is cat, and on a
// terminal that cannot move its cursor.
func startPager(tty *os.File) output {
	command, set := os.LookupEnv("PAGER")
	if os.Getenv("TERM") == "dumb" || set && (strings.TrimSpace(command) == "" || command == "cat") {
		return nil
	}
	if !set {
		if _, err := exec.LookPath("less"); err != nil {
			return newMore(tty)
		}
		command = "less"
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = os.Environ()
	if os.Getenv("LESS") == "" { // colours, no tildes, and the text stays on the screen
		cmd.Env = append(cmd.Env, "LESS=FRX")
	}
	p, err := startPipe(cmd, tty, os.Stderr)
	if err != nil {
		return newMore(tty)
	}
	return p
}
