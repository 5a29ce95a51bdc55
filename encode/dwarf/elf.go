package dwarf

import (
	"debug/elf"
	"iter"
	"slices"
	"strings"
)

// Section is a section of the ELF file.
type Section struct {
	Index  int
	Name   string
	Type   elf.SectionType
	Flags  elf.SectionFlag
	Addr   uint64 // of its first byte in memory; 0 in ET_REL files
	Offset uint64 // in the file
	Size   uint64 // in the file if compressed, otherwise in memory
	Link   uint32
	Info   uint32
	Align  uint64
	Entry  uint64 // size of an entry, for sections that are tables

	file *File
}

// Data returns the bytes of the section, decompressed but not relocated. It is
// nil for a section that has none (SHT_NOBITS).
func (s *Section) Data() ([]byte, error) {
	raw, err := s.raw()
	if err != nil {
		return nil, err
	}
	return s.decompress(raw)
}

func (s *Section) raw() ([]byte, error) {
	if s.Type == elf.SHT_NOBITS {
		return nil, nil
	}
	size := uint64(len(s.file.data))
	if s.Offset > size || s.Size > size-s.Offset {
		return nil, s.file.errorf(s.Name, 0, "section of %#x bytes at file offset %#x ends beyond the file", s.Size, s.Offset)
	}
	return s.file.data[s.Offset : s.Offset+s.Size], nil
}

// Symbol is an entry of the ELF symbol table.
type Symbol struct {
	Name    []byte // part of the mapped file; empty if malformed
	Value   uint64 // address; in ET_REL files relative to the section
	Size    uint64
	Type    elf.SymType
	Bind    elf.SymBind
	Section int // index of its section, or a reserved one (SHN_UNDEF, SHN_ABS, SHN_COMMON)
}

// symtab is the symbol table as it is in the file.
type symtab struct {
	data, strings []byte
	shndx         []byte // section indices that do not fit 16 bits (SHT_SYMTAB_SHNDX)
	size          int    // bytes in a symbol
}

func (t *symtab) len() int {
	if t.size == 0 {
		return 0
	}
	return len(t.data) / t.size
}

// Sections returns the sections of the file, the null section at index 0
// included.
func (f *File) Sections() []Section { return f.sections }

// Symbols goes through the symbol table (.symtab), local symbols first, the null
// symbol at index 0 left out.
func (f *File) Symbols() iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		for i := 1; i < f.symbols.len(); i++ {
			s := f.symbol(i)
			if !yield(s) {
				return
			}
		}
	}
}

// symbol decodes symbol i, which must exist.
func (f *File) symbol(i int) Symbol {
	t := &f.symbols
	p := t.data[i*t.size:]
	var s Symbol
	s.Value, s.Section = f.symbolValue(i)
	info := p[12]
	if f.class64 {
		info, s.Size = p[4], fixed(p[16:], 8, f.big)
	} else {
		s.Size = fixed(p[8:], 4, f.big)
	}
	s.Type, s.Bind = elf.ST_TYPE(info), elf.ST_BIND(info)
	if name := fixed(p, 4, f.big); name < uint64(len(t.strings)) {
		s.Name = cString(t.strings[name:])
	}
	return s
}

// symbolValue returns the value and the section of symbol i, which must exist.
func (f *File) symbolValue(i int) (value uint64, section int) {
	t := &f.symbols
	p := t.data[i*t.size:]
	if f.class64 {
		value, section = fixed(p[8:], 8, f.big), int(fixed(p[6:], 2, f.big))
	} else {
		value, section = fixed(p[4:], 4, f.big), int(fixed(p[14:], 2, f.big))
	}
	if section == int(elf.SHN_XINDEX) && len(t.shndx)/4 > i {
		section = int(fixed(t.shndx[4*i:], 4, f.big))
	}
	return value, section
}

