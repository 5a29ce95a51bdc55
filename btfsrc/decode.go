package btfsrc

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// This file stands in for the reader of github.com/cilium/ebpf v0.22.0, whose
// type model it fills, and is the only place that knows how. The reader is not
// used because:
//
//   - It recurses from type to type. A chain of 100,000 pointers takes 256 MiB
//     of stack, one of 400,000 (5 MB of BTF) overflows it, and Go cannot
//     recover from that: a dump would kill the debugger.
//   - It keeps 16 bits of vlen and 5 of kind, where Linux v7.2 has 24 and 7. A
//     DATASEC of 65,536 VARs or more, likely once every variable has one, puts
//     it out of step with the records.
//   - It has no way past a kind it does not know, and ignores the layout
//     section made for that.
//   - One reference out of range makes every type that leads to it unreadable,
//     and leaves half-read types behind for the next caller.
//   - Split readers of one base change the base's maps without its lock.
//   - It indexes every name before the first question: 21 ms and 13 MB for the
//     5.5 MB of Linux 6.18, where [Load] takes 2 ms.
//
// The tests read the same BTF with both and compare every type.

// decode returns the type with an id, and with it all that it leads to. It
// cannot fail: a reference to no type becomes a forward declaration whose name
// says so. Types.mu must be held.
func (b *blob) decode(id uint32) btf.Type {
	var d decoder
	typ := d.shell(b, id)
	for len(d.todo) > 0 {
		next := d.todo[len(d.todo)-1]
		d.todo = d.todo[:len(d.todo)-1]
		d.fill(next)
	}
	return typ
}

// decoder makes types in two steps, so that it need not recurse: a shell that
// others can point to, then what the shell refers to.
type decoder struct{ todo []task }

type task struct {
	blob *blob
	rec  record
	typ  btf.Type
}

// shell returns the type with an id as seen from b, made at the first call and
// then put on the list to fill.
func (d *decoder) shell(b *blob, id uint32) btf.Type {
	if id == 0 {
		return (*btf.Void)(nil)
	}
	b = b.owner(id)
	if b == nil {
		return &btf.Fwd{Name: fmt.Sprintf("<bad type id %d>", id)}
	}
	if b.decoded == nil {
		b.decoded = make([]btf.Type, len(b.offsets))
	}
	slot := &b.decoded[int(id)-b.start()]
	if *slot == nil {
		rec := b.record(id)
		*slot = b.newType(rec)
		d.todo = append(d.todo, task{b, rec, *slot})
	}
	return *slot
}

// newType returns the type of a record with all but its references to types.
func (b *blob) newType(rec record) btf.Type {
	name := b.label(rec.nameOff)
	switch rec.kind() {
	case kindInt:
		return &btf.Int{Name: name, Size: rec.size, Encoding: btf.IntEncoding(b.word(rec.body, 0) >> 24 & 0xf)}
	case kindPtr:
		return &btf.Pointer{}
	case kindArray:
		return &btf.Array{Nelems: b.word(rec.body, 2)}
	case kindStruct:
		return &btf.Struct{Name: name, Size: rec.size}
	case kindUnion:
		return &btf.Union{Name: name, Size: rec.size}
	case kindEnum, kindEnum64:
		return &btf.Enum{Name: name, Size: rec.size, Signed: rec.flag(), Values: b.enumerators(rec)}
	case kindFwd:
		if rec.flag() {
			return &btf.Fwd{Name: name, Kind: btf.FwdUnion}
		}
		return &btf.Fwd{Name: name, Kind: btf.FwdStruct}
	case kindTypedef:
		return &btf.Typedef{Name: name}
	case kindVolatile:
		return &btf.Volatile{}
	case kindConst:
		return &btf.Const{}
	case kindRestrict:
		return &btf.Restrict{}
	case kindFunc:
		return &btf.Func{Name: name, Linkage: btf.FuncLinkage(rec.vlen())}
	case kindFuncProto:
		return &btf.FuncProto{}
	case kindVar:
		return &btf.Var{Name: name, Linkage: btf.VarLinkage(b.word(rec.body, 0))}
	case kindDatasec:
		return &btf.Datasec{Name: name, Size: rec.size}
	case kindFloat:
		return &btf.Float{Name: name, Size: rec.size}
	case kindTypeTag:
		return &btf.TypeTag{Value: name}
	}
	// A declaration tag or a kind younger than this reader: nothing that can be
	// the type of a value.
	return &btf.Fwd{Name: fmt.Sprintf("<type of kind %d>", rec.kind())}
}

