package encode

import (
	"cmp"
	"slices"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// functionCopy is a copy of a function that a compiler changed (.constprop.0,
// .isra.0), with the parameters that it has now.
type functionCopy struct {
	name  dedup.Name // of the symbol, with its suffix
	proto dedup.Class
	scope int32
	at    dwarf.Ref
}

// copy keeps a changed copy if its parameters can be told: those that arrive in
// registers, by the order of these, which must be the first ones of the
// convention. A register between them would hold something that DWARF has no
// parameter for, such as a member of a structure that the source passes by
// pointer; so might one behind them, if the last parameter is not found.
func (fs *functions) copy(w *worker, s *subprogram, name dedup.Name, ret dedup.Entry) {
	var at [16]*parameter
	moved, stacked := false, false
	count := 0
	lastFound, lastLost := int32(-1), int32(-1) // in the source
	fs.protos = fs.protos[:0]
	for n := s.first; n != 0; n = fs.params[n-1].next {
		p := fs.source(fs.params[n-1])
		if p.name == 0 {
			return
		}
		fs.protos = append(fs.protos, dedup.Child{Name: w.name(p.name), Ref: p.typ})
		moved = moved || p.flags != 0 || int(p.index) != len(fs.protos)-1
		switch {
		case p.position == onStack:
			stacked = true
		case p.position >= 0 && int(p.position) < len(at) && at[p.position] == nil:
			at[p.position] = &p
			lastFound = max(lastFound, p.index)
			count++
		case p.position == nowhere:
			lastLost = max(lastLost, p.index)
		case p.position >= 0:
			return
		}
	}
	if moved {
		if stacked || lastLost > lastFound || fs.hasAggregate(w) || s.flags&hasVarargs != 0 {
			return
		}
		fs.protos = fs.protos[:0]
		for _, p := range at[:count] {
			if p == nil {
				return
			}
			fs.protos = append(fs.protos, dedup.Child{Name: w.name(p.name), Ref: p.typ})
		}
	}
	if s.flags&hasVarargs != 0 {
		fs.protos = append(fs.protos, dedup.Child{})
	}
	fs.copies = append(fs.copies, functionCopy{name, w.types.Proto(ret, fs.protos), int32(w.scope), s.at})
}

// appendCopies adds the changed copies that the workers found.
func (c *encoder) appendCopies(list []function, workers []*worker) []function {
	var copies []functionCopy
	for _, w := range workers {
		copies = append(copies, w.functions.copies...)
	}
	slices.SortFunc(copies, func(a, b functionCopy) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.at, b.at)) })
	copies = slices.CompactFunc(copies, func(a, b functionCopy) bool { return a.name == b.name })
	for _, f := range copies {
		name := c.table.Bytes(f.name)
		if !validIdentifier(name) {
			continue
		}
		list = append(list, function{
			candidate: candidate{candidateKey: candidateKey{proto: f.proto}, scope: f.scope, at: f.at},
			symbol:    f.name, name: name,
		})
	}
	return list
}
