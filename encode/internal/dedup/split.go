package dedup

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
)

// split splits the classes from which a name of several meanings can be reached.
//
// A unit binds each ambiguous name to its own definition, or to none. What a
// class is in a unit depends on the bindings of the names reachable from the
// class, and on nothing else: these are its pattern. Classes reach few names and
// units bind few, so patterns are few too.
type split struct {
	g     *Graph
	table *Table
	bound int // of classes; variants are numbered from there

	ambiguous []Class       // names of several meanings
	number    map[Class]int // of an ambiguous name in that list
	bindings  [][]binding   // by unit, ascending by name
	reach     []uint32      // by class: the set of ambiguous names it reaches, 0 for none
	sets      []bitset      // by the numbers in reach
	patterns  map[string]uint32
	contents  []string          // of patterns: pairs of name and class
	memo      map[uint64]uint32 // pattern of unit and set

	variants []variant
	find     map[uint64]uint32 // variant of class and pattern
	byClass  map[Class][]uint32
	same     map[Node]Node // what was merged into what
}

// binding is what a name means in a unit.
type binding struct {
	name int // in ambiguous
	def  Class
}

// variant is a class under a pattern.
type variant struct {
	class   Class
	pattern uint32
	scope   int    // a unit where it occurs: the first
	order   uint64 // of the first place
	units   int    // in how many it occurs
	goes    uint32 // along with this variant, itself if it stands alone
}

// newSplit splits what ambiguous names and private references require.
func newSplit(g *Graph, ambiguous map[Class][]Class) *split {
	s := &split{
		g: g, table: g.table, bound: int(g.table.bound()), number: make(map[Class]int),
		patterns: make(map[string]uint32), memo: make(map[uint64]uint32),
		find: make(map[uint64]uint32), byClass: make(map[Class][]uint32), same: make(map[Node]Node),
	}
	s.ambiguous = slices.SortedFunc(maps.Keys(ambiguous), func(a, b Class) int {
		return bytes.Compare(s.nameOf(a), s.nameOf(b))
	})
	for i, name := range s.ambiguous {
		s.number[name] = i
	}
	s.bind(ambiguous)
	s.findReach(ambiguous)
	s.makeVariants()
	s.settle()
	s.refine()
	return s
}

// nameOf returns the kind and name of a name-only class as one key.
func (s *split) nameOf(c Class) []byte {
	words := s.table.class(c).words
	return append([]byte{byte(words[0] >> kindShift)}, s.table.Bytes(Name(words[1]))...)
}

// bind finds what the ambiguous names mean in each unit. Of several definitions
// in one unit the first counts; only declarations refer to these by name.
func (s *split) bind(ambiguous map[Class][]Class) {
	named := make(map[Class]int)
	for name, defs := range ambiguous {
		for _, def := range defs {
			named[def] = s.number[name]
		}
	}
	s.bindings = make([][]binding, len(s.table.scopes))
	for u, scope := range s.table.scopes {
		var list []binding
		for _, c := range scope.classes {
			if n, ok := named[c]; ok && !slices.ContainsFunc(list, func(b binding) bool { return b.name == n }) {
				list = append(list, binding{n, c})
			}
		}
		slices.SortFunc(list, func(a, b binding) int { return cmp.Compare(a.name, b.name) })
		s.bindings[u] = list
	}
}

// pattern returns the bindings in a unit of the names in a set.
func (s *split) pattern(unit int, set uint32) uint32 {
	key := uint64(unit)<<32 | uint64(set)
	if p, ok := s.memo[key]; ok {
		return p
	}
	var content []byte
	for _, b := range s.bindings[unit] {
		if s.sets[set].has(b.name) {
			content = binary.LittleEndian.AppendUint32(content, uint32(b.name))
			content = binary.LittleEndian.AppendUint32(content, uint32(b.def))
		}
	}
	p, ok := s.patterns[string(content)]
	if !ok {
		p = uint32(len(s.contents))
		s.patterns[string(content)] = p
		s.contents = append(s.contents, string(content))
	}
	s.memo[key] = p
	return p
}

