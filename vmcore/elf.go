package vmcore

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Constants of ELF files (include/uapi/linux/elf.h).
const (
	elfMagic   = "\x7fELF"
	elfCore    = 4 // e_type ET_CORE
	ptLoad     = 1
	ptNote     = 4
	phnumExtra = 0xffff // e_phnum PN_XNUM: the count is in section 0's sh_info

	// flagIncomplete in e_flags is makedumpfile's mark of a dump that it could
	// not write to the end, for lack of space (DUMP_ELF_INCOMPLETE).
	flagIncomplete = 1

	// maxProgramHeaders bounds what a hostile count can cost: 64 bytes for each.
	// A kernel needs one for each range of RAM.
	maxProgramHeaders = 1 << 20
)

// A Segment is a range of memory that an ELF core states: one PT_LOAD.
type Segment struct {
	// Virt is p_vaddr. It is to be distrusted: QEMU writes the physical address
	// here, and on some machines it is plainly wrong.
	Virt Addr
	// Phys is p_paddr, where PhysValid.
	Phys PhysAddr
	// PhysValid is false for memory known by virtual address only, such as the
	// vmalloc area in /proc/kcore.
	PhysValid bool
	MemSize   uint64 // bytes
	FileSize  uint64 // bytes in the file, were it complete; the others are excluded
}

// elfHeader is the part of an ELF header that matters in a core.
type elfHeader struct {
	layout    Layout // WordSize is that of the file's class, not the machine's
	typ       uint16
	machine   uint16
	flags     uint32
	phoff     uint64
	shoff     uint64
	phentsize uint16
	phnum     uint32
}

// programHeader is an Elf32_Phdr or Elf64_Phdr.
type programHeader struct {
	typ                              uint32
	off, vaddr, paddr, filesz, memsz uint64
}

// elfFile is an ELF core, opened. As a store it is physical memory.
type elfFile struct {
	file     fileAt
	header   elfHeader
	machine  Arch
	segments []Segment
	notes    notes
	phys     spans
	virt     spans // /proc/kcore only
	kcore    bool
	warnings []string
}

var _ store = (*elfFile)(nil)

func (e *elfFile) read(p []byte, a PhysAddr) (int, PageState, error) {
	return e.phys.read(p, uint64(a))
}
func (e *elfFile) usage() Usage { return e.phys.usage() }

func newELF(f fileAt) (*elfFile, error) {
	h, err := readELFHeader(f)
	if err != nil {
		return nil, err
	}
	if h.typ != elfCore {
		return nil, &UnrecognizedError{Name: f.name, Looks: elfTypeText(h.typ), hint: "give kdbg the vmcore; it needs no vmlinux"}
	}
	headers, err := readProgramHeaders(f, h)
	if err != nil {
		return nil, err
	}
	e := &elfFile{file: f, header: h, machine: elfArch(h.machine, h.layout)}
	for i, ph := range headers {
		if ph.typ != ptNote {
			continue
		}
		if err := e.notes.read(f.r, ph.off, ph.filesz, e.machine); err != nil {
			if refused := refusedError(f.name, err); refused != nil {
				return nil, refused
			}
			e.warnings = append(e.warnings, fmt.Sprintf("notes of program header %d: %v", i, err))
		}
	}
	if e.notes.userProcess {
		return nil, &UnrecognizedError{Name: f.name, Looks: "the core of a user process", hint: "give kdbg the dump of a kernel; gdb reads this one"}
	}
	e.load(headers)
	if len(e.segments) == 0 {
		return nil, &FormatError{File: f.name, Off: int64(h.phoff), Msg: "ELF core without memory: no PT_LOAD among its program headers"}
	}
	return e, nil
}

// load makes the address spaces out of the program headers.
func (e *elfFile) load(headers []programHeader) {
	noPhys := uint64(math.MaxUint64)
	if e.header.layout.WordSize == 4 {
		noPhys = math.MaxUint32
	}
	var phys, virt []span
	var wants uint64
	for _, ph := range headers {
		// Old kernels left p_memsz of /proc/vmcore's segments at 0.
		ph.memsz = max(ph.memsz, ph.filesz)
		if ph.typ != ptLoad || ph.memsz == 0 {
			continue
		}
		s := Segment{Virt: Addr(ph.vaddr), Phys: PhysAddr(ph.paddr), PhysValid: ph.paddr != noPhys, MemSize: ph.memsz, FileSize: ph.filesz}
		e.segments = append(e.segments, s)
		if s.PhysValid {
			phys = place(phys, ph.paddr, ph, e.file.size)
		} else {
			e.kcore = true
		}
		virt = place(virt, ph.vaddr, ph, e.file.size)
		if ph.filesz != 0 {
			wants = max(wants, saturatingAdd(ph.off, ph.filesz))
		}
	}
	e.phys = newSpans(e.file, phys)
	if e.kcore = e.kcore || e.notes.kcore; e.kcore {
		e.virt = newSpans(e.file, virt)
	}
	if size := e.file.size; size >= 0 && wants > uint64(size) {
		e.warnings = append(e.warnings, fmt.Sprintf("file ends at %#x, header wants %#x: %d KiB of memory are missing", size, wants, e.usage().Missing>>10))
	}
	if e.header.flags&flagIncomplete != 0 {
		e.warnings = append(e.warnings, "makedumpfile marked the dump as incomplete: it ran out of space")
	}
}

