package encode

import (
	"github.com/kdbg/kdbg/encode/internal/dedup"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// Base is a BTF that others are split on, and an index of its types. It is
// immutable and may be shared by many encodings at the same time.
type Base struct {
	blob   *rawbtf.Blob
	types  *dedup.Table
	ids    []rawbtf.ID // by class
	index  rawbtf.ID   // the type of array indices
	nested bool        // arrays keep their dimensions

	strings *baseStrings
	repeats bool // a string has several numbers
}

// NewBase indexes a BTF, which it keeps.
func NewBase(blob *rawbtf.Blob) (*Base, error) {
	b := &Base{blob: blob, strings: newBaseStrings(blob)}
	b.types = dedup.NewTableOf(b.strings)
	go blob.Repeats() // indexes the strings while types are entered
	u := b.types.NewBaseUnit(int(blob.End()), blob.MaxElements())
	for id, t := range blob.All() {
		b.enter(u, id, t)
	}
	if b.repeats = blob.Repeats(); b.repeats {
		u.Reset(0, dedup.Entry(blob.End()))
		for id, t := range blob.All() {
			b.enter(u, id, t)
		}
	}
	if err := u.Intern(); err != nil {
		return nil, err
	}
	u.Commit()
	if err := u.Freeze(); err != nil {
		return nil, err
	}
	b.ids = make([]rawbtf.ID, b.types.Bound())
	for id := blob.First(); id < blob.End(); id++ {
		if c := u.Class(dedup.Entry(id)); c != 0 && b.ids[c] == 0 {
			b.ids[c] = id
		}
	}
	return b, nil
}

// table returns the table for what is split on b, which may be nil.
func (b *Base) table() *dedup.Table {
	if b == nil {
		return dedup.NewTable()
	}
	return dedup.NewSplit(b.types)
}

// enter enters type id of the base into a unit. Functions and variables are no
// types that others could share.
func (b *Base) enter(u *dedup.Unit, id rawbtf.ID, t rawbtf.Type) {
	in := dedup.Type{Kind: dedup.Kind(t.Kind), Flag: t.Flag, Name: b.name(t.Name), Size: t.Size}
	switch t.Kind {
	case rawbtf.KindInt:
		enc, offset, bits := t.Int()
		in.Data = uint32(enc)<<24 | uint32(offset)<<16 | uint32(bits)
		if b.index == 0 && string(b.blob.NameBytes(t.Name)) == "int" {
			b.index = id
		}
	case rawbtf.KindFloat:
	case rawbtf.KindArray:
		elem, _, n := t.Array()
		in.Ref, in.Size = dedup.Entry(elem), n
		b.nested = b.nested || b.blob.Type(elem).Kind == rawbtf.KindArray
	case rawbtf.KindFwd:
		in.Kind, in.Declaration, in.Flag = dedup.Struct, true, false
		if t.Flag {
			in.Kind = dedup.Union
		}
	case rawbtf.KindStruct, rawbtf.KindUnion:
		in.Flag = false
	case rawbtf.KindEnum:
		in.Declaration = t.Vlen == 0
	case rawbtf.KindEnum64:
	case rawbtf.KindPtr, rawbtf.KindConst, rawbtf.KindVolatile, rawbtf.KindRestrict, rawbtf.KindTypedef, rawbtf.KindTypeTag, rawbtf.KindFuncProto:
		in.Ref = dedup.Entry(t.Ref())
	case rawbtf.KindDeclTag:
		if k := b.blob.Type(t.Ref()).Kind; k == rawbtf.KindFunc || k == rawbtf.KindVar {
			return
		}
		in.Ref, in.Size = dedup.Entry(t.Ref()), uint32(t.Component())
	default:
		return
	}
	b.enterElements(u, u.Add(dedup.Entry(id), in), t)
}

func (b *Base) enterElements(u *dedup.Unit, n int, t rawbtf.Type) {
	for i := range t.Vlen {
		switch t.Kind {
		case rawbtf.KindStruct, rawbtf.KindUnion:
			m := t.Member(i)
			u.Child(n, dedup.Child{Name: b.name(m.Name), Ref: dedup.Entry(m.Type), Lo: m.BitOffset, Hi: uint32(m.BitSize)})
		case rawbtf.KindEnum, rawbtf.KindEnum64:
			v := t.Enumerator(i)
			u.Child(n, dedup.Child{Name: b.name(v.Name), Lo: uint32(v.Value), Hi: uint32(v.Value >> 32)})
		case rawbtf.KindFuncProto:
			p := t.Param(i)
			u.Child(n, dedup.Child{Name: b.name(p.Name), Ref: dedup.Entry(p.Type)})
		}
	}
}

// name returns the name that the string at s is.
func (b *Base) name(s rawbtf.Str) dedup.Name {
	if n := b.strings.number(s); n != 0 && !b.repeats {
		return dedup.Name(n)
	}
	return b.types.Intern(b.blob.NameBytes(s)) // none, or the end of another string
}
