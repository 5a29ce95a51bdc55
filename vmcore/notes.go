package vmcore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// Types of notes named "CORE" (include/uapi/linux/elf.h). The kernel pads name
// and descriptor to 4 bytes in both ELF classes.
const (
	ntPRStatus   = 1
	ntTaskStruct = 4 // only /proc/kcore has it (fs/proc/kcore.c)
	ntAuxv       = 6 // only cores of user processes have these two
	ntFile       = 0x46494c45
)

// Bounds on notes, which even a small file can overstate.
const (
	maxNoteName = 64
	maxNoteRead = 32 << 20 // bytes read in all; device dumps are skipped, not read
	maxPadding  = 64 << 10 // bytes of zeros in a row; more are no notes
	noteBuffer  = 64 << 10 // bytes read at once
	maxCPUs     = 1 << 16
	maxSections = 1 << 10 // PT_NOTEs; the kernel joins all notes in one
)

// notes is what the ELF notes of a dump say. The zero value has read none.
type notes struct {
	vmcoreinfo  *VMCOREINFO // nil: none
	prstatus    []prstatus
	qemu        [][]byte // QEMU's notes on the CPUs, in their order
	kcore       bool
	userProcess bool
	spent       int64 // bytes of the file read so far, of maxNoteRead
}

// parseNotes reads notes that are in memory, as those of a kdump-compressed file.
func parseNotes(b []byte, arch Arch) (notes, error) {
	var n notes
	err := n.read(bytes.NewReader(b), 0, uint64(len(b)), arch)
	return n, err
}

// read reads the notes in size bytes at offset off of r, and adds them to what n
// has. Those before an error count.
func (n *notes) read(r io.ReaderAt, off, size uint64, arch Arch) error {
	if off > math.MaxInt64 {
		return &FormatError{Off: math.MaxInt64, Msg: "notes at an offset that no file reaches"}
	}
	size = min(size, math.MaxInt64-off)
	nr := noteReader{
		section: io.NewSectionReader(meter{r, &n.spent}, int64(off), int64(size)),
		base:    int64(off),
		layout:  arch.Layout,
	}
	nr.buf = bufio.NewReaderSize(nr.section, noteBuffer)
	for {
		note, err := nr.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := n.add(&nr, note, arch); err != nil {
			return err
		}
	}
}

func (n *notes) add(nr *noteReader, note noteHeader, arch Arch) error {
	switch note.name {
	case "VMCOREINFO": // VMCOREINFO_XEN is the hypervisor's, and not of use here
		desc, err := nr.desc(note, maxVMCOREINFO)
		if v := parseVMCOREINFO(desc, "note"); n.vmcoreinfo == nil || v.rank() > n.vmcoreinfo.rank() {
			n.vmcoreinfo = v
		}
		return err
	case "QEMU":
		if len(n.qemu) == maxCPUs {
			return nil
		}
		desc, err := nr.desc(note, qemuStateSize)
		n.qemu = append(n.qemu, desc)
		return err
	case "CORE":
		switch note.typ {
		case ntPRStatus:
			if len(n.prstatus) == maxCPUs {
				return nil
			}
			desc, err := nr.desc(note, maxPRStatus)
			n.prstatus = append(n.prstatus, parsePRStatus(desc, arch))
			return err
		case ntTaskStruct:
			n.kcore = true
		case ntAuxv, ntFile:
			n.userProcess = true
		}
	}
	return nil
}

// noteHeader is a note without its descriptor.
type noteHeader struct {
	name     string
	typ      uint32
	descSize uint32
	off      int64 // of the note in the file
	descOff  int64 // of the descriptor in the section
}

// noteReader walks over a section of notes. It seeks over what nobody asks for.
type noteReader struct {
	section *io.SectionReader
	buf     *bufio.Reader
	layout  Layout
	base    int64 // of the section in the file
	pos     int64 // in the section, of what buf yields next
	end     int64 // in the section, of the note before
}

// next returns the next note, and io.EOF after the last one.
func (r *noteReader) next() (noteHeader, error) {
	start := r.end
	for {
		note := noteHeader{off: r.base + r.end}
		head, err := r.peek(r.end, 12)
		if err != nil {
			return note, r.fail(note, err)
		}
		if head == nil || r.end-start > maxPadding {
			return note, io.EOF
		}
		l := r.layout
		nameSize := l.Uint32(head)
		note.descSize, note.typ = l.Uint32(head[4:]), l.Uint32(head[8:])
		if nameSize == 0 { // padding, as behind the notes of each CPU
			r.end += 4
			continue
		}
		nameOff := r.end + 12
		note.descOff = nameOff + align4(nameSize)
		r.end = note.descOff + align4(note.descSize)
		name, err := r.peek(nameOff, int(min(nameSize, maxNoteName)))
		if err != nil {
			return note, r.fail(note, err)
		}
		if note.descOff+int64(note.descSize) > r.section.Size() {
			return note, r.fail(note, errNoteTooLong)
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		note.name = string(name)
		return note, nil
	}
}

// desc returns up to limit bytes of a note's descriptor.
func (r *noteReader) desc(note noteHeader, limit uint32) ([]byte, error) {
	b := make([]byte, min(note.descSize, limit))
	if err := r.seek(note.descOff); err != nil {
		return nil, r.fail(note, err)
	}
	n, err := io.ReadFull(r.buf, b)
	r.pos += int64(n)
	if err != nil {
		return b[:n], r.fail(note, err)
	}
	return b, nil
}

// peek returns n bytes at offset off of the section, valid until the next call,
// and nil where the section has fewer.
func (r *noteReader) peek(off int64, n int) ([]byte, error) {
	if r.section.Size()-off < int64(n) {
		return nil, nil
	}
	if err := r.seek(off); err != nil {
		return nil, err
	}
	return r.buf.Peek(n)
}

func (r *noteReader) seek(to int64) error {
	ahead := to - r.pos
	r.pos = to
	if 0 <= ahead && ahead <= int64(r.buf.Buffered()) {
		_, err := r.buf.Discard(int(ahead))
		return err
	}
	_, err := r.section.Seek(to, io.SeekStart)
	r.buf.Reset(r.section)
	return err
}

func (r *noteReader) fail(note noteHeader, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = ErrTruncated
	}
	return &FormatError{Off: note.off, Msg: "ELF note", Err: err}
}

var (
	errNoteTooLong = errors.New("longer than what holds it")
	errNotesTooBig = fmt.Errorf("notes go on after %d MiB", maxNoteRead>>20)
)

// meter bounds what is read from r in all, whatever the notes say of their size.
type meter struct {
	r     io.ReaderAt
	spent *int64
}

func (m meter) ReadAt(p []byte, off int64) (int, error) {
	if *m.spent > maxNoteRead {
		return 0, errNotesTooBig
	}
	n, err := m.r.ReadAt(p, off)
	*m.spent += int64(n)
	return n, err
}

func align4(n uint32) int64 { return (int64(n) + 3) &^ 3 }
