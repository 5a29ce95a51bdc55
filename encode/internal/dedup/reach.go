package dedup

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"
)

// bitset is a set of ambiguous names.
type bitset []uint64

// all yields the names, ascending.
func (b bitset) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range b {
			for ; w != 0; w &= w - 1 {
				if !yield(i<<6 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

func (b bitset) key() string {
	var key []byte
	for _, w := range b {
		key = binary.LittleEndian.AppendUint64(key, w)
	}
	return string(key)
}

// maxReach bounds the product of ambiguous names and different sets of them. A
// kernel with Rust comes to a third of a million.
const maxReach = 1 << 30

// findReach finds for each class the ambiguous names that can be reached from
// it, whatever the bindings: a set for each strongly connected component.
func (s *split) findReach(ambiguous map[Class][]Class) error {
	s.reach = make([]uint32, s.bound)
	s.sets = []bitset{nil}
	if len(s.ambiguous) == 0 {
		return nil
	}
	r := reacher{
		split: s, defs: ambiguous, numbers: map[string]uint32{"": 0},
		index: make([]uint32, s.bound), low: make([]uint32, s.bound),
	}
	r.affected = s.ancestors(s.ambiguous, true)
	for c, yes := range r.affected {
		if yes && r.index[c] == 0 {
			r.visit(Class(c))
		}
		if r.tooMany() {
			return ErrAmbiguous
		}
	}
	return nil
}

// ancestors marks the classes from which one of the given can be reached, if
// byName is set also by way of the definitions of names.
func (s *split) ancestors(of []Class, byName bool) []bool {
	var all []*links
	for t := s.table; t != nil; t = t.base {
		if t.frozenLinks != nil {
			all = append(all, t.frozenLinks())
		} else {
			all = append(all, t.links(s.bound))
		}
	}
	if byName {
		names := &links{last: make([]uint32, s.bound)}
		for c, m := range s.g.meaning {
			if m != 0 {
				names.add(Class(c), m)
			}
		}
		all = append(all, names)
	}
	marked := make([]bool, s.bound)
	todo := slices.Clone(of)
	for _, c := range of {
		marked[c] = true
	}
	for len(todo) > 0 {
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, l := range all {
			for from := range l.into(c) {
				if !marked[from] {
					marked[from] = true
					todo = append(todo, from)
				}
			}
		}
	}
	return marked
}

// links are references, to be found by what they are made to.
type links struct {
	list []link
	last []uint32 // by class: index + 1 of a link to it
}

type link struct {
	from Class
	next uint32 // index + 1 of another link to the same class
}

// links returns the references that the classes of t itself make, to classes below
// bound.
func (t *Table) links(bound int) *links {
	l := &links{last: make([]uint32, bound)}
	var list []Class
	for c := range t.own() {
		list = refs(list[:0], t.class(c).words)
		for _, to := range list {
			l.add(c, to)
		}
	}
	return l
}

func (l *links) add(from, to Class) {
	l.list = append(l.list, link{from, l.last[to]})
	l.last[to] = uint32(len(l.list))
}

// into yields what refers to a class.
func (l *links) into(c Class) iter.Seq[Class] {
	return func(yield func(Class) bool) {
		if int(c) >= len(l.last) {
			return
		}
		for i := l.last[c]; i != 0; i = l.list[i-1].next {
			if !yield(l.list[i-1].from) {
				return
			}
		}
	}
}

// reacher is Tarjan's algorithm for strongly connected components, without
// recursion, as chains of types can be long.
type reacher struct {
	*split
	defs       map[Class][]Class
	affected   []bool            // classes that reach a name
	numbers    map[string]uint32 // of sets
	index, low []uint32
	next       uint32
	open       []Class // visited, component not known yet
	calls      []call
}

type call struct {
	class Class
	refs  []Class
	set   bitset
}

const closed = ^uint32(0) // low of a class whose component is known

func (r *reacher) tooMany() bool { return len(r.split.sets)*len(r.ambiguous) > maxReach }

func (r *reacher) visit(c Class) {
	r.enter(c)
	for len(r.calls) > 0 && !r.tooMany() {
		top := &r.calls[len(r.calls)-1]
		if len(top.refs) == 0 {
			r.leave()
			continue
		}
		to := top.refs[0]
		top.refs = top.refs[1:]
		switch {
		case !r.affected[to]:
		case r.index[to] == 0:
			r.enter(to)
		case r.low[to] == closed:
			top.set = union(top.set, r.split.sets[r.reach[to]])
		default:
			r.low[top.class] = min(r.low[top.class], r.index[to])
		}
	}
}

func (r *reacher) enter(c Class) {
	r.next++
	r.index[c], r.low[c] = r.next, r.next
	r.open = append(r.open, c)
	frame := call{class: c}
	if n, ok := r.number[c]; ok {
		frame.set = make(bitset, len(r.ambiguous)>>6+1)
		frame.set[n>>6] |= 1 << (n & 63)
		frame.refs = r.defs[c]
	} else if m := r.g.meaning[c]; m != 0 {
		frame.refs = []Class{m}
	} else {
		frame.refs = refs(nil, r.table.class(c).words)
	}
	r.calls = append(r.calls, frame)
}

// leave ends the visit of a class, and of its component if it is the root.
func (r *reacher) leave() {
	top := r.calls[len(r.calls)-1]
	r.calls = r.calls[:len(r.calls)-1]
	c := top.class
	if r.low[c] == r.index[c] {
		set := r.intern(top.set)
		for {
			last := r.open[len(r.open)-1]
			r.open = r.open[:len(r.open)-1]
			r.reach[last], r.low[last] = set, closed
			if last == c {
				break
			}
		}
		top.set = r.split.sets[set]
	}
	if len(r.calls) > 0 {
		caller := &r.calls[len(r.calls)-1]
		if r.low[c] != closed {
			r.low[caller.class] = min(r.low[caller.class], r.low[c])
		}
		caller.set = union(caller.set, top.set)
	}
}

func (r *reacher) intern(set bitset) uint32 {
	key := set.key()
	n, ok := r.numbers[key]
	if !ok {
		n = uint32(len(r.split.sets))
		r.numbers[key] = n
		r.split.sets = append(r.split.sets, set)
	}
	return n
}

// union returns a set with the elements of both, which it leaves alone.
func union(a, b bitset) bitset {
	switch {
	case len(b) == 0:
		return a
	case len(a) == 0:
		return b
	}
	for i := range b {
		if b[i]&^a[i] != 0 {
			a = slices.Clone(a)
			for i := range b {
				a[i] |= b[i]
			}
			break
		}
	}
	return a
}
