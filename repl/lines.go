package repl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// LineReader is where a session gets its lines from.
type LineReader interface {
	// ReadLine returns the next line without its end. At a terminal it shows
	// the prompt. The error is io.EOF at the end, and [ErrInterrupt] when the
	// person gave the line up.
	ReadLine(prompt string) (string, error)
	Close() error
}

// located is a [LineReader] of a file: it says where the last line stands.
type located interface{ Where() string }

// ErrInterrupt is returned for a line that ^C ended.
var ErrInterrupt = errors.New("interrupted")

// Lines returns a reader of the given lines, one command each.
func Lines(lines ...string) LineReader { return &lineList{lines} }

type lineList struct{ lines []string }

func (l *lineList) ReadLine(string) (string, error) {
	if len(l.lines) == 0 {
		return "", io.EOF
	}
	line := l.lines[0]
	l.lines = l.lines[1:]
	return line, nil
}

func (l *lineList) Close() error { return nil }

// maxLine bounds a line of a script.
const maxLine = 1 << 20

// ReadLines returns a reader of the lines of r, which is called name in errors.
// Closing it closes r.
func ReadLines(name string, r io.ReadCloser) LineReader {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return &lineScanner{Closer: r, name: name, s: s}
}

type lineScanner struct {
	io.Closer
	name string
	n    int // lines read
	s    *bufio.Scanner
}

func (l *lineScanner) ReadLine(string) (string, error) {
	l.n++
	if l.s.Scan() {
		return l.s.Text(), nil
	}
	if err := l.s.Err(); err != nil {
		return "", fmt.Errorf("%s: line %d: %w", l.name, l.n, err)
	}
	return "", io.EOF
}

// Where returns the file and the number of the last line.
func (l *lineScanner) Where() string { return fmt.Sprintf("%s:%d", l.name, l.n) }

// Prompted returns a reader of lines for a terminal that cannot edit them: it shows
// prompts and leaves the rest to the terminal.
func Prompted(r io.ReadCloser, tty io.Writer) LineReader {
	return &prompted{ReadLines("standard input", r), tty}
}

type prompted struct {
	LineReader
	tty io.Writer
}

func (p *prompted) ReadLine(prompt string) (string, error) {
	io.WriteString(p.tty, prompt)
	line, err := p.LineReader.ReadLine("")
	if err == io.EOF {
		io.WriteString(p.tty, "\n")
	}
	return line, err
}

// Chain returns a reader of all lines of its parts in order.
func Chain(parts ...LineReader) LineReader { return &chain{parts} }

type chain struct{ parts []LineReader }

func (c *chain) ReadLine(prompt string) (string, error) {
	for len(c.parts) > 0 {
		line, err := c.parts[0].ReadLine(prompt)
		if err != io.EOF {
			return line, err
		}
		c.parts = c.parts[1:]
	}
	return "", io.EOF
}

// Where returns where the last line stands, "" if it is in no file.
func (c *chain) Where() string {
	if len(c.parts) > 0 {
		if l, ok := c.parts[0].(located); ok {
			return l.Where()
		}
	}
	return ""
}

func (c *chain) Close() error {
	var errs []error
	for _, p := range c.parts {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
