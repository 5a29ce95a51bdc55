package cmds

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/repl/expr"
)

// completeSymbol completes the name of a symbol.
func completeSymbol(env *Env, args string) (int, []string) {
	at := lastBlank(args)
	return at, startingWith(env.Names.symbols(), args[at:])
}

// completeStruct completes the name of a structure, a member of it, or a symbol.
func completeStruct(env *Env, args string) (int, []string) {
	start := lastBlank(args)
	word := args[start:]
	if dot := strings.LastIndexAny(word, ".,"); dot >= 0 {
		name, _, _ := strings.Cut(word, ".")
		t, err := env.compositeType(name)
		if err != nil {
			return len(args), nil
		}
		if path := word[:dot]; word[dot] == '.' && strings.Contains(path, ".") {
			path = path[max(strings.LastIndexByte(path, ','), len(name))+1:]
			f, err := env.memberField(t, path)
			if err != nil {
				return len(args), nil
			}
			t = f.Type
		}
		if p, ok := btfsrc.Strip(t).(*btf.Pointer); ok {
			t = p.Target
		}
		return start + dot + 1, withPrefix(fieldNames(t, 0), word[dot+1:])
	}
	if namesStruct(args[:start]) {
		return start, sorted(slices.Concat(env.typeNames(btfsrc.KindStruct, word), env.typeNames(btfsrc.KindUnion, word)))
	}
	_, names := completeSymbol(env, word)
	return start, names
}

// namesStruct reports whether a structure is named next, behind these arguments.
func namesStruct(before string) bool {
	before = strings.TrimSpace(before)
	return before == "" || strings.HasPrefix(before, "-")
}

// describeStruct returns the size of a structure, or the type of a member or a
// symbol.
func describeStruct(env *Env, args string) string {
	start := lastBlank(args)
	if !namesStruct(args[:start]) {
		return describeExpr(env, args)
	}
	name, members, dotted := strings.Cut(args[start:], ".")
	t, err := env.compositeType(name)
	if err != nil {
		return ""
	}
	if dotted {
		f, err := env.memberField(t, members[strings.LastIndexByte(members, ',')+1:])
		if err != nil {
			return ""
		}
		return btfsrc.TypeName(f.Type)
	}
	size, err := env.Kernel.Types().Sizeof(t)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d bytes", size)
}

// completeExpr completes the last name of an expression: a member after . or
// ->, a type after struct, union or enum, otherwise a variable, a typedef or an
// enumerator.
func completeExpr(env *Env, args string) (int, []string) {
	start := lastWord(args)
	prefix, before := args[start:], strings.TrimRight(args[:start], " \t")
	switch {
	case strings.Count(before, `"`)%2 == 1:
		return start, nil
	case strings.HasSuffix(before, "->"):
		return start, withPrefix(env.memberNames(strings.TrimSuffix(before, "->")), prefix)
	case strings.HasSuffix(before, ".") && !strings.HasSuffix(before, ".."):
		return start, withPrefix(env.memberNames(strings.TrimSuffix(before, ".")), prefix)
	case strings.LastIndexByte(before, '{') > strings.LastIndexByte(before, '}'): // init_task.{pid,comm
		object := strings.TrimRight(before[:strings.LastIndexByte(before, '{')], " .->")
		return start, withPrefix(env.memberNames(object), prefix)
	case strings.HasSuffix(before, "$"):
		return start, withPrefix(sorted(slices.AppendSeq([]string{taskVar}, maps.Keys(env.Scope.vars))), prefix)
	}
	if kind, ok := tagKinds[before[lastWord(before):]]; ok {
		return start, env.typeNames(kind, prefix)
	}
	names := startingWith(env.Names.operands(), prefix)
	if strings.HasSuffix(before, "|") && prefix != "" {
		return start, append(withPrefix(filters, prefix), names...) // see redirection
	}
	return start, names
}

// tagKinds are the keywords in front of a tag.
var tagKinds = map[string]btfsrc.Kind{"struct": btfsrc.KindStruct, "union": btfsrc.KindUnion, "enum": btfsrc.KindEnum}

// typeNames returns the tags of a kind that begin with prefix.
func (e *Env) typeNames(kind btfsrc.Kind, prefix string) []string {
	return startingWith(e.Names.types[kind](), prefix)
}

// describeExpr returns the type of the operand that an expression ends with, or
// the size of the type it ends with. Nothing is read from the dump.
func describeExpr(env *Env, args string) string {
	at := postfixStart(args)
	word := args[at:]
	before := strings.TrimRight(args[:at], " \t")
	if tag := before[lastWord(before):]; tagKinds[tag] != 0 {
		word = tag + " " + word
	}
	if word == "" {
		return ""
	}
	t, err := expr.TypeOf(context.Background(), word, env.Kernel, env.Scope)
	if err != nil {
		return ""
	}
	text := btfsrc.TypeName(t)
	if _, named := t.(*btf.Typedef); named && text == word || strings.HasPrefix(word, "struct ") || strings.HasPrefix(word, "union ") {
		size, err := env.Kernel.Types().Sizeof(t)
		if err != nil {
			return ""
		}
		return fmt.Sprintf("%d bytes", size)
	}
	return text
}

// manyMembers is how many members are more easily found in order of name than
// as they lie in memory.
const manyMembers = 60

// memberNames returns the members of the object that text ends with, a pointer
// followed. Nothing is read from the dump.
func (e *Env) memberNames(text string) []string {
	text = strings.TrimRight(text, " \t")
	t, err := expr.TypeOf(context.Background(), text[postfixStart(text):], e.Kernel, e.Scope)
	if err != nil {
		return nil
	}
	if p, ok := btfsrc.Strip(t).(*btf.Pointer); ok {
		t = p.Target
	}
	names := fieldNames(t, 0)
	if len(names) > manyMembers {
		slices.Sort(names)
	}
	return names
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
