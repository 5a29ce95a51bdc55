package rawbtf

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
)

// BuilderOptions says what a Builder writes. nil and the zero value give a whole
// little-endian BTF that every kernel reads.
type BuilderOptions struct {
	Order    binary.ByteOrder // of the target; nil: little endian
	Base     *Blob            // what a split BTF is split on; its order decides
	MadeFor  *Identity        // of Base, if the split BTF is to record it
	Layout   bool             // write the layout section (Linux 7.1); never in a split BTF
	WideVlen bool             // allow more than 65,535 elements in a record (Linux 7.2)
	SizeHint int              // bytes of types expected; 0: unknown
}

// Builder writes BTF. Each method for a kind appends one record and returns its
// ID; they are numbered in the order of the calls, so a record may refer to one
// that comes later. A Builder checks that what it is given fits the format's
// fields; what the kernel makes of it is for [Verify] to say. The first
// *LimitError is kept, and Bytes returns it.
//
// Slices passed to a Builder are not kept.
type Builder struct {
	opts  BuilderOptions
	order order
	types []byte
	strs  []byte
	tab   strtab
	first ID // of this BTF's own types
	next  ID
	str0  uint32 // offset of this BTF's own strings
	vlen  uint64 // most elements of a record
	err   error
}

// A LimitError is a value that the format has no room for.
type LimitError struct {
	ID         ID   // the record
	Kind       Kind // KindVoid: not of a record
	Name       string
	Field      string // such as "members" or "bit offset of member 3"
	Value, Max uint64
}

func (e *LimitError) Error() string {
	if e.Kind == KindVoid {
		return fmt.Sprintf("%s is %d, BTF allows %d", e.Field, e.Value, e.Max)
	}
	what := e.Kind.String()
	if e.Name != "" {
		what += " " + e.Name
	}
	return fmt.Sprintf("type %d (%s): %s is %d, BTF allows %d", e.ID, what, e.Field, e.Value, e.Max)
}

// NewBuilder returns an empty Builder. opts may be nil.
func NewBuilder(opts *BuilderOptions) *Builder {
	b := &Builder{first: 1, vlen: maxVlen}
	if opts != nil {
		b.opts = *opts
	}
	b.order = orderOf(b.opts.Order)
	if b.opts.WideVlen {
		b.vlen = maxVlenWide
	}
	if base := b.opts.Base; base != nil {
		b.order = base.order
		b.first = base.End()
		b.str0 = base.StrEnd()
		base.index() // now, so that builders in parallel share it
		if id := b.opts.MadeFor; id != nil {
			b.strs = append(append(b.strs, id.Text()...), 0)
		}
	} else {
		b.strs = append(b.strs, 0)
	}
	b.next = b.first
	b.types = make([]byte, 0, b.opts.SizeHint)
	return b
}

// Next returns the ID that the next record will have.
func (b *Builder) Next() ID { return b.next }

// Str returns the offset of s, which is entered if neither the base nor this BTF
// has it. A string ends at its first NUL.
func (b *Builder) Str(s []byte) Str {
	s = cstring(s)
	if len(s) == 0 {
		return 0
	}
	hash := maphash.Bytes(seed, s)
	if b.opts.Base != nil {
		if off, ok := b.opts.Base.findStr(s, hash); ok {
			return off
		}
	}
	if off, ok := b.tab.find(b.strs, s, hash); ok {
		return Str(b.str0 + off)
	}
	off := uint32(len(b.strs))
	if end := uint64(b.str0) + uint64(off) + uint64(len(s)); end > maxStr {
		b.fail(KindVoid, 0, "size of the strings", end, maxStr)
		return 0
	}
	b.strs = append(append(b.strs, s...), 0)
	b.tab.add(off, hash)
	return Str(b.str0 + off)
}

// String is Str for a string.
func (b *Builder) String(s string) Str { return b.Str([]byte(s)) }

// Int appends an integer type of size bytes, of which bits are used from the
// given bit on. enc is a set of Signed, Char and Bool.
func (b *Builder) Int(name Str, size uint32, enc, bitOffset, bits uint8) ID {
	id := b.record(KindInt, name, false, 0, size)
	b.put(uint32(enc)<<24 | uint32(bitOffset)<<16 | uint32(bits))
	return id
}

