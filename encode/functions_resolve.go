package encode

import (
	"debug/elf"
	"slices"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

const maxOrigins = 8 // of an entry: abstract_origin, then specification, is two

// end makes candidates of the unit's subprograms. All its types are interned.
func (fs *functions) end(w *worker) {
	if fs.known == nil {
		fs.known = make(map[candidateKey]int32)
	}
	for i := range fs.list {
		s := &fs.list[i]
		if s.borrowed || s.flags&isDeclared != 0 || s.isReference() {
			continue
		}
		name, ret := fs.origins(s)
		if copied, ok := w.core.functionSymbols.copies[s.pc]; ok && s.flags&isConcrete != 0 {
			fs.copy(w, s, copied, ret)
			continue
		}
		if sym, ok := w.core.functionSymbols.find(w.name(name)); ok {
			fs.candidate(w, i, sym, ret)
		}
	}
}

// isReference reports whether s only stands for a subprogram of another unit, as
// GCC has it with link-time optimisation. It may lack parameters.
func (s *subprogram) isReference() bool { return s.flags&(isInstance|isConcrete) == isInstance }

// origins returns the name and return type of a subprogram, from its abstract
// instance or declaration where it has none itself.
func (fs *functions) origins(s *subprogram) (name dwarf.StringRef, ret dedup.Entry) {
	for range maxOrigins {
		if name == 0 {
			name = s.name
		}
		if ret == 0 {
			ret = s.ret
		}
		if s.origin == 0 || name != 0 && ret != 0 {
			break
		}
		i, ok := find(fs.list, s.origin, func(s *subprogram) dwarf.Ref { return s.at })
		if !ok {
			break
		}
		s = &fs.list[i]
	}
	return name, ret
}

// source returns a parameter with what its origin says of it: name, type, and
// number in the source.
func (fs *functions) source(p parameter) parameter {
	for range maxOrigins {
		if p.origin == 0 {
			break
		}
		i, ok := find(fs.params, p.origin, func(p *parameter) dwarf.Ref { return p.at })
		if !ok {
			break
		}
		q := fs.params[i]
		if p.name == 0 {
			p.name = q.name
		}
		if p.typ == 0 {
			p.typ = q.typ
		}
		p.index, p.origin = q.index, q.origin
	}
	return p
}

// find looks an entry up in a list that is in the order of entries.
func find[T any](list []T, at dwarf.Ref, key func(*T) dwarf.Ref) (int, bool) {
	lo, hi := 0, len(list)
	for lo < hi {
		if mid := int(uint(lo+hi) / 2); key(&list[mid]) < at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(list) && key(&list[lo]) == at
}

// candidate makes a candidate of subprogram i, or adds to one with the same
// prototype.
func (fs *functions) candidate(w *worker, i int, sym int32, ret dedup.Entry) {
	s := &fs.list[i]
	flags := s.flags
	fs.protos = fs.protos[:0]
	for n := s.first; n != 0; n = fs.params[n-1].next {
		p := fs.source(fs.params[n-1])
		if p.name == 0 {
			return // the kernel wants every parameter named
		}
		flags |= p.flags
		if int(p.index) != len(fs.protos) {
			flags |= isReordered
		}
		fs.protos = append(fs.protos, dedup.Child{Name: w.name(p.name), Ref: p.typ})
	}
	if flags&isMisplaced != 0 && fs.hasAggregate(w) {
		flags &^= isMisplaced // it takes several registers or none, which moves the others
	}
	if flags&hasVarargs != 0 {
		fs.protos = append(fs.protos, dedup.Child{})
	}
	if flags&isConcrete != 0 && w.core.functionSymbols.won(sym, s.pc) {
		flags |= hasWon
	}
	if flags&isNocall == 0 && (flags&hasWon == 0 || flags&isSplit != 0 || w.core.file.Type() == elf.ET_REL) {
		flags &^= isOptimized | isElsewhere
	}
	fs.add(w, candidate{
		candidateKey: candidateKey{sym, w.types.Proto(ret, fs.protos)},
		signature:    fs.signature(w, ret),
		scope:        int32(w.scope), at: s.at, flags: flags, tags: fs.tagsOf(w, i),
	})
}

// add keeps c, of those with the same prototype the first one whose address won.
// Facts are those of all.
func (fs *functions) add(w *worker, c candidate) {
	i, ok := fs.known[c.candidateKey]
	if !ok {
		fs.known[c.candidateKey] = int32(len(fs.candidates))
		fs.candidates = append(fs.candidates, c)
		return
	}
	old := &fs.candidates[i]
	flags := c.flags | old.flags
	if c.precedes(old) {
		*old = c
	}
	old.flags = flags
}

// precedes orders candidates for one function: those at the symbol's address
// first, then by their entries.
func (c *candidate) precedes(d *candidate) bool {
	if won := c.flags & hasWon; won != d.flags&hasWon {
		return won != 0
	}
	return c.at < d.at
}

// tagsOf returns the declaration tags of subprogram i: its own and those of its
// abstract instance.
func (fs *functions) tagsOf(w *worker, i int) []functionTag {
	var tags []functionTag
	for range maxOrigins {
		s := &fs.list[i]
		for _, t := range fs.tags {
			if int(t.owner) == i {
				tags = append(tags, t)
			}
		}
		for _, v := range w.declTags(s.chain) {
			tags = append(tags, functionTag{int32(i), -1, v})
		}
		for n := s.first; n != 0; n = fs.params[n-1].next {
			p := &fs.params[n-1]
			for _, v := range w.declTags(p.chain) {
				tags = append(tags, functionTag{int32(i), p.index, v})
			}
		}
		var ok bool
		if i, ok = find(fs.list, s.origin, func(s *subprogram) dwarf.Ref { return s.at }); !ok {
			break
		}
	}
	slices.SortStableFunc(tags, func(a, b functionTag) int { return int(a.component - b.component) })
	return tags
}

// declTags returns the declaration tags of a chain of GCC's annotations.
func (w *worker) declTags(first dwarf.Ref) []dedup.Name {
	var values []dedup.Name
	for n := 0; first != 0 && n < maxAnnotations; n++ {
		links := w.annotations.links
		i, ok := find(links, first, func(a *annotation) dwarf.Ref { return a.at })
		if !ok {
			break
		}
		if !links[i].isType && links[i].value != 0 {
			values = append(values, links[i].value)
		}
		first = links[i].next
	}
	return values
}
