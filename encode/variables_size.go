package encode

import (
	"math/bits"

	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// sizes tells the sizes of types, in bytes.
type sizes struct {
	graph   *dedup.Graph
	pointer uint64
	known   map[dedup.Node]uint64
}

func newSizes(c *encoder, g *dedup.Graph) *sizes {
	return &sizes{graph: g, pointer: uint64(c.file.Layout().AddrSize), known: make(map[dedup.Node]uint64)}
}

const maxTypeDepth = 64 // typedefs, qualifiers and dimensions of one type

// of returns the size of a type; 0 if it has none, such as a function, what is
// only declared, or an array of unknown length.
func (s *sizes) of(n dedup.Node) uint64 {
	size, ok := s.known[n]
	if !ok {
		size = s.measure(n, maxTypeDepth)
		s.known[n] = size
	}
	return size
}

func (s *sizes) measure(n dedup.Node, depth int) uint64 {
	if n == 0 || depth == 0 {
		return 0
	}
	r := s.graph.Record(n)
	switch r.Kind() {
	case dedup.Ptr:
		return s.pointer
	case dedup.Const, dedup.Volatile, dedup.Restrict, dedup.Typedef, dedup.TypeTag:
		return s.measure(r.Ref(), depth-1)
	case dedup.Array:
		over, size := bits.Mul64(uint64(r.Size()), s.measure(r.Ref(), depth-1))
		if over != 0 {
			return 0
		}
		return size
	case dedup.Enum:
		if r.Len() == 0 {
			return 0
		}
	case dedup.Fwd, dedup.FuncProto:
		return 0
	}
	return uint64(r.Size())
}

// element returns the size of an element of an array of unknown length, 0 for
// other types.
func (s *sizes) element(n dedup.Node) uint64 {
	for range maxTypeDepth {
		if n == 0 {
			return 0
		}
		r := s.graph.Record(n)
		switch r.Kind() {
		case dedup.Array:
			if r.Size() != 0 {
				return 0
			}
			return s.of(r.Ref())
		case dedup.Const, dedup.Volatile, dedup.Restrict:
			n = r.Ref()
		default:
			return 0
		}
	}
	return 0
}
