package expr

import (
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

// Error says what is wrong with an expression and where. It wraps the error of
// package kernel or vmcore beneath it, if any.
type Error struct {
	Src      string // the whole expression, or the line of a file
	File     string // where the expression is from; empty where a person typed it
	Line     int    // in File, from 1
	Pos, End int    // bytes of Src at fault: [Pos, End), counted from 0
	Msg      string
	Advice   string // what to do next; see [Error.Hint]

	// Incomplete is set when Src is the beginning of an expression: a prompt
	// may ask for another line.
	Incomplete bool

	Err  error // what lies beneath, such as a *vmcore.FaultError; may be nil
	kind string
}

// Error returns the message with the column, counted from 1, and with the file
// and the line if there are any.
func (e *Error) Error() string {
	if e.File != "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Pos+1, e.Msg)
	}
	return fmt.Sprintf("column %d: %s", e.Pos+1, e.Msg)
}

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
// for each further character at fault. Of a long expression it is the part
// around the fault.
func (e *Error) Caret() string {
	const most = 60 // characters at fault, and as many on each side
	pos := min(max(e.Pos, 0), len(e.Src))
	end := min(max(e.End, pos), len(e.Src))
	before, fault, behind := shown(e.Src[:pos]), shown(e.Src[pos:end]), shown(e.Src[end:])
	if n := len(before); n > most {
		before = append([]rune("…"), before[n-most:]...)
	}
	if len(fault) > most {
		fault, behind = append(fault[:most:most], '…'), nil
	}
	if len(behind) > most {
		behind = append(behind[:most:most], '…')
	}
	return string(before) + string(fault) + string(behind) + "\n" +
		strings.Repeat(" ", len(before)) + "^" + strings.Repeat("~", max(len(fault)-1, 0))
}

// shown returns text as characters of one column each: a control character, which
// would move the caret, is a blank.
func shown(text string) []rune {
	return []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?")))
}

func (e *Error) advise(hint string) *Error {
	e.Advice = hint
	return e
}
