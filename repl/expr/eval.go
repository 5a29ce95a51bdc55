package expr

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Scope is what the names of an expression stand for. A scope whose Var picks
// one CPU's copy of per-CPU variables evaluates a whole expression for that CPU.
type Scope interface {
	// Var returns the variable or function called name or, for name#2, the
	// second candidate of an ambiguous name, with the errors of
	// [kernel.Kernel.Var].
	Var(name string) (kernel.Value, error)
	// History returns value number n of the session's history, from 1. 0 is the
	// last one, -1 the one before, and so on back.
	History(n int) (kernel.Value, error)
	// Get returns the convenience variable $name, and whether it is set.
	Get(name string) (kernel.Value, bool)
	// Set gives the convenience variable $name a value.
	Set(name string, v kernel.Value)
}

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

// noScope is a session without history.
type noScope struct{ *kernel.Kernel }

func (noScope) History(int) (kernel.Value, error)     { return kernel.Value{}, errors.New("no history") }
func (noScope) Get(string) (v kernel.Value, set bool) { return kernel.Value{}, false }
func (noScope) Set(string, kernel.Value)              {}

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
	case *intLit:
		return ev.number(ev.literal(n)), nil
	case *floatLit:
		return ev.number(floating(n)), nil
	case *charLit:
		return ev.charLit(n)
	case *stringLit:
		return ev.stringLit(n), nil
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

// ident returns a variable or a function; where there is neither, an
// enumerator. A function of unknown type is its address.
func (ev *evaluator) ident(n *ident) (kernel.Value, error) {
	if c, ok := ev.macro(n); ok {
		return c, nil
	}
	v, err := ev.variable(n)
	var untyped *kernel.UntypedError
	switch {
	case err == nil:
		return v, nil
	case errors.As(err, &untyped) && untyped.Symbol.Class == kallsyms.Text:
		return ev.voidPointer(untyped.Symbol.Addr), nil
	case untyped != nil || kernel.ErrorKind(err) == kernel.KindAmbiguous || n.nth > 0:
		return v, err
	}
	if t, value, ok := ev.enumerator(n.name); ok {
		return ev.k.Uint(t, value), nil
	}
	wrapped := ev.wrap(n.span, err).(*Error)
	switch {
	case n.quoted && len(ev.k.LookupType(btfsrc.KindTypedef, n.name)) > 0:
		wrapped.Advice = n.name + " is a type: sizeof(" + n.name + ") is a value"
	case isHex(n.name):
		wrapped.Advice = "a hexadecimal number is written 0x" + n.name
	}
	return v, wrapped
}

func (ev *evaluator) voidPointer(a vmcore.Addr) kernel.Value {
	return ev.k.Uint(&btf.Pointer{Target: &btf.Void{}}, uint64(a))
}

// macro returns the value of the few macros that everybody writes; BTF has none.
func (ev *evaluator) macro(n *ident) (kernel.Value, bool) {
	switch {
	case n.quoted || n.nth > 0:
	case n.name == "NULL":
		return ev.voidPointer(0), true
	case n.name == "true", n.name == "false":
		return ev.boolean(n.name == "true"), true
	}
	return kernel.Value{}, false
}

func (ev *evaluator) variable(n *ident) (kernel.Value, error) {
	name := n.name
	if n.nth > 0 {
		name = fmt.Sprintf("%s#%d", n.name, n.nth)
	}
	return ev.scope.Var(name)
}

// bareSymbol returns the symbol of n when n names one that has no type.
func (ev *evaluator) bareSymbol(n node) (kallsyms.Symbol, bool) {
	id, ok := n.(*ident)
	if !ok {
		return kallsyms.Symbol{}, false
	}
	_, err := ev.variable(id)
	var untyped *kernel.UntypedError
	if !errors.As(err, &untyped) {
		return kallsyms.Symbol{}, false
	}
	return untyped.Symbol, true
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return len(s) >= 8
}

func (ev *evaluator) charLit(n *charLit) (kernel.Value, error) {
	// A character constant is an int with the value of a char, which is signed
	// on some machines.
	c := ev.k.Uint(ev.k.BasicType("char"), uint64(n.num))
	return c.Cast(ev.k.BasicType("int"))
}

func (ev *evaluator) stringLit(n *stringLit) kernel.Value {
	t := &btf.Array{Index: ev.k.BasicType("unsigned int"), Type: ev.k.BasicType("char"), Nelems: uint32(len(n.str) + 1)}
	return ev.k.Immediate(t, append(n.str[:len(n.str):len(n.str)], 0))
}

func (ev *evaluator) convenience(n *convenience) (kernel.Value, error) {
	v, ok := ev.scope.Get(n.name)
	if !ok {
		err := ev.errorf(n.span, kernel.KindNotFound, "$%s is not set", n.name)
		return v, err.advise(fmt.Sprintf("set it with $%s = …", n.name))
	}
	return v, nil
}

func (ev *evaluator) assign(n *assign) (kernel.Value, error) {
	v, err := ev.eval(n.x)
	if err == nil && !ev.typing {
		ev.scope.Set(n.name, v)
	}
	return v, err
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
		if v, err = ev.load(v); err == nil {
			v, err = v.Deref()
		}
	}
	if err != nil {
		return v, ev.wrap(n.at(), err)
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
	if _, pointer := btfsrc.Strip(v.Type()).(*btf.Pointer); pointer {
		v, err = ev.load(v)
	}
	return v, ev.wrap(n.at(), err)
}

// load reads a number or a pointer, so that nothing done with the result can
// meet unreadable memory. Other values are returned as they are.
func (ev *evaluator) load(v kernel.Value) (kernel.Value, error) {
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
	if v, err = ev.load(v); err != nil {
		return false, ev.wrap(n.at(), err)
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
