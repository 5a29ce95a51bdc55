package expr

import (
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

// Error says what is wrong with an expression and where. It wraps the error of
// package kernel or vmcore beneath it, if any.
type Error struct {
	Src      string // the whole expression
	Pos, End int    // bytes of Src at fault: [Pos, End), counted from 0
	Msg      string
	Advice   string // what to do next; see [Error.Hint]

	// Incomplete is set when Src is the beginning of an expression: a prompt
	// may ask for another line.
	Incomplete bool

	Err  error // what lies beneath, such as a *vmcore.FaultError; may be nil
	kind string
}

// Error returns the message with the column, counted from 1.
func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Pos+1, e.Msg) }

// Unwrap returns what lies beneath.
func (e *Error) Unwrap() error { return e.Err }

// Kind returns the error's kind as --json names it: that of the error beneath,
// or "syntax" or "type".
func (e *Error) Kind() string {
	if e.Err != nil {
		return kernel.ErrorKind(e.Err)
	}
	return e.kind
}

// Hint returns what to do next, or "".
func (e *Error) Hint() string {
	if e.Advice == "" && e.Err != nil {
		return kernel.Hint(e.Err)
	}
	return e.Advice
}

// Caret returns two lines: the expression, and under it a caret with a tilde
// for each further byte at fault.
func (e *Error) Caret() string {
	// Control characters would move the caret; each shows as one blank.
	blank := func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}
	src := strings.Map(blank, strings.ToValidUTF8(e.Src, "?"))
	pos := min(max(e.Pos, 0), len(src))
	width := min(e.End, len(src)) - pos
	return src + "\n" + strings.Repeat(" ", pos) + "^" + strings.Repeat("~", max(width-1, 0))
}

func (e *Error) advise(hint string) *Error {
	e.Advice = hint
	return e
}
