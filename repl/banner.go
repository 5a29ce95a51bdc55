package repl

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Banner writes what a person wants to know before the first prompt: two or
// three lines.
func (s *Session) Banner(w io.Writer) {
	k := s.env.Kernel
	var facts []string
	if r := k.Release(); r != "" {
		facts = append(facts, "Linux "+r)
	}
	if a := k.Arch().Name; a != "" {
		facts = append(facts, a)
	}
	if cpus, err := k.OnlineCPUs(); err == nil {
		facts = append(facts, plural(len(cpus), "CPU"))
	}
	facts = append(facts,
		thousands(k.Symbols().Len())+" symbols",
		thousands(k.Types().NumTypes())+" types",
		thousands(k.Types().NumVars())+" typed variables")
	out := &safeWriter{ctx: context.Background(), w: w}
	fmt.Fprintln(out, strings.Join(facts, ", "))
	if n := len(k.Problems()); n > 0 {
		fmt.Fprintf(out, "%s: info shows what is missing\n", plural(n, "problem"))
	}
	fmt.Fprintln(out, "help lists the commands, TAB completes, ^D leaves.")
}

// plural writes a number of things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}
