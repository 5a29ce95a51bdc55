package dedup

import (
	"cmp"
	"maps"
	"slices"
)

// refine merges variants that no path of references tells apart. It begins with
// too coarse a partition, the variants of a class together, and takes blocks
// apart until each refers to the same blocks. Classes with private references
// begin together with all that look alike but for their references, since such a
// class is often the same as one that another unit refers to by name.
func (s *split) refine() {
	p := s.blocks()
	if len(p.nodes) == 0 {
		return
	}
	p.link(s)
	for count, next := 0, p.round(); next != count; next = p.round() {
		count = next
	}
	s.merge(p)
}

// partition is nodes in blocks. Nodes have numbers in it.
type partition struct {
	nodes []Node
	block []uint32 // by number
	refs  []uint32 // what the nodes refer to: a number, or fixed and a node that is not partitioned
	ends  []int    // by number: the end of its references
}

const fixed = 1 << 31

// blocks returns the nodes to partition and the blocks that they begin in.
func (s *split) blocks() *partition {
	p := new(partition)
	var labels classShard
	var byLabel []uint32 // by number in labels: the first class that has it
	var words []uint32
	add := func(n Node, c Class) {
		b := uint32(c)
		if s.alike[c] {
			words = s.label(words[:0], c)
			i, isNew := labels.enter(words)
			if isNew {
				byLabel = append(byLabel, b)
			}
			b = byLabel[i-1]
		}
		p.nodes, p.block = append(p.nodes, n), append(p.block, b)
	}
	for v := range s.variants {
		if s.variants[v].goes == uint32(v) {
			add(Node(s.bound+v), s.variants[v].class)
		}
	}
	for c := range s.alike {
		if len(s.byClass[c]) == 0 && s.g.meaning[c] == 0 {
			add(Node(c), c)
		}
	}
	return p
}

// link finds what the nodes refer to.
func (p *partition) link(s *split) {
	number := make([]uint32, s.bound+len(s.variants)) // by node, + 1
	for i, n := range p.nodes {
		number[n] = uint32(i) + 1
	}
	var list []Class
	for _, n := range p.nodes {
		list = refs(list[:0], s.table.class(s.class(n)).words)
		for _, c := range list {
			to := s.edge(n, c)
			ref := uint32(to) | fixed
			if number[to] != 0 {
				ref = number[to] - 1
			}
			p.refs = append(p.refs, ref)
		}
		p.ends = append(p.ends, len(p.refs))
	}
}

// round takes apart blocks whose nodes refer to different blocks, and returns how
// many there are now.
func (p *partition) round() int {
	var blocks classShard
	var words []uint32
	next := make([]uint32, len(p.block))
	from := 0
	for i, to := range p.ends {
		words = append(words[:0], p.block[i])
		for _, ref := range p.refs[from:to] {
			if ref&fixed == 0 {
				ref = p.block[ref]
			}
			words = append(words, ref)
		}
		next[i], _ = blocks.enter(words)
		from = to
	}
	p.block = next
	return blocks.list.n
}

// findAlike returns the classes from which a private reference can be reached, and
// those that differ from one of them in what they refer to only. Of a base, it
// has only those that look like a class that the base does not have.
func (s *split) findAlike() map[Class]bool {
	t := s.table
	from := make(map[uint64][]Class) // by label
	if t.base != nil {
		from = maps.Clone(t.base.alike())
	}
	var words []uint32
	label := func(c Class) uint64 {
		words = s.label(words[:0], c)
		return hashWords(words)
	}
	heads := make(map[head]bool) // of own classes
	for c := range s.reachPrivate() {
		if uint32(c) >= t.first {
			from[label(c)] = nil
			heads[t.head(c)] = true
		}
	}
	alike := make(map[Class]bool)
	if len(from) == 0 {
		return alike
	}
	if len(heads) > 0 && t.base != nil {
		for c := range t.base.all() { // not only those that alike has
			if !heads[t.head(c)] {
				continue
			}
			if l := label(c); s.g.meaning[c] == 0 && !slices.Contains(from[l], c) {
				if _, ok := from[l]; ok {
					from[l] = append(slices.Clip(from[l]), c)
				}
			}
		}
	}
	for c := range t.own() {
		if s.g.meaning[c] != 0 {
			continue
		}
		if list, ok := from[label(c)]; ok {
			alike[c] = true
			for _, d := range list {
				alike[d] = true
			}
		}
	}
	return alike
}

