package dedup

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// refine merges variants that no path of references tells apart. It begins with
// too coarse a partition, the variants of a class together, and takes blocks
// apart until each refers to the same blocks. Classes with private references
// begin together with all that look alike but for their references, since such a
// class is often the same as one that another unit refers to by name.
func (s *split) refine() {
	nodes, block := s.blocks()
	if len(nodes) == 0 {
		return
	}
	s.merge(nodes, s.partition(nodes, block))
}

// blocks returns the nodes to partition and the blocks that they begin in.
func (s *split) blocks() ([]Node, map[Node]uint32) {
	block := make(map[Node]uint32)
	var nodes []Node
	alike := s.alike()
	byLabel := make(map[string]uint32)
	add := func(n Node, c Class) {
		b := uint32(c)
		if alike[c] {
			label := fmt.Sprint(s.table.label(nil, c))
			if old, ok := byLabel[label]; ok {
				b = old
			} else {
				byLabel[label] = b
			}
		}
		block[n] = b
		nodes = append(nodes, n)
	}
	for v := range s.variants {
		if s.variants[v].goes == uint32(v) {
			add(Node(s.bound+v), s.variants[v].class)
		}
	}
	for c := range alike {
		if len(s.byClass[c]) == 0 && s.g.meaning[c] == 0 {
			add(Node(c), c)
		}
	}
	return nodes, block
}

// alike returns the classes from which a private reference can be reached, and
// those that differ from one of them in what they refer to only.
func (s *split) alike() map[Class]bool {
	alike := make(map[Class]bool)
	var private []Class
	for _, scope := range s.table.scopes {
		for _, p := range scope.private {
			private = append(private, p.from)
			alike[p.to] = true
		}
	}
	if len(private) == 0 {
		return alike
	}
	for c, yes := range s.ancestors(private, false) {
		if yes && s.g.meaning[c] == 0 {
			alike[Class(c)] = true
		}
	}
	labels := make(map[uint64]bool)
	var words []uint32
	for c := range alike {
		words = s.table.label(words[:0], c)
		labels[hashWords(words)] = true
	}
	for c := range s.table.all() {
		if s.g.meaning[c] != 0 {
			continue
		}
		words = s.table.label(words[:0], c)
		if labels[hashWords(words)] {
			alike[c] = true
		}
	}
	return alike
}

// label appends the words of c without what it refers to.
func (t *Table) label(list []uint32, c Class) []uint32 {
	at := len(list)
	list = append(list, t.class(c).words...)
	words := list[at:]
	switch Kind(words[0] >> kindShift & kindMask) {
	case Ptr, Const, Volatile, Restrict, Typedef, TypeTag, Array, DeclTag:
		words[2] = 0
	case Struct, Union:
		for i := 4; i < len(words); i += 3 {
			words[i] = 0
		}
	case FuncProto:
		for i := 2; i < len(words); i += 2 {
			words[i] = 0
		}
	}
	return list
}

// partition refines blocks until they are stable, and returns them.
func (s *split) partition(nodes []Node, block map[Node]uint32) map[Node]uint32 {
	const fixed = 1 << 31 // marks a reference to a node that is not partitioned
	var list []Class
	var key []byte
	for count := 0; ; {
		next := make(map[Node]uint32, len(block))
		blocks := make(map[string]uint32)
		for _, n := range nodes {
			key = binary.LittleEndian.AppendUint32(key[:0], block[n])
			list = refs(list[:0], s.table.class(s.class(n)).words)
			for _, c := range list {
				to := s.edge(n, c)
				b, ok := block[to]
				if !ok {
					b = uint32(to) | fixed
				}
				key = binary.LittleEndian.AppendUint32(key, b)
			}
			b, ok := blocks[string(key)]
			if !ok {
				b = uint32(len(blocks))
				blocks[string(key)] = b
			}
			next[n] = b
		}
		block = next
		if len(blocks) == count {
			return block
		}
		count = len(blocks)
	}
}

// merge makes the nodes of each block one, the first of them.
func (s *split) merge(nodes []Node, block map[Node]uint32) {
	slices.SortFunc(nodes, func(a, b Node) int {
		if d := s.order(a) - s.order(b); d != 0 {
			return d
		}
		return int(a) - int(b)
	})
	first := make(map[uint32]Node)
	for _, n := range nodes {
		if f, ok := first[block[n]]; ok {
			s.same[n] = f
		} else {
			first[block[n]] = n
		}
	}
}

// order returns the place of a node's first occurrence.
func (s *split) order(n Node) int {
	if v, ok := s.isVariant(n); ok {
		return int(s.variants[v].order)
	}
	return int(s.table.class(Class(n)).order.Load())
}
