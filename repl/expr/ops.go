package expr

import (
	"math"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

func (ev *evaluator) unary(n *unary) (kernel.Value, error) {
	switch n.op {
	case "&":
		return ev.addressOf(n.x)
	case "*":
		return ev.deref(n.x)
	case "!":
		t, err := ev.truth(n.x)
		return ev.boolean(!t), err
	}
	x, err := ev.evalNumber(n.x)
	if err != nil {
		return kernel.Value{}, err
	}
	switch {
	case n.op == "-":
		x.u, x.f = ev.cut(x.arith, -x.u), -x.f
	case n.op == "~" && x.float:
		return kernel.Value{}, ev.errorf(n.span, kernel.KindType, "'~' wants an integer")
	case n.op == "~":
		x.u = ev.cut(x.arith, ^x.u)
	}
	return ev.number(x), nil
}

// addressOf returns &n. A symbol without a type has an address too.
func (ev *evaluator) addressOf(n node) (kernel.Value, error) {
	if s, ok := ev.bareSymbol(n); ok {
		return ev.voidPointer(s.Addr), nil
	}
	v, err := ev.eval(n)
	if err != nil {
		return v, err
	}
	if fn, ok := v.Type().(*btf.Func); ok {
		v = v.WithType(fn.Type)
	}
	return v.Ref()
}

// deref returns *n.
func (ev *evaluator) deref(n node) (kernel.Value, error) {
	v, err := ev.eval(n)
	if err != nil {
		return v, err
	}
	switch t := btfsrc.Strip(v.Type()).(type) {
	case *btf.Func, *btf.FuncProto:
		return v, nil
	case *btf.Pointer:
		if _, void := btfsrc.Strip(t.Target).(*btf.Void); void {
			return v, ev.errorf(n.at(), kernel.KindType, "what %s points to has no type", v.TypeName()).
				advise("cast the pointer: *(unsigned long *)p")
		}
	case *btf.Int:
		return v, ev.errorf(n.at(), kernel.KindType, "%s is not a pointer", v.TypeName()).
			advise("cast it to one: *(struct task_struct *)0xffff…")
	}
	if v, err = ev.load(n, v); err != nil {
		return v, err
	}
	return v.Deref()
}

func (ev *evaluator) binary(n *binary) (kernel.Value, error) {
	if n.op == "&&" || n.op == "||" {
		t, err := ev.truth(n.x)
		if err == nil && t == (n.op == "&&") {
			t, err = ev.truth(n.y)
		}
		return ev.boolean(t), err
	}
	x, err := ev.eval(n.x)
	if err != nil {
		return x, err
	}
	y, err := ev.eval(n.y)
	if err != nil {
		return y, err
	}
	if n.op == "==" || n.op == "!=" {
		if same, ok, err := ev.sameString(n, x, y); ok {
			return ev.boolean(same == (n.op == "==")), err
		}
	}
	if n.op == "+" || n.op == "-" || isComparison(n.op) {
		if x, err = ev.decay(n.x, x); err != nil {
			return x, err
		}
		if y, err = ev.decay(n.y, y); err != nil {
			return y, err
		}
		if isPointer(x) || isPointer(y) {
			return ev.pointerOp(n, x, y)
		}
	}
	a, err := ev.promote(n.x, x)
	if err != nil {
		return x, err
	}
	b, err := ev.promote(n.y, y)
	if err != nil {
		return y, err
	}
	return ev.compute(n, a, b)
}

func isPointer(v kernel.Value) bool {
	_, ok := btfsrc.Strip(v.Type()).(*btf.Pointer)
	return ok
}

// decay turns arrays and functions into pointers, as C does, and structures
// too: init_task + 1 is &init_task + 1. Pointers are read.
func (ev *evaluator) decay(n node, v kernel.Value) (kernel.Value, error) {
	var err error
	switch btfsrc.Strip(v.Type()).(type) {
	case *btf.Pointer:
		return ev.load(n, v)
	case *btf.Array:
		if v, err = v.Deref(); err == nil {
			v, err = v.Ref()
		}
	case *btf.Func, *btf.FuncProto, *btf.Struct, *btf.Union:
		v, err = v.Ref()
	}
	return v, ev.wrap(n.at(), err)
}

// pointerOp applies +, - or a comparison where a side is a pointer.
func (ev *evaluator) pointerOp(n *binary, x, y kernel.Value) (kernel.Value, error) {
	switch {
	case isComparison(n.op):
		a, err := ev.address(n.x, x)
		if err != nil {
			return x, err
		}
		b, err := ev.address(n.y, y)
		return ev.boolean(holds(n.op, a < b, a > b, a == b)), err
	case isPointer(x) && isPointer(y) && n.op == "-":
		return ev.distance(n, x, y)
	case isPointer(x) && isPointer(y), isPointer(y) && n.op == "-":
		return x, ev.errorf(n.span, kernel.KindType, "%s %s %s is not C", x.TypeName(), n.op, y.TypeName()).
			advise("cast a pointer to unsigned long to compute with its bits")
	case isPointer(y):
		return ev.advance(n, y, n.x, x)
	}
	return ev.advance(n, x, n.y, y)
}

// address returns a pointer or an integer as an address.
func (ev *evaluator) address(n node, v kernel.Value) (vmcore.Addr, error) {
	if isPointer(v) {
		u, err := v.Uint()
		return vmcore.Addr(u), ev.wrap(n.at(), err)
	}
	x, err := ev.promote(n, v)
	if err == nil && x.float {
		err = ev.errorf(n.at(), kernel.KindType, "%s is not an address", v.TypeName())
	}
	return vmcore.Addr(ev.cut(arith{rank: rankLong, unsigned: true}, x.u)), err
}

// advance moves pointer p by v elements, the value of at.
func (ev *evaluator) advance(n *binary, p kernel.Value, at node, v kernel.Value) (kernel.Value, error) {
	x, err := ev.promote(at, v)
	if err != nil {
		return p, err
	}
	if x.float {
		return p, ev.errorf(at.at(), kernel.KindType, "an integer is needed here")
	}
	count := int64(x.u)
	if n.op == "-" {
		count = -count
	}
	if p.PerCPU() {
		// Only what is made of p keeps that it points into per-CPU memory.
		if p, err = p.Index(count); err != nil {
			return p, err
		}
		return p.Ref()
	}
	size, err := ev.step(p)
	if err != nil {
		return p, err
	}
	u, err := p.Uint()
	return ev.k.Uint(p.Type(), u+uint64(count)*size), err
}

// step returns the size of what a pointer points to. As in GNU C, it is 1 for
// void and functions.
func (ev *evaluator) step(p kernel.Value) (uint64, error) {
	t := btfsrc.Strip(p.Type()).(*btf.Pointer)
	return ev.sizeof(ev.complete(ev.k.At(0, t.Target)).Type())
}

func (ev *evaluator) sizeof(t btf.Type) (uint64, error) {
	switch btfsrc.Strip(t).(type) {
	case *btf.Void, *btf.Func, *btf.FuncProto:
		return 1, nil
	}
	return ev.k.Types().Sizeof(t)
}

// distance returns x - y in elements.
func (ev *evaluator) distance(n *binary, x, y kernel.Value) (kernel.Value, error) {
	size, err := ev.step(x)
	if err != nil {
		return x, err
	}
	other, err := ev.step(y)
	if err != nil {
		return y, err
	}
	if size != other || size == 0 {
		return x, ev.errorf(n.span, kernel.KindType, "%s - %s has no unit", x.TypeName(), y.TypeName()).
			advise("cast both to char * to count in bytes")
	}
	a, err := ev.address(n.x, x)
	if err != nil {
		return x, err
	}
	b, err := ev.address(n.y, y)
	if err != nil {
		return y, err
	}
	long := arith{rank: rankLong}
	return ev.number(number{arith: long, u: uint64(int64(ev.cut(long, uint64(a-b))) / int64(size))}), nil
}

// sameString compares the text of an array of char, or of what a pointer to
// char points to, with a string literal, which has no address to compare. ok is
// false where there is no literal, or no text.
func (ev *evaluator) sameString(n *binary, x, y kernel.Value) (same, ok bool, err error) {
	at, lit := n.x, n.y
	if isString(n.x) {
		x, at, lit = y, n.y, n.x
	}
	if !isString(lit) || !ev.isText(x) {
		return false, false, nil
	}
	want := lit.(*literal).str
	if ev.typing {
		return false, true, nil
	}
	text, err := x.CString(len(want) + 1)
	return text == string(want), true, ev.wrap(at.at(), err)
}

func isString(n node) bool {
	lit, ok := n.(*literal)
	return ok && lit.kind == tokString
}

// isText reports whether v is an array of, or a pointer to, objects of 1 byte.
func (ev *evaluator) isText(v kernel.Value) bool {
	var elem btf.Type
	switch t := btfsrc.Strip(v.Type()).(type) {
	case *btf.Array:
		elem = t.Type
	case *btf.Pointer:
		elem = t.Target
	default:
		return false
	}
	i, ok := btfsrc.Strip(elem).(*btf.Int)
	return ok && i.Size == 1
}

// cond evaluates one branch; the other counts for the type, as in C.
func (ev *evaluator) cond(n *cond) (kernel.Value, error) {
	t, err := ev.truth(n.c)
	if err != nil {
		return kernel.Value{}, err
	}
	taken, left := n.x, n.y
	if !t {
		taken, left = left, taken
	}
	v, err := ev.eval(taken)
	if err != nil {
		return v, err
	}
	other, err := ev.unevaluated(left)
	if err != nil {
		return v, err
	}
	switch {
	case isNumber(v) && isNumber(other):
		x, err := ev.promote(taken, v)
		if err != nil {
			return v, err
		}
		y, err := ev.quiet().promote(left, other)
		if err != nil {
			return v, err
		}
		return ev.number(ev.convert(x, ev.common(x.arith, y.arith))), nil
	case isNumber(v) && isPointer(other):
		return ev.castTo(taken, v, other.Type())
	}
	return v, nil
}

func isNumber(v kernel.Value) bool {
	switch btfsrc.Strip(v.Type()).(type) {
	case *btf.Int, *btf.Enum, *btf.Float:
		return true
	}
	return false
}

// cast converts a value. Cast to a type, a symbol that has none is taken to be
// of it.
func (ev *evaluator) cast(n *cast) (kernel.Value, error) {
	t, err := ev.typ(n.typ)
	if err != nil {
		return kernel.Value{}, err
	}
	if s, ok := ev.bareSymbol(n.x); ok && s.Class != kallsyms.Text {
		return ev.k.VariableAs(s, t), nil
	}
	v, err := ev.eval(n.x)
	if err != nil {
		return v, err
	}
	return ev.castTo(n.x, v, t)
}

// castTo converts v, the value of n, to type t.
func (ev *evaluator) castTo(n node, v kernel.Value, t btf.Type) (kernel.Value, error) {
	v, err := ev.load(n, v)
	if err != nil {
		return v, err
	}
	_, isFloat := btfsrc.Strip(v.Type()).(*btf.Float)
	switch to := btfsrc.Strip(t).(type) {
	case *btf.Int:
		if to.Size > 8 {
			return v, ev.errorf(n.at(), kernel.KindType, "nothing can be cast to %s", btfsrc.TypeName(t))
		}
		if isFloat {
			return ev.truncate(n, v, t)
		}
	case *btf.Enum:
		if isFloat {
			return ev.truncate(n, v, t)
		}
	case *btf.Pointer:
		if isFloat {
			return v, ev.errorf(n.at(), kernel.KindType, "%s is not an address", v.TypeName())
		}
	}
	c, err := v.Cast(t)
	return c, ev.wrap(n.at(), err)
}

// truncate converts a floating-point number to an integer type. C leaves it
// undefined for numbers that the type does not hold; here they are errors.
func (ev *evaluator) truncate(n node, v kernel.Value, t btf.Type) (kernel.Value, error) {
	f, err := v.Float()
	if err != nil {
		return v, ev.wrap(n.at(), err)
	}
	if to, ok := btfsrc.Strip(t).(*btf.Int); ok && to.Encoding&btf.Bool != 0 {
		b, err := ev.boolean(f != 0).Cast(t)
		return b, ev.wrap(n.at(), err)
	}
	var u uint64
	switch whole := math.Trunc(f); {
	case whole >= 0 && whole < 1<<64:
		u = uint64(whole)
	case whole < 0 && whole >= -1<<63:
		u = uint64(int64(whole))
	}
	c := ev.k.Uint(t, u)
	if back, err := c.Float(); err != nil || back != math.Trunc(f) {
		return v, ev.errorf(n.at(), kernel.KindType, "%g does not fit in %s", f, btfsrc.TypeName(t))
	}
	return c, nil
}
