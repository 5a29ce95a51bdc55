package dedup

import (
	"encoding/binary"
	"slices"
)

// bitset is a set of ambiguous names.
type bitset []uint64

func (b bitset) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func (b bitset) key() string {
	var key []byte
	for _, w := range b {
		key = binary.LittleEndian.AppendUint64(key, w)
	}
	return string(key)
}

// findReach finds for each class the ambiguous names that can be reached from
// it, whatever the bindings: a set for each strongly connected component.
func (s *split) findReach(ambiguous map[Class][]Class) {
	s.reach = make([]uint32, s.bound)
	s.sets = []bitset{nil}
	if len(s.ambiguous) == 0 {
		return
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
	}
}

// ancestors marks the classes from which one of the given can be reached, if
// byName is set also by way of the definitions of names.
func (s *split) ancestors(of []Class, byName bool) []bool {
	marked := make([]bool, s.bound)
	for _, c := range of {
		marked[c] = true
	}
	for changed := true; changed; {
		changed = false
		for c := range s.table.all() {
			if !marked[c] && s.refersTo(c, marked, byName) {
				marked[c] = true
				changed = true
			}
		}
	}
	return marked
}

func (s *split) refersTo(c Class, marked []bool, byName bool) bool {
	if m := s.g.meaning[c]; m != 0 {
		return byName && marked[m]
	}
	words := s.table.class(c).words
	switch k := Kind(words[0] >> kindShift & kindMask); k {
	case Ptr, Const, Volatile, Restrict, Typedef, TypeTag, Array, DeclTag:
		return marked[words[2]]
	case Struct, Union:
		for i := 4; i < len(words); i += 3 {
			if marked[words[i]] {
				return true
			}
		}
	case FuncProto:
		for i := 2; i < len(words); i += 2 {
			if marked[words[i]] {
				return true
			}
		}
	}
	return false
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

func (r *reacher) visit(c Class) {
	r.enter(c)
	for len(r.calls) > 0 {
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
