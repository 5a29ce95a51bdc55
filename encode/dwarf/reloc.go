package dwarf

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"slices"
)

// relocKind is what a relocation of a debugging section does with its value, the
// symbol's plus the addend.
type relocKind uint8

const (
	relocNone relocKind = iota
	relocSet            // stores it
	relocTLS            // stores it: an offset in the memory of a thread
	relocAdd            // adds it to what is there; riscv and loongarch leave
	relocSub            // differences of labels to the linker like this
	relocSet6           // the low six bits
	relocSub6
	relocSetULEB // a LEB128 number whose size is kept
	relocAddULEB // the same; loongarch adds where riscv sets
	relocSubULEB
	relocUnknown
)

// reloc is a type of relocation.
type reloc struct {
	kind relocKind
	size uint8 // in bytes
}

// relocs are the relocation types that compilers use in debugging sections, by
// machine, as their ABI supplements number them.
var relocs = map[elf.Machine]map[uint32]reloc{
	elf.EM_X86_64: {0: {}, 1: {relocSet, 8}, 10: {relocSet, 4}, 11: {relocSet, 4}, 12: {relocSet, 2}, 14: {relocSet, 1}, 17: {relocTLS, 8}, 21: {relocTLS, 4}},
	elf.EM_386:    {0: {}, 1: {relocSet, 4}, 32: {relocTLS, 4}},
	elf.EM_ARM:    {0: {}, 2: {relocSet, 4}, 106: {relocTLS, 4}},
	elf.EM_AARCH64: {
		0: {}, 256: {}, 257: {relocSet, 8}, 258: {relocSet, 4}, 259: {relocSet, 2}, 1028: {relocTLS, 8}, 1029: {relocTLS, 8},
	},
	elf.EM_S390:  {0: {}, 1: {relocSet, 1}, 3: {relocSet, 2}, 4: {relocSet, 4}, 22: {relocSet, 8}, 52: {relocTLS, 4}, 53: {relocTLS, 8}},
	elf.EM_PPC64: {0: {}, 1: {relocSet, 4}, 3: {relocSet, 2}, 24: {relocSet, 4}, 38: {relocSet, 8}, 43: {relocSet, 8}, 78: {relocTLS, 8}},
	elf.EM_PPC:   {0: {}, 1: {relocSet, 4}, 3: {relocSet, 2}, 24: {relocSet, 4}, 78: {relocTLS, 4}},
	elf.EM_RISCV: {
		0: {}, 1: {relocSet, 4}, 2: {relocSet, 8}, 8: {relocTLS, 4}, 9: {relocTLS, 8}, 43: {}, 51: {},
		33: {relocAdd, 1}, 34: {relocAdd, 2}, 35: {relocAdd, 4}, 36: {relocAdd, 8},
		37: {relocSub, 1}, 38: {relocSub, 2}, 39: {relocSub, 4}, 40: {relocSub, 8},
		52: {relocSub6, 1}, 53: {relocSet6, 1}, 54: {relocSet, 1}, 55: {relocSet, 2}, 56: {relocSet, 4},
		60: {relocSetULEB, 1}, 61: {relocSubULEB, 1},
	},
	elf.EM_LOONGARCH: {
		0: {}, 1: {relocSet, 4}, 2: {relocSet, 8}, 8: {relocTLS, 4}, 9: {relocTLS, 8}, 100: {}, 102: {},
		47: {relocAdd, 1}, 48: {relocAdd, 2}, 50: {relocAdd, 4}, 51: {relocAdd, 8},
		52: {relocSub, 1}, 53: {relocSub, 2}, 55: {relocSub, 4}, 56: {relocSub, 8},
		107: {relocAddULEB, 1}, 108: {relocSubULEB, 1},
	},
}

// relocTypes returns the relocation types of a machine by number, nil if they are
// not known.
func relocTypes(m elf.Machine) []reloc {
	var list []reloc
	for typ, how := range relocs[m] {
		for len(list) <= int(typ) {
			list = append(list, reloc{kind: relocUnknown})
		}
		list[typ] = how
	}
	return list
}

// relocate applies the relocations of one part of s, whose data follow base
// bytes of other parts, and notes in s.sites where they put addresses.
func (f *File) relocate(s *section, part *Section, data []byte, base uint64) ([]byte, error) {
	for i, table := range f.relocTables[part.Index] {
		if i == 0 && part.Flags&elf.SHF_COMPRESSED == 0 {
			data = bytes.Clone(data) // the file's own bytes stay
		}
		if err := f.applyTable(s, &f.sections[table], data, base); err != nil {
			return nil, err
		}
	}
	byOffset := func(a, b site) int { return cmp.Compare(a.off, b.off) }
	if !slices.IsSortedFunc(s.sites, byOffset) {
		slices.SortStableFunc(s.sites, byOffset)
	}
	return data, nil
}

