package rawbtf

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
)

// Blob is a BTF as it lies in a file. Its types are found by number without
// being decoded. It is immutable and safe for concurrent use; a Blob split on a
// base also shows the base's types and strings.
type Blob struct {
	base   *Blob
	order  order
	raw    []byte
	header header
	types  []byte
	layout []byte
	strs   []byte
	first  ID
	str0   uint32
	at     []uint32 // where each type lies in types

	indexOnce sync.Once
	tab       strtab
	repeats   bool
}

// header is the header of a BTF; offsets count from its end.
type header struct {
	version, flags       uint8
	size                 uint32
	typeOff, typeLen     uint32
	strOff, strLen       uint32
	layoutOff, layoutLen uint32
}

// A FormatError is a BTF that cannot be read.
type FormatError struct {
	Off int    // in the BTF
	Msg string // what is wrong there
}

func (e *FormatError) Error() string { return fmt.Sprintf("BTF, offset %#x: %s", e.Off, e.Msg) }

// Parse reads a BTF, which it keeps and which must not change. base is what it
// is split on, nil for a whole BTF. Parse checks what reading needs: sections
// inside the file, records inside their section. The rest is left to [Verify],
// and the Blob's methods treat a string or type that is not there as empty or
// void. The error is a *FormatError.
func Parse(raw []byte, base *Blob) (*Blob, error) {
	b := &Blob{base: base, raw: raw, first: 1}
	if err := b.readHeader(); err != nil {
		return nil, err
	}
	if base != nil {
		if b.order != base.order {
			return nil, &FormatError{0, "its byte order is not that of its base"}
		}
		b.first, b.str0 = base.End(), base.StrEnd()
	}
	return b, b.indexTypes()
}

func (b *Blob) readHeader() error {
	if len(b.raw) < headerSize {
		return &FormatError{0, fmt.Sprintf("%d bytes are too few for a header", len(b.raw))}
	}
	for _, o := range []order{orderOf(nil), orderOf(bigEndian)} {
		if o.Uint16(b.raw) == magic {
			b.order = o
		}
	}
	if b.order == nil {
		return &FormatError{0, fmt.Sprintf("no BTF: it begins with % x", b.raw[:4])}
	}
	word := func(i int) uint32 { return b.order.Uint32(b.raw[4*i:]) }
	b.header = header{
		version: b.raw[2], flags: b.raw[3], size: word(1),
		typeOff: word(2), typeLen: word(3), strOff: word(4), strLen: word(5),
	}
	h := &b.header
	if h.version != version {
		return &FormatError{2, fmt.Sprintf("version %d, only 1 is known", h.version)}
	}
	if h.size < headerSize || int64(h.size) > int64(len(b.raw)) {
		return &FormatError{4, fmt.Sprintf("header of %d bytes in a BTF of %d", h.size, len(b.raw))}
	}
	if h.size >= headerLayout {
		h.layoutOff, h.layoutLen = word(6), word(7)
	}
	var err error
	if b.types, err = b.section("type", 8, h.typeOff, h.typeLen); err != nil {
		return err
	}
	if b.strs, err = b.section("string", 16, h.strOff, h.strLen); err != nil {
		return err
	}
	b.layout, err = b.section("layout", 24, h.layoutOff, h.layoutLen)
	return err
}

// section returns a section; at is where the header names it.
func (b *Blob) section(name string, at int, off, size uint32) ([]byte, error) {
	body := b.raw[b.header.size:]
	if uint64(off)+uint64(size) > uint64(len(body)) {
		return nil, &FormatError{at, fmt.Sprintf("%s section [%#x, +%#x) ends after the BTF, %#x", name, off, size, len(body))}
	}
	return body[off:][:size:size], nil
}

// indexTypes finds where each record begins.
func (b *Blob) indexTypes() error {
	b.at = make([]uint32, 0, len(b.types)/32)
	for off := 0; off < len(b.types); {
		rest := b.types[off:]
		pos := int(b.header.size+b.header.typeOff) + off
		if len(rest) < recordSize {
			return &FormatError{pos, fmt.Sprintf("%d bytes are left for a type", len(rest))}
		}
		info := b.order.Uint32(rest[4:])
		kind, vlen := Kind(info>>kindShift&kindMask), info&maxVlenWide
		fixed, elem, ok := b.sizes(kind)
		if !ok {
			return &FormatError{pos, fmt.Sprintf("type %d is of unknown kind %d", b.End(), kind)}
		}
		size := recordSize + uint64(fixed) + uint64(elem)*uint64(vlen)
		if size > uint64(len(rest)) {
			return &FormatError{pos, fmt.Sprintf("type %d (%v, %d elements) is longer than the %d bytes left", b.End(), kind, vlen, len(rest))}
		}
		b.at = append(b.at, uint32(off))
		off += int(size)
	}
	return nil
}

