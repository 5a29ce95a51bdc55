package dwarf_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// readAll opens a file and reads all of it, as far as it goes.
func readAll(data []byte) (text string, err error) {
	f, err := dwarf.New(data, "")
	if err != nil {
		return "", err
	}
	for _, u := range f.Units() {
		if _, err := u.Producer(); err != nil {
			return "", err
		}
	}
	for range f.Symbols() {
	}
	return dump(f)
}

// TestMalformed expects an error that says where.
func TestMalformed(t *testing.T) {
	entry := func(s string) *dwarftest.File {
		return &dwarftest.File{Info: lines("\n\t\tunit\n\t\tcompile_unit\n\t\t\tvariable @v " + s)}
	}
	patched := func(d *dwarftest.File, old, new string) []byte {
		b := d.Bytes()
		if !bytes.Contains(b, []byte(old)) {
			t.Fatalf("no bytes % x to replace", old)
		}
		return bytes.Replace(b, []byte(old), []byte(new), 1)
	}
	rela := func() *dwarftest.File {
		return &dwarftest.File{Type: elf.ET_REL, Sections: alloc(), Symbols: symbols(), Info: "unit\ncompile_unit low_pc:addr=f"}
	}
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "ELF file at 0x0: not an ELF file"},
		{"ELF header", []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"), "ELF file at 0x12: unexpected end of the header"},
		{"class", []byte("\x7fELF\x07\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "ELF file at 0x4: unknown ELF class 7"},

		{"version", patched(entry(""), "\x05\x00\x01\x08", "\x06\x00\x01\x08"), ".debug_info at 0x4: DWARF version 6 is not supported"},
		{"unit type", patched(entry(""), "\x05\x00\x01\x08", "\x05\x00\x33\x08"), ".debug_info at 0x4: unknown type of unit 51"},
		{"address size", patched(entry(""), "\x05\x00\x01\x08", "\x05\x00\x01\x03"), ".debug_info at 0x4: addresses of 3 bytes are not supported"},
		{"length", patched(entry(""), "\x05\x00\x01\x08", "\xff\xff\x01\x08"), ".debug_info at 0x4: DWARF version 65535 is not supported"},

		{"unknown form", entry(`name:0x77={}`).Bytes(), ".debug_abbrev at 0x8: unknown form 0x77"},
		{"string", patched(entry(`name:strp="xyz"`), "\x02\x01\x00\x00\x00", "\x02\x99\x00\x00\x00"), ".debug_info at 0xe: string at 0x99, beyond the end of .debug_str"},
		{"local reference", entry(`type:ref4=0x99`).Bytes(), ".debug_info at 0xe: reference to 0x99, beyond the unit"},
		{"udata reference", entry(`type:ref_udata=0x99`).Bytes(), ".debug_info at 0xe: reference to 0x99, beyond the unit"},
		{"global reference", entry(`type:ref_addr=0x99`).Bytes(), ".debug_info at 0xe: reference to 0x99, beyond the end of .debug_info"},
		{"signature", entry(`type:ref_sig8=0x99`).Bytes(), ".debug_info at 0xe: no type unit has the signature 0x0000000000000099"},
		{"supplementary string", entry(`name:GNU_strp_alt="xyz"`).Bytes(), ".debug_info at 0xe: reference to a supplementary file, but the file names none"},
		{"supplementary entry", entry(`type:GNU_ref_alt=0x20`).Bytes(), ".debug_info at 0xe: reference to a supplementary file, but the file names none"},
		{"index of a string", patched(entry(`name:strx1="xyz"`), "\x02\x00\x00", "\x02\x09\x00"), ".debug_info at 0xe: string 9, beyond the end of .debug_str_offsets"},
		{"index of an address", patched(entry(`low_pc:addrx1=1`), "\x02\x00\x00", "\x02\x09\x00"), ".debug_info at 0xe: address 9, beyond the end of .debug_addr"},
		{"block", patched(entry(`location:block1={03 01}`), "\x02\x02\x03", "\x02\x44\x03"), ".debug_info at 0xe: entry ends beyond the unit"},
		{"long block", patched(entry(`location:block4={03 01}`), "\x02\x02\x00\x00\x00", "\x02\x00\x00\x00\x7f"), ".debug_info at 0xe: block of 0x7f000000 bytes"},
		{"LEB128", patched(entry(`byte_size:udata=5 name:data1=0xee`), "\x02\x05\xee\x00", "\x02\xff\xff\xff"), ".debug_info at 0xe: entry ends beyond the unit"},
		{"abbreviation", patched(entry(`byte_size:udata=5 name:data1=0xee`), "\x02\x05\xee", "\x09\x05\xee"), ".debug_info at 0xd: unknown abbreviation 9"},
		{"indirect indirect", patched(entry(`name:indirect/string="abc"`), "\x02\x08abc", "\x02\x16abc"), ".debug_info at 0xe: unknown indirect form 0x16"},
		{"abbreviation offset", patched(entry(""), "\x05\x00\x01\x08\x00\x00", "\x05\x00\x01\x08\x99\x99"), ".debug_info at 0x4: abbreviations at 0x9999, beyond the end of .debug_abbrev"},

		{"relocation type", patched(rela(), "\x01\x00\x00\x00\x04\x00\x00\x00", "\x77\x00\x00\x00\x04\x00\x00\x00"), ".rela.debug_info at 0x18: relocation type 119 of EM_X86_64 is not supported"},
		{"relocation symbol", patched(rela(), "\x01\x00\x00\x00\x04\x00\x00\x00", "\x01\x00\x00\x00\x44\x00\x00\x00"), ".rela.debug_info at 0x18: relocation against symbol 68 of 10"},
		{"relocation offset", patched(rela(), "\x0d\x00\x00\x00\x00\x00\x00\x00\x01", "\x99\x00\x00\x00\x00\x00\x00\x00\x01"), ".rela.debug_info at 0x18: relocation at 0x99, beyond the end of .debug_info"},
		{"zlib", patched(&dwarftest.File{Info: "unit\ncompile_unit name:string=\"a\"", Compress: "zlib"}, "x\x9c", "yy"), ".debug_info at 0x0: decompress: zlib: invalid header"},
		{"zstd size", patched(&dwarftest.File{Info: "unit\ncompile_unit name:string=\"a\"", Compress: "zstd"},
			"\x02\x00\x00\x00\x00\x00\x00\x00\x0f", "\x02\x00\x00\x00\x00\x00\x00\x00\x77"), ".debug_info at 0xf: decompressed data end before 0x77"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readAll(tt.data)
			var format *dwarf.FormatError
			if !errors.As(err, &format) {
				t.Fatalf("error is %v (%T)", err, err)
			}
			if got := err.Error(); got != tt.want {
				t.Errorf("error is %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTruncated cuts a file, and changes each byte of it: it opens or gives a
// FormatError, and reading it ends.
func TestTruncated(t *testing.T) {
	for _, d := range []dwarftest.File{{}, {Compress: "zlib"}, {Type: elf.ET_REL, Sections: alloc(), Symbols: symbols()}, {Version: 4, Big: true, ELF32: true}} {
		d.Info = sample(d)
		good := d.Bytes()
		for i := range good {
			for _, data := range [][]byte{good[:i], flip(good, i, 0xff), flip(good, i, 1<<(i%8))} {
				text, err := readAll(data)
				var format *dwarf.FormatError
				if err != nil && !errors.As(err, &format) {
					t.Fatalf("byte %d: error is %v (%T)", i, err, err)
				}
				if lines := strings.Count(text, "\n"); lines > len(data) {
					t.Fatalf("byte %d: %d entries in %d bytes", i, lines, len(data))
				}
			}
		}
	}
}

func flip(b []byte, i int, mask byte) []byte {
	b = slices.Clone(b)
	b[i] ^= mask
	return b
}

// sample is a text that has most forms of the file's version.
func sample(d dwarftest.File) string {
	var b strings.Builder
	version := d.Version
	if version == 0 {
		version = 5
	}
	b.WriteString("unit\ncompile_unit name:strp=\"a.c\"\n\tbase_type @int name:string=\"int\"\n\ttypedef @end name:string=\"end\"\n")
	for _, tt := range formTests {
		if slices.Contains(tt.versions, version) && !strings.Contains(tt.entry, "ref1") {
			b.WriteString("\tmember " + tt.entry + "\n\t\tlabel\n")
		}
	}
	return b.String()
}

// FuzzRead changes files at will. Whatever they are: errors are FormatErrors,
// entries follow each other inside their units, a parent's depth is one less
// than its child's, references are inside the file, and strings and expressions
// can be read.
func FuzzRead(f *testing.F) {
	for _, d := range []dwarftest.File{
		{}, {Version: 4, Big: true}, {Version: 2, ELF32: true}, {Version: 3, Dwarf64: true}, {Compress: "zstd"},
		{Type: elf.ET_REL, Sections: alloc(), Symbols: symbols()},
		{Type: elf.ET_REL, Sections: alloc(), Symbols: symbols(), Machine: elf.EM_RISCV},
	} {
		d.Info = sample(d)
		f.Add(d.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := dwarf.New(data, "")
		var format *dwarf.FormatError
		if err != nil {
			if !errors.As(err, &format) {
				t.Fatalf("error is %v (%T)", err, err)
			}
			return
		}
		var r, other dwarf.Reader
		for _, u := range file.Units() {
			last, depth := u.Offset, -1
			for r.Reset(u); r.Next(); last, depth = r.Entry.Offset, r.Depth {
				e := &r.Entry
				if e.Offset <= last || e.Offset >= u.End {
					t.Fatalf("entry at %#x after %#x in a unit up to %#x", e.Offset, last, u.End)
				}
				if r.Depth < 0 || r.Depth > depth+1 {
					t.Fatalf("depth %d after %d", r.Depth, depth)
				}
				for _, ref := range []dwarf.Ref{e.Type(), e.AbstractOrigin(), e.Specification(), e.Sibling()} {
					if to := file.UnitOf(ref); ref != 0 && to != nil && (ref < to.Offset || ref >= to.End) {
						t.Fatalf("reference to %#x is not in its unit", ref)
					}
				}
				other.Reset(u)
				var b strings.Builder
				if u.Size() < 4096 {
					describe(&b, file, e, &other)
				}
			}
			if err := r.Err(); err != nil && !errors.As(err, &format) {
				t.Fatalf("error is %v (%T)", err, err)
			}
		}
	})
}
