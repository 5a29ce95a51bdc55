package dedup

import (
	"cmp"
	"errors"
	"slices"
	"sync"
)

// Node is a type of the result. 0 is void.
type Node uint32

// Graph is what the classes of a Table and the meanings of their names amount to:
// the types of the result and what they refer to.
type Graph struct {
	table   *Table
	all     []Node
	meaning []Class // by name-only or private class: what it stands for; 0: see ambiguous
	split   *split  // nil if every name has one meaning
}

// Errors of Resolve: there are more different types than a Table can number, or
// more names of several definitions than can be told apart in reasonable time.
var (
	ErrFull      = errors.New("too many different types or names")
	ErrAmbiguous = errors.New("too many names have several definitions")
)

// Resolve settles what names mean. All units must have been committed; nothing
// may be interned from now on.
func (t *Table) Resolve() (*Graph, error) {
	if t.full.Load() {
		return nil, ErrFull
	}
	g := &Graph{table: t, meaning: make([]Class, t.bound())}
	seen := t.seen()
	ambiguous := g.define(seen)
	if len(ambiguous) > 0 || t.hasPrivate() {
		var err error
		if g.split, err = newSplit(g, ambiguous); err != nil {
			return nil, err
		}
	}
	g.list(seen)
	return g, nil
}

// seen returns all classes that occur in a unit, in the order of their first
// occurrence.
func (t *Table) seen() []Class {
	type place struct {
		order uint64
		class Class
	}
	var places []place
	for k := range t.shards {
		list := &t.shards[k].list
		for i := range uint32(list.n) {
			if order := list.at(i).order.Load(); order < unlisted {
				places = append(places, place{order, Class(t.first + (i+1)*classShards + uint32(k))})
			}
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.order, b.order) })
	seen := make([]Class, len(places))
	for i, p := range places {
		seen[i] = p.class
	}
	return seen
}

func (t *Table) hasPrivate() bool {
	return slices.ContainsFunc(t.scopes, func(s scope) bool { return len(s.private) > 0 })
}

// define finds the definitions of all names. It returns those that have several,
// with their definitions: the base's first.
func (g *Graph) define(seen []Class) map[Class][]Class {
	t := g.table
	ambiguous := make(map[Class][]Class)
	if t.base != nil {
		copy(g.meaning, t.base.meaning)
		for name, defs := range t.base.ambiguous {
			ambiguous[name] = slices.Clone(defs)
		}
	}
	for _, c := range seen {
		name := t.defines(c)
		if name == 0 {
			continue
		}
		switch first := g.meaning[name]; {
		case ambiguous[name] != nil:
			ambiguous[name] = append(ambiguous[name], c)
		case first != 0:
			ambiguous[name] = []Class{first, c}
		case uint32(name) < t.first:
			ambiguous[name] = []Class{c} // the base only declares it
		default:
			g.meaning[name] = c
		}
	}
	for name := range ambiguous {
		g.meaning[name] = 0
	}
	for _, s := range t.scopes {
		for _, p := range s.private {
			g.meaning[p.from] = p.to
		}
	}
	return ambiguous
}

// defines returns the name-only class of what c defines, 0 if it is no definition
// or nothing refers to it by name.
func (t *Table) defines(c Class) Class {
	words := t.class(c).words
	k := Kind(words[0] >> kindShift & kindMask)
	if k.namer() == 0 || words[1] == 0 {
		return 0
	}
	if words[0]&vlenMask == 0 && k.namer() == enumName {
		return 0 // BTF has no other way to declare an enum
	}
	return t.nameClass(k, Name(words[1]))
}

// Freeze makes the table of a base out of its only unit, which has been committed
// and is not used any more.
func (u *Unit) Freeze() error {
	t := u.table
	if t.full.Load() {
		return ErrFull
	}
	for i := range t.shards {
		t.shards[i].forget()
	}
	t.unary = u.unary
	for _, list := range t.unary {
		for i, c := range list {
			if c != 0 && t.class(c).dropped() {
				list[i] = 0
			}
		}
	}
	g := &Graph{table: t, meaning: make([]Class, t.bound())}
	var seen []Class // as Table.seen has it
	for i, c := range t.scopes[0].classes {
		if t.class(c).order.Load() == uint64(i) {
			seen = append(seen, c)
		}
	}
	t.ambiguous = g.define(seen)
	t.meaning = g.meaning
	t.frozenLinks = sync.OnceValue(func() *links { return t.links(int(t.bound())) })
	t.alike = sync.OnceValue(func() map[uint64][]Class { return t.alikeInBase(g) })
	go t.alike() // it is needed only when units have been read
	return nil
}

// nameClass returns the class that refers to a name, 0 if there is none.
func (t *Table) nameClass(k Kind, name Name) Class {
	for b := t; b != nil; b = b.base {
		if list := b.unary[unaryStruct+int(k.namer()-structName)]; int(name) < len(list) && list[name] != 0 {
			return list[name]
		}
	}
	words := [...]uint32{uint32(k.namer()) << kindShift, uint32(name), 0}
	return t.find(words[:], hashWords(words[:]))
}

// list puts the nodes in order.
func (g *Graph) list(seen []Class) {
	if g.split != nil {
		g.all = g.split.list(seen)
		return
	}
	g.all = make([]Node, 0, len(seen))
	for _, c := range seen {
		if g.meaning[c] == 0 {
			g.all = append(g.all, Node(c))
		}
	}
}

// All returns the types that occur in units, in the order of their first
// occurrence. Function types made by [Unit.Proto] are not among them.
func (g *Graph) All() []Node { return g.all }

// Bound is above every Node.
func (g *Graph) Bound() int {
	n := int(g.table.bound())
	if g.split != nil {
		n += len(g.split.variants)
	}
	return n
}

// Node returns what a class of a unit became.
func (g *Graph) Node(c Class, scope int) Node {
	if c == 0 {
		return 0
	}
	if g.split != nil {
		return g.split.node(c, g.split.program[scope])
	}
	if m := g.meaning[c]; m != 0 {
		return Node(m)
	}
	return Node(c)
}

// Edge returns what node n refers to by c, a class in its record.
func (g *Graph) Edge(n Node, c Class) Node {
	if c == 0 {
		return 0
	}
	if g.split != nil {
		return g.split.edge(n, c)
	}
	if m := g.meaning[c]; m != 0 {
		return Node(m)
	}
	return Node(c)
}

// Base returns the class of the base that n is, 0 if the base does not have it.
func (g *Graph) Base(n Node) Class {
	c := Class(n)
	if g.split != nil {
		if v, ok := g.split.isVariant(n); ok {
			if g.split.variants[v].program != 0 {
				return 0
			}
			c = g.split.variants[v].class
		}
	}
	if uint32(c) >= g.table.first {
		return 0
	}
	return c
}

// class returns the class that n is, or is a variant of.
func (g *Graph) class(n Node) *class {
	if g.split != nil {
		return g.table.class(g.split.class(n))
	}
	return g.table.class(Class(n))
}

// refs appends the classes that a record refers to.
func refs(list []Class, words []uint32) []Class {
	switch k := Kind(words[0] >> kindShift & kindMask); k {
	case Ptr, Const, Volatile, Restrict, Typedef, TypeTag, Array, DeclTag:
		return append(list, Class(words[2]))
	case Struct, Union:
		for i := 3; i < len(words); i += 3 {
			list = append(list, Class(words[i+1]))
		}
	case FuncProto:
		list = append(list, Class(words[2]))
		for i := 3; i < len(words); i += 2 {
			list = append(list, Class(words[i+1]))
		}
	}
	return list
}
