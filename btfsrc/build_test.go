package btfsrc

import (
	"encoding/binary"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
)

// Layouts and header lengths that every test of reading goes through.
var (
	little64 = vmcore.Layout{WordSize: 8}
	big64    = vmcore.Layout{WordSize: 8, BigEndian: true}
	little32 = vmcore.Layout{WordSize: 4}
)

// builder writes BTF record by record, also such as no encoder would.
type builder struct {
	layout    vmcore.Layout
	headerLen int
	base      *builder
	types     []byte
	strs      []byte
	nameAt    map[string]uint32
	count     uint32 // of types
	kinds     []byte // the layout section
}

func newBuilder(layout vmcore.Layout) *builder {
	return &builder{layout: layout, headerLen: headerLen, strs: []byte{0}, nameAt: map[string]uint32{"": 0}}
}

// split returns a builder of BTF that continues b.
func (b *builder) split() *builder {
	return &builder{layout: b.layout, headerLen: b.headerLen, base: b, nameAt: map[string]uint32{}}
}

func (b *builder) name(s string) uint32 {
	var start uint32
	if b.base != nil {
		if off, ok := b.base.nameAt[s]; ok {
			return off
		}
		start = uint32(len(b.base.strs))
	}
	off, ok := b.nameAt[s]
	if !ok {
		off = start + uint32(len(b.strs))
		b.nameAt[s] = off
		b.strs = append(append(b.strs, s...), 0)
	}
	return off
}

func (b *builder) words(words ...uint32) {
	for _, w := range words {
		b.types = b.layout.ByteOrder().(binary.AppendByteOrder).AppendUint32(b.types, w)
	}
}

const flag = 1 << 31 // the kind flag, to be added to a vlen

// add appends a record and returns its id.
func (b *builder) add(name string, kind, vlen, size uint32, body ...uint32) uint32 {
	b.words(b.name(name), vlen|kind<<24, size)
	b.words(body...)
	b.count++
	return b.last()
}

func (b *builder) last() uint32 {
	if b.base != nil {
		return b.base.last() + b.count
	}
	return b.count
}

func (b *builder) integer(name string, size uint32, signed bool) uint32 {
	encoding := uint32(0)
	if signed {
		encoding = 1 << 24
	}
	return b.add(name, kindInt, 0, size, encoding|8*size)
}

func (b *builder) pointer(to uint32) uint32 { return b.add("", kindPtr, 0, to) }

func (b *builder) array(elem, index, n uint32) uint32 {
	return b.add("", kindArray, 0, 0, elem, index, n)
}

type member struct {
	name string
	id   uint32
	bit  uint32 // offset
	bits uint32 // width in the kind-flag encoding
}

func (b *builder) composite(kind uint32, name string, size uint32, members ...member) uint32 {
	var body []uint32
	vlen := uint32(len(members))
	for _, m := range members {
		if m.bits != 0 {
			vlen |= flag
		}
		body = append(body, b.name(m.name), m.id, m.bit|m.bits<<24)
	}
	return b.add(name, kind, vlen, size, body...)
}

type param struct {
	name string
	id   uint32
}

func (b *builder) proto(result uint32, params ...param) uint32 {
	var body []uint32
	for _, p := range params {
		body = append(body, b.name(p.name), p.id)
	}
	return b.add("", kindFuncProto, uint32(len(params)), result, body...)
}

func (b *builder) variable(name string, id uint32) uint32 {
	return b.add(name, kindVar, 0, id, 0)
}

// section lists VARs, each given as its id, offset and size.
func (b *builder) section(name string, entries ...uint32) uint32 {
	return b.add(name, kindDatasec, uint32(len(entries)/3), 4096, entries...)
}