// applyTable applies the relocations of a table. There are about as many as
// entries in the section, and most are against the same symbol as the one before.
func (f *File) applyTable(s *section, table *Section, data []byte, base uint64) error {
	raw, err := table.raw()
	if err != nil {
		return err
	}
	types := relocTypes(f.machine)
	if types == nil {
		return f.errorf(table.Name, 0, "relocations of %v are not supported", f.machine)
	}
	r := relocReader{raw: raw, big: f.big, class64: f.class64, rela: table.Type == elf.SHT_RELA}
	last, value, section := uint32(0), uint64(0), 0
	for r.next() {
		how := reloc{kind: relocUnknown}
		if r.typ < uint32(len(types)) {
			how = types[r.typ]
		}
		switch {
		case how.kind == relocUnknown:
			return f.errorf(table.Name, r.at, "relocation type %d of %v is not supported", r.typ, f.machine)
		case r.off > uint64(len(data)) || uint64(how.size) > uint64(len(data))-r.off:
			return f.errorf(table.Name, r.at, "relocation at %#x, beyond the end of %s", r.off, s.name)
		case r.sym != last:
			if int(r.sym) >= f.symbols.len() {
				return f.errorf(table.Name, r.at, "relocation against symbol %d of %d", r.sym, f.symbols.len())
			}
			last = r.sym
			value, section = f.target(int(r.sym))
		}
		if !r.rela && (how.kind == relocSet || how.kind == relocTLS) {
			r.addend = fixed(data[r.off:], int(how.size), f.big)
		}
		f.apply(how, data[r.off:], value+r.addend)
		if how.kind == relocSet && section != 0 {
			s.sites = append(s.sites, site{off: base + r.off, section: section})
		}
	}
	if r.at < uint64(len(raw)) {
		return f.errorf(table.Name, r.at, "unexpected end")
	}
	return nil
}

// relocReader reads a table of relocations.
type relocReader struct {
	raw                []byte
	big, class64, rela bool

	at, end  uint64 // of the relocation read
	off      uint64
	addend   uint64 // 0 if the section has it
	sym, typ uint32
}

func (r *relocReader) next() bool {
	size := uint64(8)
	if r.class64 {
		size = 16
	}
	if r.rela {
		size += size / 2
	}
	r.at, r.end = r.end, r.end+size
	if r.end > uint64(len(r.raw)) {
		return false
	}
	p := r.raw[r.at:r.end]
	if !r.class64 {
		r.off = int32At(p, 0, r.big)
		info := uint32(int32At(p, 4, r.big))
		r.sym, r.typ = info>>8, info&0xff
		if r.rela {
			r.addend = int32At(p, 8, r.big)
		}
		return true
	}
	r.off = int64At(p, 0, r.big)
	info := int64At(p, 8, r.big)
	r.sym, r.typ = uint32(info>>32), uint32(info)
	if r.rela {
		r.addend = int64At(p, 16, r.big)
	}
	return true
}

// target returns the value of a symbol in debugging information: an offset in a
// debugging section, or an address relative to the section returned.
func (f *File) target(sym int) (value uint64, section int) {
	if sym == 0 {
		return 0, 0
	}
	value, section = f.symbolValue(sym)
	if section > 0 && section < len(f.sections) && f.sections[section].Flags&elf.SHF_ALLOC == 0 {
		return value + f.joined[section], 0
	}
	return value, section
}

// apply stores a value at the start of p, which has room for it.
func (f *File) apply(how reloc, p []byte, value uint64) {
	size := int(how.size)
	switch how.kind {
	case relocSet, relocTLS:
		putFixed(p, size, f.big, value)
	case relocAdd:
		putFixed(p, size, f.big, fixed(p, size, f.big)+value)
	case relocSub:
		putFixed(p, size, f.big, fixed(p, size, f.big)-value)
	case relocSet6:
		p[0] = p[0]&0xc0 | byte(value)&0x3f
	case relocSub6:
		p[0] = p[0]&0xc0 | (p[0]-byte(value))&0x3f
	case relocSetULEB:
		putULEB(p, value)
	case relocAddULEB:
		old, _ := uleb(p, 0)
		putULEB(p, old+value)
	case relocSubULEB:
		old, _ := uleb(p, 0)
		putULEB(p, old-value)
	}
}

// putFixed stores the low size bytes of v.
func putFixed(p []byte, size int, big bool, v uint64) {
	if size == 4 && !big {
		binary.LittleEndian.PutUint32(p, uint32(v))
		return
	}
	for i := range size {
		at := i
		if big {
			at = size - 1 - i
		}
		p[at] = byte(v >> (8 * i))
	}
}

// putULEB stores v in as many bytes as the number there has now.
func putULEB(p []byte, v uint64) {
	for i := range p {
		last := p[i] < 0x80
		p[i] = p[i]&0x80 | byte(v)&0x7f
		v >>= 7
		if last {
			return
		}
	}
}
