package repl

import (
	"bytes"
	"errors"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// more is a pager for machines that have none: it stops at each screenful.
type more struct {
	tty    *os.File
	width  int
	height int
	left   int // lines until it asks
}

func newMore(tty *os.File) *more {
	m := &more{tty: tty}
	m.width, m.height = terminalSize(tty)
	m.left = m.height - 1
	return m
}

func (m *more) Write(p []byte) (int, error) {
	n := 0
	for line := range bytes.Lines(p) {
		rows := 1 + max(0, utf8.RuneCount(line)-2)/m.width
		if m.left < rows {
			m.left = m.ask()
		}
		if m.left <= 0 {
			return n, errUnread
		}
		written, err := m.tty.Write(line)
		n += written
		if err != nil {
			return n, err
		}
		if line[len(line)-1] == '\n' {
			m.left -= rows
		}
	}
	return n, nil
}

// ask waits for a key, and returns how many more lines to show: 0 to end.
func (m *more) ask() int {
	const question = "-- more -- (space: page, return: line, q: quit)"
	stdin := int(os.Stdin.Fd())
	old, err := term.MakeRaw(stdin)
	if err != nil {
		return m.height - 1
	}
	defer term.Restore(stdin, old)
	m.tty.WriteString(question)
	defer m.tty.WriteString("\r\x1b[K")
	for {
		var key [1]byte
		if n, err := os.Stdin.Read(key[:]); n == 0 || err != nil {
			return 0
		}
		switch key[0] {
		case ' ', 'f':
			return m.height - 1
		case '\r', '\n', 'j':
			return 1
		case 'q', 'Q', 3, 4, 27: // ^C, ^D, escape
			return 0
		}
	}
}

func (m *more) finish(err error) error {
	if errors.Is(err, errUnread) {
		return nil
	}
	return err
}
