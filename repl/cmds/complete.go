package cmds

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/repl/expr"
)

// Complete offers words that may stand at the end of a line, in place of
// line[start:]: names of commands, and what the command offers.
func Complete(env *Env, line string) (start int, list []string) {
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	name, args := Split(line)
	c := Lookup(name)
	if args == "" && !strings.ContainsAny(line[indent:], " \t") {
		var names []string
		for _, c := range All() {
			names = append(names, c.Name)
		}
		return indent, withPrefix(names, name)
	}
	if c == nil || c.Complete == nil {
		return len(line), nil
	}
	// Split trims blanks; a completer sees those at the end.
	args = strings.TrimLeft(line[indent+len(name):], " \t")
	start, list = c.Complete(env, args)
	return len(line) - len(args) + start, slices.DeleteFunc(list, unfit)
}

// unfit reports whether a name from a dump could do more on a terminal than show:
// the line editor writes candidates as they are.
func unfit(name string) bool {
	return strings.ContainsFunc(name, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}

// withPrefix returns the words of a list that begin with prefix.
func withPrefix(list []string, prefix string) []string {
	var found []string
	for _, w := range list {
		if strings.HasPrefix(w, prefix) {
			found = append(found, w)
		}
	}
	return found
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// lastWord returns where the name that text ends with begins.
func lastWord(text string) int {
	i := len(text)
	for i > 0 && isWordByte(text[i-1]) {
		i--
	}
	return i
}

// completeSymbol completes the name of a symbol.
func completeSymbol(env *Env, args string) (int, []string) {
	var names []string
	for s := range env.Kernel.Symbols().Prefix(args) {
		names = append(names, s.Name)
	}
	return 0, sorted(names)
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// completeExpr completes the last name of an expression: a member after . or
// ->, a type after struct, union or enum, otherwise a variable or a typedef.
func completeExpr(env *Env, args string) (int, []string) {
	start := lastWord(args)
	prefix, before := args[start:], strings.TrimRight(args[:start], " \t")
	switch {
	case strings.HasSuffix(before, "->"):
		return start, withPrefix(env.memberNames(strings.TrimSuffix(before, "->")), prefix)
	case strings.HasSuffix(before, ".") && !strings.HasSuffix(before, ".."):
		return start, withPrefix(env.memberNames(strings.TrimSuffix(before, ".")), prefix)
	}
	kinds := map[string]btfsrc.Kind{"struct": btfsrc.KindStruct, "union": btfsrc.KindUnion, "enum": btfsrc.KindEnum}
	if kind, ok := kinds[before[lastWord(before):]]; ok {
		return start, env.typeNames(kind, prefix)
	}
	var names []string
	if prefix != "" {
		names = env.typeNames(btfsrc.KindTypedef, prefix)
	}
	for _, word := range []string{"container_of", "offsetof", "per_cpu", "sizeof", "struct", "typeof", "union", "enum"} {
		if strings.HasPrefix(word, prefix) {
			names = append(names, word)
		}
	}
	for s := range env.Kernel.Symbols().Prefix(prefix) {
		if lastWord(s.Name) == 0 { // no part of it is foreign to C, as in f.cold
			names = append(names, s.Name)
		}
	}
	return start, sorted(names)
}

// typeNames returns the types of a kind that begin with prefix.
func (e *Env) typeNames(kind btfsrc.Kind, prefix string) []string {
	var names []string
	for name := range e.Kernel.Types().Names(prefix) {
		if len(e.Kernel.Types().Lookup(kind, name)) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// memberNames returns the members of the object that text ends with, a pointer
// followed. Nothing is read from the dump.
func (e *Env) memberNames(text string) []string {
	t, err := expr.TypeOf(context.Background(), text[postfixStart(text):], e.Kernel, e.Scope)
	if err != nil {
		return nil
	}
	if p, ok := btfsrc.Strip(t).(*btf.Pointer); ok {
		t = p.Target
	}
	return fieldNames(t, 0)
}

// fieldNames returns the members of a structure or union, those of anonymous
// members among them.
func fieldNames(t btf.Type, depth int) []string {
	switch btfsrc.Strip(t).(type) {
	case *btf.Struct, *btf.Union:
	default:
		return nil
	}
	var names []string
	for _, f := range btfsrc.Fields(t) {
		if f.Name != "" {
			names = append(names, f.Name)
		} else if depth < 16 {
			names = append(names, fieldNames(f.Type, depth+1)...)
		}
	}
	return names
}

// postfixStart returns where the operand of . or -> at the end of text begins:
// names, brackets and member operators read backwards.
func postfixStart(text string) int {
	i := len(text)
	for i > 0 {
		switch c := text[i-1]; {
		case c == ')' || c == ']':
			open := openingBracket(text[:i])
			if open < 0 {
				return i
			}
			i = open
		case isWordByte(c) || c == '.' || c == '$' || c == ':' || c == '#' || c == '`':
			i--
		case c == '>' && i > 1 && text[i-2] == '-':
			i -= 2
		default:
			return i
		}
	}
	return i
}

// openingBracket returns where the bracket that text ends with was opened, -1
// if it was not.
func openingBracket(text string) int {
	depth := 0
	for i := len(text) - 1; i >= 0; i-- {
		switch text[i] {
		case ')', ']':
			depth++
		case '(', '[':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
