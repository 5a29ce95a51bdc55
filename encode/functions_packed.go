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
			if k := t.Kind(); k == dedup.Struct {
				a := alignments{g, uint32(c.file.Layout().AddrSize), make(map[dedup.Node]uint32)}
				return a.packed(t)
			} else if k != dedup.Typedef && k != dedup.Const && k != dedup.Volatile {
				break
			}
			n = t.Ref()
		}
	}
	return false
}

// alignments tells the alignment in bytes that types have of themselves.
type alignments struct {
	graph   *dedup.Graph
	pointer uint32
	known   map[dedup.Node]uint32
}

// packed reports whether a member of a structure, or its end, is not where the
// types of the members want it.
func (a *alignments) packed(r dedup.Record) bool {
	most := uint32(1)
	for i := range r.Len() {
		m := r.Element(i)
		want := a.of(m.Type, maxTypeDepth)
		if most = max(most, want); m.BitSize == 0 && m.BitOffset%(8*want) != 0 {
			return true
		}
	}
	return r.Size()%most != 0
}

func (a *alignments) of(n dedup.Node, depth int) uint32 {
	if align, ok := a.known[n]; ok || depth == 0 {
		return max(align, 1)
	}
	a.known[n] = 1 // void, and what contains itself in files made to break readers
	if n == 0 {
		return 1
	}
	a.known[n] = a.measure(a.graph.Record(n), depth)
	return a.known[n]
}

func (a *alignments) measure(r dedup.Record, depth int) uint32 {
	switch r.Kind() {
	case dedup.Ptr:
		return a.pointer
	case dedup.Int, dedup.Float, dedup.Enum, dedup.Enum64:
		return max(1, r.Size()&-r.Size())
	case dedup.Struct, dedup.Union:
		most := uint32(1)
		for i := range r.Len() {
			most = max(most, a.of(r.Element(i).Type, depth-1))
		}
		return most
	case dedup.Array, dedup.Typedef, dedup.Const, dedup.Volatile, dedup.Restrict, dedup.TypeTag:
		return a.of(r.Ref(), depth-1)
	}
	return 1
}
