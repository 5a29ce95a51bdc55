package expr

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

// ParseType returns the type that src spells, such as "struct task_struct *",
// "unsigned long[4]" or "int (*)(void)". The error is an [*Error].
func ParseType(src string, k *kernel.Kernel) (btf.Type, error) {
	p, err := newParser(src, Oracle(k))
	if err != nil {
		return nil, err
	}
	t := p.typeName()
	if err := p.end(); err != nil {
		return nil, err
	}
	return newEvaluator(context.Background(), k, nil, src).typ(t)
}

// TypeOf returns the type that src spells or, where src is an expression, the
// expression's type. Nothing is read from the dump for that, and nothing
// assigned. The error is an [*Error].
func TypeOf(ctx context.Context, src string, k *kernel.Kernel, s Scope) (btf.Type, error) {
	p, err := newParser(src, Oracle(k))
	if err != nil {
		return nil, err
	}
	if p.typeFollows(0) {
		return ParseType(src, k)
	}
	e, err := Parse(src, Oracle(k))
	if err != nil {
		return nil, err
	}
	return newEvaluator(ctx, k, s, src).typeOf(e.root)
}

// Oracle returns the [TypeOracle] of a kernel and its modules.
func Oracle(k *kernel.Kernel) TypeOracle { return oracle{k} }

type oracle struct{ k *kernel.Kernel }

func (o oracle) IsType(name string, likely bool) bool {
	if likely {
		return len(o.k.LookupType(btfsrc.KindTypedef, name)) > 0 // loads the types of modules
	}
	return len(o.k.Types().Lookup(btfsrc.KindTypedef, name)) > 0
}

// typ returns the type that t spells.
func (ev *evaluator) typ(t typeNode) (btf.Type, error) {
	switch t := t.(type) {
	case *baseType:
		found, err := ev.baseType(t)
		return qualified(found, t.qual), err
	case *typeofType:
		if t.typ != nil {
			found, err := ev.typ(t.typ)
			return qualified(found, t.qual), err
		}
		found, err := ev.typeOf(t.x)
		return qualified(found, t.qual), err
	case *pointerType:
		elem, err := ev.typ(t.elem)
		return qualified(&btf.Pointer{Target: elem}, t.qual), err
	case *arrayType:
		return ev.arrayType(t)
	case *funcType:
		return ev.funcType(t)
	}
	return nil, ev.errorf(t.at(), kernel.KindSyntax, "not a type")
}

func qualified(t btf.Type, q qualifiers) btf.Type {
	if q&qualRestrict != 0 {
		t = &btf.Restrict{Type: t}
	}
	if q&qualVolatile != 0 {
		t = &btf.Volatile{Type: t}
	}
	if q&qualConst != 0 {
		t = &btf.Const{Type: t}
	}
	return t
}

var tagKinds = map[string]btfsrc.Kind{
	"struct": btfsrc.KindStruct, "union": btfsrc.KindUnion, "enum": btfsrc.KindEnum, "": btfsrc.KindTypedef,
}

func (ev *evaluator) baseType(t *baseType) (btf.Type, error) {
	if t.word == "" {
		if found := ev.builtinType(t.name); found != nil {
			return found, nil
		}
	}
	found := ev.k.LookupType(tagKinds[t.word], t.name)
	switch {
	case len(found) == 0 && t.word == "" && t.name == "bool":
		return ev.k.BasicType("_Bool"), nil
	case len(found) == 0:
		return nil, ev.noType(t)
	case t.nth > len(found):
		return nil, ev.errorf(t.span, kernel.KindNotFound, "%s has %d candidates", t.spelling(), len(found))
	case t.nth > 0:
		return found[t.nth-1], nil
	case !ev.agree(found):
		return nil, ev.ambiguous(t, found)
	}
	return found[0], nil
}

// agree reports whether types of one name are defined alike, as those are that
// several modules bring.
func (ev *evaluator) agree(found []btf.Type) bool {
	opts := &btfsrc.DefinitionOptions{Offsets: true}
	define := func(t btf.Type) string { return ev.k.Types().Definition(btfsrc.Strip(t), opts) }
	for _, t := range found[1:] {
		if define(t) != define(found[0]) {
			return false
		}
	}
	return true
}

