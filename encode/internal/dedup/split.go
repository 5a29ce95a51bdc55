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
// A program binds each ambiguous name to one definition, or to none. What a class
// is in a program depends on the bindings of the names reachable from the class,
// and on nothing else: these are its pattern. Programs are few, so patterns are
// few too.
type split struct {
	g     *Graph
	table *Table
	bound int // of classes; variants are numbered from there

	ambiguous []Class       // names of several meanings
	number    map[Class]int // of an ambiguous name in that list
	defs      []definition  // of the ambiguous names, by name
	programs  []*program
	program   []int    // by unit
	reach     []uint32 // by class: the set of ambiguous names it reaches, 0 for none
	sets      []bitset // by the numbers in reach
	patterns  map[string]uint32
	contents  [][]uint32        // of patterns: definitions, ascending
	memo      map[uint64]uint32 // pattern of program and set
	extends   map[uint64]bool   // of pairs of patterns

	alike    map[Class]bool // see findAlike
	variants []variant
	find     map[uint64]uint32 // variant of class and pattern
	byClass  map[Class][]uint32
	same     map[Node]Node // what was merged into what
}

// variant is a class under a pattern.
type variant struct {
	class   Class
	pattern uint32
	program int    // a program where it occurs: the first
	order   uint64 // of the first place
	units   int    // in how many it occurs
	goes    uint32 // along with this variant, itself if it stands alone
}

// newSplit splits what ambiguous names and private references require.
func newSplit(g *Graph, ambiguous map[Class][]Class) (*split, error) {
	s := &split{
		g: g, table: g.table, bound: int(g.table.bound()), number: make(map[Class]int),
		patterns: make(map[string]uint32), memo: make(map[uint64]uint32),
		extends: make(map[uint64]bool), find: make(map[uint64]uint32), byClass: make(map[Class][]uint32), same: make(map[Node]Node),
	}
	s.ambiguous = slices.SortedFunc(maps.Keys(ambiguous), func(a, b Class) int {
		return bytes.Compare(s.nameOf(a), s.nameOf(b))
	})
	for i, name := range s.ambiguous {
		s.number[name] = i
	}
	s.define(ambiguous)
	if err := s.join(); err != nil {
		return nil, err
	}
	if err := s.findReach(ambiguous); err != nil {
		return nil, err
	}
	s.alike = s.findAlike()
	s.makeVariants()
	s.settle()
	s.refine()
	return s, nil
}

// nameOf returns the kind and name of a name-only class as one key.
func (s *split) nameOf(c Class) []byte {
	words := s.table.class(c).words
	return append([]byte{byte(words[0] >> kindShift)}, s.table.Bytes(Name(words[1]))...)
}

// pattern returns the bindings in a program of the names in a set.
func (s *split) pattern(p int, set uint32) uint32 {
	key := uint64(p)<<32 | uint64(set)
	if n, ok := s.memo[key]; ok {
		return n
	}
	var content []uint32
	for n := range s.sets[set].all() {
		if d := s.programs[p].means[n]; d != 0 {
			content = append(content, d-1)
		}
	}
	text := make([]byte, 0, 4*len(content))
	for _, d := range content {
		text = binary.LittleEndian.AppendUint32(text, d)
	}
	n, ok := s.patterns[string(text)]
	if !ok {
		n = uint32(len(s.contents))
		s.patterns[string(text)] = n
		s.contents = append(s.contents, content)
	}
	s.memo[key] = n
	return n
}

// makeVariants finds which classes occur under which patterns. Of a base, only
// those matter that occur elsewhere too, or that look like one that does: the
// others are what they are.
func (s *split) makeVariants() {
	at := make([]uint32, s.bound) // by class: variant + 1, of the program
	var entered []Class           // there
	elsewhere := s.outsideBase()
	for p, program := range s.programs {
		for _, c := range entered {
			at[c] = 0
		}
		entered = entered[:0]
		for _, u := range program.units {
			for i, c := range s.table.scopes[u].classes {
				if at[c] == 0 {
					if p == 0 && elsewhere != nil && !elsewhere[c] {
						continue
					}
					set := s.reach[c]
					if set == 0 || s.table.class(c).kind() > Enum64 {
						continue
					}
					at[c] = s.variant(c, s.pattern(p, set), p) + 1
					entered = append(entered, c)
				}
				v := &s.variants[at[c]-1]
				v.order = min(v.order, uint64(u)<<32|uint64(i))
				v.units++
			}
		}
	}
}

// outsideBase marks the classes that occur in a unit, or look like one that does.
// It is nil if there is no base.
func (s *split) outsideBase() []bool {
	if s.table.base == nil {
		return nil
	}
	marked := make([]bool, s.bound)
	for _, scope := range s.table.scopes[1:] {
		for _, c := range scope.classes {
			marked[c] = true
		}
	}
	for c := range s.alike {
		marked[c] = true
	}
	return marked
}

// variant returns the variant of a class under a pattern.
func (s *split) variant(c Class, pattern uint32, p int) uint32 {
	key := uint64(c)<<32 | uint64(pattern)
	v, ok := s.find[key]
	if !ok {
		v = uint32(len(s.variants))
		s.find[key] = v
		s.byClass[c] = append(s.byClass[c], v)
		s.variants = append(s.variants, variant{class: c, pattern: pattern, program: p, order: nowhere, goes: v})
	}
	return v
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
			if base := list[0]; s.inBase(base) {
				if v == base || s.binds(v, base) {
					s.variants[v].goes = base
					continue
				}
			}
			for _, w := range list {
				if s.binds(w, v) {
					s.variants[v].goes = w
					break
				}
			}
		}
	}
}

// inBase reports whether variant v is a type of the base.
func (s *split) inBase(v uint32) bool { return s.table.base != nil && s.variants[v].program == 0 }

// binds reports whether variant v binds all that w does, and others.
func (s *split) binds(v, w uint32) bool {
	key := uint64(s.variants[v].pattern)<<32 | uint64(s.variants[w].pattern)
	yes, ok := s.extends[key]
	if !ok {
		yes = extends(s.contents[s.variants[v].pattern], s.contents[s.variants[w].pattern])
		s.extends[key] = yes
	}
	return yes
}

// extends reports whether more has all that less has, and others. Both ascend.
func extends(more, less []uint32) bool {
	if len(more) <= len(less) {
		return false
	}
	for _, d := range less {
		i, ok := slices.BinarySearch(more, d)
		if !ok {
			return false
		}
		more = more[i+1:]
	}
	return true
}

// compare ranks variants of one class, by nothing that depends on the order of
// the units.
func (s *split) compare(a, b *variant) int {
	if s.table.base != nil && (a.program == 0) != (b.program == 0) {
		return cmp.Compare(a.program, b.program)
	}
	return cmp.Or(cmp.Compare(b.units, a.units), slices.Compare(s.contents[a.pattern], s.contents[b.pattern]))
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

// node returns what a class became in a program.
func (s *split) node(c Class, p int) Node {
	for range 4 { // a name, its definition and a private reference at most
		m := s.g.meaning[c]
		if n, ok := s.number[c]; ok && m == 0 {
			m = s.meaningIn(p, n)
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
	v, ok := s.find[uint64(c)<<32|uint64(s.pattern(p, set))]
	if !ok {
		// The program has no such type of its own and knows it by name only.
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
		return s.node(c, s.variants[v].program)
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
