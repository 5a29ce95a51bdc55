package cmds

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/repl/expr"
)

// printSpec is how print shows a value, and what of it.
type printSpec struct {
	format  byte     // a letter of valueFormats, 0 for none
	depth   int      // levels of structures, 0 for what is set
	members []string // only these; nil: all
}

// parsePrint takes the arguments of print apart: /2x, an expression, and the
// members that it may end with, as in init_task.{pid,comm}.
func parsePrint(args string) (spec printSpec, src string, err error) {
	letters, src := SplitFormat(args)
	digits := letters[:len(letters)-len(strings.TrimLeft(letters, "0123456789"))]
	if digits != "" {
		if spec.depth, err = strconv.Atoi(digits); err != nil || spec.depth == 0 {
			return spec, src, usage("print", "/%s is no number of levels", digits)
		}
	}
	switch letter := letters[len(digits):]; {
	case letter == "":
	case len(letter) > 1 || !strings.Contains(valueFormats, letter):
		return spec, src, usage("print", "no format /%s", letters)
	default:
		spec.format = letter[0]
	}
	if src == "" {
		return spec, src, usage("print", "print needs an expression")
	}
	src, spec.members, err = splitMembers(src)
	return spec, src, err
}

// splitMembers cuts .{a,b} or ->{a,b} off the end of an expression.
func splitMembers(src string) (object string, members []string, err error) {
	open := strings.LastIndexByte(src, '{')
	if open < 0 || !strings.HasSuffix(src, "}") {
		return src, nil, nil
	}
	object, dotted := strings.CutSuffix(strings.TrimRight(src[:open], " "), ".")
	object, arrow := strings.CutSuffix(object, "->")
	if dotted == arrow || object == "" {
		return src, nil, nil
	}
	for member := range strings.SplitSeq(src[open+1:len(src)-1], ",") {
		member = strings.TrimSpace(member)
		if member == "" {
			return "", nil, usage("print", "a member is missing between { and }")
		}
		members = append(members, member)
	}
	return object, members, nil
}

// formatOptions returns how a value is written by a specification.
func (e *Env) formatOptions(spec printSpec) *kernel.FormatOptions {
	opts := e.Settings.formatOptions(spec.format)
	if spec.depth > 0 {
		opts.MaxDepth = spec.depth
	}
	return opts
}

// membersOf evaluates what stands between { and } behind a value: members, or
// what an expression begins with one, such as tasks.next or comm[0].
func (e *Env) membersOf(ctx context.Context, v kernel.Value, names []string) ([]kernel.Value, error) {
	const object = "_" // no convenience variable is called so
	e.Scope.Set(object, v)
	defer delete(e.Scope.vars, object)
	var values []kernel.Value
	for _, name := range names {
		m, err := e.eval(ctx, "$"+object+"."+name)
		if at, ok := errors.AsType[*expr.Error](err); ok && at.Err != nil {
			return nil, at.Err // its caret is under what nobody typed
		}
		if err != nil {
			return nil, err
		}
		values = append(values, m)
	}
	return values, nil
}

// printMembers writes some members of a structure.
func (e *Env) printMembers(values []kernel.Value, spec printSpec) error {
	if err := e.Printf("{\n"); err != nil {
		return err
	}
	for i, m := range values {
		if err := e.Printf("  .%s = ", spec.members[i]); err != nil {
			return err
		}
		if err := m.Format(&indenter{e}, e.formatOptions(spec)); err != nil {
			return err
		}
		if err := e.Printf(",\n"); err != nil {
			return err
		}
	}
	return e.Printf("}")
}

// membersJSON returns some members of a structure as an object.
func membersJSON(values []kernel.Value, names []string) json.RawMessage {
	b := []byte{'{'}
	for i, m := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, names[i]), ':')
		b = m.AppendJSON(b)
	}
	return append(b, '}')
}

// indenter indents all lines but the first.
type indenter struct{ env *Env }

func (i *indenter) Write(p []byte) (int, error) {
	if err := i.env.Printf("%s", strings.ReplaceAll(string(p), "\n", "\n  ")); err != nil {
		return 0, err
	}
	return len(p), nil
}
