package kallsymstest

import (
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// ModuleSymbol is a symbol of a module.
type ModuleSymbol struct {
	Addr      vmcore.Addr
	Type      byte
	Name      string
	Undefined bool // it belongs to another module or to the kernel
}

// TypeHome is where a kernel keeps the types of a module's symbols.
type TypeHome uint8

const (
	Typetab TypeHome = iota // a table of its own, since v5.2
	StSize                  // in st_size: v5.0 and v5.1
	StInfo                  // in st_info, before
)

// Module writes the symbol table of a module: typetab, symtab and strtab, in
// memory at a multiple of 8. The spec lacks what is not in memory: the module's
// name and sections.
func Module(layout vmcore.Layout, types TypeHome, start vmcore.Addr, symbols []ModuleSymbol) (*Image, kallsyms.ModuleSpec) {
	w := writer{kernel: &Kernel{Layout: layout}, image: Image{Start: start, Labels: map[string]vmcore.Addr{}}}
	spec := kallsyms.ModuleSpec{NumSymbols: uint64(len(symbols) + 1)}
	spec.Symtab = w.here()
	w.elfSymbol(ModuleSymbol{Undefined: true}, 0, types)
	strtab := []byte{0}
	for _, s := range symbols {
		w.elfSymbol(s, len(strtab), types)
		strtab = append(append(strtab, s.Name...), 0)
	}
	if types == Typetab {
		spec.Typetab = w.here()
		w.image.Bytes = append(w.image.Bytes, 0)
		for _, s := range symbols {
			w.image.Bytes = append(w.image.Bytes, s.Type)
		}
	}
	spec.Strtab = w.here()
	w.image.Bytes = append(w.image.Bytes, strtab...)
	return &w.image, spec
}

// elfSymbol writes an Elf32_Sym or an Elf64_Sym.
func (w *writer) elfSymbol(s ModuleSymbol, name int, types TypeHome) {
	size, info, section := uint64(0xf00), byte(0x12), []byte{0, 0} // a global function
	switch types {
	case StSize:
		size = uint64(s.Type)
	case StInfo:
		info = s.Type
	}
	if !s.Undefined {
		w.kernel.Layout.ByteOrder().PutUint16(section, 3)
	}
	w.put32(uint32(name))
	if w.kernel.Layout.WordSize == 4 {
		w.word(uint64(s.Addr))
		w.word(size)
	}
	w.image.Bytes = append(append(w.image.Bytes, info, 0), section...)
	if w.kernel.Layout.WordSize == 8 {
		w.word(uint64(s.Addr))
		w.word(size)
	}
}
