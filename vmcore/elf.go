package vmcore

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
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

	// maxProgramHeaders bounds what a hostile count can cost: some 150 bytes each.
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

// Fields of an ELF header that follow its first addresses: how many words and
// how many bytes they come after e_entry, which is at 24.
type elfField struct{ words, bytes int }

var (
	ePhoff     = elfField{1, 0}
	eShoff     = elfField{2, 0}
	eFlags     = elfField{3, 0}
	ePhentsize = elfField{3, 6}
	ePhnum     = elfField{3, 8}
)

// at returns the offset of a field in the file.
func (h *elfHeader) at(f elfField) int64 { return int64(24 + f.words*h.layout.WordSize + f.bytes) }

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
	if err := e.readNotes(headers); err != nil {
		return nil, err
	}
	loads := slices.DeleteFunc(headers, func(ph programHeader) bool {
		return ph.typ != ptLoad || ph.memsz == 0 && ph.filesz == 0
	})
	if len(loads) == 0 {
		return nil, &FormatError{File: f.name, Off: int64(h.phoff), Msg: "ELF core without memory: no PT_LOAD among its program headers"}
	}
	e.load(loads)
	e.checkComplete(loads)
	e.checkShared(loads)
	return e, nil
}

// readNotes reads the notes. Damaged ones are left out with a warning: memory is
// of use without them.
func (e *elfFile) readNotes(headers []programHeader) error {
	sections := 0
	for i, ph := range headers {
		if ph.typ != ptNote || sections == maxSections {
			continue
		}
		sections++
		err := e.notes.read(e.file.r, ph.off, ph.filesz, e.machine)
		if refused := refusedError(e.file.name, err); refused != nil {
			return refused
		}
		if err != nil {
			e.warnings = append(e.warnings, fmt.Sprintf("notes of program header %d: %v", i, err))
		}
	}
	if e.notes.userProcess {
		return &UnrecognizedError{Name: e.file.name, Looks: "the core of a user process", hint: "give kdbg the dump of a kernel; gdb reads this one"}
	}
	e.kcore = e.notes.kcore
	return nil
}

// load makes the address spaces out of the PT_LOADs.
func (e *elfFile) load(loads []programHeader) {
	noPhys := e.noPhys(loads)
	e.segments = make([]Segment, len(loads))
	for i := range loads {
		ph := &loads[i]
		e.checkSize(ph)
		s := Segment{Virt: Addr(ph.vaddr), Phys: PhysAddr(ph.paddr), PhysValid: ph.paddr != noPhys, MemSize: ph.memsz, FileSize: ph.filesz}
		e.kcore = e.kcore || !s.PhysValid
		e.segments[i] = s
	}
	e.phys = e.space(loads, func(ph programHeader) (uint64, bool) { return ph.paddr, ph.paddr != noPhys })
	if e.kcore {
		e.virt = e.space(loads, func(ph programHeader) (uint64, bool) { return ph.vaddr, true })
	}
}

// checkSize makes the sizes of a segment agree: one that took more of the file
// than of memory would stand in for the segments behind it.
func (e *elfFile) checkSize(ph *programHeader) {
	switch {
	case ph.memsz == 0:
		ph.memsz = ph.filesz
	case ph.memsz < ph.filesz:
		e.warnings = append(e.warnings, fmt.Sprintf("segment at physical address %v has %#x bytes in the file for %#x of memory",
			PhysAddr(ph.paddr), ph.filesz, ph.memsz))
		ph.filesz = ph.memsz
	}
}

// noPhys returns the p_paddr of segments that have no physical address. It is -1
// in /proc/kcore.
func (e *elfFile) noPhys(loads []programHeader) uint64 {
	// It was 0 for all before Linux kernel commit 464920104bf7 ("/proc/kcore:
	// update physical address for kcore ram and text") (in v4.11).
	if e.kcore && !slices.ContainsFunc(loads, func(ph programHeader) bool { return ph.paddr != 0 }) {
		return 0
	}
	if e.header.layout.WordSize == 4 {
		return math.MaxUint32
	}
	return math.MaxUint64
}

// space makes the address space in which each segment is at address at.
func (e *elfFile) space(loads []programHeader, at func(programHeader) (a uint64, ok bool)) spans {
	all := make([]span, 0, len(loads))
	for _, ph := range loads {
		if a, ok := at(ph); ok {
			all = place(all, a, ph, e.file.size)
		}
	}
	return newSpans(e.file, all)
}

// checkComplete warns of a dump that lacks some of its memory.
func (e *elfFile) checkComplete(headers []programHeader) {
	wants := uint64(0)
	for _, ph := range headers {
		if ph.filesz != 0 {
			wants = max(wants, saturatingAdd(ph.off, ph.filesz))
		}
	}
	if size := e.file.size; size >= 0 && wants > uint64(size) {
		e.warnings = append(e.warnings, fmt.Sprintf("file ends at %#x, header wants %#x", size, wants))
	}
	if e.header.flags&flagIncomplete != 0 {
		e.warnings = append(e.warnings, "makedumpfile marked the dump as incomplete: it ran out of space")
	}
}

