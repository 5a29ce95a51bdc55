package encode

import (
	"bytes"
	"debug/elf"
	"maps"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// functionSymbols is what the ELF symbol table says of functions, by the name
// that the source gives them. It is not written to once units are read.
type functionSymbols struct {
	byName  map[dedup.Name]int32
	list    []functionSymbol
	copies  map[dwarf.Address]dedup.Name // with TrueSignature: changed copies, not in list
	machine elf.Machine
}

// functionSymbol is all symbols of one function, or of several that share a
// name.
type functionSymbol struct {
	name      dedup.Name
	addr      uint64
	section   int
	ambiguous bool // several addresses
	changed   bool // a copy whose parameters the compiler may have changed
}

// newFunctionSymbols reads the symbol table of f. Compilers append ".constprop.0"
// and the like to the names of copies that they make of a function; what is cut
// off (.cold) or split off (.part) is no function of its own.
func newFunctionSymbols(f *dwarf.File, t *dedup.Table, opts *Options) functionSymbols {
	fs := functionSymbols{byName: make(map[dedup.Name]int32), copies: make(map[dwarf.Address]dedup.Name), machine: f.Machine()}
	named := make(map[dedup.Name]int) // copies
	for s := range f.Symbols() {
		if s.Type != elf.STT_FUNC || s.Section == int(elf.SHN_UNDEF) || len(s.Name) == 0 {
			continue
		}
		base, suffix := s.Name, []byte(nil)
		if i := bytes.IndexByte(s.Name[1:], '.'); i >= 0 {
			base, suffix = s.Name[:i+1], s.Name[i+1:]
		}
		if bytes.Contains(suffix, []byte(".cold")) || bytes.Contains(suffix, []byte(".part")) {
			continue
		}
		changed := bytes.Contains(suffix, []byte(".isra")) || bytes.Contains(suffix, []byte(".constprop"))
		if changed && opts.TrueSignature {
			at := dwarf.Address{Value: fs.code(s.Value)}
			if f.Type() == elf.ET_REL {
				at.Section = s.Section
			}
			name := t.Intern(s.Name)
			fs.copies[at] = name
			named[name]++
			continue
		}
		fs.add(functionSymbol{name: t.Intern(base), addr: fs.code(s.Value), section: s.Section, changed: changed})
	}
	maps.DeleteFunc(fs.copies, func(_ dwarf.Address, name dedup.Name) bool { return named[name] > 1 })
	return fs
}

func (fs *functionSymbols) add(s functionSymbol) {
	i, ok := fs.byName[s.name]
	if !ok {
		fs.byName[s.name] = int32(len(fs.list))
		fs.list = append(fs.list, s)
		return
	}
	old := &fs.list[i]
	old.changed = old.changed || s.changed
	if old.addr != s.addr || old.section != s.section {
		old.ambiguous = true
	}
}

// code returns the address of the code that a symbol stands for: the lowest bit
// of a function of Arm says that it is Thumb code.
func (fs *functionSymbols) code(addr uint64) uint64 {
	if fs.machine == elf.EM_ARM {
		return addr &^ 1
	}
	return addr
}

func (fs *functionSymbols) find(name dedup.Name) (int32, bool) {
	i, ok := fs.byName[name]
	return i, ok
}

// won reports whether a is where the symbol leads. The weak definition of a
// function keeps its own address, which no symbol has any more.
func (fs *functionSymbols) won(sym int32, a dwarf.Address) bool {
	s := &fs.list[sym]
	return fs.code(a.Value) == s.addr && (a.Section == 0 || a.Section == s.section)
}
