package encode

import (
	"cmp"
	"debug/elf"
	"slices"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// place is where a variable is: a section and the offset in it.
type place struct {
	section int
	offset  uint64
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.section, q.section), cmp.Compare(p.offset, q.offset))
}

// variableSymbols is what the ELF file says of variables: its sections and the
// symbols in them.
type variableSymbols struct {
	sections []dwarf.Section
	byAddr   []int // sections that are in memory, by address; empty for ET_REL
	list     []variableSymbol
	names    map[dedup.Name]bool // of list, for VarsExtra only
}

type variableSymbol struct {
	place
	name dedup.Name
	size uint64
	typ  elf.SymType
	bind elf.SymBind
}

// newVariableSymbols reads the symbols of objects, and those that have no type
// but are global: labels of assembly and of linker scripts.
func newVariableSymbols(f *dwarf.File, t *dedup.Table, opts *Options) variableSymbols {
	vs := variableSymbols{sections: f.Sections()}
	if opts.Vars == VarsOff {
		return vs
	}
	rel := f.Type() == elf.ET_REL
	if !rel {
		vs.sortSections()
	}
	for s := range f.Symbols() {
		label := s.Type == elf.STT_NOTYPE && s.Bind != elf.STB_LOCAL
		if s.Type != elf.STT_OBJECT && !label || s.Section <= 0 || s.Section >= len(vs.sections) {
			continue
		}
		sec := &vs.sections[s.Section]
		if sec.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		v := variableSymbol{
			place: place{s.Section, s.Value}, name: t.Intern(s.Name), size: s.Size, typ: s.Type, bind: s.Bind,
		}
		if !rel {
			v.offset -= sec.Addr
		}
		vs.list = append(vs.list, v)
	}
	slices.SortStableFunc(vs.list, func(a, b variableSymbol) int { return a.compare(b.place) })
	if opts.VarsExtra {
		vs.names = make(map[dedup.Name]bool)
		for _, s := range vs.list {
			vs.names[s.name] = true
		}
	}
	return vs
}

func (vs *variableSymbols) sortSections() {
	for i := range vs.sections {
		if s := &vs.sections[i]; s.Flags&elf.SHF_ALLOC != 0 && s.Flags&elf.SHF_TLS == 0 && s.Size > 0 {
			vs.byAddr = append(vs.byAddr, i)
		}
	}
	slices.SortStableFunc(vs.byAddr, func(a, b int) int { return cmp.Compare(vs.sections[a].Addr, vs.sections[b].Addr) })
}

// locate returns the place of an address. An address without section in a file
// that has none by address belongs to what the linker left out.
func (vs *variableSymbols) locate(a dwarf.Address) (place, bool) {
	if a.Section > 0 && a.Section < len(vs.sections) {
		sec := &vs.sections[a.Section]
		return place{a.Section, a.Value}, sec.Flags&elf.SHF_ALLOC != 0 && a.Value < sec.Size
	}
	i, found := slices.BinarySearchFunc(vs.byAddr, a.Value, func(i int, addr uint64) int {
		return cmp.Compare(vs.sections[i].Addr, addr)
	})
	if !found {
		i--
	}
	if i < 0 || i >= len(vs.byAddr) {
		return place{}, false
	}
	sec := &vs.sections[vs.byAddr[i]]
	off := a.Value - sec.Addr
	return place{sec.Index, off}, off < sec.Size
}

// at returns the symbols at a place.
func (vs *variableSymbols) at(p place) []variableSymbol {
	i, _ := slices.BinarySearchFunc(vs.list, p, func(s variableSymbol, p place) int { return s.compare(p) })
	j := i
	for j < len(vs.list) && vs.list[j].place == p {
		j++
	}
	return vs.list[i:j]
}

// named returns the symbol of that name at a place.
func (vs *variableSymbols) named(p place, name dedup.Name) (variableSymbol, bool) {
	for _, s := range vs.at(p) {
		if s.name == name {
			return s, true
		}
	}
	return variableSymbol{}, false
}