// place appends what a segment at address a consists of: the bytes that the file
// has, those that it lacks because it was cut, and those left out on purpose.
func place(to []span, a uint64, ph programHeader, fileSize int64) []span {
	inFile := ph.filesz
	if end := uint64(math.MaxInt64); fileSize >= 0 || ph.off+ph.filesz > end {
		if fileSize >= 0 {
			end = uint64(fileSize)
		}
		inFile = min(ph.filesz, end-min(ph.off, end))
	}
	parts := [...]struct {
		size  uint64
		state PageState
	}{{inFile, Present}, {ph.filesz - inFile, Missing}, {ph.memsz - ph.filesz, Excluded}}

	off := ph.off
	for _, p := range parts {
		if p.size == 0 {
			continue
		}
		last := saturatingAdd(a, p.size-1)
		to = append(to, span{first: a, last: last, off: int64(off), state: p.state})
		if last == math.MaxUint64 {
			break
		}
		a, off = last+1, off+p.size
	}
	return to
}

func saturatingAdd(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

func readELFHeader(f fileAt) (elfHeader, error) {
	var b [64]byte
	if err := f.readFull(b[:52], 0, "ELF header"); err != nil {
		return elfHeader{}, err
	}
	var h elfHeader
	switch b[5] {
	case 1:
	case 2:
		h.layout.BigEndian = true
	default:
		return h, &FormatError{File: f.name, Off: 5, Msg: fmt.Sprintf("ELF byte order %d is neither 1 (little-endian) nor 2 (big-endian)", b[5])}
	}
	switch b[4] {
	case 1:
		h.layout.WordSize = 4
	case 2:
		h.layout.WordSize = 8
		if err := f.readFull(b[52:], 52, "ELF header"); err != nil {
			return h, err
		}
	default:
		return h, &FormatError{File: f.name, Off: 4, Msg: fmt.Sprintf("ELF class %d is neither 1 (32-bit) nor 2 (64-bit)", b[4])}
	}
	l := h.layout
	h.typ, h.machine = l.Uint16(b[16:]), l.Uint16(b[18:])
	word := b[24+l.WordSize:] // e_phoff, after e_entry
	h.phoff, h.shoff = l.Word(word), l.Word(word[l.WordSize:])
	half := word[2*l.WordSize:] // e_flags
	h.flags = l.Uint32(half)
	h.phentsize, h.phnum = l.Uint16(half[6:]), uint32(l.Uint16(half[8:]))
	if h.typ != elfCore || h.phnum != phnumExtra || h.shoff == 0 {
		return h, nil
	}

	infoAt := uint64(28) // sh_info in an Elf32_Shdr
	if l.WordSize == 8 {
		infoAt = 44
	}
	if h.shoff > math.MaxInt64-infoAt {
		return h, &FormatError{File: f.name, Off: 0, Msg: fmt.Sprintf("section headers at %#x, which no file reaches", h.shoff)}
	}
	if err := f.readFull(b[:4], int64(h.shoff+infoAt), "section header 0, which has the number of program headers"); err != nil {
		return h, err
	}
	h.phnum = l.Uint32(b[:])
	return h, nil
}

// readProgramHeaders reads them in pieces, so that a count which the file does
// not bear out costs nothing.
func readProgramHeaders(f fileAt, h elfHeader) ([]programHeader, error) {
	size := 56 // of an Elf64_Phdr
	if h.layout.WordSize == 4 {
		size = 32
	}
	stride := int(h.phentsize)
	switch {
	case h.phnum == 0:
		return nil, &FormatError{File: f.name, Off: 0, Msg: "ELF core without program headers"}
	case stride < size:
		return nil, &FormatError{File: f.name, Off: 0, Msg: fmt.Sprintf("program headers of %d bytes; they have %d", stride, size)}
	case h.phnum > maxProgramHeaders:
		return nil, &FormatError{File: f.name, Off: 0, Msg: fmt.Sprintf("%d program headers; kdbg reads up to %d", h.phnum, maxProgramHeaders)}
	case h.phoff > math.MaxInt64/2:
		return nil, &FormatError{File: f.name, Off: 0, Msg: fmt.Sprintf("program headers at %#x, which no file reaches", h.phoff)}
	}
	const perRead = 1024
	what := fmt.Sprintf("%d program headers", h.phnum)
	buf := make([]byte, min(int(h.phnum), perRead)*stride)
	var headers []programHeader
	for i := 0; i < int(h.phnum); i += perRead {
		b := buf[:min(int(h.phnum)-i, perRead)*stride]
		if err := f.readFull(b, int64(h.phoff)+int64(i)*int64(stride), what); err != nil {
			return nil, err
		}
		for ; len(b) > 0; b = b[stride:] {
			headers = append(headers, h.layout.programHeader(b))
		}
	}
	return headers, nil
}

// programHeader decodes an Elf32_Phdr or Elf64_Phdr by the layout's word size.
func (l Layout) programHeader(b []byte) programHeader {
	ph := programHeader{typ: l.Uint32(b)}
	words := b[4:] // 32-bit: p_flags comes after p_memsz
	if l.WordSize == 8 {
		words = b[8:]
	}
	for i, field := range []*uint64{&ph.off, &ph.vaddr, &ph.paddr, &ph.filesz, &ph.memsz} {
		*field = l.Word(words[i*l.WordSize:])
	}
	return ph
}

// readFull fills p from offset off. The error names what was to be read.
func (f fileAt) readFull(p []byte, off int64, what string) error {
	n, err := f.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if refused := refusedError(f.name, err); refused != nil {
		return refused
	}
	if err == nil || errors.Is(err, io.EOF) {
		return &FormatError{
			File: f.name,
			Off:  off,
			Msg:  fmt.Sprintf("file ends at %#x within %s", off+int64(n), what),
			Err:  ErrTruncated,
		}
	}
	return &FormatError{File: f.name, Off: off, Msg: what, Err: err}
}