// makeVariants finds which classes occur under which patterns.
func (s *split) makeVariants() {
	for u, scope := range s.table.scopes {
		for i, c := range scope.classes {
			set := s.reach[c]
			if set == 0 || s.table.class(c).kind() > Enum64 {
				continue
			}
			p := s.pattern(u, set)
			key := uint64(c)<<32 | uint64(p)
			v, ok := s.find[key]
			if !ok {
				v = uint32(len(s.variants))
				s.find[key] = v
				s.byClass[c] = append(s.byClass[c], v)
				s.variants = append(s.variants, variant{
					class: c, pattern: p, scope: u, order: uint64(u)<<32 | uint64(i), goes: v,
				})
			}
			s.variants[v].units++
		}
	}
}

// settle has a struct or union whose pattern leaves names open go along with a
// variant that binds them, if there is one that agrees in all others: the one
// that occurs in most units. Other classes follow what they refer to. A base
// cannot change any more: what binds names that it leaves open goes along with
// it.
func (s *split) settle() {
	for c, list := range s.byClass {
		slices.SortFunc(list, func(a, b uint32) int { return s.compare(&s.variants[a], &s.variants[b]) })
		if k := s.table.class(c).kind(); k != Struct && k != Union {
			continue
		}
		for _, v := range list {
			open := s.contents[s.variants[v].pattern]
			if base := list[0]; s.inBase(base) {
				if v == base || extends(open, s.contents[s.variants[base].pattern]) {
					s.variants[v].goes = base
					continue
				}
			}
			for _, w := range list {
				if extends(s.contents[s.variants[w].pattern], open) {
					s.variants[v].goes = w
					break
				}
			}
		}
	}
}

// inBase reports whether variant v is a type of the base.
func (s *split) inBase(v uint32) bool { return s.table.base != nil && s.variants[v].scope == 0 }

// extends reports whether more binds all that less does, and others.
func extends(more, less string) bool {
	if len(more) <= len(less) {
		return false
	}
	for ; len(less) > 0; less = less[8:] {
		for ; len(more) >= 8 && more[:8] != less[:8]; more = more[8:] {
		}
		if len(more) < 8 {
			return false
		}
	}
	return true
}

// compare ranks variants of one class, by nothing that depends on the order of
// the units.
func (s *split) compare(a, b *variant) int {
	if s.table.base != nil && (a.scope == 0) != (b.scope == 0) {
		return cmp.Compare(a.scope, b.scope)
	}
	if c := cmp.Compare(b.units, a.units); c != 0 {
		return c
	}
	return cmp.Compare(s.describe(a.pattern), s.describe(b.pattern))
}

// describe spells a pattern so that it can be compared across runs.
func (s *split) describe(p uint32) string {
	content := []byte(s.contents[p])
	var text []byte
	for ; len(content) > 0; content = content[8:] {
		text = binary.BigEndian.AppendUint32(text, binary.LittleEndian.Uint32(content))
		text = s.table.describe(text, Class(binary.LittleEndian.Uint32(content[4:])))
	}
	return string(text)
}

// describe appends the words of c with its strings in place of their numbers
// and, for what it refers to, only kinds and names.
func (t *Table) describe(text []byte, c Class) []byte {
	words := t.class(c).words
	k := t.class(c).kind()
	names, plain := layoutOf(k)
	for i, w := range words {
		switch {
		case names(i):
			text = append(append(text, t.Bytes(Name(w))...), 0)
		case plain(i):
			text = binary.BigEndian.AppendUint32(text, w)
		case w != 0:
			target := t.class(Class(w)).words
			text = append(text, byte(target[0]>>kindShift))
			if hasName(Kind(target[0] >> kindShift & kindMask)) {
				text = append(append(text, t.Bytes(Name(target[1]))...), 0)
			}
		}
	}
	return text
}

// hasName reports whether the second word of a record is a name.
func hasName(k Kind) bool { return k != Array && k != FuncProto && k != private }

