package dedup

import (
	"encoding/binary"
	"slices"
)

// refine merges variants that no path of references tells apart. It begins with
// too coarse a partition, the variants of a class together, and takes blocks
// apart until each refers to the same blocks. Classes with private references
// begin together with all that look alike but for their references, since such a
// class is often the same as one that another unit refers to by name.
func (s *split) refine(seen []Class) {
	nodes, block := s.blocks(seen)
	if len(nodes) == 0 {
		return
	}
	s.merge(nodes, s.partition(nodes, block))
}

// blocks returns the nodes to partition and the blocks that they begin in.
func (s *split) blocks(seen []Class) ([]Node, map[Node]uint32) {
	block := make(map[Node]uint32)
	var nodes []Node
	add := func(n Node, b uint32) {
		if _, ok := block[n]; !ok {
			block[n] = b
			nodes = append(nodes, n)
		}
	}
	alike := s.alike(seen)
	byLabel := make(map[string]uint32)
	start := func(c Class) uint32 {
		if !alike[c] {
			return uint32(c)
		}
		label := string(s.table.label(nil, c))
		b, ok := byLabel[label]
		if !ok {
			b = uint32(c)
			byLabel[label] = b
		}
		return b
	}
	for v := range s.variants {
		if s.variants[v].goes == uint32(v) {
			add(Node(s.bound+v), start(s.variants[v].class))
		}
	}
	for _, scope := range s.table.scopes {
		for _, c := range scope.classes {
			if alike[c] && len(s.byClass[c]) == 0 && s.g.meaning[c] == 0 {
				add(Node(c), start(c))
			}
		}
	}
	return nodes, block
}

// alike returns the classes from which a private reference can be reached, and
// those that differ from one of them in what they refer to only.
func (s *split) alike(seen []Class) map[Class]bool {
	alike := make(map[Class]bool)
	if !s.table.hasPrivate() {
		return alike
	}
	from := make(map[Class][]Class)
	var all []Class
	met := make([]bool, s.bound)
	for _, scope := range s.table.scopes {
		for _, c := range scope.classes {
			if !met[c] {
				met[c] = true
				all = append(all, c)
				for _, to := range refs(nil, s.table.class(c).words) {
					from[to] = append(from[to], c)
				}
			}
		}
	}
	var work []Class
	for _, scope := range s.table.scopes {
		for _, p := range scope.private {
			work = append(work, p.from, p.to)
		}
	}
	labels := make(map[string]bool)
	for len(work) > 0 {
		c := work[len(work)-1]
		work = work[:len(work)-1]
		if alike[c] {
			continue
		}
		alike[c] = true
		if s.table.class(c).kind() != private {
			labels[string(s.table.label(nil, c))] = true
		}
		work = append(work, from[c]...)
	}
	for _, c := range all {
		if labels[string(s.table.label(nil, c))] {
			alike[c] = true
		}
	}
	_ = seen
	return alike
}

// label appends the words of c without what it refers to.
func (t *Table) label(key []byte, c Class) []byte {
	words := t.class(c).words
	names, plain := layoutOf(t.class(c).kind())
	for i, w := range words {
		if !names(i) && !plain(i) {
			w = 0
		}
		key = binary.LittleEndian.AppendUint32(key, w)
	}
	return key
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