// fill sets what a shell refers to.
func (d *decoder) fill(t task) {
	b, rec := t.blob, t.rec
	switch typ := t.typ.(type) {
	case *btf.Pointer:
		typ.Target = d.shell(b, rec.size)
	case *btf.Array:
		typ.Type = d.shell(b, b.word(rec.body, 0))
		typ.Index = d.shell(b, b.word(rec.body, 1))
	case *btf.Struct:
		typ.Members = d.members(b, rec)
	case *btf.Union:
		typ.Members = d.members(b, rec)
	case *btf.Typedef:
		typ.Type = d.shell(b, rec.size)
	case *btf.Volatile:
		typ.Type = d.shell(b, rec.size)
	case *btf.Const:
		typ.Type = d.shell(b, rec.size)
	case *btf.Restrict:
		typ.Type = d.shell(b, rec.size)
	case *btf.TypeTag:
		typ.Type = d.shell(b, rec.size)
	case *btf.Func:
		typ.Type = d.shell(b, rec.size)
	case *btf.Var:
		typ.Type = d.shell(b, rec.size)
	case *btf.FuncProto:
		typ.Return = d.shell(b, rec.size)
		typ.Params = make([]btf.FuncParam, rec.vlen())
		for i := range typ.Params {
			typ.Params[i] = btf.FuncParam{Name: b.label(b.word(rec.body, 2*i)), Type: d.shell(b, b.word(rec.body, 2*i+1))}
		}
	case *btf.Datasec:
		typ.Vars = make([]btf.VarSecinfo, rec.vlen())
		for i := range typ.Vars {
			id, offset, size := b.secinfo(rec, i)
			typ.Vars[i] = btf.VarSecinfo{Type: d.shell(b, id), Offset: offset, Size: size}
		}
	}
}

// members returns the members of a struct or union. A bit-field is told in one
// of two ways: with the kind flag, the high 8 bits of a member's offset are its
// width; without, its INT says which of its bits are used.
func (d *decoder) members(b *blob, rec record) []btf.Member {
	members := make([]btf.Member, rec.vlen())
	for i := range members {
		id, off := b.word(rec.body, 3*i+1), b.word(rec.body, 3*i+2)
		m := &members[i]
		m.Name, m.Type = b.label(b.word(rec.body, 3*i)), d.shell(b, id)
		if rec.flag() {
			m.Offset, m.BitfieldSize = btf.Bits(off&0xffffff), btf.Bits(off>>24)
			continue
		}
		first, width := b.intBits(id)
		m.Offset, m.BitfieldSize = btf.Bits(off+first), btf.Bits(width)
	}
	return members
}

// intBits returns the bits that an INT of the older bit-field encoding uses,
// reached through typedefs and qualifiers; zeros for any other type.
func (b *blob) intBits(id uint32) (first, width uint32) {
	for range maxDepth {
		o := b.owner(id)
		if o == nil {
			return 0, 0
		}
		rec := o.record(id)
		switch rec.kind() {
		case kindTypedef, kindVolatile, kindConst, kindRestrict, kindTypeTag:
			id = rec.size
		case kindInt:
			word := b.word(rec.body, 0)
			first, width = word>>16&0xff, word&0xff
			if first == 0 && uint64(width) == 8*uint64(rec.size) {
				return 0, 0
			}
			return first, width
		default:
			return 0, 0
		}
	}
	return 0, 0
}

func (b *blob) enumerators(rec record) []btf.EnumValue {
	values := make([]btf.EnumValue, rec.vlen())
	for i := range values {
		if rec.kind() == kindEnum64 {
			lo, hi := b.word(rec.body, 3*i+1), b.word(rec.body, 3*i+2)
			values[i] = btf.EnumValue{Name: b.label(b.word(rec.body, 3*i)), Value: uint64(hi)<<32 | uint64(lo)}
			continue
		}
		v := b.word(rec.body, 2*i+1)
		values[i] = btf.EnumValue{Name: b.label(b.word(rec.body, 2*i)), Value: uint64(v)}
		if rec.flag() {
			values[i].Value = uint64(int32(v)) // extends the sign, as btf.EnumValue wants
		}
	}
	return values
}