// reachPrivate returns the classes from which a private reference can be reached,
// and what private references are made to.
func (s *split) reachPrivate() map[Class]bool {
	set := make(map[Class]bool)
	var private []Class
	for i, scope := range s.table.scopes {
		if i == 0 && s.table.base != nil {
			continue
		}
		for _, p := range scope.private {
			private = append(private, p.from)
			set[p.to] = true
		}
	}
	if len(private) == 0 {
		return set
	}
	for c, yes := range s.ancestors(private, false) {
		if yes && s.g.meaning[c] == 0 {
			set[Class(c)] = true
		}
	}
	return set
}

// alikeInBase returns what findAlike needs to know of a base: the classes that may
// differ from others because of a private reference alone, by label.
func (t *Table) alikeInBase(g *Graph) map[uint64][]Class {
	s := &split{g: g, table: t, bound: int(t.bound())}
	alike := make(map[uint64][]Class)
	heads := make(map[head]bool)
	for c := range s.reachPrivate() {
		alike[hashWords(s.label(nil, c))] = nil
		heads[t.head(c)] = true
	}
	var words []uint32
	for c := range t.own() {
		if !heads[t.head(c)] {
			continue
		}
		words = s.label(words[:0], c)
		if list, ok := alike[hashWords(words)]; ok && g.meaning[c] == 0 {
			alike[hashWords(words)] = append(list, c)
		}
	}
	return alike
}

// head is how a record begins, which tells most labels apart.
type head [3]uint32

func (t *Table) head(c Class) head {
	words := t.class(c).words
	h := head{words[0], words[1]}
	if len(words) > 3 {
		h[2] = words[3] // not words[2], which may be a class
	}
	return h
}

// label appends what c is without what is behind the names that it refers to:
// what is the same for types that only private references made different.
func (s *split) label(list []uint32, c Class) []uint32 {
	words := s.table.class(c).words
	switch Kind(words[0] >> kindShift & kindMask) {
	case Ptr, Const, Volatile, Restrict, Typedef, TypeTag, Array:
		return s.shallow(append(list, words[0], words[1]), Class(words[2]))
	case DeclTag:
		return s.shallow(append(list, words[0], words[1], words[3]), Class(words[2]))
	case Struct, Union:
		list = append(list, words[:3]...)
		for i := 3; i < len(words); i += 3 {
			list = s.shallow(append(list, words[i], words[i+2]), Class(words[i+1]))
		}
		return list
	case FuncProto:
		list = s.shallow(append(list, words[0]), Class(words[2]))
		for i := 3; i < len(words); i += 2 {
			list = s.shallow(append(list, words[i]), Class(words[i+1]))
		}
		return list
	}
	return append(list, words...)
}

const maxShallow = 8 // pointers and qualifiers that shallow looks through

// shallow appends the first thing that has a name on the way from c.
func (s *split) shallow(list []uint32, c Class) []uint32 {
	for range maxShallow {
		if s.table.isPrivate(c) {
			c = s.g.meaning[c]
		}
		if c == 0 {
			break
		}
		words := s.table.class(c).words
		k := Kind(words[0] >> kindShift & kindMask)
		if name := k.namer(); name != 0 && words[1] != 0 {
			return append(list, uint32(name)<<kindShift, words[1])
		}
		switch k {
		case Ptr, Const, Volatile, Restrict, TypeTag, Array:
			list = append(list, words[0], words[1])
			c = Class(words[2])
		default:
			return append(list, words[0], words[1])
		}
	}
	return append(list, 0)
}

func (t *Table) isPrivate(c Class) bool { return c != 0 && t.class(c).kind() == private }

// merge makes the nodes of each block one, the first of them.
func (s *split) merge(p *partition) {
	first := make(map[uint32]Node, len(p.nodes))
	before := func(a, b Node) bool {
		return cmp.Or(cmp.Compare(s.order(a), s.order(b)), cmp.Compare(a, b)) < 0
	}
	for i, n := range p.nodes {
		if f, ok := first[p.block[i]]; !ok || before(n, f) {
			first[p.block[i]] = n
		}
	}
	for i, n := range p.nodes {
		if f := first[p.block[i]]; f != n {
			s.same[n] = f
		}
	}
}

// order returns the place of a node's first occurrence.
func (s *split) order(n Node) uint64 {
	if v, ok := s.isVariant(n); ok {
		return s.variants[v].order
	}
	return s.table.class(Class(n)).order.Load()
}
