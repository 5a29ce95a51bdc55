// Package rawbtf is the BTF format, byte by byte. It writes records ([Builder]),
// reads them ([Blob]) and holds them against the rules of the kernel ([Verify]),
// in either byte order, whole or split on a base.
//
// It knows nothing of DWARF and decides nothing: which types exist, in which
// order and how they are named is the business of package encode above it. That
// the bytes may lie in an ELF file is known to its neighbour elfedit, below.
//
// The format is described in Documentation/bpf/btf.rst and include/uapi/linux/btf.h
// of the kernel. Since Linux 7.1 the header may name a third section that gives
// the length of each kind's records, and since 7.2 the info word of a record has
// 24 bits for the number of its elements, where there were 16.
package rawbtf

import (
	"encoding/binary"
	"fmt"
)

// ID is the number of a type. 0 is void and has no record. The types of a split
// BTF are numbered on from those of its base.
type ID uint32

// Str is the offset of a string in the string section. 0 is the empty string.
// The offsets of a split BTF go on from the end of its base's strings.
type Str uint32

// Kind says what a record is. Its values are those of the format.
type Kind uint8

const (
	KindVoid Kind = iota
	KindInt
	KindPtr
	KindArray
	KindStruct
	KindUnion
	KindEnum
	KindFwd
	KindTypedef
	KindVolatile
	KindConst
	KindRestrict
	KindFunc
	KindFuncProto
	KindVar
	KindDatasec
	KindFloat
	KindDeclTag
	KindTypeTag
	KindEnum64

	numKinds
)

// kinds gives for each kind its name and the bytes that follow the 12 of every
// record: info once, elem for each of its elements.
var kinds = [numKinds]struct {
	name       string
	info, elem uint8
}{
	KindVoid:      {"void", 0, 0},
	KindInt:       {"int", 4, 0},
	KindPtr:       {"ptr", 0, 0},
	KindArray:     {"array", 12, 0},
	KindStruct:    {"struct", 0, 12},
	KindUnion:     {"union", 0, 12},
	KindEnum:      {"enum", 0, 8},
	KindFwd:       {"fwd", 0, 0},
	KindTypedef:   {"typedef", 0, 0},
	KindVolatile:  {"volatile", 0, 0},
	KindConst:     {"const", 0, 0},
	KindRestrict:  {"restrict", 0, 0},
	KindFunc:      {"func", 0, 0},
	KindFuncProto: {"func_proto", 0, 8},
	KindVar:       {"var", 4, 0},
	KindDatasec:   {"datasec", 0, 12},
	KindFloat:     {"float", 0, 0},
	KindDeclTag:   {"decl_tag", 4, 0},
	KindTypeTag:   {"type_tag", 0, 0},
	KindEnum64:    {"enum64", 0, 12},
}

func (k Kind) String() string {
	if k < numKinds {
		return kinds[k].name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// IsModifier reports whether k is a qualifier or tag that a type is looked
// through for.
func (k Kind) IsModifier() bool {
	return k == KindConst || k == KindVolatile || k == KindRestrict || k == KindTypeTag
}

// Limits of the format, from include/uapi/linux/btf.h.
const (
	maxID        = 0xffffe  // of a type, base and split together: BTF_MAX_TYPE counts void
	maxStr       = 0xffffff // offset of a string
	maxVlen      = 0xffff   // elements of a record in every kernel
	maxVlenWide  = 0xffffff // and since Linux 7.2
	maxBitOffset = 0xffffff // of a member in a struct that has bit-fields
	maxBitSize   = 0xff
)

// Parts of the format's words.
const (
	magic        = 0xeb9f
	version      = 1
	recordSize   = 12 // name, info, size or type
	headerSize   = 24 // magic to str_len
	headerLayout = 32 // and layout_off, layout_len
	layoutSize   = 4  // a kind's entry in the layout section

	kindShift = 24
	kindMask  = 0x7f
	kindFlag  = 1 << 31
)

// Encodings of an INT.
const (
	Signed uint8 = 1 << iota
	Char
	Bool
)

// Linkages of a VAR and a FUNC.
const (
	Static uint32 = iota
	Global
	Extern
)

// order is a byte order that reads, writes and appends.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// bigEndian is binary.BigEndian as the interfaces here name it.
var bigEndian binary.ByteOrder = binary.BigEndian

// orderOf returns the order for o, little endian for nil.
func orderOf(o binary.ByteOrder) order {
	if o == bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// Member is a member of a struct or union.
type Member struct {
	Name      Str
	Type      ID
	BitOffset uint32
	BitSize   uint8 // of a bit-field; 0 for others
}

// Enumerator is a value of an enum. Value holds the bits of a negative one
// extended to all 64.
type Enumerator struct {
	Name  Str
	Value uint64
}

// Param is a parameter of a function. The last of a variadic function is zero.
type Param struct {
	Name Str
	Type ID
}

// Entry is a variable of a DATASEC: its VAR, and the bytes it takes there.
type Entry struct {
	Var          ID
	Offset, Size uint32
}
