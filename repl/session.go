// Package repl is the interactive debugger without its terminal.
//
// A [Session] runs one line at a time: prompts, scripts, batches, tests and JSON
// all go through it. It owns the loop that reads lines, how errors are reported,
// and line editing, which lies behind [LineReader]. The commands themselves are
// in package repl/cmds below it, expressions in repl/expr. Package main above it
// only reads flags and opens the dump.
package repl

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
	"github.com/kdbg/kdbg/repl/cmds"
	"github.com/kdbg/kdbg/repl/expr"
)

// Command is one command of the debugger.
type Command = cmds.Command

// Options says how a session behaves. The zero value suits scripts.
type Options struct {
	JSON bool // one object per line, errors too

	// Interactive is for a person at a terminal: output appears at once, an
	// expression may go on over several lines, an error does not fail the
	// session.
	Interactive bool

	// Host lets commands run programs, as | grep does, and write files.
	Host bool
	// Inputs are files that commands must not write: the dump.
	Inputs []string
	// Terminal is where the output goes if that is a terminal, which then pages
	// it; otherwise nil.
	Terminal *os.File
	// Status is the terminal that shows the progress of a command whose output
	// goes elsewhere; nil: none.
	Status *os.File

	// Interrupt returns the context of one command, which ends when the person
	// presses ^C; nil: commands run under the context of [Session.Run]. It is
	// for interactive sessions.
	Interrupt func(context.Context) (context.Context, context.CancelFunc)
}

// Session is a debugger at work on one kernel. It is not for concurrent use.
type Session struct {
	env    cmds.Env // what is common to all commands; Out is set for each
	opts   Options
	stdout io.Writer
	out    *bufio.Writer // to stdout
	errs   io.Writer
	where  string // of the line that failed, in a script
}

// outSize is the size of the output buffer: large, so that a script of
// thousands of commands costs few writes.
const outSize = 64 << 10

// New returns a session on k that writes data to out and errors to errs.
func New(k *kernel.Kernel, out, errs io.Writer, opts *Options) *Session {
	current := cmds.NewContext(k)
	s := &Session{
		env: cmds.Env{
			Kernel:   k,
			Settings: cmds.NewSettings(),
			Scope:    cmds.NewScope(k, current),
			Names:    cmds.NewNames(k),
			Aliases:  cmds.NewAliases(),
			Context:  current,
			Memory:   mm.New(k),
		},
		stdout: out,
		out:    bufio.NewWriterSize(out, outSize),
		errs:   errs,
	}
	if opts != nil {
		s.opts = *opts
	}
	s.env.JSON = s.opts.JSON
	s.env.Warning = s.warn
	return s
}

// Declare makes the declarations in a file. Those that are wrong give warnings:
// a file may be for several kernels. The error is that of reading the file.
func (s *Session) Declare(file string) error {
	return s.env.DeclareFile(file, func(err error) { s.warn(err.Error()) })
}

// SavedDeclarations returns the name of the file in which the user keeps the
// declarations for a kernel release.
func SavedDeclarations(release string) (string, error) { return cmds.SavedDeclarations(release) }

// warn writes a warning, which is no data.
func (s *Session) warn(text string) {
	s.Flush()
	fmt.Fprintf(&safeWriter{ctx: context.Background(), w: s.errs}, "warning: %s\n", text)
}

// Exec runs one line. Its error is returned and not reported: [Session.Report]
// does that. The output may still be in the session's buffer, see
// [Session.Flush].
func (s *Session) Exec(ctx context.Context, line string) error {
	line = strings.TrimSpace(line)
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	return s.exec(ctx, line, nil)
}

// exec runs a line. Its output goes to out, unless that is nil or the line says
// where else.
func (s *Session) exec(ctx context.Context, line string, out output) error {
	r, err := cmds.Parse(s.env.Implied(s.env.Aliases.Expand(strings.TrimSpace(line))))
	if err != nil {
		return err
	}
	if out != nil && r.Shell == "" && r.File == "" {
		return s.run(ctx, r, out)
	}
	if out, err = s.open(r); err != nil {
		return err
	}
	return r.Misread(out.finish(s.run(ctx, r, out)))
}

// run runs a command whose output goes to out.
func (s *Session) run(ctx context.Context, r cmds.Request, out output) error {
	errs := s.errs
	env := s.env
	safe := &safeWriter{ctx: ctx, w: out, json: s.opts.JSON}
	env.Out = safe
	flush := func() error { return nil }
	if s.painted(out) {
		p := &painter{w: out}
		safe.w, flush = p, p.flush
	}
	env.Exec = func(ctx context.Context, line string) error {
		flush()
		return s.exec(ctx, line, out)
	}
	if screen, ok := out.(*screen); ok {
		env.Width, env.Status = screen.width, screen.Status
		safe.width = screen.width
		if isTerminal(errs) {
			errs = screen
		}
	} else if _, toFile := out.(*fileOutput); s.opts.Status != nil && (toFile || s.opts.Terminal == nil) {
		env.Status = newScreen(s.opts.Status, false).Status
	}
	env.Report = func(err error) {
		flush()
		s.report(out, errs, r.Line, err)
	}
	if err := cmp.Or(r.Command.Run(ctx, &env, r.Args), flush()); err != nil {
		return err
	}
	return env.Incomplete()
}

