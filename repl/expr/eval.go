package expr

import (
	"context"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

// Eval returns the value of the expression. s may be nil: then names are those
// of k, and there is neither history nor convenience variable. The error is an
// [*Error]; one from the dump's memory is wrapped in it.
//
// A variable stays a reference and a per-CPU variable a template: little is
// read from the dump that the result does not depend on.
func (e *Expr) Eval(ctx context.Context, k *kernel.Kernel, s Scope) (kernel.Value, error) {
	return newEvaluator(ctx, k, s, e.src).eval(e.root)
}

type evaluator struct {
	ctx   context.Context
	k     *kernel.Kernel
	scope Scope
	src   string

	// typing is set where only the type of an expression counts, as under
	// sizeof: nothing is read, numbers are 0, nothing is assigned.
	typing bool
}

func newEvaluator(ctx context.Context, k *kernel.Kernel, s Scope, src string) *evaluator {
	if s == nil {
		s = noScope{k}
	}
	return &evaluator{ctx: ctx, k: k, scope: s, src: src}
}

func (ev *evaluator) errorf(at span, kind, format string, args ...any) *Error {
	return &Error{Src: ev.src, Pos: at.pos, End: at.end, Msg: fmt.Sprintf(format, args...), kind: kind}
}

// wrap places an error of the packages below. One that has its place keeps it.
func (ev *evaluator) wrap(at span, err error) error {
	if _, placed := err.(*Error); placed || err == nil {
		return err
	}
	return &Error{Src: ev.src, Pos: at.pos, End: at.end, Msg: err.Error(), Err: err}
}

// eval returns the value of n: a reference where n names an object.
func (ev *evaluator) eval(n node) (kernel.Value, error) {
	if err := ev.ctx.Err(); err != nil {
		return kernel.Value{}, ev.wrap(n.at(), err)
	}
	v, err := ev.node(n)
	return v, ev.wrap(n.at(), err)
}

func (ev *evaluator) node(n node) (kernel.Value, error) {
	switch n := n.(type) {
	case *literal:
		return ev.literal(n)
	case *ident:
		return ev.ident(n)
	case *history:
		return ev.scope.History(n.n)
	case *convenience:
		return ev.convenience(n)
	case *assign:
		return ev.assign(n)
	case *unary:
		return ev.unary(n)
	case *binary:
		return ev.binary(n)
	case *cond:
		return ev.cond(n)
	case *member:
		return ev.member(n)
	case *index:
		return ev.index(n)
	case *slice:
		return ev.slice(n)
	case *cast:
		return ev.cast(n)
	}
	return ev.builtin(n)
}

// typeOf returns the type of n without evaluating it.
func (ev *evaluator) typeOf(n node) (btf.Type, error) {
	v, err := ev.unevaluated(n)
	return v.Type(), err
}

// unevaluated returns a value of n's type and place, without what it contains.
func (ev *evaluator) unevaluated(n node) (kernel.Value, error) {
	return ev.quiet().eval(n)
}

// quiet returns an evaluator of types only.
func (ev *evaluator) quiet() *evaluator {
	quiet := *ev
	quiet.typing = true
	return &quiet
}

func (ev *evaluator) literal(n *literal) (kernel.Value, error) {
	switch n.kind {
	case tokInt:
		return ev.number(ev.integerLit(n)), nil
	case tokFloat:
		return ev.number(floatLit(n)), nil
	case tokChar:
		// An int with the value of a char, which is signed on some machines.
		c := ev.k.Uint(ev.k.BasicType("char"), n.num)
		return c.Cast(ev.k.BasicType("int"))
	}
	text := append(n.str[:len(n.str):len(n.str)], 0)
	t := &btf.Array{Index: ev.k.BasicType("unsigned int"), Type: ev.k.BasicType("char"), Nelems: uint32(len(text))}
	return ev.k.Immediate(t, text), nil
}

// member returns a member of a structure, or of one that a pointer points to:
// as in gdb, . and -> both do either.
func (ev *evaluator) member(n *member) (kernel.Value, error) {
	v, err := ev.object(n.x)
	if err != nil {
		return v, err
	}
	return ev.field(v, n)
}

// field returns the member that n names of v. An error is placed at the name.
func (ev *evaluator) field(v kernel.Value, n *member) (kernel.Value, error) {
	f, err := v.Field(n.name)
	return f, ev.wrap(span{n.end - len(n.name), n.end}, err)
}

// object returns what a member may be taken of: n, or what n points to.
func (ev *evaluator) object(n node) (kernel.Value, error) {
	v, err := ev.eval(n)
	if err != nil {
		return v, err
	}
	switch btfsrc.Strip(v.Type()).(type) {
	case *btf.Pointer, *btf.Array:
		if v, err = ev.load(n, v); err != nil {
			return v, err
		}
		if v, err = v.Deref(); err != nil {
			return v, ev.wrap(n.at(), err)
		}
	}
	return ev.complete(v), nil
}

// complete gives an object of a type that is only declared where it is used
// the definition that the kernel or a module has of it, if there is but one.
func (ev *evaluator) complete(v kernel.Value) kernel.Value {
	fwd, ok := btfsrc.Strip(v.Type()).(*btf.Fwd)
	if !ok {
		return v
	}
	kind := btfsrc.KindStruct
	if fwd.Kind == btf.FwdUnion {
		kind = btfsrc.KindUnion
	}
	if found := ev.k.LookupType(kind, fwd.Name); len(found) == 1 {
		return v.WithType(found[0])
	}
	return v
}

func (ev *evaluator) index(n *index) (kernel.Value, error) {
	v, err := ev.indexable(n.x)
	if err != nil {
		return v, err
	}
	i, err := ev.integer(n.i)
	if err != nil {
		return v, err
	}
	return v.Index(i)
}

// slice returns elements [lo, hi) as an array.
func (ev *evaluator) slice(n *slice) (kernel.Value, error) {
	v, err := ev.indexable(n.x)
	if err != nil {
		return v, err
	}
	lo, err := ev.bound(n.lo)
	if err != nil {
		return v, err
	}
	hi, err := ev.bound(n.hi)
	if err != nil {
		return v, err
	}
	return v.Slice(lo, hi)
}

// indexable returns an array, or a pointer that has been read.
func (ev *evaluator) indexable(n node) (kernel.Value, error) {
	v, err := ev.eval(n)
	if err != nil {
		return v, err
	}
	if isPointer(v) {
		return ev.load(n, v)
	}
	return v, nil
}

// load reads v, the value of n, if it is a number or a pointer, so that nothing
// done with the result can meet unreadable memory. Other values are returned as
// they are.
func (ev *evaluator) load(n node, v kernel.Value) (kernel.Value, error) {
	loaded, err := ev.read(v)
	return loaded, ev.wrap(n.at(), err)
}

func (ev *evaluator) read(v kernel.Value) (kernel.Value, error) {
	if err := v.Err(); err != nil {
		return v, err
	}
	t := v.Type()
	switch s := btfsrc.Strip(t).(type) {
	case *btf.Int:
		if s.Size > 8 {
			return v, &kernel.TypeError{Msg: v.TypeName() + " can be printed, not computed with"}
		}
	case *btf.Enum, *btf.Pointer, *btf.Float:
	default:
		return v, nil
	}
	_, _, isField := v.Bits()
	switch _, reference := v.Addr(); {
	case !reference && !isField:
		return v, nil
	case ev.typing:
		return ev.k.Uint(t, 0), nil
	}
	b, err := v.Bytes()
	if err == nil && isField {
		var u uint64
		u, err = v.Uint()
		return ev.k.Uint(t, u), err
	}
	return ev.k.Immediate(t, b), err
}

// integer returns the value of n, which must be an integer.
func (ev *evaluator) integer(n node) (int64, error) {
	x, err := ev.evalNumber(n)
	if err != nil {
		return 0, err
	}
	if x.float {
		return 0, ev.errorf(n.at(), kernel.KindType, "an integer is needed here")
	}
	return int64(x.u), nil
}

// bound returns an integer that a type depends on, the length of an array: it
// counts also where only types do.
func (ev *evaluator) bound(n node) (int64, error) {
	full := *ev
	full.typing = false
	return full.integer(n)
}

// truth returns the value of n as a condition.
func (ev *evaluator) truth(n node) (bool, error) {
	v, err := ev.eval(n)
	if err != nil {
		return false, err
	}
	if v, err = ev.load(n, v); err != nil {
		return false, err
	}
	t, err := v.IsTrue()
	return t, ev.wrap(n.at(), err)
}

func (ev *evaluator) boolean(b bool) kernel.Value {
	u := uint64(0)
	if b {
		u = 1
	}
	return ev.k.Uint(ev.k.BasicType("int"), u)
}