// layoutOf tells which words of a record of kind k are names, and which neither
// names nor classes.
func layoutOf(k Kind) (isName, isPlain func(i int) bool) {
	switch k {
	case Struct, Union:
		return func(i int) bool { return i == 1 || i > 2 && i%3 == 0 }, func(i int) bool { return i == 0 || i%3 == 2 }
	case FuncProto:
		return func(i int) bool { return i > 2 && i%2 == 1 }, func(i int) bool { return i < 2 }
	case Enum:
		return func(i int) bool { return i == 1 || i > 2 && i%2 == 1 }, func(int) bool { return true }
	case Enum64:
		return func(i int) bool { return i == 1 || i > 2 && i%3 == 0 }, func(int) bool { return true }
	case Array, private:
		return func(int) bool { return false }, func(i int) bool { return i < 2 || k == private }
	case Int, Float:
		return func(i int) bool { return i == 1 }, func(int) bool { return true }
	}
	return func(i int) bool { return i == 1 }, func(i int) bool { return i != 2 }
}

// isVariant reports whether n is a variant, and of which number.
func (s *split) isVariant(n Node) (uint32, bool) {
	return uint32(int(n) - s.bound), int(n) >= s.bound
}

func (s *split) class(n Node) Class {
	if v, ok := s.isVariant(n); ok {
		return s.variants[v].class
	}
	return Class(n)
}

// node returns what a class of a unit became.
func (s *split) node(c Class, unit int) Node {
	for range 4 { // a name, its definition and a private reference at most
		m := s.g.meaning[c]
		if n, ok := s.number[c]; ok && m == 0 {
			for _, b := range s.bindings[unit] {
				if b.name == n {
					m = b.def
				}
			}
		}
		if m == 0 {
			break
		}
		c = m
	}
	set := s.reach[c]
	if set == 0 || len(s.byClass[c]) == 0 {
		return s.final(Node(c))
	}
	v, ok := s.find[uint64(c)<<32|uint64(s.pattern(unit, set))]
	if !ok {
		// The unit has no such type of its own and knows it by name only.
		v = s.byClass[c][0]
	}
	for s.variants[v].goes != v {
		v = s.variants[v].goes
	}
	return s.final(Node(s.bound + int(v)))
}

// edge returns what n refers to by c.
func (s *split) edge(n Node, c Class) Node {
	if v, ok := s.isVariant(n); ok {
		return s.node(c, s.variants[v].scope)
	}
	if m := s.g.meaning[c]; m != 0 {
		c = m
	}
	return s.final(Node(c))
}

// final follows merges.
func (s *split) final(n Node) Node {
	if m, ok := s.same[n]; ok {
		return m
	}
	return n
}

// list puts the nodes in order.
func (s *split) list(seen []Class) []Node {
	type place struct {
		order uint64
		node  Node
	}
	var places []place
	needed := make(map[Class]bool) // ambiguous names that stay declarations
	for v := range s.variants {
		n := Node(s.bound + v)
		if s.variants[v].goes != uint32(v) || s.final(n) != n || s.inBase(uint32(v)) {
			continue
		}
		if s.table.class(s.variants[v].class).order.Load() < unlisted {
			places = append(places, place{s.variants[v].order, n})
		}
		for _, c := range refs(nil, s.table.class(s.variants[v].class).words) {
			to := s.edge(n, c)
			if _, name := s.number[Class(to)]; name && !needed[Class(to)] {
				needed[Class(to)] = true
				places = append(places, place{min(s.variants[v].order, s.table.class(Class(to)).order.Load()), to})
			}
		}
	}
	for _, c := range seen {
		n := Node(c)
		if s.g.meaning[c] != 0 || s.final(n) != n || len(s.byClass[c]) > 0 {
			continue
		}
		if _, ambiguous := s.number[c]; ambiguous {
			continue // listed above if anything still refers to it
		}
		places = append(places, place{s.table.class(c).order.Load(), n})
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(a.order, b.order) })
	all := make([]Node, len(places))
	for i, p := range places {
		all[i] = p.node
	}
	return all
}
