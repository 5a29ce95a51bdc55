package rawbtf

import "iter"

// Type is one record of a Blob. Its elements are decoded when asked for; asking
// a type for what its kind does not have gives zero.
type Type struct {
	Kind Kind
	Flag bool   // bit-fields, signed, union, attribute: by kind
	Vlen int    // number of elements; a FUNC's linkage
	Name Str    // 0 if anonymous
	Size uint32 // in bytes, or the ID that Ref returns

	body  []byte // what follows the first 12 bytes
	order order
}

// Ref returns the one type that t refers to in the record's head: what a
// pointer points to, a typedef names, a function returns.
func (t Type) Ref() ID {
	switch t.Kind {
	case KindPtr, KindTypedef, KindVolatile, KindConst, KindRestrict, KindFunc, KindFuncProto, KindVar, KindDeclTag, KindTypeTag:
		return ID(t.Size)
	}
	return 0
}

// word returns word i of the body.
func (t Type) word(i int) uint32 {
	if 4*i+4 > len(t.body) {
		return 0
	}
	return t.order.Uint32(t.body[4*i:])
}

// Int returns the encoding of an INT, and which of its bits are used.
func (t Type) Int() (enc, bitOffset, bits uint8) {
	if t.Kind != KindInt {
		return 0, 0, 0
	}
	w := t.word(0)
	return uint8(w >> 24), uint8(w >> 16), uint8(w)
}

// Array returns the types of the elements and of the index, and how many
// elements there are.
func (t Type) Array() (elem, index ID, n uint32) {
	if t.Kind != KindArray {
		return 0, 0, 0
	}
	return ID(t.word(0)), ID(t.word(1)), t.word(2)
}

// Member returns member i of a STRUCT or UNION.
func (t Type) Member(i int) Member {
	if t.Kind != KindStruct && t.Kind != KindUnion {
		return Member{}
	}
	m := Member{Name: Str(t.word(3 * i)), Type: ID(t.word(3*i + 1)), BitOffset: t.word(3*i + 2)}
	if t.Flag {
		m.BitSize = uint8(m.BitOffset >> 24)
		m.BitOffset &= maxBitOffset
	}
	return m
}

// Enumerator returns value i of an ENUM or ENUM64.
func (t Type) Enumerator(i int) Enumerator {
	switch t.Kind {
	case KindEnum:
		v := uint64(t.word(2*i + 1))
		if t.Flag {
			v = uint64(int64(int32(v)))
		}
		return Enumerator{Name: Str(t.word(2 * i)), Value: v}
	case KindEnum64:
		return Enumerator{Name: Str(t.word(3 * i)), Value: uint64(t.word(3*i+1)) | uint64(t.word(3*i+2))<<32}
	}
	return Enumerator{}
}

// Param returns parameter i of a FUNC_PROTO.
func (t Type) Param(i int) Param {
	if t.Kind != KindFuncProto {
		return Param{}
	}
	return Param{Name: Str(t.word(2 * i)), Type: ID(t.word(2*i + 1))}
}

// Entry returns variable i of a DATASEC.
func (t Type) Entry(i int) Entry {
	if t.Kind != KindDatasec {
		return Entry{}
	}
	return Entry{Var: ID(t.word(3 * i)), Offset: t.word(3*i + 1), Size: t.word(3*i + 2)}
}

// Linkage returns the linkage of a VAR or FUNC.
func (t Type) Linkage() uint32 {
	switch t.Kind {
	case KindVar:
		return t.word(0)
	case KindFunc:
		return uint32(t.Vlen)
	}
	return 0
}

// Component returns what of its type a DECL_TAG is for: −1 the type itself, else
// the number of a member or parameter.
func (t Type) Component() int32 {
	if t.Kind != KindDeclTag {
		return 0
	}
	return int32(t.word(0))
}

// Refs yields every type that t refers to, void included, in the order of the
// record.
func (t Type) Refs() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		n := t.Vlen
		switch t.Kind {
		case KindArray:
			elem, index, _ := t.Array()
			_ = yield(elem) && yield(index)
			return
		case KindStruct, KindUnion:
			for i := 0; i < n && yield(t.Member(i).Type); i++ {
			}
			return
		case KindDatasec:
			for i := 0; i < n && yield(t.Entry(i).Var); i++ {
			}
			return
		case KindPtr, KindTypedef, KindVolatile, KindConst, KindRestrict, KindFunc, KindVar, KindDeclTag, KindTypeTag:
			yield(t.Ref())
			return
		case KindFuncProto:
			if !yield(t.Ref()) {
				return
			}
			for i := 0; i < n && yield(t.Param(i).Type); i++ {
			}
		}
	}
}