// painted reports whether an output has colours.
func (s *Session) painted(out output) bool {
	switch out.(type) {
	case *screen:
		return colored(s.opts.Terminal) && !s.opts.JSON
	case plainOutput:
		return colored(s.stdout) && !s.opts.JSON
	}
	return false // programs and files get plain text
}

// Report writes the error of a line: text to the errors, an object to the
// data in JSON.
func (s *Session) Report(line string, err error) {
	s.report(s.out, s.errs, line, err)
}

func (s *Session) report(out, errs io.Writer, line string, err error) {
	if e, ok := err.(*cmds.IncompleteError); ok && e.Unreported() == 0 {
		return // its problems have been reported
	}
	if s.opts.JSON {
		env := s.env
		env.Out = &safeWriter{ctx: context.Background(), w: out, json: true}
		env.Object(cmds.NewErrorObject(line, err)) // a broken output shows at Flush
		return
	}
	if b, ok := out.(interface{ Flush() error }); ok {
		b.Flush() // what came before the error stands before it
	}
	w := &safeWriter{ctx: context.Background(), w: errs}
	text := err.Error()
	// A caret under all of an expression would say nothing.
	if at, ok := err.(*expr.Error); ok {
		if at.File == "" {
			text = at.Msg
		}
		if at.Pos > 0 || at.End < len(at.Src) {
			fmt.Fprintf(w, "%s\n", at.Caret())
		}
	}
	label := "error: "
	if _, ok := errs.(*screen); ok || colored(errs) {
		label = paint(roleError, label)
	}
	io.WriteString(errs, label)
	if s.where != "" {
		text = s.where + ": " + text
	}
	fmt.Fprintf(w, "%s\n", text)
	if hint := kernel.Hint(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

// Flush writes out what is buffered.
func (s *Session) Flush() error { return s.out.Flush() }

// The prompts of an interactive session.
const (
	prompt     = "kdbg> "
	morePrompt = "  ...> "
)

// Run runs the lines of in until they end or a command quits, and returns how
// many commands failed. The error is that of reading or writing, or of ctx.
func (s *Session) Run(ctx context.Context, in LineReader) (failed int, err error) {
	var begun string // an expression that goes on
	for {
		p := prompt
		if begun != "" {
			p = morePrompt
		}
		line, err := in.ReadLine(p)
		switch {
		case errors.Is(err, ErrInterrupt):
			begun = ""
			continue
		case err == io.EOF:
			return failed, s.Flush()
		case err != nil:
			return failed, errors.Join(err, s.Flush())
		}
		more := begun != "" && strings.TrimSpace(line) != ""
		if more {
			line = begun + " " + line
		} else if begun != "" {
			line = begun
		}
		err = s.runLine(ctx, line)
		var at *expr.Error
		if s.opts.Interactive && errors.As(err, &at) && at.Incomplete && (begun == "" || more) {
			begun = line
			continue
		}
		begun = ""
		switch {
		case errors.Is(err, cmds.ErrQuit):
			return failed, s.Flush()
		case err != nil && ctx.Err() != nil:
			return failed, errors.Join(ctx.Err(), s.Flush())
		case err != nil:
			failed++
			if l, ok := in.(located); ok {
				s.where = l.Where()
			}
			s.Report(line, err)
			s.where = ""
		}
		if s.opts.Interactive {
			if err := s.Flush(); err != nil {
				return failed, err
			}
		}
	}
}

// runLine runs one line under a context of its own.
func (s *Session) runLine(ctx context.Context, line string) error {
	if s.opts.Interrupt == nil {
		return s.Exec(ctx, line)
	}
	ctx, stop := s.opts.Interrupt(ctx)
	defer stop()
	err := s.Exec(ctx, line)
	if isCancelled(err) {
		return &interruptedError{}
	}
	return err
}

func isCancelled(err error) bool { return errors.Is(err, context.Canceled) }

// interruptedError is the error of a command that ^C ended.
type interruptedError struct{}

func (*interruptedError) Error() string { return "interrupted" }

// Complete offers words that may stand at the end of a line, in place of
// line[start:].
func (s *Session) Complete(line string) (start int, words []string) {
	env := s.env
	env.Out = io.Discard
	return cmds.Complete(&env, line)
}

// Describe returns a few words on a word that Complete offers and line ends with.
func (s *Session) Describe(line string) string {
	env := s.env
	env.Out = io.Discard
	return cmds.Describe(&env, line)
}

// Warm makes the lists of names that completion needs, which takes a moment.
func (s *Session) Warm() { s.env.Names.Warm() }
