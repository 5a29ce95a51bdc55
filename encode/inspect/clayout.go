package inspect

import (
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// A compiler that reads what is printed must put each member where the BTF has
// it. What the BTF does not say, attributes and gaps, follows from the offsets: a
// struct is packed if a member is where its type may not be, and the rest is
// filled with members of no use.

// align returns the alignment in bytes that C gives a type.
func (p *cPrinter) align(id rawbtf.ID, depth int) uint32 {
	if a, ok := p.aligns[id]; ok {
		return a
	}
	if depth > maxDepth {
		return 1
	}
	t := p.b.Type(id)
	a := uint32(1)
	p.aligns[id] = a // of a struct that contains itself
	switch t.Kind {
	case rawbtf.KindInt, rawbtf.KindEnum, rawbtf.KindEnum64, rawbtf.KindFloat:
		for a < min(t.Size, 16) && t.Size%(2*a) == 0 {
			a *= 2
		}
	case rawbtf.KindPtr:
		a = p.ptr
	case rawbtf.KindArray:
		elem, _, _ := t.Array()
		a = p.align(elem, depth+1)
	case rawbtf.KindStruct, rawbtf.KindUnion:
		if a = p.widest(t, depth); p.packed(t, a, depth) {
			a = 1
		}
	case rawbtf.KindTypedef, rawbtf.KindConst, rawbtf.KindVolatile, rawbtf.KindRestrict, rawbtf.KindTypeTag:
		a = p.align(t.Ref(), depth+1)
	}
	p.aligns[id] = a
	return a
}

// widest returns the greatest alignment of a struct's members.
func (p *cPrinter) widest(t rawbtf.Type, depth int) uint32 {
	a := uint32(1)
	for i := range t.Vlen {
		a = max(a, p.align(t.Member(i).Type, depth+1))
	}
	return a
}

// packed reports whether C needs to be told to put members where they are.
func (p *cPrinter) packed(t rawbtf.Type, widest uint32, depth int) bool {
	if t.Size%widest != 0 {
		return true
	}
	for i := range t.Vlen {
		at, bits := p.place(t.Member(i))
		unit := 8 * p.align(t.Member(i).Type, depth+1)
		if bits == 0 && at%unit != 0 || bits != 0 && at%unit+bits > unit {
			return true
		}
	}
	return false
}

// place returns where a member is, and how many bits it has if it is a bit-field.
// An int of odd size stands for one.
func (p *cPrinter) place(m rawbtf.Member) (at, bits uint32) {
	at, bits = m.BitOffset, uint32(m.BitSize)
	if t := p.b.Type(p.strip(m.Type)); t.Kind == rawbtf.KindInt && bits == 0 {
		if _, offset, n := t.Int(); offset != 0 || uint32(n) != 8*t.Size {
			at, bits = at+uint32(offset), uint32(n)
		}
	}
	return at, bits
}

// strip returns id without qualifiers, tags and typedefs.
func (p *cPrinter) strip(id rawbtf.ID) rawbtf.ID {
	for range maxDepth {
		t := p.b.Type(id)
		if !t.Kind.IsModifier() && t.Kind != rawbtf.KindTypedef {
			break
		}
		id = t.Ref()
	}
	return id
}

// size returns the size of a type in bits.
func (p *cPrinter) size(id rawbtf.ID) uint64 {
	n := uint64(8)
	for range maxDepth {
		id = p.strip(id)
		switch t := p.b.Type(id); t.Kind {
		case rawbtf.KindArray:
			elem, _, count := t.Array()
			n, id = n*uint64(count), elem
		case rawbtf.KindPtr:
			return n * uint64(p.ptr)
		case rawbtf.KindInt, rawbtf.KindEnum, rawbtf.KindEnum64, rawbtf.KindFloat, rawbtf.KindStruct, rawbtf.KindUnion:
			return n * uint64(t.Size)
		default:
			return 0
		}
	}
	return 0
}

// fill writes the members that a compiler needs between bits pos and at, if it
// would put the next member, of the alignment and bits given, before at.
func (p *cPrinter) fill(s *strings.Builder, pos, at, unit uint64, bits uint32, packed bool) {
	natural := (pos + unit - 1) / unit * unit
	switch {
	case packed && bits == 0:
		natural = (pos + 7) / 8 * 8
	case packed, bits != 0 && pos%unit+uint64(bits) <= unit:
		natural = pos
	}
	if at <= natural {
		return
	}
	if pos%8 != 0 {
		n := min(8-pos%8, at-pos)
		fmt.Fprintf(s, "\tchar : %d;\n", n)
		pos += n
	}
	if n := (at - pos) / 8; n > 0 {
		p.fillers++
		fmt.Fprintf(s, "\tchar __fill_%d[%d];\n", p.fillers, n)
		pos += 8 * n
	}
	if pos < at {
		fmt.Fprintf(s, "\tchar : %d;\n", at-pos)
	}
}
