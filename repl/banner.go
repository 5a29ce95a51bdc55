package repl

import (
	"context"
	"fmt"
	"io"

	"github.com/kdbg/kdbg/repl/cmds"
)

// Banner writes what a person wants to know before the first prompt: the machine
// and how its kernel ended, as sys shows it, and what there is to work with.
func (s *Session) Banner(w io.Writer) {
	k := s.env.Kernel
	out := &safeWriter{ctx: context.Background(), w: w}
	if k.Symbols().Len() > 0 {
		fmt.Fprintf(out, "%s\n", cmds.NewSystem(k, func(error) {})) // sys says what is broken
	}
	fmt.Fprintf(out, "%s symbols, %s types, %s typed variables",
		thousands(k.Symbols().Len()), thousands(k.Types().NumTypes()), thousands(k.Types().NumVars()))
	if n := len(k.Problems()); n > 0 {
		fmt.Fprintf(out, "; %s: see info", plural(n, "problem"))
	}
	fmt.Fprintln(out)
	s.Warn(w)
	fmt.Fprintln(out, "help lists the commands, TAB completes, ^D leaves.")
}

// Welcome writes what helps a person who has not used kdbg before.
func (s *Session) Welcome(w io.Writer) {
	io.WriteString(w, `First steps: sys and log say what happened, ps and bt who was at it, print what was where.
TAB completes names of all kinds; help lists the commands, and apropos finds one by a word.
Any command may end in | grep WORD or > FILE. This is shown once.
`)
}

// Warn writes what is wrong with the dump: values may be wrong with it.
func (s *Session) Warn(w io.Writer) {
	d := s.env.Kernel.Dump()
	if d == nil {
		return
	}
	out := &safeWriter{ctx: context.Background(), w: w}
	for _, text := range d.Warnings() {
		fmt.Fprintf(out, "warning: %s\n", text)
	}
}

// plural writes a number of things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}
