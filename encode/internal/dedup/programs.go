package dedup

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// definition is one of several that a name has.
type definition struct {
	name  int // in split.ambiguous
	class Class
}

// program is a set of units that have definitions of ambiguous names in common and
// do not contradict each other: each name means in all of them what it means in
// those that define it. Where names of several meanings are many, as when C and
// Rust describe the same structs, nearly all units of a language are one program.
type program struct {
	means []uint32 // by ambiguous name: number of the definition + 1, 0 if none
	units []int    // ascending
}

const (
	maxPrograms = 64      // of a definition that are tried for a unit
	maxMeanings = 1 << 25 // of all programs together
)

// define puts the definitions of the ambiguous names in an order that depends on
// neither workers nor units, except for those that look alike.
func (s *split) define(ambiguous map[Class][]Class) {
	for n, name := range s.ambiguous {
		classes := slices.Clone(ambiguous[name])
		text := make(map[Class][]byte, len(classes))
		for _, c := range classes {
			text[c] = s.table.describe(nil, c)
		}
		slices.SortFunc(classes, func(a, b Class) int {
			return cmp.Or(bytes.Compare(text[a], text[b]), cmp.Compare(s.table.class(a).order.Load(), s.table.class(b).order.Load()))
		})
		for _, c := range classes {
			s.defs = append(s.defs, definition{n, c})
		}
	}
}

// bindings returns by unit which definitions of ambiguous names it has,
// ascending. Of several definitions of one name the first counts; only
// declarations refer to these by name.
func (s *split) bindings() [][]uint32 {
	number := make([]uint32, s.bound) // by class: definition + 1
	for i, d := range s.defs {
		number[d.class] = uint32(i) + 1
	}
	name := func(d uint32) int { return s.defs[d].name }
	all := make([][]uint32, len(s.table.scopes))
	for u, scope := range s.table.scopes {
		var list []uint32
		for _, c := range scope.classes {
			if d := number[c]; d != 0 {
				list = append(list, d-1)
			}
		}
		slices.SortStableFunc(list, func(a, b uint32) int { return cmp.Compare(name(a), name(b)) })
		all[u] = slices.CompactFunc(list, func(a, b uint32) bool { return name(a) == name(b) })
	}
	return all
}

// join puts units together to programs: each, those that define most before
// others, to the program with which it has most in common. Units that define no
// ambiguous name are one program. A base is a program of its own, as it cannot
// change any more.
func (s *split) join() error {
	bindings := s.bindings()
	s.program = make([]int, len(bindings))
	order := make([]int, len(bindings))
	for u := range order {
		order[u] = u
	}
	if s.table.base != nil {
		s.programs = append(s.programs, &program{means: make([]uint32, len(s.ambiguous))})
		s.bind(0, 0, bindings[0])
		order = order[1:]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(len(bindings[b]), len(bindings[a])), slices.Compare(bindings[a], bindings[b]))
	})
	with := make([][]int, len(s.defs)) // by definition: programs, but for that of the base
	open := -1                         // the program of units that define nothing
	for _, u := range order {
		p := s.fit(with, bindings[u])
		if len(bindings[u]) == 0 {
			p = open
		}
		if p < 0 {
			p = len(s.programs)
			if (p+1)*len(s.ambiguous) > maxMeanings {
				return ErrAmbiguous
			}
			s.programs = append(s.programs, &program{means: make([]uint32, len(s.ambiguous))})
		}
		if len(bindings[u]) == 0 {
			open = p
		}
		for _, d := range s.bind(p, u, bindings[u]) {
			with[d] = append(with[d], p)
		}
	}
	for _, p := range s.programs {
		slices.Sort(p.units)
	}
	return nil
}

// bind adds a unit to a program. It returns the definitions that are new there.
func (s *split) bind(p, unit int, bindings []uint32) (added []uint32) {
	s.program[unit] = p
	means := s.programs[p].means
	s.programs[p].units = append(s.programs[p].units, unit)
	for _, d := range bindings {
		if name := s.defs[d].name; means[name] == 0 {
			means[name] = d + 1
			added = append(added, d)
		}
	}
	return added
}

// fit returns the program with which a unit has most in common, -1 if all that
// have anything contradict it.
func (s *split) fit(with [][]int, bindings []uint32) int {
	best, most := -1, 0
	tried := make(map[int]bool)
	for _, d := range bindings {
		for _, p := range with[d][:min(len(with[d]), maxPrograms)] {
			if tried[p] {
				continue
			}
			tried[p] = true
			if n := s.common(s.programs[p], bindings); n > most || n == most && best > p {
				best, most = p, n
			}
		}
	}
	return best
}

// common counts the definitions that a program and a unit share, none if they
// contradict each other.
func (s *split) common(p *program, bindings []uint32) int {
	n := 0
	for _, d := range bindings {
		switch p.means[s.defs[d].name] {
		case d + 1:
			n++
		case 0:
		default:
			return 0
		}
	}
	return n
}

// meaningIn returns what an ambiguous name means in a program, 0 if nothing.
func (s *split) meaningIn(p, name int) Class {
	if d := s.programs[p].means[name]; d != 0 {
		return s.defs[d-1].class
	}
	return 0
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
