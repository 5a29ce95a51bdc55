package encode

import (
	"encoding/binary"
	"math/bits"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// typ enters a type and returns its number, or −1 if the entry is not a type
// that BTF has.
func (w *worker) typ(e *dwarf.Entry) int {
	t := dedup.Type{Ref: w.entry(e.Type())}
	switch e.Tag {
	case dwarf.TagBaseType:
		t = w.baseType(e)
	case dwarf.TagPointerType, dwarf.TagReferenceType, dwarf.TagRvalueReferenceType, dwarf.TagPtrToMemberType:
		t.Kind = dedup.Ptr
	case dwarf.TagConstType:
		t.Kind = dedup.Const
	case dwarf.TagVolatileType:
		t.Kind = dedup.Volatile
	case dwarf.TagRestrictType:
		t.Kind = dedup.Restrict
	case dwarf.TagAtomicType, dwarf.TagSharedType, dwarf.TagImmutableType:
		t.Kind = dedup.Alias // BTF has no such qualifiers
	case dwarf.TagTypedef, dwarf.TagTemplateAlias:
		t.Kind, t.Name = dedup.Typedef, w.name(e.Name())
		if t.Name == 0 {
			t.Kind = dedup.Alias
		}
	case dwarf.TagArrayType:
		t.Kind = dedup.Array
	case dwarf.TagStructureType, dwarf.TagClassType, dwarf.TagInterfaceType:
		t = w.aggregate(e, dedup.Struct)
	case dwarf.TagUnionType:
		t = w.aggregate(e, dedup.Union)
	case dwarf.TagEnumerationType:
		t = w.enum(e)
	case dwarf.TagSubroutineType:
		t.Kind = dedup.FuncProto
	default:
		return -1
	}
	n := w.types.Add(w.entry(e.Offset), t)
	w.annotations.chain(w, e, annotated{tag: e.Tag, local: n, component: -1})
	return n
}

// baseType translates a base type. The encodings of characters are not those of
// BTF's CHAR, which no kernel's BTF has ever used.
func (w *worker) baseType(e *dwarf.Entry) dedup.Type {
	t := dedup.Type{Kind: dedup.Int, Name: w.name(e.Name()), Size: uint32(e.ByteSize())}
	var encoding uint8
	switch e.Encoding() {
	case dwarf.EncodingSigned, dwarf.EncodingSignedChar:
		encoding = rawbtf.Signed
	case dwarf.EncodingBoolean:
		encoding = rawbtf.Bool
	case dwarf.EncodingFloat:
		if w.core.opts.Features.Float && isFloatSize(t.Size) {
			t.Kind = dedup.Float
			return t
		}
	}
	// The kernel takes integers of up to 16 bytes, powers of two.
	if size := e.ByteSize(); bits.OnesCount64(size) != 1 || size > 16 {
		t.Name, t.Size = w.core.table.Intern([]byte("__SANITIZED_FAKE_INT__")), 4
	}
	t.Data = uint32(encoding)<<24 | t.Size*8
	return t
}

// isFloatSize reports whether the kernel takes a floating-point type of n bytes.
func isFloatSize(n uint32) bool { return n == 2 || n == 4 || n == 8 || n == 12 || n == 16 }

func (w *worker) aggregate(e *dwarf.Entry, k dedup.Kind) dedup.Type {
	if e.Declaration() && e.Signature() != 0 {
		return dedup.Type{Kind: dedup.Alias, Ref: w.entry(e.Signature())}
	}
	return dedup.Type{Kind: k, Name: w.name(e.Name()), Size: uint32(e.ByteSize()), Declaration: e.Declaration()}
}

func isComposite(t dwarf.Tag) bool {
	return t == dwarf.TagStructureType || t == dwarf.TagUnionType || t == dwarf.TagClassType || t == dwarf.TagInterfaceType
}

// member adds a member to the struct or union that is being read.
func (w *worker) member(e *dwarf.Entry) {
	p := w.parent()
	if p == nil || p.local < 0 || !isComposite(p.tag) {
		return
	}
	if e.External() && e.Declaration() {
		return // static, in C++ before DWARF 5
	}
	c := dedup.Child{Name: w.elementName(e.Name()), Ref: w.entry(e.Type())}
	c.Lo, c.Hi = w.memberBits(e, c.Ref)
	w.types.Child(p.local, c)
	w.annotations.chain(w, e, annotated{tag: e.Tag, local: p.local, component: int32(p.count)})
	p.count++
}

// memberBits returns where a member is, in bits, and how many bits a bit-field
// has.
func (w *worker) memberBits(e *dwarf.Entry, typ dedup.Entry) (offset, size uint32) {
	if e.Has(dwarf.SlotBitSize) {
		size = uint32(e.BitSize())
	}
	if e.Has(dwarf.SlotDataBitOffset) {
		return uint32(e.DataBitOffset()), size
	}
	at, _ := e.MemberLocation()
	at *= 8
	if !e.Has(dwarf.SlotBitOffset) {
		return uint32(at), size
	}
	// DWARF 2 and 3 count from the most significant bit of a storage unit.
	if w.core.file.Layout().Order != binary.ByteOrder(binary.BigEndian) {
		storage := e.ByteSize()
		if storage == 0 {
			storage = uint64(w.sizeOf(typ))
		}
		return uint32(at + storage*8 - e.BitOffset() - uint64(size)), size
	}
	return uint32(at + e.BitOffset()), size
}

// sizeOf returns the size of a type that stands before the member of that type,
// as all do in practice whose members need it.
func (w *worker) sizeOf(e dedup.Entry) uint32 {
	n, ok := w.types.Local(e)
	for range 32 {
		if !ok {
			return 0
		}
		t := w.types.At(n)
		if t.Size != 0 {
			return t.Size
		}
		n, ok = w.types.Local(t.Ref)
	}
	return 0
}

// subrange adds a dimension to the array that is being read. A dimension without
// bound has no elements: a flexible array, or one of variable length.
func (w *worker) subrange(e *dwarf.Entry) {
	p := w.parent()
	if p == nil || p.local < 0 || p.tag != dwarf.TagArrayType {
		return
	}
	count := uint64(0)
	switch {
	case e.Has(dwarf.SlotCount):
		count = e.Count().Uint()
	case e.Has(dwarf.SlotUpperBound):
		count = e.UpperBound().Uint() + 1
	}
	if count > 1<<32-1 {
		count = 0
	}
	t := w.types.At(p.inner)
	switch {
	case p.count == 0:
		t.Size = uint32(count)
	case w.core.nested:
		n := w.types.Add(0, dedup.Type{Kind: dedup.Array, Ref: t.Ref, Size: uint32(count)})
		t.Ref = w.types.Synthetic(n)
		w.types.Set(p.inner, t)
		p.inner, p.count = n, p.count+1
		return
	default:
		hi, lo := bits.Mul64(uint64(t.Size), count)
		if hi != 0 || lo > 1<<32-1 {
			lo = 0
		}
		t.Size = uint32(lo)
	}
	w.types.Set(p.inner, t)
	p.count++
}

// enum translates an enumeration. One of more than 32 bits is an ENUM64.
func (w *worker) enum(e *dwarf.Entry) dedup.Type {
	t := dedup.Type{Kind: dedup.Enum, Name: w.name(e.Name()), Size: 4, Declaration: e.Declaration()}
	if e.Declaration() && e.Signature() != 0 {
		return dedup.Type{Kind: dedup.Alias, Ref: w.entry(e.Signature())}
	}
	if e.Has(dwarf.SlotByteSize) {
		t.Size = uint32(e.ByteSize())
	}
	if t.Size > 4 && w.core.opts.Features.Enum64 && !t.Declaration {
		t.Kind = dedup.Enum64
		enc := e.Encoding()
		t.Flag = enc == dwarf.EncodingSigned || enc == dwarf.EncodingSignedChar || enc == 0 && w.isSigned(w.entry(e.Type()))
	}
	return t
}

// isSigned reports whether an integer type that was read before is signed.
func (w *worker) isSigned(e dedup.Entry) bool {
	n, ok := w.types.Local(e)
	for range 32 {
		if !ok {
			return false
		}
		t := w.types.At(n)
		if t.Kind == dedup.Int {
			return t.Data>>24&uint32(rawbtf.Signed) != 0
		}
		n, ok = w.types.Local(t.Ref)
	}
	return false
}

// enumerator adds a value to the enumeration that is being read. An ENUM, and an
// ENUM64 of unknown encoding, is signed if it has a negative value; fixed-size
// forms hold no negative ones.
func (w *worker) enumerator(e *dwarf.Entry) {
	p := w.parent()
	if p == nil || p.local < 0 || p.tag != dwarf.TagEnumerationType {
		return
	}
	c := e.ConstValue()
	v := c.Uint()
	w.types.Child(p.local, dedup.Child{Name: w.elementName(e.Name()), Lo: uint32(v), Hi: uint32(v >> 32)})
	if t := w.types.At(p.local); c.Signed() && c.Int() < 0 && !t.Flag {
		t.Flag = true
		w.types.Set(p.local, t)
	}
}
