package repl

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/chzyer/readline"
	"golang.org/x/term"
)

// Editor reads lines from a terminal, with history and completion. It is the
// only user of chzyer/readline, of which it mends a few things: pasted lines and
// tabs stay text until Enter is pressed, long lists of candidates are cut, the
// history file is private, ^L clears the screen, and Delete is not ^D.
type Editor struct {
	rl        *readline.Instance
	stdin     io.Closer
	tty       *os.File
	completer Completer
	pasted    []string // lines of the last paste that are still to be returned

	// These belong to readline's own goroutine.
	empty  bool // nothing is on the line
	delete bool // the next ^D is the Delete key
}

var _ LineReader = (*Editor)(nil)

// historyLimit is the number of lines that the history file keeps.
const historyLimit = 2000

// Completer knows what may be typed. A [Session] does.
type Completer interface {
	// Complete offers words that may stand at the end of a line, in place of
	// line[start:].
	Complete(line string) (start int, words []string)
	// Describe returns a few words on a word that is offered and line ends with.
	Describe(line string) string
}

// NewEditor returns an editor on standard input that shows prompts on tty, the
// terminal. The history is kept in the file of that name unless it is empty.
func NewEditor(tty *os.File, history string, completer Completer) (*Editor, error) {
	e := &Editor{tty: tty, completer: completer}
	if err := trimHistory(history); err != nil {
		history = "" // no history is no reason not to work
	}
	stdin := readline.NewCancelableStdin(&pasteReader{r: os.Stdin})
	e.stdin = stdin
	rl, err := readline.NewEx(&readline.Config{
		Stdin:               stdin,
		Stdout:              tty,
		Stderr:              tty,
		HistoryFile:         history,
		HistoryLimit:        historyLimit,
		AutoComplete:        e,
		Painter:             e,
		InterruptPrompt:     "^C",
		EOFPrompt:           "\n", // readline's word for none; ReadLine ends the line
		FuncGetWidth:        e.width,
		FuncIsTerminal:      func() bool { return true },
		FuncFilterInputRune: e.key,
		Listener: readline.FuncListener(func(line []rune, pos int, _ rune) ([]rune, int, bool) {
			e.empty = len(line) == 0
			return nil, 0, false
		}),
	})
	if err != nil {
		return nil, err
	}
	e.rl = rl
	return e, nil
}

// key translates a key before readline sees it.
func (e *Editor) key(r rune) (rune, bool) {
	switch r {
	case readline.CharCtrlL: // readline moves the cursor and clears nothing
		io.WriteString(e.tty, "\x1b[H\x1b[2J")
	case deleteMark:
		e.delete = true
		return readline.CharBell, true // does nothing
	case readline.CharDelete: // ^D ends the session on an empty line
		isKey := e.delete
		e.delete = false
		return r, !(isKey && e.empty)
	}
	return r, true
}

// Paint colours the line as it is typed. readline writes a tab as blanks, and
// counts columns before it calls.
func (e *Editor) Paint(line []rune, _ int) []rune {
	if !colored(e.tty) {
		return line
	}
	return []rune(highlight(string(line)))
}

// HistoryFile returns the name of the file that keeps the history between
// sessions, and makes its directory. It is empty where there is no place for
// one.
func HistoryFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	dir = filepath.Join(dir, "kdbg")
	if os.MkdirAll(dir, 0o700) != nil {
		return ""
	}
	return filepath.Join(dir, "history")
}

// FirstTime reports whether no history has been kept: the person is new here.
func FirstTime(history string) bool {
	_, err := os.Stat(history)
	return history != "" && errors.Is(err, os.ErrNotExist)
}

// trimHistory makes the history file private and no longer than its limit.
// readline would make both anew for everyone to read.
func trimHistory(name string) error {
	if name == "" {
		return nil
	}
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	lines := bytes.SplitAfter(old, []byte("\n"))
	if len(lines) <= historyLimit && err == nil {
		return os.Chmod(name, 0o600)
	}
	tmp := name + ".new"
	kept := bytes.Join(lines[max(0, len(lines)-historyLimit):], nil)
	if err := os.WriteFile(tmp, kept, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

// width returns the columns of the terminal, 80 where it does not say.
func (e *Editor) width() int {
	w, _, err := term.GetSize(int(e.tty.Fd()))
	if err != nil || w <= 0 {
		return 80
	}
	return w
}

// ReadLine shows the prompt and returns the line that was edited. Several lines
// that were pasted at once are returned one after the other.
func (e *Editor) ReadLine(prompt string) (string, error) {
	if len(e.pasted) == 0 {
		e.rl.SetPrompt(paint(rolePrompt, prompt))
		io.WriteString(e.tty, bracketedPasteOn)
		line, err := e.rl.Readline()
		io.WriteString(e.tty, bracketedPasteOff)
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			return "", ErrInterrupt
		case err != nil:
			io.WriteString(e.tty, "\n")
			return "", err
		}
		e.pasted = strings.Split(line, newlineMark)
	}
	line := e.pasted[0]
	e.pasted = e.pasted[1:]
	return line, nil
}

// Close gives the terminal back. Standard input is closed first: otherwise
// readline waits for one more key.
func (e *Editor) Close() error { return errors.Join(e.stdin.Close(), e.rl.Close()) }

// Do completes the line as far as all candidates agree, and lists them where
// they do not. It is what readline calls for TAB; its own listing scrolls the
// prompt away and cannot say that there is more, so it is given at most one
// candidate.
func (e *Editor) Do(line []rune, pos int) ([][]rune, int) {
	more, list := e.list(string(line[:pos]), e.width())
	if more == "" {
		io.WriteString(e.rl.Stdout(), list)
		return nil, 0
	}
	if strings.HasSuffix(more, " ") && pos < len(line) {
		more = strings.TrimSuffix(more, " ")
	}
	return [][]rune{[]rune(more)}, 0
}
