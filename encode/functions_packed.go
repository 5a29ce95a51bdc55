package encode

import "github.com/kdbg/kdbg/encode/internal/dedup"

// uncertain reports whether a parameter beyond those in registers is a packed
// structure. Where the ones after it are on the stack depends on an alignment
// that BTF does not tell.
func (c *encoder) uncertain(g *dedup.Graph, f *candidate) bool {
	r := g.Record(g.Node(f.proto, int(f.scope)))
	if len(c.convention) == 0 {
		return false
	}
	for i := len(c.convention); i < r.Len(); i++ {
		n := r.Element(i).Type
		for depth := 0; n != 0 && depth < maxTypeDepth; depth++ {
			t := g.Record(n)
			if k := t.Kind(); k == dedup.Struct && packed(g, t, c.file.Layout().AddrSize) {
				return true
			} else if k != dedup.Typedef && k != dedup.Const && k != dedup.Volatile {
				break
			}
			n = t.Ref()
		}
	}
	return false
}

// packed reports whether a member of a structure, or its end, is not where the
// types of the members want it.
func packed(g *dedup.Graph, r dedup.Record, word int) bool {
	most := uint32(1)
	for i := range r.Len() {
		m := r.Element(i)
		a := alignment(g, m.Type, uint32(word), maxTypeDepth)
		if most = max(most, a); m.BitSize == 0 && m.BitOffset%(8*a) != 0 {
			return true
		}
	}
	return r.Size()%most != 0
}

// alignment returns the alignment in bytes that a type has of itself.
func alignment(g *dedup.Graph, n dedup.Node, word uint32, depth int) uint32 {
	if n == 0 || depth == 0 {
		return 1
	}
	r := g.Record(n)
	switch r.Kind() {
	case dedup.Ptr:
		return word
	case dedup.Int, dedup.Float, dedup.Enum, dedup.Enum64:
		return max(1, r.Size()&-r.Size())
	case dedup.Struct, dedup.Union:
		most := uint32(1)
		for i := range r.Len() {
			most = max(most, alignment(g, r.Element(i).Type, word, depth-1))
		}
		return most
	case dedup.Array, dedup.Typedef, dedup.Const, dedup.Volatile, dedup.Restrict, dedup.TypeTag:
		return alignment(g, r.Ref(), word, depth-1)
	}
	return 1
}
