package dwarf_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// TestCompressed reads sections in each way that they are compressed.
func TestCompressed(t *testing.T) {
	for _, compress := range []string{"zlib", "zstd", "zdebug"} {
		t.Run(compress, func(t *testing.T) {
			everywhere(t, only5, func(t *testing.T, d dwarftest.File) {
				d.Compress = compress
				d.Info = "unit\ncompile_unit name:line_strp=\"a.c\"\n\ttypedef name:strx=\"" + strings.Repeat("x", 10000) + "\" low_pc:addrx=0x1000"
				f := assemble(t, d)
				got, err := dump(f)
				want := fmt.Sprintf("compile_unit name=\"a.c\"\n\ttypedef name=%q pc=0x1000\n", strings.Repeat("x", 10000))
				if err != nil || got != want {
					t.Errorf("read %q, %v", got, err)
				}
				for _, s := range f.Sections() {
					if data, err := s.Data(); strings.HasSuffix(s.Name, "debug_str") && (err != nil || !bytes.Contains(data, []byte("xxxx"))) {
						t.Errorf("%s holds %q, %v", s.Name, data, err)
					}
				}
			})
		})
	}
}

// TestCompressedSize gives sections a false size, which must not be allocated.
func TestCompressedSize(t *testing.T) {
	const want = ".debug_str at 0x0: … bytes cannot hold 4503599627371098"
	for _, compress := range []string{"zlib", "zstd"} {
		d := dwarftest.File{Compress: compress, Info: "unit\ncompile_unit name:strp=\"" + strings.Repeat("ab", 300) + "\""}
		data := d.Bytes()
		// The size of .debug_str: two NULs and 600 letters.
		i := bytes.Index(data, []byte{0x5a, 2, 0, 0, 0, 0, 0, 0})
		if i < 0 {
			t.Fatal("no size")
		}
		data[i+6] = 0x10
		_, err := dwarf.New(data, "")
		if err == nil || !strings.HasPrefix(err.Error(), ".debug_str at 0x0: ") || !strings.HasSuffix(err.Error(), " bytes cannot hold 4503599627371098") {
			t.Errorf("%s: error is %v, want %s", compress, err, want)
		}
	}
}

// TestSections reads sections that are not debugging information.
func TestSections(t *testing.T) {
	d := dwarftest.File{Info: "unit\ncompile_unit", Sections: alloc()}
	f := assemble(t, d)
	var got []string
	for _, s := range f.Sections() {
		data, err := s.Data()
		if s.Flags&elf.SHF_ALLOC != 0 {
			got = append(got, fmt.Sprintf("%d %s %v %d %v", s.Index, s.Name, s.Type, len(data), err))
		}
	}
	if want := "1 .text SHT_PROGBITS 64 <nil>, 2 .data SHT_PROGBITS 64 <nil>, 3 .bss SHT_NOBITS 0 <nil>"; strings.Join(got, ", ") != want {
		t.Errorf("sections are %s, want %s", strings.Join(got, ", "), want)
	}
}
