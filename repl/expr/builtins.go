package expr

import (
	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// builtins are the functions of the language, by name. Each parses its
// arguments, from behind the opening to behind the closing parenthesis.
var builtins map[string]func(p *parser, start int) node

func init() {
	builtins = map[string]func(p *parser, start int) node{
		"offsetof":     (*parser).offsetOf,
		"container_of": (*parser).containerOf,
		"per_cpu":      func(p *parser, start int) node { return p.perCPU(start, false) },
		"per_cpu_ptr":  func(p *parser, start int) node { return p.perCPU(start, true) },
	}
}

func (p *parser) offsetOf(start int) node {
	typ := p.typeName()
	p.expect(",")
	path := p.path()
	return &offsetOf{span: p.from(start), typ: typ, path: path}
}

func (p *parser) containerOf(start int) node {
	x := p.inner()
	p.expect(",")
	typ := p.typeName()
	p.expect(",")
	path := p.path()
	return &containerOf{span: p.from(start), x: x, typ: typ, path: path}
}

func (p *parser) perCPU(start int, ptr bool) node {
	x := p.inner()
	p.expect(",")
	cpu := p.inner()
	p.expect(")")
	return &perCPU{span: p.from(start), x: x, cpu: cpu, ptr: ptr}
}

// path parses a member designator, such as se.avg or mem[2].size, and the
// parenthesis behind it.
func (p *parser) path() node {
	start := p.peek().pos
	name := p.memberName()
	var x node = &member{span: p.from(start), op: ".", x: &placeholder{}, name: name}
	for {
		switch {
		case p.accept(")"):
			return x
		case p.is("."):
			x = p.member(x)
		case p.is("["):
			x = p.index(x)
			if s, ok := x.(*slice); ok {
				p.fail(s.span, "a slice has no offset")
			}
		default:
			p.unexpected("'.', '[' or ')'")
			return x
		}
	}
}

// builtin evaluates sizeof and the built-in functions.
func (ev *evaluator) builtin(n node) (kernel.Value, error) {
	switch n := n.(type) {
	case *sizeofType:
		t, err := ev.typ(n.typ)
		if err != nil {
			return kernel.Value{}, err
		}
		return ev.sizeValue(t)
	case *sizeofExpr:
		v, err := ev.unevaluated(n.x)
		if err != nil {
			return v, err
		}
		if _, _, field := v.Bits(); field {
			return v, ev.errorf(n.x.at(), kernel.KindType, "a bit-field has no size")
		}
		return ev.sizeValue(v.Type())
	case *offsetOf:
		_, off, err := ev.offset(n.typ, n.path)
		return ev.unsignedLong(off), err
	case *containerOf:
		return ev.containerOf(n)
	case *perCPU:
		return ev.onCPU(n)
	}
	return kernel.Value{}, ev.errorf(n.at(), kernel.KindSyntax, "not an expression")
}

func (ev *evaluator) unsignedLong(u uint64) kernel.Value {
	return ev.k.Uint(ev.k.BasicType("unsigned long"), u)
}

func (ev *evaluator) sizeValue(t btf.Type) (kernel.Value, error) {
	size, err := ev.sizeof(ev.complete(ev.k.At(0, t)).Type())
	return ev.unsignedLong(size), err
}

// offset returns a type and the offset in it of what a member path leads to.
func (ev *evaluator) offset(typ typeNode, path node) (btf.Type, uint64, error) {
	t, err := ev.typ(typ)
	if err != nil {
		return nil, 0, err
	}
	v, err := ev.path(ev.complete(ev.k.At(0, t)), path)
	if err != nil {
		return nil, 0, err
	}
	if _, _, field := v.Bits(); field {
		return nil, 0, ev.errorf(path.at(), kernel.KindType, "a bit-field has no offset in bytes")
	}
	off, _ := v.Addr()
	return t, uint64(off), nil
}

// path follows members and indexes from root. Nothing is read.
func (ev *evaluator) path(root kernel.Value, n node) (kernel.Value, error) {
	switch n := n.(type) {
	case *placeholder:
		return root, nil
	case *member:
		v, err := ev.path(root, n.x)
		if err != nil {
			return v, err
		}
		return ev.field(v, n)
	case *index:
		v, err := ev.path(root, n.x)
		if err != nil {
			return v, err
		}
		if _, array := btfsrc.Strip(v.Type()).(*btf.Array); !array {
			return v, ev.errorf(n.x.at(), kernel.KindType, "%s is not an array", v.TypeName())
		}
		i, err := ev.integer(n.i)
		if err != nil {
			return v, err
		}
		v, err = v.Index(i)
		return v, ev.wrap(n.span, err)
	}
	return root, ev.errorf(n.at(), kernel.KindSyntax, "not a path of members")
}

// containerOf returns a pointer to the structure that holds what a pointer, or
// an address, points to.
func (ev *evaluator) containerOf(n *containerOf) (kernel.Value, error) {
	t, off, err := ev.offset(n.typ, n.path)
	if err != nil {
		return kernel.Value{}, err
	}
	v, err := ev.eval(n.x)
	if err != nil {
		return v, err
	}
	if v, err = ev.decay(n.x, v); err != nil {
		return v, err
	}
	a, err := ev.address(n.x, v)
	return ev.k.Uint(&btf.Pointer{Target: t}, uint64(a-vmcore.Addr(off))), err
}

// onCPU returns one CPU's copy of a variable or, for per_cpu_ptr, a pointer to
// the copy of what a pointer points to.
func (ev *evaluator) onCPU(n *perCPU) (kernel.Value, error) {
	cpu, err := ev.integer(n.cpu)
	if err != nil {
		return kernel.Value{}, err
	}
	v, err := ev.eval(n.x)
	if err != nil {
		return v, err
	}
	if n.ptr {
		if v, err = ev.decay(n.x, v); err != nil {
			return v, err
		}
		if !isPointer(v) {
			return v, ev.errorf(n.x.at(), kernel.KindType, "%s is not a pointer", v.TypeName()).
				advise("write per_cpu_ptr(&x, cpu), or per_cpu(x, cpu) for a variable")
		}
	}
	if ev.typing {
		if n.ptr || v.PerCPU() || !isPointer(v) {
			return v, nil
		}
		return ev.object(n.x) // as PerCPU does with a pointer
	}
	if cpu < 0 || cpu > maxCPU {
		return v, ev.errorf(n.cpu.at(), kernel.KindType, "no CPU %d", cpu)
	}
	copied, err := ev.k.PerCPU(v, int(cpu))
	if err != nil || !n.ptr || v.PerCPU() {
		return copied, err
	}
	return copied.Ref()
}

// maxCPU keeps a number of a CPU within an int of any machine.
const maxCPU = 1 << 20
