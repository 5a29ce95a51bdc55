// Package cmds holds the commands of the debugger, one file each.
//
// It owns the command table, which serves the prompt, scripts, help and the
// manual alike, the settings, and the text and JSON that commands write. It does
// not own the loop that reads lines and reports errors: that is package repl
// above it. Expressions are package repl/expr, and everything about the dump is
// package kernel below it.
//
// A new command is a new file that calls register from an init function.
package cmds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
)

// ErrQuit is returned by the command that ends a session.
var ErrQuit = errors.New("quit")

// Command is one command of the debugger.
type Command struct {
	Name    string
	Aliases []string
	Args    string // what follows the name, as the manual shows it
	Help    string // one line
	Doc     string // the manual: plain text; help fills the lines that are not indented
	Expr    bool   // the arguments are an expression, in which | and > are operators

	// Run runs the command. args is the rest of the line, without blanks at
	// either end.
	Run func(ctx context.Context, env *Env, args string) error

	// Complete offers words that may stand at the end of args, in place of
	// args[start:]. Where it is nil, the words in Args in capital letters say what
	// may stand there, and options come from the manual.
	Complete func(env *Env, args string) (start int, words []string)
	// Describe returns a few words on the word that args ends with, which was
	// offered; nil: the type of an expression.
	Describe func(env *Env, args string) string
}

var table []*Command

func register(c *Command) { table = append(table, c) }

// All returns the commands in order of name.
func All() []*Command {
	all := slices.Clone(table)
	slices.SortFunc(all, func(a, b *Command) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Lookup returns the command of a name or an alias, or nil.
func Lookup(name string) *Command {
	for _, c := range table {
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	return nil
}

// Split cuts a line into the name of a command and the rest. As in gdb, a
// format may follow the name without a blank: print/x jiffies.
func Split(line string) (name, args string) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "*") {
		return "*", strings.TrimSpace(line[1:])
	}
	end := strings.IndexFunc(line, func(r rune) bool {
		return !(r == '_' || r == '-' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	})
	if end < 0 {
		return line, ""
	}
	return line[:end], strings.TrimSpace(line[end:])
}

// SplitFormat cuts the letters of /xyz off the beginning of arguments.
func SplitFormat(args string) (format, rest string) {
	if !strings.HasPrefix(args, "/") {
		return "", args
	}
	end := strings.IndexAny(args, " \t")
	if end < 0 {
		return args[1:], ""
	}
	return args[1:end], strings.TrimSpace(args[end:])
}

// Env is what a command works with. It lasts for one command; what it points to
// lasts for the session.
type Env struct {
	Kernel   *kernel.Kernel
	Out      io.Writer // data; safe for a terminal, and an error once the command is cancelled
	JSON     bool      // one object per line in place of text
	Settings *Settings
	Scope    *Scope
	Names    *Names
	Aliases  *Aliases
	Context  *Context
	Memory   *mm.Memory

	Report  func(error)       // writes what [Env.Problem] is told; may be nil
	Warning func(text string) // writes what [Env.Warn] is told; may be nil

	// Width is the columns of the terminal that Out goes to, 0 if it is none.
	Width int
	// Status shows a line of progress in place of the one before, and takes it
	// away for an empty one. It is nil where nobody watches. See [Env.Progress].
	Status func(line string)
	// Exec runs another line, whose output is part of this command's.
	Exec func(ctx context.Context, line string) error

	problems int
}

// Printf writes text to Out.
func (e *Env) Printf(format string, args ...any) error {
	_, err := fmt.Fprintf(e.Out, format, args...)
	return err
}

// Object writes v to Out as one line of JSON.
func (e *Env) Object(v any) error {
	b, err := marshal(v)
	if err != nil {
		return err
	}
	_, err = e.Out.Write(append(b, '\n'))
	return err
}

// marshal encodes v without the escapes that only HTML needs.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ErrorObject is what a command that failed yields in JSON.
type ErrorObject struct {
	Expr  string `json:"expr"`
	Error struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`

		// Of a variable without a type.
		Address string `json:"address,omitempty"`
		Size    uint64 `json:"size,omitempty"`
	} `json:"error"`
}

// NewErrorObject returns the object for the error of a line. Its expr is what
// the command was asked for, the whole line when that names no command.
func NewErrorObject(line string, err error) ErrorObject {
	var o ErrorObject
	o.Expr = strings.TrimSpace(line)
	if name, args := Split(line); Lookup(name) != nil {
		_, o.Expr = SplitFormat(args)
	}
	o.Error.Kind = kernel.ErrorKind(err)
	o.Error.Message = err.Error()
	o.Error.Hint = kernel.Hint(err)
	if untyped, ok := errors.AsType[*kernel.UntypedError](err); ok {
		o.Error.Address, o.Error.Size = untyped.Symbol.Addr.String(), untyped.Symbol.Size
	}
	return o
}

// UsageError says that a command was not understood.
type UsageError struct {
	Msg string
	Do  string // what to do next; may be empty
}

func (e *UsageError) Error() string { return e.Msg }

// Kind returns [kernel.KindSyntax].
func (e *UsageError) Kind() string { return kernel.KindSyntax }

// Hint returns what to do next.
func (e *UsageError) Hint() string { return e.Do }

// usage returns an error about the arguments of a command.
func usage(command, format string, args ...any) error {
	return &UsageError{Msg: fmt.Sprintf(format, args...), Do: "see help " + command}
}

// Unknown returns the error for a line that begins with no command.
func Unknown(line string) error {
	name, _ := Split(line)
	if name == "" {
		return &UsageError{Msg: fmt.Sprintf("%q is not a command", line), Do: "print " + strings.TrimSpace(line) + " prints a value"}
	}
	e := &UsageError{Msg: fmt.Sprintf("no command %q", name), Do: "help lists the commands; print " + strings.TrimSpace(line) + " prints a value"}
	if near := kernel.Similar(name, slices.Values(commandNames())); len(near) > 0 {
		e.Do = "did you mean " + strings.Join(near, ", ") + "?"
	}
	return e
}
