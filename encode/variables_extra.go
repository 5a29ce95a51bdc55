package encode

import (
	"bytes"
	"debug/elf"
	"math"
	"slices"

	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// extras returns variables that DWARF has no definition of but the symbol table
// has: second names of an object (jiffies), and what assembly and linker scripts
// define and C declares (init_top_pgt, __per_cpu_start). list is what DWARF
// defines, by place.
//
// What shares bytes with another variable, or has no size, is not listed in a
// DATASEC: its VAR gives the type, and the symbol table the address.
func (c *encoder) extras(list []object, declared map[dedup.Name]declaration, g *dedup.Graph) []object {
	sizes := newSizes(c, g)
	var more []object
	for _, s := range c.variableSymbols.list {
		name := c.table.Bytes(s.name)
		if !c.wanted(s.section) || !validIdentifier(name) || c.hidden(name) {
			continue
		}
		before, after := neighbours(list, s.place)
		o := object{place: s.place, name: s.name, global: s.bind != elf.STB_LOCAL}
		switch d, ok := declared[s.name]; {
		case before != nil && before.place == s.place && c.sameObject(before.name, name):
			continue
		case ok:
			o.typ = g.Node(d.class, int(d.scope))
		case before != nil && before.place == s.place && s.isAlias(name, before.size):
			o.typ = before.typ
		}
		if o.typ == 0 {
			continue
		}
		o.measure(sizes, s.size)
		o.listed = !c.isCode(s.section) && o.size > 0 && o.size <= math.MaxUint32 && s.offset <= math.MaxUint32 &&
			(before == nil || !before.overlaps(o)) && (after == nil || !o.overlaps(*after))
		if n := len(more); n > 0 && more[n-1].overlaps(o) {
			if more[n-1].name == o.name {
				continue
			}
			o.listed = false
		}
		more = append(more, o)
	}
	return more
}

// isAlias reports whether s is another name that the source gives a variable of
// so many bytes at its place. A static of size 0 is there by chance; its symbol
// ends in a number.
func (s *variableSymbol) isAlias(name []byte, size uint64) bool {
	return s.typ == elf.STT_OBJECT && bytes.IndexByte(name, '.') < 0 && (s.bind != elf.STB_LOCAL || s.size == size)
}

// isCode reports whether a section holds code. A variable that C declares there
// is a label.
func (c *encoder) isCode(section int) bool {
	return c.variableSymbols.sections[section].Flags&elf.SHF_EXECINSTR != 0
}

// neighbours returns the last variable of list that is not behind p, and the
// first that is.
func neighbours(list []object, p place) (before, after *object) {
	i, found := slices.BinarySearchFunc(list, p, func(o object, p place) int { return o.compare(p) })
	if found {
		i++
	}
	if i > 0 {
		before = &list[i-1]
	}
	if i < len(list) {
		after = &list[i]
	}
	return before, after
}

// sameObject reports whether a symbol is that of the variable at its address.
// That of a static of a function has a number behind the name.
func (c *encoder) sameObject(variable dedup.Name, symbol []byte) bool {
	name := c.table.Bytes(variable)
	rest, ok := bytes.CutPrefix(symbol, name)
	return ok && (len(rest) == 0 || rest[0] == '.')
}

// declarations joins what the workers found declared.
func declarations(workers []*worker) map[dedup.Name]declaration {
	all := make(map[dedup.Name]declaration)
	for _, w := range workers {
		for name, d := range w.variables.declared {
			if old, ok := all[name]; !ok || d.precedes(old) {
				all[name] = d
			}
		}
	}
	return all
}