// checkShared warns of segments that share bytes of the file and no memory: one
// of them is elsewhere. QEMU's may be of one physical memory, and those of
// /proc/kcore of one virtual memory.
func (e *elfFile) checkShared(loads []programHeader) {
	byOffset := slices.Clone(loads)
	slices.SortFunc(byOffset, func(a, b programHeader) int { return cmp.Compare(a.off, b.off) })
	var last programHeader // of those before, the one that reaches furthest
	for _, ph := range byOffset {
		end := saturatingAdd(last.off, last.filesz)
		sameMemory := ph.paddr-ph.off == last.paddr-last.off || ph.vaddr-ph.off == last.vaddr-last.off
		if ph.filesz != 0 && ph.off < end && !sameMemory {
			e.warnings = append(e.warnings, fmt.Sprintf("offset %#x is in the segments at physical addresses %v and %v: one of them is damaged",
				ph.off, PhysAddr(last.paddr), PhysAddr(ph.paddr)))
			return
		}
		if saturatingAdd(ph.off, ph.filesz) > end {
			last = ph
		}
	}
}

// place appends what a segment at address a consists of: the bytes that the file
// has, those that it lacks because it was cut, and those left out on purpose.
func place(to []span, a uint64, ph programHeader, fileSize int64) []span {
	end := uint64(math.MaxInt64)
	if fileSize >= 0 {
		end = uint64(fileSize)
	}
	inFile := min(ph.filesz, end-min(ph.off, end))
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
	h.phoff, h.shoff = l.Word(b[h.at(ePhoff):]), l.Word(b[h.at(eShoff):])
	h.flags = l.Uint32(b[h.at(eFlags):])
	h.phentsize, h.phnum = l.Uint16(b[h.at(ePhentsize):]), uint32(l.Uint16(b[h.at(ePhnum):]))
	if h.typ != elfCore || h.phnum != phnumExtra || h.shoff == 0 {
		return h, nil
	}

	infoAt := uint64(28) // sh_info in an Elf32_Shdr
	if l.WordSize == 8 {
		infoAt = 44
	}
	if h.shoff > math.MaxInt64-infoAt {
		return h, &FormatError{File: f.name, Off: h.at(eShoff), Msg: fmt.Sprintf("section headers at %#x, which no file reaches", h.shoff)}
	}
	if err := f.readFull(b[:4], int64(h.shoff+infoAt), "section header 0, which has the number of program headers"); err != nil {
		return h, err
	}
	h.phnum = l.Uint32(b[:])
	return h, nil
}

// readProgramHeaders reads them, in pieces so that there is never a second copy
// of them all.
func readProgramHeaders(f fileAt, h elfHeader) ([]programHeader, error) {
	size := 56 // of an Elf64_Phdr
	if h.layout.WordSize == 4 {
		size = 32
	}
	stride := int(h.phentsize)
	switch {
	case h.phnum == 0:
		return nil, &FormatError{File: f.name, Off: h.at(ePhnum), Msg: "ELF core without program headers"}
	case stride < size:
		return nil, &FormatError{File: f.name, Off: h.at(ePhentsize), Msg: fmt.Sprintf("program headers of %d bytes; they have %d", stride, size)}
	case h.phnum > maxProgramHeaders:
		return nil, &FormatError{File: f.name, Off: h.at(ePhnum), Msg: fmt.Sprintf("%d program headers; kdbg reads up to %d", h.phnum, maxProgramHeaders)}
	case h.phoff > math.MaxInt64/2:
		return nil, &FormatError{File: f.name, Off: h.at(ePhoff), Msg: fmt.Sprintf("program headers at %#x, which no file reaches", h.phoff)}
	}
	const perRead = 1024
	what := fmt.Sprintf("%d program headers", h.phnum)
	if end := int64(h.phoff) + int64(h.phnum)*int64(stride); f.size >= 0 && end > f.size {
		return nil, f.truncated(int64(h.phoff), f.size, what)
	}
	buf := make([]byte, min(int(h.phnum), perRead)*stride)
	headers := make([]programHeader, 0, h.phnum)
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
		end := f.size
		if end < 0 {
			end = off + int64(n)
		}
		return f.truncated(off, end, what)
	}
	return &FormatError{File: f.name, Off: off, Msg: what, Err: err}
}

func (f fileAt) truncated(off, end int64, what string) error {
	return &FormatError{File: f.name, Off: off, Msg: fmt.Sprintf("file ends at %#x within %s", end, what), Err: ErrTruncated}
}
