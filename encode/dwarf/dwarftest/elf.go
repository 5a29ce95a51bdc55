package dwarftest

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// absolute are the relocation types for an address and for 4 and 8 bytes.
var absolute = map[elf.Machine]map[int]uint32{
	elf.EM_X86_64:    {4: 10, 8: 1},
	elf.EM_386:       {4: 1},
	elf.EM_ARM:       {4: 2},
	elf.EM_AARCH64:   {4: 258, 8: 257},
	elf.EM_RISCV:     {4: 1, 8: 2},
	elf.EM_S390:      {4: 4, 8: 22},
	elf.EM_PPC64:     {4: 1, 8: 38},
	elf.EM_LOONGARCH: {4: 1, 8: 2},
}

// Bytes returns the file.
func (f *File) Bytes() []byte {
	a := assembler{file: f}
	a.assemble(f.Info)
	w := writer{file: f, index: make(map[string]int)}
	w.add(outSection{})
	if f.ManySections {
		for range 0xff00 {
			w.add(outSection{name: ".text.unlikely", typ: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC})
		}
	}
	for _, s := range f.Sections {
		if s.Type == 0 {
			s.Type = elf.SHT_PROGBITS
		}
		w.add(outSection{name: s.Name, typ: s.Type, flags: s.Flags, addr: s.Addr, data: s.Data})
	}
	for _, name := range a.names {
		w.debug(name, a.out[name].Bytes())
	}
	w.symtab(f.Symbols, a.names)
	if f.Type == elf.ET_REL {
		for _, name := range a.names {
			w.relocs(name, a.out[name].relocs)
		}
	}
	return w.finish()
}

// outSection is a section of the file to be.
type outSection struct {
	name          string
	typ           elf.SectionType
	flags         elf.SectionFlag
	addr          uint64
	data          []byte
	link, info    int
	entsize, size uint64
}

type writer struct {
	file     *File
	sections []outSection
	index    map[string]int // of sections, by name
	symbols  map[string]int
}

func (w *writer) add(s outSection) int {
	w.sections = append(w.sections, s)
	w.index[s.name] = len(w.sections) - 1
	return len(w.sections) - 1
}

// debug adds a debugging section, compressed as the file says. A name may have
// a suffix that keeps it apart from others of the name.
func (w *writer) debug(name string, data []byte) {
	s := outSection{name: name, typ: elf.SHT_PROGBITS}
	var b bytes.Buffer
	if kind := map[string]uint32{"zlib": 1, "zstd": 2}[w.file.Compress]; kind != 0 {
		s.flags = elf.SHF_COMPRESSED
		w.put(&b, 4, uint64(kind))
		if !w.file.ELF32 {
			w.put(&b, 4, 0)
		}
		w.put(&b, w.file.AddrSize(), uint64(len(data)))
		w.put(&b, w.file.AddrSize(), 1)
	}
	switch w.file.Compress {
	case "":
		b.Write(data)
	case "zstd":
		z, _ := zstd.NewWriter(nil)
		b.Write(z.EncodeAll(data, nil))
	case "zdebug":
		b.WriteString("ZLIB")
		_ = binary.Write(&b, binary.BigEndian, uint64(len(data)))
		fallthrough
	default:
		z := zlib.NewWriter(&b)
		_, _ = z.Write(data)
		_ = z.Close()
	}
	s.data = b.Bytes()
	w.add(s)
}

// symtab adds the symbols: one for each debugging section, then the File's.
func (w *writer) symtab(symbols []Symbol, debug []string) {
	var syms, names, high bytes.Buffer
	w.symbols = make(map[string]int)
	names.WriteByte(0)
	put := func(name string, s Symbol, section int) {
		if s.Name != "" || section > 0 {
			w.symbols[name] = syms.Len() / w.symbolSize()
		}
		at := 0
		if s.Name != "" {
			at = names.Len()
			names.WriteString(s.Name + "\x00")
		}
		w.put(&high, 4, uint64(section))
		if section >= int(elf.SHN_LORESERVE) && section != int(elf.SHN_ABS) && section != int(elf.SHN_COMMON) {
			section = int(elf.SHN_XINDEX)
		}
		info := uint64(elf.ST_INFO(s.Bind, s.Type))
		w.put(&syms, 4, uint64(at))
		if w.file.ELF32 {
			w.put(&syms, 4, s.Value)
			w.put(&syms, 4, s.Size)
		}
		w.put(&syms, 1, info)
		w.put(&syms, 1, 0)
		w.put(&syms, 2, uint64(section))
		if !w.file.ELF32 {
			w.put(&syms, 8, s.Value)
			w.put(&syms, 8, s.Size)
		}
	}
	put("", Symbol{}, 0)
	for _, name := range debug {
		put(name, Symbol{Type: elf.STT_SECTION}, w.index[name])
	}
	for _, s := range symbols {
		section := w.index[s.Section]
		switch s.Section {
		case "":
			section = 0
		case "*ABS*":
			section = int(elf.SHN_ABS)
		case "*COMMON*":
			section = int(elf.SHN_COMMON)
		}
		put(s.Name, s, section)
	}
	i := w.add(outSection{
		name: ".symtab", typ: elf.SHT_SYMTAB, data: syms.Bytes(), entsize: uint64(w.symbolSize()), link: len(w.sections) + 1,
		info: len(debug) + 1,
	})
	w.add(outSection{name: ".strtab", typ: elf.SHT_STRTAB, data: names.Bytes()})
	if w.file.ManySections {
		w.add(outSection{name: ".symtab_shndx", typ: elf.SHT_SYMTAB_SHNDX, data: high.Bytes(), entsize: 4, link: i})
	}
}