// Float appends a floating-point type of size bytes.
func (b *Builder) Float(name Str, size uint32) ID {
	return b.record(KindFloat, name, false, 0, size)
}

// Ptr appends a pointer to typ.
func (b *Builder) Ptr(typ ID) ID { return b.ref(KindPtr, 0, false, typ) }

// Qualifier appends typ with a qualifier: KindConst, KindVolatile, KindRestrict.
func (b *Builder) Qualifier(kind Kind, typ ID) ID { return b.ref(kind, 0, false, typ) }

// Typedef appends another name for typ.
func (b *Builder) Typedef(name Str, typ ID) ID { return b.ref(KindTypedef, name, false, typ) }

// TypeTag appends typ with a tag, or with an attribute of the compiler
// (Linux 6.15).
func (b *Builder) TypeTag(value Str, typ ID, attribute bool) ID {
	return b.ref(KindTypeTag, value, attribute, typ)
}

// Fwd appends a declaration without definition of a struct or union.
func (b *Builder) Fwd(name Str, union bool) ID {
	return b.record(KindFwd, name, union, 0, 0)
}

// Array appends an array of n elements.
func (b *Builder) Array(elem, index ID, n uint32) ID {
	id := b.record(KindArray, 0, false, 0, 0)
	b.putID(elem)
	b.putID(index)
	b.put(n)
	return id
}

// Struct appends a struct of size bytes. If any of its members is a bit-field,
// the bit offsets of all are limited to 24 bits, 2 MiB.
func (b *Builder) Struct(name Str, size uint32, members []Member) ID {
	return b.composite(KindStruct, name, size, members)
}

// Union appends a union of size bytes.
func (b *Builder) Union(name Str, size uint32, members []Member) ID {
	return b.composite(KindUnion, name, size, members)
}

func (b *Builder) composite(kind Kind, name Str, size uint32, members []Member) ID {
	bitfields := false
	for i := range members {
		bitfields = bitfields || members[i].BitSize != 0
	}
	for i := range members {
		if offset := members[i].BitOffset; bitfields && offset > maxBitOffset {
			b.fail(kind, name, fmt.Sprintf("bit offset of member %d", i), uint64(offset), maxBitOffset)
		}
	}
	id := b.record(kind, name, bitfields, len(members), size)
	for i := range members {
		m := &members[i]
		offset := m.BitOffset
		if bitfields {
			offset = offset&maxBitOffset | uint32(m.BitSize)<<24
		}
		b.put(uint32(m.Name))
		b.putID(m.Type)
		b.put(offset)
	}
	return id
}

// Enum appends an enum of size bytes whose values fit in 32 bits; of others only
// the low 32 are kept, as kernels before ENUM64 had it (Linux 6.0).
func (b *Builder) Enum(name Str, size uint32, signed bool, values []Enumerator) ID {
	id := b.record(KindEnum, name, signed, len(values), size)
	for i := range values {
		b.put(uint32(values[i].Name))
		b.put(uint32(values[i].Value))
	}
	return id
}

// Enum64 appends an enum of size bytes whose values need 64 bits.
func (b *Builder) Enum64(name Str, size uint32, signed bool, values []Enumerator) ID {
	id := b.record(KindEnum64, name, signed, len(values), size)
	for i := range values {
		b.put(uint32(values[i].Name))
		b.put(uint32(values[i].Value))
		b.put(uint32(values[i].Value >> 32))
	}
	return id
}

// FuncProto appends a function type.
func (b *Builder) FuncProto(ret ID, params []Param) ID {
	b.checkID(KindFuncProto, 0, ret)
	id := b.record(KindFuncProto, 0, false, len(params), uint32(ret))
	for i := range params {
		b.put(uint32(params[i].Name))
		b.putID(params[i].Type)
	}
	return id
}

// Func appends a function of the type proto. The linkage takes the place of the
// number of elements.
func (b *Builder) Func(name Str, proto ID, linkage uint32) ID {
	b.checkID(KindFunc, name, proto)
	return b.record(KindFunc, name, false, int(linkage), uint32(proto))
}