func (b *builder) bytes() []byte {
	order := b.layout.ByteOrder()
	raw := make([]byte, b.headerLen)
	order.PutUint16(raw, magic)
	raw[2] = 1
	kinds, strs := len(b.types), len(b.types)+len(b.kinds)
	for i, w := range []int{b.headerLen, 0, len(b.types), strs, len(b.strs), kinds, len(b.kinds)} {
		if off := 4 + 4*i; off < b.headerLen {
			order.PutUint32(raw[off:], uint32(w))
		}
	}
	raw = append(raw, b.types...)
	raw = append(raw, b.kinds...)
	return append(raw, b.strs...)
}

func (b *builder) load(t testing.TB) *Types {
	t.Helper()
	types, err := Load(b.bytes(), b.layout)
	if err != nil {
		t.Fatal(err)
	}
	return types
}

// sample is a kernel in small: every kind, both bit-field encodings, names
// given twice, variables in sections.
func sample(layout vmcore.Layout) *builder {
	b := newBuilder(layout)
	ptr := uint32(layout.WordSize)
	integer := b.integer("int", 4, true)
	char := b.integer("char", 1, true)
	u32 := b.integer("unsigned int", 4, false)
	void := b.pointer(0)
	constChar := b.add("", kindConst, 0, char)
	str := b.pointer(constChar)

	// A list whose nodes point to each other.
	list := b.last() + 2
	node := b.pointer(list)
	b.composite(kindStruct, "list_head", 2*ptr, member{name: "next", id: node}, member{name: "prev", id: node, bit: 8 * ptr})

	u8 := b.add("u8", kindTypedef, 0, b.integer("unsigned char", 1, false))
	b.add("u8", kindTypedef, 0, u8) // Debian's 6.12 has it twice
	atomic := b.add("atomic_t", kindTypedef, 0, b.composite(kindStruct, "", 4, member{name: "counter", id: integer}))
	refs := b.composite(kindUnion, "", 4, member{name: "count", id: u32}, member{name: "usage", id: atomic})
	state := b.add("state", kindEnum, flag|2, 4, b.name("DEAD"), 0xffffffff, b.name("RUNNING"), 0)
	b.add("wide", kindEnum64, 1, 8, b.name("TOP"), 0, 1<<31)
	percpu := b.pointer(b.add("percpu", kindTypeTag, 0, u32))
	handler := b.pointer(b.proto(integer, param{"", void}, param{"", str}))
	comm := b.array(char, integer, 16)
	b.composite(kindStruct, "task", 96,
		member{name: "state", id: b.add("", kindVolatile, 0, state)},
		member{name: "tasks", id: list, bit: 64},
		member{id: refs, bit: 192},
		member{name: "exiting", id: u32, bit: 224, bits: 1},
		member{name: "policy", id: u32, bit: 225, bits: 3},
		member{name: "hits", id: percpu, bit: 256},
		member{name: "handler", id: b.array(handler, integer, 2), bit: 320},
		member{name: "comm", id: comm, bit: 512},
		member{name: "tail", id: b.array(u8, integer, 0), bit: 760},
	)
	three := b.add("", kindInt, 0, 4, 3|2<<16) // bits 2 to 4 of its 4 bytes
	b.composite(kindStruct, "legacy", 4, member{name: "low", id: b.add("", kindInt, 0, 4, 2)}, member{name: "high", id: three})
	b.add("device", kindFwd, 0, 0)
	b.add("either", kindFwd, flag, 0)
	b.add("double", kindFloat, 0, 8)
	b.add("printk", kindFunc, 1, b.proto(integer, param{"fmt", str}, param{"", 0}))
	b.add("tagged", kindDeclTag, 0, list, 0xffffffff)
	b.composite(kindStruct, "event", 4, member{name: "a", id: integer})
	b.composite(kindStruct, "event", 8, member{name: "b", id: void})

	jiffies := b.variable("jiffies", b.add("", kindVolatile, 0, u32))
	first, second := b.variable("count", integer), b.variable("count", u32)
	weak, strong := b.variable("hooks", handler), b.variable("hooks", handler)
	b.section(".data", jiffies, 0, 4, first, 8, 4)
	b.section(".bss", second, 16, 4, weak, 24, ptr, strong, 24, ptr)
	return b
}