// readELF reads the header, the section headers and finds the symbol table.
func (f *File) readELF() error {
	d := f.data
	if len(d) < elf.EI_NIDENT || string(d[:4]) != elf.ELFMAG {
		return f.errorf("", 0, "not an ELF file")
	}
	switch elf.Class(d[elf.EI_CLASS]) {
	case elf.ELFCLASS32:
	case elf.ELFCLASS64:
		f.class64 = true
	default:
		return f.errorf("", elf.EI_CLASS, "unknown ELF class %d", d[elf.EI_CLASS])
	}
	switch elf.Data(d[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
	case elf.ELFDATA2MSB:
		f.big = true
	default:
		return f.errorf("", elf.EI_DATA, "unknown byte order %d", d[elf.EI_DATA])
	}
	c := cursor{data: d, off: elf.EI_NIDENT, big: f.big}
	f.etype, f.machine = elf.Type(c.u16()), elf.Machine(c.u16())
	word := 4
	if f.class64 {
		word = 8
	}
	c.bytes(uint64(4 + 2*word)) // version, entry point, program headers
	shoff := c.uint(word)
	c.bytes(4 + 3*2) // flags, sizes of this header and of the program headers
	entsize, num, names := uint64(c.u16()), uint64(c.u16()), uint32(c.u16())
	if c.msg != "" {
		return f.errorf("", c.at, "%s of the header", c.msg)
	}
	if shoff == 0 {
		return nil
	}
	return f.readSections(shoff, entsize, num, names)
}

// readSections reads num section headers. Where they are too many for the ELF
// header, their number and the index of the names are in header 0.
func (f *File) readSections(shoff, entsize, num uint64, names uint32) error {
	want := uint64(40)
	if f.class64 {
		want = 64
	}
	size := uint64(len(f.data))
	if entsize < want || shoff > size || entsize > size-shoff {
		return f.errorf("", shoff, "bad table of section headers")
	}
	first := f.readSection(0, shoff)
	if num == 0 {
		num = first.Size
	}
	if names == uint32(elf.SHN_XINDEX) {
		names = first.Link
	}
	if num > (size-shoff)/entsize {
		return f.errorf("", shoff, "%d section headers end beyond the file", num)
	}
	f.sections = make([]Section, num)
	nameOffs := make([]uint32, num)
	for i := range f.sections {
		off := shoff + uint64(i)*entsize
		f.sections[i] = f.readSection(i, off)
		nameOffs[i] = uint32(fixed(f.data[off:], 4, f.big))
	}
	if uint64(names) < num {
		data, err := f.sections[names].raw()
		if err != nil {
			return err
		}
		for i, off := range nameOffs {
			if int(off) < len(data) {
				f.sections[i].Name = string(cString(data[off:]))
			}
		}
	}
	f.groupSections()
	return f.readSymtab()
}

// groupSections finds what relocation needs to know of an ET_REL file.
func (f *File) groupSections() {
	if f.etype != elf.ET_REL {
		return
	}
	f.relocTables, f.joined = make(map[int][]int), make(map[int]uint64)
	sizes := make(map[string]uint64)
	for i := range f.sections {
		s := &f.sections[i]
		switch {
		case s.Type == elf.SHT_REL || s.Type == elf.SHT_RELA:
			f.relocTables[int(s.Info)] = append(f.relocTables[int(s.Info)], i)
		case strings.HasPrefix(s.Name, ".debug_"):
			if before := sizes[s.Name]; before != 0 {
				f.joined[i] = before
			}
			sizes[s.Name] += s.uncompressed()
		}
	}
}

func (f *File) readSection(i int, off uint64) Section {
	c := cursor{data: f.data, off: off, big: f.big}
	word := 4
	if f.class64 {
		word = 8
	}
	c.u32() // name
	return Section{
		Index: i, file: f,
		Type: elf.SectionType(c.u32()), Flags: elf.SectionFlag(c.uint(word)),
		Addr: c.uint(word), Offset: c.uint(word), Size: c.uint(word),
		Link: c.u32(), Info: c.u32(), Align: c.uint(word), Entry: c.uint(word),
	}
}

func (f *File) readSymtab() error {
	i := slices.IndexFunc(f.sections, func(s Section) bool { return s.Type == elf.SHT_SYMTAB })
	if i < 0 {
		return nil
	}
	s := &f.sections[i]
	t := &f.symbols
	t.size = 16
	if f.class64 {
		t.size = 24
	}
	if s.Entry != uint64(t.size) || uint64(s.Link) >= uint64(len(f.sections)) {
		return f.errorf(s.Name, 0, "bad symbol table: entries of %d bytes, strings in section %d", s.Entry, s.Link)
	}
	var err error
	if t.data, err = s.raw(); err != nil {
		return err
	}
	if t.strings, err = f.sections[s.Link].raw(); err != nil {
		return err
	}
	for j := range f.sections {
		if x := &f.sections[j]; x.Type == elf.SHT_SYMTAB_SHNDX && int(x.Link) == i {
			t.shndx, err = x.raw()
		}
	}
	return err
}
