package encode

import (
	"bytes"
	"slices"

	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// A SkipReason says why a function that has a symbol is not in the BTF: a
// program that relied on its prototype would be given wrong arguments, or would
// not know which function it is about.
type SkipReason uint8

const (
	SkipAmbiguous    SkipReason = iota + 1 // several functions have the name
	SkipInconsistent                       // units do not agree on the prototype
	SkipRegister                           // a parameter is not where the calling convention has it
	SkipReordered                          // parameters are in another order than in the source
	SkipUncertain                          // a structure is passed in memory, and BTF does not tell its alignment
	SkipOptimized                          // a copy of the function has fewer parameters
	SkipName                               // the name is no identifier of C
)

var skipReasons = [...]string{
	SkipAmbiguous:    "ambiguous address",
	SkipInconsistent: "inconsistent prototype",
	SkipRegister:     "unexpected register",
	SkipReordered:    "reordered parameters",
	SkipUncertain:    "uncertain parameter location",
	SkipOptimized:    "optimized parameters",
	SkipName:         "invalid name",
}

func (r SkipReason) String() string {
	if int(r) < len(skipReasons) {
		return skipReasons[r]
	}
	return "unknown reason"
}

// function is one that goes into the BTF.
type function struct {
	candidate
	symbol dedup.Name
	name   []byte
}

// verdict is what all units say of the functions of one name.
type verdict struct {
	best         *candidate
	flags        functionFlags
	inconsistent bool
}

// selectFunctions decides about the candidates of all workers. It returns the
// functions to encode, by name, and how many were left out for each reason.
func (c *encoder) selectFunctions(g *dedup.Graph, workers []*worker) (list []function, skipped map[SkipReason]int) {
	verdicts := make([]verdict, len(c.functionSymbols.list))
	for _, w := range workers {
		list := w.functions.candidates
		for i := range list {
			d := &list[i]
			v := &verdicts[d.symbol]
			v.flags |= d.flags
			if v.best == nil {
				v.best = d
				continue
			}
			v.inconsistent = v.inconsistent || v.best.signature != d.signature
			if d.precedes(v.best) {
				v.best = d
			}
		}
	}
	skipped = make(map[SkipReason]int)
	for i := range verdicts {
		v := &verdicts[i]
		if v.best == nil {
			continue
		}
		symbol := c.functionSymbols.list[i].name
		name := c.table.Bytes(symbol)
		if r := c.skip(g, v, name); r != 0 {
			skipped[r]++
			continue
		}
		list = append(list, function{*v.best, symbol, name})
	}
	list = c.appendCopies(list, workers)
	slices.SortFunc(list, func(a, b function) int { return bytes.Compare(a.name, b.name) })
	return list, skipped
}

// skip returns the reason to leave a function out, 0 for none.
func (c *encoder) skip(g *dedup.Graph, v *verdict, name []byte) SkipReason {
	sym := &c.functionSymbols.list[v.best.symbol]
	switch {
	case !validIdentifier(name):
		return SkipName
	case sym.ambiguous:
		return SkipAmbiguous
	case v.inconsistent && c.opts.ConsistentFunc:
		return SkipInconsistent
	case v.flags&isMisplaced != 0:
		return SkipRegister
	case v.flags&isReordered != 0:
		return SkipReordered
	case v.flags&(isOptimized|isElsewhere) != 0 && (sym.changed || v.flags&isNocall != 0):
		return SkipOptimized
	case c.uncertain(g, v.best):
		return SkipUncertain
	}
	return 0
}
