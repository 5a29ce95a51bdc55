package kallsyms

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/kdbg/kdbg/vmcore"
)

const (
	maxModuleSymbols = 1 << 20 // the largest modules have some 20,000
	maxModuleName    = 512     // KSYM_NAME_LEN, which counts the NUL
)

// ModuleSpec says where the symbols of a loaded module are: the members of its
// struct mod_kallsyms (kernel/module/internal.h), and what the module's memory
// is used for.
type ModuleSpec struct {
	Name       string      // goes into [Symbol.Module]
	Symtab     vmcore.Addr // of Elf32_Sym or Elf64_Sym, by the word size
	Strtab     vmcore.Addr
	Typetab    vmcore.Addr // one letter per symbol; 0 in kernels before v5.2
	NumSymbols uint64      // symbol 0 included
	Sections   []Section   // give symbols a class, and their sizes an end
}

// LoadModule reads the symbols of a loaded module. Symbol 0, undefined and
// nameless symbols are left out, as are marks of the assembler ($d, .L1).
//
// Per-CPU symbols of modules have bare offsets for addresses; they need a
// Section of class [PerCPU] to be told from others. A table that cannot be read
// is a [*TableError]; names that cannot be read are left out.
func LoadModule(mem vmcore.Memory, layout vmcore.Layout, m ModuleSpec) (*Table, error) {
	symbols, err := readSymtab(mem, layout, m)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(symbols, func(a, b elfSymbol) int { return cmp.Compare(a.value, b.value) })
	strtab := readStrtab(mem, m.Strtab, symbols)

	t := &Table{module: m.Name, names: names{long: true, tokens: identity}}
	t.sections = sections{list: slices.Clone(m.Sections), complete: len(m.Sections) > 0}
	for _, s := range symbols {
		if name := s.text(strtab); named(name) {
			t.names.add(s.typ, name)
			t.addrs = append(t.addrs, s.value)
		}
	}
	if t.index, err = newIndex(&t.names); err != nil {
		return nil, &TableError{Table: "strtab of module " + m.Name, Addr: m.Strtab, Err: err}
	}
	return t, nil
}

// elfSymbol is what is needed of an Elf32_Sym or Elf64_Sym.
type elfSymbol struct {
	name  uint32 // offset in the strtab
	value vmcore.Addr
	typ   byte
}

// readSymtab reads the defined symbols of a module and their types.
func readSymtab(mem vmcore.Memory, layout vmcore.Layout, m ModuleSpec) ([]elfSymbol, error) {
	if m.NumSymbols <= 1 {
		return nil, nil
	}
	l := loader{mem: mem, layout: layout}
	if m.NumSymbols > maxModuleSymbols {
		return nil, &TableError{Table: "symtab of module " + m.Name, Addr: m.Symtab, Msg: "more symbols than any module has"}
	}
	entry := 24
	if layout.WordSize == 4 {
		entry = 16
	}
	symtab, err := l.read("symtab of module "+m.Name, m.Symtab, int(m.NumSymbols)*entry)
	if err != nil {
		return nil, err
	}
	var types []byte
	if m.Typetab != 0 {
		if types, err = l.read("typetab of module "+m.Name, m.Typetab, int(m.NumSymbols)); err != nil {
			return nil, err
		}
	}
	var symbols []elfSymbol
	for i := 1; i < int(m.NumSymbols); i++ {
		s, defined := decodeSymbol(layout, symtab[i*entry:])
		if types != nil {
			s.typ = types[i]
		}
		if !isLetter(s.typ) {
			s.typ = '?'
		}
		if defined {
			symbols = append(symbols, s)
		}
	}
	return symbols, nil
}

// decodeSymbol decodes an Elf32_Sym or Elf64_Sym. Before there was a typetab,
// the kernel kept the type in st_size (v5.0, v5.1), and in st_info before. A
// letter there is no valid st_info, so that it tells itself.
func decodeSymbol(layout vmcore.Layout, b []byte) (s elfSymbol, defined bool) {
	s.name = layout.Uint32(b)
	var info byte
	var size uint64
	var section uint16
	if layout.WordSize == 4 {
		s.value, size = vmcore.Addr(layout.Uint32(b[4:])), uint64(layout.Uint32(b[8:]))
		info, section = b[12], layout.Uint16(b[14:])
	} else {
		info, section = b[4], layout.Uint16(b[6:])
		s.value, size = vmcore.Addr(layout.Uint64(b[8:])), layout.Uint64(b[16:])
	}
	switch {
	case isLetter(info):
		s.typ = info
	case size < 0x80:
		s.typ = byte(size)
	}
	return s, section != 0 // SHN_UNDEF
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// readStrtab reads the names of symbols. Nothing says how long the table is;
// what cannot be read is not part of it.
func readStrtab(mem vmcore.Memory, at vmcore.Addr, symbols []elfSymbol) []byte {
	size := 0
	for _, s := range symbols {
		size = max(size, int(min(s.name, maxTable))+maxModuleName)
	}
	size = min(size, len(symbols)*maxModuleName)
	var b []byte
	for size > 0 {
		part := make([]byte, min(size, chunk))
		n, err := mem.ReadMemory(part, at+vmcore.Addr(len(b)))
		b = append(b, part[:n]...)
		if err != nil {
			break
		}
		size -= n
	}
	return b
}

// text returns the symbol's name, and nil when it is not in the table or
// longer than a name can be.
func (s *elfSymbol) text(strtab []byte) []byte {
	if uint64(s.name) >= uint64(len(strtab)) {
		return nil
	}
	name := strtab[s.name:min(len(strtab), int(s.name)+maxModuleName)]
	end := bytes.IndexByte(name, 0)
	return name[:max(end, 0)]
}

// named reports whether a name is one, and not a mark of the assembler: see
// is_mapping_symbol in include/linux/module_symbol.h.
func named(name []byte) bool {
	return len(name) > 0 && name[0] != '$' && !bytes.HasPrefix(name, []byte(".L"))
}

// identity is a token table in which each byte stands for itself, so that
// names of modules are kept as those of the kernel are.
var identity = func() *tokens {
	table := []byte{0} // no name has a NUL
	for c := 1; c < 256; c++ {
		table = append(table, byte(c), 0)
	}
	t, _ := parseTokens(table)
	return t
}()

// add appends a symbol to names that are [identity] tokens.
func (n *names) add(typ byte, name []byte) {
	n.starts = append(n.starts, uint32(len(n.data)))
	length := 1 + len(name)
	if length >= 0x80 {
		n.data = append(n.data, byte(length)|0x80, byte(length>>7))
	} else {
		n.data = append(n.data, byte(length))
	}
	n.data = append(append(n.data, typ), name...)
}
