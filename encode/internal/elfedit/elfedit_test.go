package elfedit

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/internal/tooltest"
)

// class is a class and byte order of ELF files.
type class struct {
	name  string
	wide  bool
	order binary.ByteOrder
}

var classes = []class{
	{"elf64 little endian", true, binary.LittleEndian},
	{"elf64 big endian", true, binary.BigEndian},
	{"elf32 little endian", false, binary.LittleEndian},
	{"elf32 big endian", false, binary.BigEndian},
}

// testSection is a section of an ELF file that build makes.
type testSection struct {
	name string
	kind uint32
	data string
}

// build writes an ELF file: its sections in turn, one segment over the first of
// them, the names, and the headers.
func (c class) build(sections ...testSection) []byte {
	f := &file{layout: elf32, wide: c.wide, order: c.order}
	ident := "\x7fELF\x01"
	if c.wide {
		f.layout, ident = elf64, "\x7fELF\x02"
	}
	data := "\x01"
	if c.order == binary.ByteOrder(binary.BigEndian) {
		data = "\x02"
	}
	ident += data + "\x01"
	raw := make([]byte, f.ehdr+f.phdr)
	copy(raw, ident)
	c.order.PutUint16(raw[16:], 2) // ET_EXEC
	c.order.PutUint16(raw[18:], 62)
	c.order.PutUint32(raw[20:], 1)
	f.putWord(raw, f.phoff, uint64(f.ehdr))
	counts := raw[f.phentsize:]
	for i, v := range []int{f.phdr, 1, f.shdr, len(sections) + 2, len(sections) + 1} {
		c.order.PutUint16(counts[2*i:], uint16(v))
	}
	c.order.PutUint16(raw[f.phentsize-2:], uint16(f.ehdr))
	names := []byte{0}
	headers := make([]byte, f.shdr)
	add := func(name string, kind uint32, data string) {
		h := make([]byte, f.shdr)
		c.order.PutUint32(h, uint32(len(names)))
		names = append(append(names, name...), 0)
		if name == ".shstrtab" {
			data = string(names)
		}
		c.order.PutUint32(h[4:], kind)
		f.putWord(h, f.shOffset, uint64(len(raw)))
		f.putWord(h, f.shSize, uint64(len(data)))
		if kind != shtNobits {
			raw = append(raw, data...)
		}
		headers = append(headers, h...)
	}
	for i, s := range sections {
		add(s.name, s.kind, s.data)
		if i == 0 {
			segment := raw[f.ehdr:][:f.phdr]
			c.order.PutUint32(segment, 1)
			f.putWord(segment, f.pFilesz, uint64(len(raw)))
		}
	}
	add(".shstrtab", 3, "")
	for len(raw)%8 != 0 {
		raw = append(raw, 0)
	}
	if n := len(headers) / f.shdr; n >= shnLoreserve {
		c.order.PutUint16(raw[f.phentsize+6:], 0)
		f.putWord(headers, f.shSize, uint64(n))
		if n-1 >= shnLoreserve {
			c.order.PutUint16(raw[f.phentsize+8:], shnXindex)
			c.order.PutUint32(headers[f.shLink:], uint32(n-1))
		}
	}
	f.putWord(raw, f.layout.shoff, uint64(len(raw)))
	return append(raw, headers...)
}

