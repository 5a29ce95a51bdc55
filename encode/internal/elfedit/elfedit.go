// Package elfedit adds, replaces and removes sections of an ELF file and leaves
// every other byte of it as it was.
//
// It is for sections that nothing in the file refers to, such as .BTF: it moves
// data to the end of the file and numbers no section anew. It does not link,
// relocate or strip. What is in the sections is its neighbour rawbtf's business;
// reading debug information is package dwarf's.
//
// The format is that of the System V ABI, chapters 4 and 5, with the extension
// for 0xff00 sections and more, where the count stands in section 0.
package elfedit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// ErrNoSection is returned for a section that the file does not have.
var ErrNoSection = errors.New("no such section")

// ErrNotELF is returned for a file of another format.
var ErrNotELF = errors.New("not an ELF file")

// A FormatError is an ELF file that cannot be edited.
type FormatError struct {
	Off int64  // in the file
	Msg string // what is wrong there
}

func (e *FormatError) Error() string { return fmt.Sprintf("ELF, offset %#x: %s", e.Off, e.Msg) }

// A SignedError is a module that has a signature behind its ELF file, which an
// edit would make wrong.
type SignedError struct{ Off int64 }

func (e *SignedError) Error() string { return "the module is signed" }
func (e *SignedError) Hint() string {
	return "encode it before it is signed, or take the signature off with strip"
}

// signature ends a signed module, from kernel/module/signing.c.
const signature = "~Module signature appended~\n"

// Section types and numbers of the ABI.
const (
	shtNull     = 0
	shtProgbits = 1
	shtNobits   = 8

	shfAlloc = 2

	shnLoreserve = 0xff00
	shnXindex    = 0xffff
	pnXnum       = 0xffff
)

// layout says where the fields of a class of ELF files lie. Words are of its
// width, except those noted.
type layout struct {
	ehdr, phdr, shdr int // sizes
	phoff, shoff     int // in the file header
	phentsize        int // of 2 bytes: the start of phentsize, phnum, shentsize, shnum, shstrndx
	pOffset, pFilesz int
	shFlags, shAddr  int // name and type, of 4 bytes, are at 0 and 4
	shOffset, shSize int
	shLink, shInfo   int // of 4 bytes
	shAlign          int
}

var (
	elf32 = layout{52, 32, 40, 28, 32, 42, 4, 16, 8, 12, 16, 20, 24, 28, 32}
	elf64 = layout{64, 56, 64, 32, 40, 54, 8, 32, 8, 16, 24, 32, 40, 44, 48}
)

// file is an ELF file's headers.
type file struct {
	layout
	wide  bool
	order binary.ByteOrder
	size  int64

	head     []byte // the file header
	sections []byte // the section headers
	names    []byte // the section that holds their names
	shoff    int64
	shstrndx int
}

// maxTable bounds the section headers and their names: a file with more lies.
const maxTable = 1 << 30

func read(r io.ReaderAt, size int64) (*file, error) {
	ident := make([]byte, 16)
	if _, err := r.ReadAt(ident, 0); err != nil || string(ident[:4]) != "\x7fELF" {
		return nil, ErrNotELF
	}
	f := &file{size: size}
	switch ident[4] {
	case 1:
		f.layout = elf32
	case 2:
		f.layout, f.wide = elf64, true
	default:
		return nil, &FormatError{4, fmt.Sprintf("class %d", ident[4])}
	}
	switch ident[5] {
	case 1:
		f.order = binary.LittleEndian
	case 2:
		f.order = binary.BigEndian
	default:
		return nil, &FormatError{5, fmt.Sprintf("byte order %d", ident[5])}
	}
	var err error
	if f.head, err = f.bytes(r, 0, uint64(f.ehdr), "the file header"); err != nil {
		return nil, err
	}
	return f, f.readSections(r)
}