// Var appends a variable.
func (b *Builder) Var(name Str, typ ID, linkage uint32) ID {
	b.checkID(KindVar, name, typ)
	id := b.record(KindVar, name, false, 0, uint32(typ))
	b.put(linkage)
	return id
}

// Datasec appends a section of size bytes and the variables in it.
func (b *Builder) Datasec(name Str, size uint32, entries []Entry) ID {
	id := b.record(KindDatasec, name, false, len(entries), size)
	for i := range entries {
		b.putID(entries[i].Var)
		b.put(entries[i].Offset)
		b.put(entries[i].Size)
	}
	return id
}

// DeclTag appends a tag, or an attribute of the compiler (Linux 6.15), of typ or
// of its member or parameter number component; −1 is typ itself.
func (b *Builder) DeclTag(value Str, typ ID, component int32, attribute bool) ID {
	id := b.ref(KindDeclTag, value, attribute, typ)
	b.put(uint32(component))
	return id
}

func (b *Builder) ref(kind Kind, name Str, flag bool, typ ID) ID {
	b.checkID(kind, name, typ)
	return b.record(kind, name, flag, 0, uint32(typ))
}

// record appends the 12 bytes that every record begins with.
func (b *Builder) record(kind Kind, name Str, flag bool, vlen int, sizeOrType uint32) ID {
	id := b.next
	b.checkID(kind, name, id)
	if uint64(vlen) > b.vlen {
		b.fail(kind, name, "number of elements", uint64(vlen), b.vlen)
		vlen = 0
	}
	info := uint32(kind)<<kindShift | uint32(vlen)
	if flag {
		info |= kindFlag
	}
	b.put(uint32(name))
	b.put(info)
	b.put(sizeOrType)
	b.next++
	return id
}

func (b *Builder) put(v uint32) { b.types = b.order.AppendUint32(b.types, v) }

func (b *Builder) putID(id ID) {
	b.put(uint32(id))
	if id > maxID {
		b.fail(KindVoid, 0, "type number", uint64(id), maxID)
	}
}

func (b *Builder) checkID(kind Kind, name Str, id ID) {
	if id > maxID {
		b.fail(kind, name, "type number", uint64(id), maxID)
	}
}

func (b *Builder) fail(kind Kind, name Str, field string, value, limit uint64) {
	if b.err == nil {
		b.err = &LimitError{ID: b.next, Kind: kind, Name: b.name(name), Field: field, Value: value, Max: limit}
	}
}

func (b *Builder) name(s Str) string {
	switch {
	case uint32(s) < b.str0:
		return b.opts.Base.Name(s)
	case int(uint32(s)-b.str0) < len(b.strs):
		return string(cstring(b.strs[uint32(s)-b.str0:]))
	}
	return ""
}

// Bytes returns the whole BTF: header, types, layout, strings. The error is a
// *LimitError.
func (b *Builder) Bytes() ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	header, layout := uint32(headerSize), 0
	if b.opts.Layout && b.opts.Base == nil {
		header, layout = headerLayout, layoutSize*int(numKinds)
	}
	total := int(header) + len(b.types) + layout + len(b.strs)
	if uint64(total) > 1<<32-1 {
		b.fail(KindVoid, 0, "size in bytes", uint64(total), 1<<32-1)
		return nil, b.err
	}
	raw := make([]byte, 0, total)
	raw = b.order.AppendUint16(raw, magic)
	raw = append(raw, version, 0)
	raw = b.order.AppendUint32(raw, header)
	raw = b.order.AppendUint32(raw, 0)
	raw = b.order.AppendUint32(raw, uint32(len(b.types)))
	raw = b.order.AppendUint32(raw, uint32(len(b.types)+layout))
	raw = b.order.AppendUint32(raw, uint32(len(b.strs)))
	if layout != 0 {
		raw = b.order.AppendUint32(raw, uint32(len(b.types)))
		raw = b.order.AppendUint32(raw, uint32(layout))
	}
	raw = append(raw, b.types...)
	if layout != 0 {
		for _, k := range kinds {
			raw = append(raw, k.info, k.elem, 0, 0)
		}
	}
	return append(raw, b.strs...), nil
}
