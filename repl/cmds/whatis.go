package cmds

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/repl/expr"
)

func init() {
	register(&Command{
		Name: "whatis",
		Args: "[-o] TYPE|EXPRESSION | [-r SIZE] [-m MEMBER]",
		Help: "show the type of an expression, or find structures",
		Doc: `whatis shows the type of an expression without its members. Of a typedef, it
shows what it stands for. The name of a structure gives its definition, as struct
does.

    whatis init_task.comm
    whatis pid_t
    whatis -o list_head           with the offsets of the members

It also finds structures and unions, and lists them by size:

    whatis -r 64                  of 64 bytes
    whatis -r 64-128              of 64 to 128 bytes
    whatis -m list_head           with a member of that type, or that points to
                                  one, also in a structure within it
    whatis -r 64-128 -m kobject   both`,
		Expr:     true,
		Run:      runWhatis,
		Complete: completeExpr,
	})
}

func runWhatis(ctx context.Context, env *Env, src string) error {
	switch {
	case src == "":
		return usage("whatis", "whatis needs a type or an expression")
	case strings.HasPrefix(src, "-o "):
		return runStruct(ctx, env, "whatis", src)
	case strings.HasPrefix(src, "-r"), strings.HasPrefix(src, "-m"):
		return env.findStructures(ctx, src)
	}
	t, err := expr.TypeOf(ctx, src, env.Kernel, env.Scope)
	if td, ok := t.(*btf.Typedef); ok && len(env.Kernel.Types().Lookup(btfsrc.KindTypedef, src)) > 0 {
		t = td.Type
	}
	if err != nil {
		if _, tagErr := env.compositeType(src); tagErr == nil {
			return runStruct(ctx, env, "whatis", src)
		}
		return err
	}
	if env.JSON {
		o := env.typeObject(src, t)
		o.Members = nil
		return env.Object(o)
	}
	return env.Printf("%s\n", btfsrc.TypeName(t))
}

// structureFinder finds structures by what they are like.
type structureFinder struct {
	low, high uint64          // bytes
	member    string          // name of a type, "" for any
	known     map[string]bool // by type, whether the member is in it
}

// findStructures lists the structures that the options -r and -m describe.
func (e *Env) findStructures(ctx context.Context, args string) error {
	opts, rest, err := options("whatis", args, "r:m:")
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usage("whatis", "-r and -m take one word each")
	}
	f := structureFinder{high: 1 << 32, member: opts.value('m'), known: make(map[string]bool)}
	if opts.has('r') {
		low, high, isRange := strings.Cut(opts.value('r'), "-")
		if !isRange {
			high = low
		}
		var lowErr, highErr error
		f.low, lowErr = strconv.ParseUint(low, 0, 32)
		f.high, highErr = strconv.ParseUint(high, 0, 32)
		if lowErr != nil || highErr != nil {
			return usage("whatis", "-r wants a size or a range such as 64-128, not %s", opts.value('r'))
		}
	}
	found := make(map[string]uint64)
	for t := range e.Kernel.Types().All() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if name, size, ok := f.fits(t); ok {
			found[name] = size
		}
	}
	return e.showStructures(found)
}

// fits returns the name and size of a structure, if it is one that is looked for.
func (f *structureFinder) fits(t btf.Type) (name string, size uint64, ok bool) {
	inner := t
	if td, isTypedef := t.(*btf.Typedef); isTypedef {
		inner = td.Type // of a structure without a name of its own
		if inner == nil || inner.TypeName() != "" {
			return "", 0, false
		}
	}
	switch c := inner.(type) {
	case *btf.Struct:
		size = uint64(c.Size)
	case *btf.Union:
		size = uint64(c.Size)
	default:
		return "", 0, false
	}
	if t.TypeName() == "" || size < f.low || size > f.high || f.member != "" && !f.has(inner, 0) {
		return "", 0, false
	}
	return btfsrc.TypeName(t), size, true
}

// maxStructures bounds structures in structures.
const maxStructures = 32

// has reports whether a structure has a member of the type that is looked for, or
// one that points to it.
func (f *structureFinder) has(t btf.Type, depth int) bool {
	if depth > maxStructures {
		return false
	}
	key := ""
	if t.TypeName() != "" {
		key = btfsrc.TypeName(t)
		if known, ok := f.known[key]; ok {
			return known
		}
	}
	found := slices.ContainsFunc(btfsrc.Fields(t), func(m btfsrc.Field) bool { return f.memberIs(m.Type, depth) })
	if key != "" {
		f.known[key] = found
	}
	return found
}

// memberIs reports whether a member is of the type, points to it, is an array of
// it, or a structure that has it.
func (f *structureFinder) memberIs(t btf.Type, depth int) bool {
	pointed := false
	for range maxStructures {
		if t == nil {
			return false
		}
		if name := t.TypeName(); name != "" && (name == f.member || btfsrc.TypeName(t) == f.member) {
			return true
		}
		switch c := t.(type) {
		case *btf.Pointer:
			t, pointed = c.Target, true
		case *btf.Array:
			t = c.Type
		case *btf.Typedef:
			t = c.Type
		case *btf.Const:
			t = c.Type
		case *btf.Volatile:
			t = c.Type
		case *btf.Restrict:
			t = c.Type
		case *btf.TypeTag:
			t = c.Type
		case *btf.Struct, *btf.Union:
			return !pointed && f.has(c, depth+1)
		default:
			return false
		}
	}
	return false
}

// showStructures writes structures by size and name.
func (e *Env) showStructures(found map[string]uint64) error {
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(found[a], found[b]), strings.Compare(a, b))
	})
	if !e.JSON {
		if err := e.Printf("SIZE  TYPE\n"); err != nil {
			return err
		}
	}
	for _, name := range names {
		var err error
		if e.JSON {
			err = e.Object(struct {
				Type string `json:"type"`
				Size uint64 `json:"size"`
			}{name, found[name]})
		} else {
			err = e.Printf("%4d  %s\n", found[name], name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