// readSections reads the section headers and their names.
func (f *file) readSections(r io.ReaderAt) error {
	counts := f.head[f.phentsize:]
	shentsize, shnum := f.order.Uint16(counts[4:]), uint64(f.order.Uint16(counts[6:]))
	f.shstrndx = int(f.order.Uint16(counts[8:]))
	shoff := f.word(f.head, f.layout.shoff)
	if shoff == 0 {
		return &FormatError{int64(f.layout.shoff), "there are no sections"}
	}
	if int(shentsize) != f.shdr {
		return &FormatError{int64(f.phentsize + 4), fmt.Sprintf("section headers of %d bytes", shentsize)}
	}
	zero, err := f.bytes(r, shoff, uint64(f.shdr), "the section headers")
	if err != nil {
		return err
	}
	if shnum == 0 {
		shnum = f.word(zero, f.shSize)
	}
	if f.shstrndx == shnXindex {
		f.shstrndx = int(f.order.Uint32(zero[f.shLink:]))
	}
	if shnum > maxTable/uint64(f.shdr) {
		return &FormatError{int64(shoff), fmt.Sprintf("%d sections", shnum)}
	}
	if f.sections, err = f.bytes(r, shoff, shnum*uint64(f.shdr), "the section headers"); err != nil {
		return err
	}
	f.shoff = int64(shoff)
	if f.shstrndx <= 0 || f.shstrndx >= f.count() {
		return &FormatError{int64(f.phentsize + 8), fmt.Sprintf("section %d holds the names, of %d", f.shstrndx, f.count())}
	}
	if f.names, err = f.data(r, f.shstrndx); err != nil {
		return err
	}
	for i := range f.count() {
		if off := f.order.Uint32(f.header(i)); f.kind(i) != shtNull && uint64(off) >= uint64(len(f.names)) {
			return &FormatError{f.shoff + int64(i*f.shdr), fmt.Sprintf("section %d has its name at %#x of %d bytes", i, off, len(f.names))}
		}
	}
	if n := len(f.names); n == 0 || f.names[n-1] != 0 {
		return &FormatError{f.shoff + int64(f.shstrndx*f.shdr), "the last name has no end"}
	}
	return nil
}

// bytes reads a part of the file, which must be there and of sensible size.
func (f *file) bytes(r io.ReaderAt, off, n uint64, what string) ([]byte, error) {
	if off > uint64(f.size) || n > uint64(f.size)-off || n > math.MaxInt32 {
		return nil, &FormatError{int64(min(off, math.MaxInt64)), fmt.Sprintf("%s, %d bytes, end after the file's %d", what, n, f.size)}
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, int64(off)); err != nil && !(errors.Is(err, io.EOF) && n == 0) {
		return nil, err
	}
	return b, nil
}

// word and putWord read and write a word of the class's width.
func (f *file) word(b []byte, at int) uint64 {
	if f.wide {
		return f.order.Uint64(b[at:])
	}
	return uint64(f.order.Uint32(b[at:]))
}

func (f *file) putWord(b []byte, at int, v uint64) {
	if f.wide {
		f.order.PutUint64(b[at:], v)
	} else {
		f.order.PutUint32(b[at:], uint32(v))
	}
}

func (f *file) count() int          { return len(f.sections) / f.shdr }
func (f *file) header(i int) []byte { return f.sections[i*f.shdr:][:f.shdr] }
func (f *file) kind(i int) uint32   { return f.order.Uint32(f.header(i)[4:]) }
func (f *file) offset(i int) uint64 { return f.word(f.header(i), f.shOffset) }
func (f *file) length(i int) uint64 { return f.word(f.header(i), f.shSize) }
func (f *file) inFile(i int) bool   { return i > 0 && f.kind(i) != shtNull && f.kind(i) != shtNobits }
func (f *file) nameOf(i int) []byte { return cstring(f.names, f.order.Uint32(f.header(i))) }
func (f *file) find(name string) int {
	return slices.IndexFunc(f.named(), func(n string) bool { return n == name })
}

// named returns the names of all sections. Those of type NULL have none.
func (f *file) named() []string {
	names := make([]string, f.count())
	for i := range names {
		if f.kind(i) != shtNull {
			names[i] = string(f.nameOf(i))
		}
	}
	return names
}

// cstring returns the string at off in a string table, empty if there is none.
func cstring(table []byte, off uint32) []byte {
	if uint64(off) >= uint64(len(table)) {
		return nil
	}
	s := table[off:]
	if i := bytes.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

// data reads a section.
func (f *file) data(r io.ReaderAt, i int) ([]byte, error) {
	if !f.inFile(i) {
		return []byte{}, nil
	}
	return f.bytes(r, f.offset(i), f.length(i), fmt.Sprintf("section %d", i))
}

// Read returns the contents of a section of a file. The error is ErrNotELF or
// ErrNoSection where it is that.
func Read(name, section string) ([]byte, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	return ReadFrom(in, info.Size(), section)
}

// ReadFrom is Read for a file of size bytes that is open.
func ReadFrom(r io.ReaderAt, size int64, section string) ([]byte, error) {
	f, err := read(r, size)
	if err != nil {
		return nil, err
	}
	i := f.find(section)
	if i < 0 {
		return nil, ErrNoSection
	}
	return f.data(r, i)
}