// sizes returns what follows a record's first 12 bytes. The layout section
// speaks for kinds that are not known here.
func (b *Blob) sizes(kind Kind) (fixed, elem uint8, ok bool) {
	if kind == KindVoid {
		return 0, 0, false
	}
	if kind < numKinds {
		return kinds[kind].info, kinds[kind].elem, true
	}
	if entry := layoutSize * int(kind); entry+layoutSize <= len(b.layout) {
		return b.layout[entry], b.layout[entry+1], true
	}
	return 0, 0, false
}

// Raw returns the whole BTF. It must not be changed.
func (b *Blob) Raw() []byte { return b.raw }

// BigEndian reports the byte order.
func (b *Blob) BigEndian() bool { return b.order == orderOf(bigEndian) }

// Base returns what this BTF is split on, nil if it is whole.
func (b *Blob) Base() *Blob { return b.base }

// First returns the ID of this BTF's own first type: 1, or the base's End.
func (b *Blob) First() ID { return b.first }

// End returns the ID after the last: the number of types, base and void included.
func (b *Blob) End() ID { return b.first + ID(len(b.at)) }

// MaxElements returns a number that the elements of all types do not exceed.
func (b *Blob) MaxElements() int { return (len(b.types) - recordSize*len(b.at)) / 8 }

// HasLayout reports whether there is a layout section.
func (b *Blob) HasLayout() bool { return len(b.layout) > 0 }

// Strings returns the string section. It must not be changed.
func (b *Blob) Strings() []byte { return b.strs }

// StrEnd is the offset that the strings of a split BTF go on from.
func (b *Blob) StrEnd() uint32 { return b.str0 + uint32(len(b.strs)) }

// Name returns the string at s, "" if there is none.
func (b *Blob) Name(s Str) string { return string(b.NameBytes(s)) }

// NameBytes returns the string at s without copying it.
func (b *Blob) NameBytes(s Str) []byte {
	for uint32(s) < b.str0 {
		b = b.base
	}
	if off := uint32(s) - b.str0; uint64(off) < uint64(len(b.strs)) {
		return cstring(b.strs[off:])
	}
	return nil
}

// validStr reports whether there is a string at s.
func (b *Blob) validStr(s Str) bool { return uint32(s) < b.StrEnd() && s <= maxStr || s == 0 }

// Lookup returns the offset of a string of this BTF or its base.
func (b *Blob) Lookup(name []byte) (Str, bool) {
	if len(name) == 0 {
		return 0, true
	}
	return b.findStr(name, maphash.Bytes(seed, name))
}

// Repeats reports whether the string section has a string twice. Most BTF has
// each once.
func (b *Blob) Repeats() bool {
	b.index()
	return b.repeats
}

func (b *Blob) findStr(name []byte, hash uint64) (Str, bool) {
	if b.base != nil {
		if s, ok := b.base.findStr(name, hash); ok {
			return s, true
		}
	}
	b.index()
	off, ok := b.tab.find(b.strs, name, hash)
	return Str(b.str0 + off), ok
}

// index enters all strings. It is done once, and only for a BTF that strings are
// looked up in.
func (b *Blob) index() {
	b.indexOnce.Do(func() {
		b.tab = newStrtab(bytes.Count(b.strs, []byte{0}))
		for off := 0; off < len(b.strs); {
			s := cstring(b.strs[off:])
			if off+len(s) == len(b.strs) {
				break // not ended by NUL
			}
			hash := maphash.Bytes(seed, s)
			if _, ok := b.tab.find(b.strs, s, hash); ok {
				b.repeats = true
			} else {
				b.tab.add(uint32(off), hash)
			}
			off += len(s) + 1
		}
	})
}

// Type returns the record of id: void's if there is none.
func (b *Blob) Type(id ID) Type {
	for id < b.first {
		if b.base == nil {
			return Type{}
		}
		b = b.base
	}
	i := int(id - b.first)
	if i >= len(b.at) {
		return Type{}
	}
	end := uint32(len(b.types))
	if i+1 < len(b.at) {
		end = b.at[i+1]
	}
	rec := b.types[b.at[i]:end]
	info := b.order.Uint32(rec[4:])
	return Type{
		Kind: Kind(info >> kindShift & kindMask), Flag: info&kindFlag != 0, Vlen: int(info & maxVlenWide),
		Name: Str(b.order.Uint32(rec)), Size: b.order.Uint32(rec[8:]),
		body: rec[recordSize:], order: b.order,
	}
}

// All yields this BTF's own types, not its base's.
func (b *Blob) All() iter.Seq2[ID, Type] {
	return func(yield func(ID, Type) bool) {
		for id := b.first; id < b.End(); id++ {
			if !yield(id, b.Type(id)) {
				return
			}
		}
	}
}

// PointerSize returns the size of a pointer, 4 or 8 bytes. The format does not
// say it: it is that of a long, as of a pointer in every kernel, and 8 if the BTF
// has none.
func (b *Blob) PointerSize() uint32 {
	for ; b != nil; b = b.base {
		for _, t := range b.All() {
			if t.Kind != KindInt {
				continue
			}
			switch string(b.NameBytes(t.Name)) {
			case "long int", "long unsigned int", "long", "unsigned long":
				if t.Size == 4 || t.Size == 8 {
					return t.Size
				}
			}
		}
	}
	return 8
}
