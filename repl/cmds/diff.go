package cmds

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "diff",
		Args: "EXPRESSION, EXPRESSION",
		Help: "show in which members two values differ",
		Doc: `diff compares two values of one type, member by member, and lists what differs.
Pointers are followed once: to the structures that are compared.

    diff init_task, *init_task.parent
    diff runqueues:0, runqueues:1
    diff $1, $2

A comma stands between the two; a blank does where neither has one in it.`,
		Expr:     true,
		Run:      runDiff,
		Complete: completeExpr,
	})
}

func runDiff(ctx context.Context, env *Env, args string) error {
	left, right, ok := splitPair(args)
	if !ok {
		return usage("diff", "diff needs two expressions, and a comma between them")
	}
	a, err := env.object(ctx, left)
	if err != nil {
		return err
	}
	b, err := env.object(ctx, right)
	if err != nil {
		return err
	}
	if btfsrc.TypeName(btfsrc.Strip(a.Type())) != btfsrc.TypeName(btfsrc.Strip(b.Type())) {
		return usage("diff", "%s and %s have nothing in common", a.TypeName(), b.TypeName())
	}
	d := differ{ctx: ctx, env: env}
	if err := d.compare("", a, b, 0); err != nil {
		return err
	}
	if env.JSON {
		return nil
	}
	if len(d.rows) == 0 {
		return env.Printf("no difference\n")
	}
	return writeTable(env.Out, []string{"MEMBER", left, right}, d.rows)
}

// object evaluates an expression, and follows a pointer to a structure.
func (e *Env) object(ctx context.Context, src string) (kernel.Value, error) {
	v, err := e.eval(ctx, src)
	if err != nil {
		return v, err
	}
	if p, ok := btfsrc.Strip(v.Type()).(*btf.Pointer); ok && fieldNames(p.Target, 0) != nil {
		return v.Deref()
	}
	return v, nil
}

// splitPair cuts two expressions at the comma between them or, where there is
// none, at the only blank.
func splitPair(args string) (left, right string, ok bool) {
	depth := 0
	for i, c := range args {
		switch c {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth == 0 {
				return strings.TrimSpace(args[:i]), strings.TrimSpace(args[i+1:]), true
			}
		}
	}
	if fields := strings.Fields(args); len(fields) == 2 {
		return fields[0], fields[1], true
	}
	return "", "", false
}

// differ collects the members in which two values differ.
type differ struct {
	ctx  context.Context
	env  *Env
	rows [][]string
}

// maxDifferences bounds what is listed, and maxDiffDepth the structures within
// structures that are looked at.
const (
	maxDifferences = 5000
	maxDiffDepth   = 32
)

func (d *differ) compare(path string, a, b kernel.Value, depth int) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	if len(d.rows) >= maxDifferences || depth > maxDiffDepth {
		return nil
	}
	if array, ok := btfsrc.Strip(a.Type()).(*btf.Array); ok && !isText(array) {
		for i := range min(int64(array.Nelems), int64(max(1, d.env.Settings.elements))) {
			x, errA := a.Index(i)
			y, errB := b.Index(i)
			if errA != nil || errB != nil {
				break
			}
			if err := d.compare(fmt.Sprintf("%s[%d]", path, i), x, y, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	names := fieldNames(a.Type(), 0)
	for _, name := range names {
		x, errA := a.Field(name)
		y, errB := b.Field(name)
		if errA != nil || errB != nil {
			continue
		}
		if err := d.compare(path+"."+name, x, y, depth+1); err != nil {
			return err
		}
	}
	if names != nil {
		return nil
	}
	return d.leaf(path, a, b)
}

// isText reports whether an array is one of characters.
func isText(array *btf.Array) bool {
	t, ok := btfsrc.Strip(array.Type).(*btf.Int)
	return ok && t.Size == 1
}

// leaf compares two values that are no structures.
func (d *differ) leaf(path string, a, b kernel.Value) error {
	if d.env.JSON {
		x, y := a.AppendJSON(nil), b.AppendJSON(nil)
		if string(x) == string(y) {
			return nil
		}
		return d.env.Object(struct {
			Member string          `json:"member"`
			A      json.RawMessage `json:"a"`
			B      json.RawMessage `json:"b"`
		}{path, x, y})
	}
	var x, y strings.Builder
	a.Format(&x, d.env.Settings.formatOptions(0))
	b.Format(&y, d.env.Settings.formatOptions(0))
	if x.String() != y.String() {
		d.rows = append(d.rows, []string{path, x.String(), y.String()})
	}
	return nil
}