func (t *baseType) spelling() string { return strings.TrimSpace(t.word + " " + t.name) }

// builtinType returns a type of C by the name that builtinName gave it, and nil
// for other names.
func (ev *evaluator) builtinType(name string) btf.Type {
	known := name == "signed char"
	for _, n := range builtinNames {
		known = known || n == name
	}
	switch {
	case !known:
		return nil
	case name == "__int128":
		return &btf.Int{Name: name, Size: 16, Encoding: btf.Signed}
	case name == "unsigned __int128":
		return &btf.Int{Name: name, Size: 16}
	case name == "long double":
		return &btf.Float{Name: name, Size: 16}
	}
	return ev.k.BasicType(name)
}

// noType says that a type is not there, and under which word it is.
func (ev *evaluator) noType(t *baseType) error {
	if err := ev.k.NoTypes(); err != nil {
		return ev.wrap(t.span, err)
	}
	what := t.word
	if what == "" {
		what = "type"
	}
	similar := kernel.Similar(t.name, ev.k.Types().Names(tagKinds[t.word]))
	err := ev.wrap(t.span, &kernel.NotFoundError{What: what, Name: t.name, Similar: similar}).(*Error)
	for _, word := range []string{"struct", "union", "enum", ""} {
		if len(ev.k.Types().Lookup(tagKinds[word], t.name)) > 0 {
			other := &baseType{word: word, name: t.name}
			err.Advice = "did you mean " + other.spelling() + "?"
			break
		}
	}
	return err
}

// ambiguous lists the types that share a name.
func (ev *evaluator) ambiguous(t *baseType, found []btf.Type) error {
	const most = 8
	err := ev.errorf(t.span, kernel.KindAmbiguous, "%s stands for %d types", t.spelling(), len(found))
	var b strings.Builder
	b.WriteString("choose one by its number:")
	for i, typ := range found {
		if i == most {
			fmt.Fprintf(&b, " … %d more", len(found)-most)
			break
		}
		fmt.Fprintf(&b, " %s#%d", t.spelling(), i+1)
		if size, err := ev.k.Types().Sizeof(typ); err == nil {
			fmt.Fprintf(&b, " (%d bytes)", size)
		}
	}
	err.Advice = b.String()
	return err
}

func (ev *evaluator) arrayType(t *arrayType) (btf.Type, error) {
	elem, err := ev.typ(t.elem)
	if err != nil {
		return nil, err
	}
	switch btfsrc.Strip(elem).(type) {
	case *btf.Void, *btf.FuncProto:
		return nil, ev.errorf(t.span, kernel.KindType, "no array can be made of %s", btfsrc.TypeName(elem))
	}
	array := &btf.Array{Index: ev.k.BasicType("unsigned int"), Type: elem}
	if t.n == nil {
		return array, nil
	}
	n, err := ev.bound(t.n)
	if err != nil {
		return nil, err
	}
	size, err := ev.k.Types().Sizeof(elem)
	if err != nil {
		return nil, ev.wrap(t.span, err)
	}
	if n < 0 || n > math.MaxInt32 || size != 0 && uint64(n) > math.MaxInt64/size {
		return nil, ev.errorf(t.n.at(), kernel.KindType, "an array cannot have %d elements of %d bytes", n, size)
	}
	array.Nelems = uint32(n)
	return array, nil
}

func (ev *evaluator) funcType(t *funcType) (btf.Type, error) {
	result, err := ev.typ(t.result)
	if err != nil {
		return nil, err
	}
	switch btfsrc.Strip(result).(type) {
	case *btf.Array, *btf.FuncProto:
		return nil, ev.errorf(t.span, kernel.KindType, "no function returns %s", btfsrc.TypeName(result))
	}
	proto := &btf.FuncProto{Return: result}
	for _, param := range t.params {
		typ, err := ev.typ(param)
		if err != nil {
			return nil, err
		}
		proto.Params = append(proto.Params, btf.FuncParam{Type: typ})
	}
	if t.variadic {
		// BTF marks a variadic function by a last parameter of no type.
		proto.Params = append(proto.Params, btf.FuncParam{Type: &btf.Void{}})
	}
	return proto, nil
}