func (w *writer) symbolSize() int {
	if w.file.ELF32 {
		return 16
	}
	return 24
}

// relocs adds the relocations of a section. The machines that have 32-bit
// addresses here keep addends in place (SHT_REL).
func (w *writer) relocs(section string, relocs []relocation) {
	if len(relocs) == 0 && w.file.Relocs[section] == nil {
		return
	}
	f, target := w.file, w.index[section]
	var b bytes.Buffer
	for _, r := range relocs {
		sym, ok := w.symbols[r.symbol]
		typ := absolute[f.machine()][r.size]
		if !ok || typ == 0 {
			panic(fmt.Sprintf("no symbol or relocation for %+v", r))
		}
		if f.ELF32 {
			w.put(&b, 4, uint64(r.off))
			w.put(&b, 4, uint64(sym)<<8|uint64(typ))
			p := w.sections[target].data[r.off:]
			(&assembler{file: f}).putAt(p, r.size, r.addend)
			continue
		}
		w.put(&b, 8, uint64(r.off))
		w.put(&b, 8, uint64(sym)<<32|uint64(typ))
		w.put(&b, 8, r.addend)
	}
	b.Write(f.Relocs[section])
	s := outSection{name: ".rela" + section, typ: elf.SHT_RELA, data: b.Bytes(), link: w.index[".symtab"], info: target, entsize: 24}
	if f.ELF32 {
		s.name, s.typ, s.entsize = ".rel"+section, elf.SHT_REL, 8
	}
	w.add(s)
}

func (f *File) machine() elf.Machine {
	if f.Machine == 0 {
		return elf.EM_X86_64
	}
	return f.Machine
}

// finish lays out the file: header, data of the sections, their headers.
func (w *writer) finish() []byte {
	f, word := w.file, w.file.AddrSize()
	var names bytes.Buffer
	names.WriteByte(0)
	shstrndx := w.add(outSection{name: ".shstrtab", typ: elf.SHT_STRTAB})
	nameOffs := make([]int, len(w.sections))
	for i := range w.sections {
		s := &w.sections[i]
		name, _, _ := strings.Cut(s.name, "#")
		if f.Compress == "zdebug" && strings.HasPrefix(name, ".debug_") {
			name = ".z" + name[1:]
		}
		if at := bytes.Index(names.Bytes(), []byte("\x00"+name+"\x00")); at >= 0 {
			nameOffs[i] = at + 1
		} else {
			nameOffs[i] = names.Len()
			names.WriteString(name + "\x00")
		}
	}
	w.sections[shstrndx].data = names.Bytes()

	var out, headers bytes.Buffer
	out.Write(make([]byte, 40+3*word))
	num, strndx := len(w.sections), shstrndx
	if num >= int(elf.SHN_LORESERVE) {
		w.sections[0].size, w.sections[0].link = uint64(num), shstrndx
		num, strndx = 0, int(elf.SHN_XINDEX)
	}
	for i, s := range w.sections {
		w.put(&headers, 4, uint64(nameOffs[i]))
		w.put(&headers, 4, uint64(s.typ))
		w.put(&headers, word, uint64(s.flags))
		w.put(&headers, word, s.addr)
		w.put(&headers, word, uint64(out.Len()))
		w.put(&headers, word, max(s.size, uint64(len(s.data))))
		w.put(&headers, 4, uint64(s.link))
		w.put(&headers, 4, uint64(s.info))
		w.put(&headers, word, 1)
		w.put(&headers, word, s.entsize)
		out.Write(s.data)
	}
	w.header(out.Bytes(), out.Len(), num, strndx)
	out.Write(headers.Bytes())
	return out.Bytes()
}

// header writes the ELF header to p.
func (w *writer) header(p []byte, shoff, num, strndx int) {
	f, word := w.file, w.file.AddrSize()
	typ := f.Type
	if typ == 0 {
		typ = elf.ET_EXEC
	}
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	if f.ELF32 {
		ident[elf.EI_CLASS] = byte(elf.ELFCLASS32)
	}
	if f.Big {
		ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	var h bytes.Buffer
	h.Write(ident[:])
	w.put(&h, 2, uint64(typ))
	w.put(&h, 2, uint64(f.machine()))
	w.put(&h, 4, 1)
	w.put(&h, word, 0)
	w.put(&h, word, 0)
	w.put(&h, word, uint64(shoff))
	w.put(&h, 4, 0)
	w.put(&h, 2, uint64(40+3*word))
	w.put(&h, 2, 0)
	w.put(&h, 2, 0)
	w.put(&h, 2, uint64(16+6*word))
	w.put(&h, 2, uint64(num))
	w.put(&h, 2, uint64(strndx))
	copy(p, h.Bytes())
}

func (w *writer) put(b *bytes.Buffer, size int, v uint64) {
	o := output{}
	(&assembler{file: w.file}).put(&o, size, v)
	b.Write(o.Bytes())
}