func rewrite(t testing.TB, raw []byte, sections ...Section) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Rewrite(&out, bytes.NewReader(raw), int64(len(raw)), sections...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// list writes each section of a file as a line, as the standard library reads it.
func list(t testing.TB, raw []byte) []string {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range f.Sections[1:] {
		data := []byte(nil)
		if s.Type != elf.SHT_NOBITS && s.Name != ".shstrtab" {
			if data, err = s.Data(); err != nil {
				t.Fatal(err)
			}
		}
		lines = append(lines, fmt.Sprintf("%s %v %q", s.Name, s.Type, data))
	}
	return lines
}

func TestRewrite(t *testing.T) {
	text := testSection{".text", 1, "code"}
	for _, test := range []struct {
		name     string
		sections []testSection
		put      []Section
		want     []string
	}{
		{"add", []testSection{text}, []Section{{".BTF", []byte("types")}},
			[]string{`.text SHT_PROGBITS "code"`, `.shstrtab SHT_STRTAB ""`, `.BTF SHT_PROGBITS "types"`}},
		{"replace", []testSection{text, {".BTF", 1, "old"}, {".data", 1, "data"}}, []Section{{".BTF", []byte("longer than it was")}},
			[]string{`.text SHT_PROGBITS "code"`, `.BTF SHT_PROGBITS "longer than it was"`, `.data SHT_PROGBITS "data"`, `.shstrtab SHT_STRTAB ""`}},
		{"replace an empty one of the linker", []testSection{text, {".BTF", shtNobits, ""}}, []Section{{".BTF", []byte("types")}},
			[]string{`.text SHT_PROGBITS "code"`, `.BTF SHT_PROGBITS "types"`, `.shstrtab SHT_STRTAB ""`}},
		{"two", []testSection{text, {".BTF", 1, "old"}}, []Section{{".BTF", []byte("a")}, {".BTF.base", []byte("b")}},
			[]string{`.text SHT_PROGBITS "code"`, `.BTF SHT_PROGBITS "a"`, `.shstrtab SHT_STRTAB ""`, `.BTF.base SHT_PROGBITS "b"`}},
		{"remove", []testSection{text, {".BTF.base", 1, "old"}, {".data", 1, "data"}}, []Section{{".BTF.base", nil}, {".none", nil}},
			[]string{`.text SHT_PROGBITS "code"`, ` SHT_NULL ""`, `.data SHT_PROGBITS "data"`, `.shstrtab SHT_STRTAB ""`}},
		{"empty", []testSection{text}, []Section{{".BTF", []byte{}}},
			[]string{`.text SHT_PROGBITS "code"`, `.shstrtab SHT_STRTAB ""`, `.BTF SHT_PROGBITS ""`}},
	} {
		for _, c := range classes {
			t.Run(test.name+" "+c.name, func(t *testing.T) {
				raw := c.build(test.sections...)
				out := rewrite(t, raw, test.put...)
				if diff := cmp.Diff(test.want, list(t, out)); diff != "" {
					t.Errorf("sections (-want +got):\n%s", diff)
				}
				if again := rewrite(t, out, test.put...); !bytes.Equal(again, out) {
					t.Errorf("the second time %d bytes become %d", len(out), len(again))
				}
				got, err := ReadFrom(bytes.NewReader(out), int64(len(out)), test.put[0].Name)
				if test.put[0].Data == nil {
					if !errors.Is(err, ErrNoSection) {
						t.Errorf("after it was removed: %q, %v", got, err)
					}
				} else if err != nil || !bytes.Equal(got, test.put[0].Data) {
					t.Errorf("read back %q, %v", got, err)
				}
				// Of what stays where it was, only the place and number of the section
				// headers change.
				f, _ := read(bytes.NewReader(raw), int64(len(raw)))
				f.putWord(out, f.layout.shoff, uint64(f.shoff))
				copy(out[f.phentsize+6:][:2], raw[f.phentsize+6:])
				if end := f.ehdr + f.phdr + len("code"); !bytes.Equal(out[:end], raw[:end]) {
					t.Errorf("the file begins with %x\nand did with %x", out[:end], raw[:end])
				}
			})
		}
	}
}

// TestLoaded replaces a section that a segment loads: the segment keeps it, and
// what takes its place says that it is not loaded.
func TestLoaded(t *testing.T) {
	for _, c := range classes {
		raw := c.build(testSection{".BTF", 1, "old types"})
		f, err := read(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		f.putWord(raw[f.shoff+int64(f.shdr):], f.shFlags, shfAlloc)
		f.putWord(raw[f.shoff+int64(f.shdr):], f.shAddr, 0x1000)
		out, err := elf.NewFile(bytes.NewReader(rewrite(t, raw, Section{".BTF", []byte("new")})))
		if err != nil {
			t.Fatal(err)
		}
		if s := out.Section(".BTF"); s.Flags != 0 || s.Addr != 0 {
			t.Errorf("%s: flags %v, address %#x", c.name, s.Flags, s.Addr)
		}
		segment := make([]byte, out.Progs[0].Filesz)
		if _, err := out.Progs[0].ReadAt(segment, 0); err != nil || !bytes.HasSuffix(segment, []byte("old types")) {
			t.Errorf("%s: the segment is %q, %v", c.name, segment, err)
		}
	}
}

// TestManySections adds a section where the count no longer fits the file header.
func TestManySections(t *testing.T) {
	for _, n := range []int{shnLoreserve - 4, shnLoreserve - 3, shnLoreserve - 2, shnLoreserve, 70_000} {
		sections := make([]testSection, n)
		for i := range sections {
			sections[i] = testSection{".t", 1, "x"}
		}
		for _, c := range classes {
			raw := c.build(sections...)
			out := rewrite(t, raw, Section{".BTF", []byte("types")})
			f, err := elf.NewFile(bytes.NewReader(out))
			if err != nil {
				t.Fatalf("%s, %d sections: %v", c.name, n, err)
			}
			if got := len(f.Sections); got != n+3 {
				t.Errorf("%s: %d sections, want %d", c.name, got, n+3)
			}
			if data, err := f.Section(".BTF").Data(); err != nil || string(data) != "types" {
				t.Errorf("%s, %d sections: %q, %v", c.name, n, data, err)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	c := classes[0]
	raw := c.build(testSection{".text", 1, "code"})
	set := func(off int, v byte) []byte {
		b := bytes.Clone(raw)
		b[off] = v
		return b
	}
	for _, test := range []struct {
		name string
		raw  []byte
		put  string
		want string
	}{
		{"not ELF", []byte("#!/bin/sh\nexit 0\n"), ".BTF", "not an ELF file"},
		{"empty", nil, ".BTF", "not an ELF file"},
		{"class", set(4, 9), ".BTF", "ELF, offset 0x4: class 9"},
		{"order", set(5, 9), ".BTF", "ELF, offset 0x5: byte order 9"},
		{"cut", raw[:70], ".BTF", "the section headers, 64 bytes, end after the file's 70"},
		{"section headers", set(elf64.shoff+7, 0x7f), ".BTF", "the section headers, 64 bytes, end after the file's"},
		{"no sections", func() []byte {
			b := bytes.Clone(raw)
			clear(b[elf64.shoff:][:8])
			return b
		}(), ".BTF", "there are no sections"},
		{"names", set(elf64.phentsize+8, 77), ".BTF", "section 77 holds the names, of 3"},
		{"section", func() []byte {
			b := bytes.Clone(raw)
			b[int(binary.LittleEndian.Uint64(b[elf64.shoff:]))+64+elf64.shSize+7] = 1
			return b
		}(), ".BTF", "section 1 ends after the file"},
		{"names of sections", raw, ".shstrtab", `section ".shstrtab" cannot be replaced`},
		{"signed", append(bytes.Clone(raw), "PKCS7"+signature...), ".BTF", "the module is signed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Rewrite(new(bytes.Buffer), bytes.NewReader(test.raw), int64(len(test.raw)), Section{test.put, []byte("x")})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestPut changes a file, through a link, and keeps its mode.
func TestPut(t *testing.T) {
	dir := t.TempDir()
	name, link := filepath.Join(dir, "a.ko"), filepath.Join(dir, "link")
	raw := append(classes[0].build(testSection{".text", 1, "code"}), "of no section"...)
	for _, err := range []error{os.WriteFile(name, raw, 0o754), os.Chmod(name, 0o754), os.Symlink("a.ko", link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := Put(link, Section{".BTF", []byte("types")}); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(name, ".BTF"); err != nil || string(got) != "types" {
		t.Errorf("read back %q, %v", got, err)
	}
	out, _ := os.ReadFile(name)
	if !bytes.Contains(out, []byte("of no section")) {
		t.Error("bytes at the end of the file are lost")
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode() != 0o754 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}

	if err := Put(name, Section{".shstrtab", []byte("types")}); err == nil {
		t.Error("no error")
	}
	if now, _ := os.ReadFile(name); !bytes.Equal(now, out) {
		t.Error("a failed edit changed the file")
	}
}

// TestConfirm holds edited files against the binary utilities.
func TestConfirm(t *testing.T) {
	dir := t.TempDir()
	tool := func(name string, args ...string) string { return tooltest.Run(t, dir, name, args...) }
	if err := os.WriteFile(filepath.Join(dir, "a.c"), []byte("int x = 3; int main(void) { return x - 3; }\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-c"}, {"-c", "-g"}, {"-g"}, {"-static-pie"}, {"-g", "-Wl,-z,separate-code"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			tool("gcc", append(args, "-o", "a", "a.c")...)
			before := tool("readelf", "-SlWs", "a")
			data := bytes.Repeat([]byte("types"), 1000)
			for range 2 {
				if err := Put(filepath.Join(dir, "a"), Section{".BTF", data}, Section{".BTF.base", []byte("base")}); err != nil {
					t.Fatal(err)
				}
			}
			after := tool("readelf", "-SlWs", "a")
			if strings.Contains(after, "arning") {
				t.Errorf("readelf warns:\n%s", after)
			}
			_, symbols, _ := strings.Cut(before, "Symbol table")
			if !strings.Contains(after, symbols) {
				t.Error("readelf reads other symbols")
			}
			tool("objcopy", "--dump-section", ".BTF=btf", "a", "copy")
			if got, err := os.ReadFile(filepath.Join(dir, "btf")); err != nil || !bytes.Equal(got, data) {
				t.Errorf("objcopy reads %d bytes, %v", len(got), err)
			}
			if args[0] != "-c" {
				tool(filepath.Join(dir, "a"))
				tool(filepath.Join(dir, "copy"))
			} else {
				tool("gcc", "-o", "linked", "a")
				tool(filepath.Join(dir, "linked"))
			}
		})
	}
}

// FuzzRewrite edits any bytes. A file that is edited reads back what was put and
// keeps its other sections.
func FuzzRewrite(f *testing.F) {
	for _, c := range classes {
		f.Add(c.build(testSection{".text", 1, "code"}), []byte("types"))
		f.Add(c.build(testSection{".text", 1, "code"}, testSection{".BTF", 1, "old"}, testSection{".bss", 8, "1234"}), []byte("t"))
	}
	f.Fuzz(func(t *testing.T, raw, data []byte) {
		if data == nil {
			data = []byte{}
		}
		var out bytes.Buffer
		if Rewrite(&out, bytes.NewReader(raw), int64(len(raw)), Section{".BTF", data}) != nil {
			return
		}
		edited := bytes.NewReader(out.Bytes())
		got, err := ReadFrom(edited, edited.Size(), ".BTF")
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("read back %q, %v, want %q", got, err, data)
		}
		was, _ := read(bytes.NewReader(raw), int64(len(raw)))
		is, err := read(edited, edited.Size())
		if err != nil {
			t.Fatal(err)
		}
		names, edits := was.named(), is.named()
		for i := range was.count() {
			if i == was.shstrndx || i == is.find(".BTF") {
				continue
			}
			a, errA := was.data(bytes.NewReader(raw), i)
			b, errB := is.data(edited, i)
			if !bytes.Equal(a, b) || (errA == nil) != (errB == nil) || names[i] != edits[i] {
				t.Errorf("section %d %q is %x, %v, was %q %x, %v", i, edits[i], b, errB, names[i], a, errA)
			}
		}
	})
}
