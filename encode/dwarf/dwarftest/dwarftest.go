// Package dwarftest writes ELF files with debugging information from text, for
// tests: every version, form and byte order, without a compiler.
//
// The text has an entry on each line, a child one tab further in than its
// parent:
//
//	unit
//	compile_unit name:strp="a.c" language:data1=12
//		base_type @int name:string="int" byte_size:data1=4 encoding:data1=5
//		variable name:strp="jiffies" type:ref4=@int external:flag_present location:exprloc={03 addr:0x1000}
//
// A line that begins with "unit" starts one. What follows are its facts where
// they differ from the File's: version=4, dwarf64, partial, types (put it in
// .debug_types), section (a .debug_info of its own), sig=0x… and type=@label (a
// type unit), codes=100 (the first abbreviation code).
//
// An attribute is written attribute:form=value. Values are numbers, "strings",
// @labels of entries, symbol+addend for addresses of ET_REL files, and {blocks} of
// hexadecimal bytes and of addr:, uleb:, sleb:, u2:, u4: and u8: with a number.
// The indexed forms take what they refer to (strx1="a" addrx=0x1000), which goes
// into .debug_str_offsets and .debug_addr. An indirect form is written
// attribute:indirect/form=value. Attributes and forms may be numbers
// (0x2001), and any value may be bytes in braces as it is in the file.
package dwarftest

import (
	"debug/elf"
	"encoding/binary"
)

// File is an ELF file to be written. Its zero values are a little-endian, 64-bit
// executable for x86-64 with 32-bit DWARF 5.
type File struct {
	Info    string // the text of the entries
	Version int    // of DWARF
	Dwarf64 bool

	Big     bool // big endian
	ELF32   bool // 32-bit addresses
	Machine elf.Machine
	Type    elf.Type

	// Compress is how debugging sections are stored: "" as they are, "zlib" or
	// "zstd" (SHF_COMPRESSED), or "zdebug", as GNU tools did before.
	Compress string

	Sections []Section // further ones, such as .text, or .debug_loclists as bytes
	Symbols  []Symbol
	// Relocs are further relocations (SHT_RELA) of a debugging section, by its name.
	Relocs map[string][]byte
	// ManySections puts so many sections in front that indices of the others do
	// not fit 16 bits.
	ManySections bool
	// Alt are the strings of a supplementary file, which GNU_strp_alt takes.
	Alt []byte
}

// Section is a section of a File.
type Section struct {
	Name  string
	Type  elf.SectionType // SHT_PROGBITS if zero
	Flags elf.SectionFlag
	Addr  uint64
	Data  []byte
}

// Symbol is a symbol of a File.
type Symbol struct {
	Name    string
	Section string // "" for undefined, "*ABS*" for none
	Value   uint64
	Size    uint64
	Type    elf.SymType
	Bind    elf.SymBind
}

// Order returns the byte order of the file.
func (f *File) Order() interface {
	binary.ByteOrder
	binary.AppendByteOrder
} {
	if f.Big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// AddrSize returns the bytes in an address.
func (f *File) AddrSize() int {
	if f.ELF32 {
		return 4
	}
	return 8
}
