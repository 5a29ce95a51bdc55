package kernel

import (
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// Value is a typed object of the dumped kernel. It is one of three:
//
//   - a reference has an address and is read on demand;
//   - an immediate has its bytes in hand, as the result of a computation does;
//   - an absent value says by [Value.Err] why there is none.
//
// A reference to a per-CPU variable is a template until [Kernel.PerCPU] picks
// the copy of one CPU: it can be taken apart by member and index, not read.
//
// Values are immutable and cheap to copy.
type Value struct {
	k      *Kernel
	mem    vmcore.Memory // where a reference reads
	typ    btf.Type
	kind   valueKind
	source btfsrc.Source
	percpu bool        // no CPU picked yet
	picked vmcore.Addr // what picking a CPU added to addr
	addr   vmcore.Addr // of a reference
	data   []byte      // of an immediate, in the target's byte order
	// A bit-field is bits [bitOff, bitOff+bitSize) from addr or of data, counted
	// as the target does: from the least significant bit on little-endian
	// machines. bitSize is 0 for everything else.
	bitOff, bitSize uint64
	err             error // of an absent value
}

type valueKind uint8

const (
	absent valueKind = iota
	reference
	immediate
)

// At returns the object of type t at address a.
func (k *Kernel) At(a vmcore.Addr, t btf.Type) Value {
	return Value{k: k, mem: k.mem, typ: t, kind: reference, addr: a}
}

// Immediate returns a value of type t with the bytes b, in the target's byte
// order. b must not be modified afterwards.
func (k *Kernel) Immediate(t btf.Type, b []byte) Value {
	return Value{k: k, mem: k.mem, typ: t, kind: immediate, data: b}
}

// Uint returns an integer, enumeration, boolean or pointer of type t with the
// value u, cut to the size of t as C does.
func (k *Kernel) Uint(t btf.Type, u uint64) Value {
	size, err := k.types.Sizeof(t)
	if err != nil || size > 8 {
		size = 8
	}
	return k.Immediate(t, k.putUint(u, int(size)))
}

// Absent returns a value that is not there, and why.
func (k *Kernel) Absent(t btf.Type, err error) Value {
	return Value{k: k, mem: k.mem, typ: t, kind: absent, err: err}
}

// Kernel returns the kernel that the value belongs to.
func (v Value) Kernel() *Kernel { return v.k }

// Type returns the value's type.
func (v Value) Type() btf.Type { return v.typ }

// TypeName returns the C spelling of the value's type.
func (v Value) TypeName() string { return btfsrc.TypeName(v.typ) }

// Addr returns the address of a reference; ok is false for other values.
func (v Value) Addr() (a vmcore.Addr, ok bool) { return v.addr, v.kind == reference }

// Size returns the size of the value's type in bytes.
func (v Value) Size() (uint64, error) { return v.k.types.Sizeof(v.typ) }

// Source says where the type of a variable came from; it is kept by members
// and elements and lost by computation.
func (v Value) Source() btfsrc.Source { return v.source }

// PerCPU reports whether the value is a per-CPU variable, or a part of one, for
// which no CPU has been picked.
func (v Value) PerCPU() bool { return v.percpu }

// Bits returns the position and width of a bit-field within the object at its
// address, and whether the value is one.
func (v Value) Bits() (off, size uint64, ok bool) { return v.bitOff, v.bitSize, v.bitSize != 0 }

// Err returns why an absent value is absent, and nil for other values.
func (v Value) Err() error { return v.err }

// Field returns the member called name of a structure or union. Members of
// anonymous members are found too.
func (v Value) Field(name string) (Value, error) {
	f, err := v.k.find(v.typ, name)
	if err != nil {
		return Value{}, err
	}
	return v.field(f), nil
}

// fieldKey is a member that was looked for, and foundField what was found.
type fieldKey struct {
	typ  btf.Type
	name string
}

type foundField struct {
	field btfsrc.Field
	err   error
}

// find returns the member of a structure or union. It is remembered: walks over
// thousands of objects ask for the same few members of each.
func (k *Kernel) find(t btf.Type, name string) (btfsrc.Field, error) {
	key := fieldKey{t, name}
	if known, ok := k.fields.Load(key); ok {
		known := known.(foundField)
		return known.field, known.err
	}
	f, err := btfsrc.Find(t, name)
	switch {
	case err == nil:
	case isComposite(t):
		err = &NotFoundError{What: "member", Name: name, In: btfsrc.TypeName(t), Similar: similarFields(t, name)}
	default:
		return f, &TypeError{Msg: fmt.Sprintf("%s has no members", btfsrc.TypeName(t))}
	}
	k.fields.Store(key, foundField{f, err})
	return f, err
}

// field returns the member f of a structure or union.
func (v Value) field(f btfsrc.Field) Value {
	m := v
	m.typ = f.Type
	m.bitOff, m.bitSize = 0, 0
	if f.BitSize != 0 {
		m.bitOff, m.bitSize = f.BitOffset%8, f.BitSize
	}
	if v.kind == absent {
		return m
	}
	return m.shift(int64(f.BitOffset / 8))
}

// shift moves a reference by off bytes, and cuts off bytes from an immediate.
func (v Value) shift(off int64) Value {
	switch v.kind {
	case reference:
		v.addr += vmcore.Addr(off)
	case immediate:
		if off < 0 || off > int64(len(v.data)) {
			return v.k.Absent(v.typ, typeErrorf("offset %d is outside of a value of %d bytes", off, len(v.data)))
		}
		v.data = v.data[off:]
	}
	return v
}

// Index returns element i of an array, or the object i places after the one
// that a pointer points to. As in C, i is not held against the array's length
// for references: memory beyond it can be looked at.
func (v Value) Index(i int64) (Value, error) {
	switch t := btfsrc.Strip(v.typ).(type) {
	case *btf.Array:
		return v.element(t.Type, i)
	case *btf.Pointer:
		p, err := v.Deref()
		if err != nil {
			return Value{}, err
		}
		return p.element(t.Target, i)
	}
	return Value{}, typeErrorf("%s cannot be indexed", v.TypeName())
}

// element returns the i-th object of type t from where v is.
func (v Value) element(t btf.Type, i int64) (Value, error) {
	size, err := v.k.types.Sizeof(t)
	if err != nil {
		return Value{}, err
	}
	if isVoid(t) {
		size = 1
	}
	v.typ = t
	return v.shift(i * int64(size)), nil
}

// Slice returns the elements [lo, hi) of an array, or of what a pointer points
// to, as an array of hi−lo elements.
func (v Value) Slice(lo, hi int64) (Value, error) {
	if hi < lo || hi-lo > maxSlice {
		return Value{}, typeErrorf("slice [%d..%d) is not between 0 and %d elements", lo, hi, maxSlice)
	}
	first, err := v.Index(lo)
	if err != nil {
		return Value{}, err
	}
	elem := first.typ
	if isVoid(elem) {
		return Value{}, typeErrorf("%s has no elements", v.TypeName())
	}
	first.typ = &btf.Array{Index: v.k.BasicType("unsigned int"), Type: elem, Nelems: uint32(hi - lo)}
	return first, nil
}

// maxSlice bounds the elements that one slice may ask for.
const maxSlice = 1 << 24

// Deref returns the object that a pointer points to. Nothing is read of it yet.
// An array gives its first element, a function pointer the function.
func (v Value) Deref() (Value, error) {
	switch t := btfsrc.Strip(v.typ).(type) {
	case *btf.Array:
		return v.element(t.Type, 0)
	case *btf.Pointer:
		u, err := v.Uint()
		if err != nil {
			return Value{}, err
		}
		p := v.k.At(vmcore.Addr(u), t.Target)
		p.percpu = v.kind == immediate && v.percpu
		return p, nil
	}
	return Value{}, typeErrorf("%s is not a pointer", v.TypeName())
}

// Ref returns a pointer to the value, which must be a reference and not a
// bit-field. A pointer to a per-CPU template stays one, so that dereferencing
// it is one again.
func (v Value) Ref() (Value, error) {
	if v.kind != reference {
		return Value{}, typeErrorf("a computed value has no address")
	}
	if v.bitSize != 0 {
		return Value{}, typeErrorf("a bit-field has no address")
	}
	p := v.k.Uint(&btf.Pointer{Target: v.typ}, uint64(v.addr))
	p.percpu = v.percpu
	return p, nil
}

// In returns the reference in another memory, such as that of a program.
func (v Value) In(mem vmcore.Memory) Value {
	v.mem = mem
	return v
}

// WithType returns the same bytes seen as type t, as *(t *)&v does for a
// reference.
func (v Value) WithType(t btf.Type) Value {
	v.typ = t
	v.bitOff, v.bitSize = 0, 0
	return v
}

// isVoid reports whether t is void, and isComposite whether it has members.
func isVoid(t btf.Type) bool { _, ok := btfsrc.Strip(t).(*btf.Void); return ok }

func isComposite(t btf.Type) bool {
	switch btfsrc.Strip(t).(type) {
	case *btf.Struct, *btf.Union:
		return true
	}
	return false
}
