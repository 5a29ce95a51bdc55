package vmcore

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/bits"
	"time"
)

// Limits of what is taken for a kdump header.
const (
	minBlockSize = 4 << 10
	maxBlockSize = 1 << 20  // the largest page of any Linux port is 1 MiB (hexagon)
	maxPhys      = 1 << 52  // bytes of physical address space: no machine of today uses more
	maxArea      = 64 << 20 // bytes of notes: device dumps can be large
)

// statusIncomplete is the bit DUMP_DH_COMPRESSED_INCOMPLETE of the header's
// status. Other bits tell the compression.
const statusIncomplete = 1 << 3

// kdumpHeader is what the main header and the sub-header of one file say: structs
// disk_dump_header and kdump_sub_header of makedumpfile's diskdump_mod.h. The
// file has the byte order and the word size of the dumped machine, and says
// neither.
type kdumpHeader struct {
	layout       Layout
	version      int
	node         string
	release      string
	kernel       string // utsname.version
	machine      string
	time         time.Time
	status       uint32
	blockSize    int64
	subBlocks    int64
	bitmapBlocks int64
	cpus         int
	maxPFN       uint64 // one above the last page frame
	dumpLevel    int    // -1 when the header has none

	split             bool
	startPFN, endPFN  uint64 // the page frames of this volume
	vmcoreinfo, notes area
	erase             area
	diskdump          bool // signature DISKDUMP: no kdump sub-header
}

// area is a part of a file.
type area struct{ off, size uint64 }

func sniffKdump(head []byte) bool {
	return bytes.HasPrefix(head, []byte("KDUMP   ")) || bytes.HasPrefix(head, []byte("DISKDUMP"))
}

// parseKdumpHeader reads both headers of a file.
func parseKdumpHeader(f fileAt) (*kdumpHeader, error) {
	var buf [464]byte // disk_dump_header of a 64-bit machine
	n, err := f.r.ReadAt(buf[:], 0)
	if n < len(buf) {
		return nil, &FormatError{File: f.name, Off: int64(n), Msg: "kdump header", Err: truncated(err)}
	}
	h := mainHeader(buf[:])
	if h == nil {
		return nil, &FormatError{
			File: f.name, Off: 8,
			Msg: "kdump header has no plausible block size for any byte order and word size",
		}
	}
	if h.diskdump {
		h.endPFN = h.maxPFN
	} else if err := h.readSub(f); err != nil {
		return nil, err
	}
	return h, h.check(f.name)
}

// mainHeader reads struct disk_dump_header in the first layout that makes sense;
// nil when none does. 32 bits come first: a 32-bit header read as a 64-bit one
// has the number of pages for its block size, which can look like one, while the
// other way round the size of the sub-header is the high half of some
// microseconds, which is 0.
func mainHeader(buf []byte) *kdumpHeader {
	for _, layout := range []Layout{
		{WordSize: 4}, {WordSize: 8}, {BigEndian: true, WordSize: 4}, {BigEndian: true, WordSize: 8},
	} {
		c := cursor{b: buf, layout: layout, align: layout.WordSize}
		h := &kdumpHeader{layout: layout, dumpLevel: -1}
		h.diskdump = string(c.bytes(8)) == "DISKDUMP"
		h.version = int(int32(c.uint32()))
		c.bytes(65) // sysname
		h.node = c.text(65)
		h.release = c.text(65)
		h.kernel = c.text(65)
		h.machine = c.text(65)
		c.bytes(65) // domainname
		h.time = unixTime(c.word(), c.word())
		h.status = c.uint32()
		h.blockSize = int64(c.uint32())
		h.subBlocks = int64(c.uint32())
		h.bitmapBlocks = int64(c.uint32())
		h.maxPFN = uint64(c.uint32())
		c.bytes(4 * 4) // total_ram_blocks, device_blocks, written_blocks, current_cpu
		h.cpus = max(0, int(int32(c.uint32())))
		if h.plausible() {
			return h
		}
	}
	return nil
}

// plausible reports whether the header can be one.
func (h *kdumpHeader) plausible() bool {
	return h.version >= 0 && h.version < 1<<16 &&
		h.blockSize >= minBlockSize && h.blockSize <= maxBlockSize && bits.OnesCount64(uint64(h.blockSize)) == 1 &&
		h.subBlocks >= 1 && h.subBlocks < 1<<20
}

// readSub reads struct kdump_sub_header, which grew with the versions.
func (h *kdumpHeader) readSub(f fileAt) error {
	var buf [104]byte // version 6 on a 64-bit machine
	n, err := f.r.ReadAt(buf[:], h.blockSize)
	c := cursor{b: buf[:n], layout: h.layout, align: 8}
	if i686(h.machine) {
		c.align = 4
	}
	c.word() // phys_base: wrong in QEMU's dumps, and VMCOREINFO has it
	h.endPFN = h.maxPFN
	if h.version >= 1 {
		h.dumpLevel = int(int32(c.uint32()))
	}
	if h.version >= 2 {
		h.split = c.uint32() != 0
		h.startPFN, h.endPFN = c.word(), c.word()
	}
	if h.version >= 3 {
		h.vmcoreinfo = area{off: c.uint64(), size: c.word()}
	}
	if h.version >= 4 {
		h.notes = area{off: c.uint64(), size: c.word()}
	}
	if h.version >= 5 {
		h.erase = area{off: c.uint64(), size: c.word()}
	}
	max32 := h.maxPFN
	if h.version >= 6 {
		h.startPFN, h.endPFN, h.maxPFN = c.uint64(), c.uint64(), c.uint64()
	}
	if c.short {
		return &FormatError{File: f.name, Off: h.blockSize + int64(n), Msg: "kdump sub-header", Err: truncated(err)}
	}
	if h.version >= 6 && max32 != 0 && max32 != min(h.maxPFN, math.MaxUint32) && max32 != h.maxPFN&math.MaxUint32 {
		return &FormatError{
			File: f.name, Off: h.blockSize,
			Msg: fmt.Sprintf("max_mapnr_64 %#x of the sub-header contradicts max_mapnr %#x", h.maxPFN, max32),
		}
	}
	if !h.split {
		h.startPFN, h.endPFN = 0, h.maxPFN
	}
	return nil
}

// check refuses numbers that contradict each other.
func (h *kdumpHeader) check(name string) error {
	fail := func(off int64, format string, args ...any) error {
		return &FormatError{File: name, Off: off, Msg: "kdump header: " + fmt.Sprintf(format, args...)}
	}
	switch {
	case h.maxPFN > maxPhys/uint64(h.blockSize):
		return fail(h.blockSize, "%#x pages of %d bytes are more than any machine has", h.maxPFN, h.blockSize)
	case h.bitmapBytes() > h.bitmapBlocks*h.blockSize:
		return fail(0, "%d blocks of bitmaps are too few for %#x pages", h.bitmapBlocks, h.maxPFN)
	case h.startPFN > h.endPFN || h.endPFN > h.maxPFN:
		return fail(h.blockSize, "volume has page frames %#x to %#x of %#x", h.startPFN, h.endPFN, h.maxPFN)
	}
	return nil
}

// bitmapBytes is how much of a bitmap has a meaning.
func (h *kdumpHeader) bitmapBytes() int64 { return int64((h.maxPFN + 7) / 8) }

// The bitmaps follow the sub-header. Of two, the first says which pages are RAM
// and the second which are in the file; a single one says both.
func (h *kdumpHeader) bitmapOff() int64 { return (1 + h.subBlocks) * h.blockSize }

// oneBitmap is how many blocks a bitmap takes.
func (h *kdumpHeader) oneBitmap() int64 { return (h.bitmapBytes() + h.blockSize - 1) / h.blockSize }

func (h *kdumpHeader) twoBitmaps() bool { return h.bitmapBlocks >= 2*h.oneBitmap() }

// descriptorOff is the offset of the first page descriptor, behind the bitmaps.
func (h *kdumpHeader) descriptorOff() int64 { return h.bitmapOff() + h.bitmapBlocks*h.blockSize }

// sameDump reports whether two volumes can belong to one set.
func (h *kdumpHeader) sameDump(o *kdumpHeader) bool {
	return h.layout == o.layout && h.blockSize == o.blockSize && h.maxPFN == o.maxPFN &&
		h.release == o.release && h.node == o.node && h.time.Equal(o.time)
}

// readArea reads a part of a file that its header points to.
func readArea(f fileAt, a area, what string) ([]byte, error) {
	if a.size == 0 {
		return nil, nil
	}
	if size := uint64(f.size); a.size > maxArea || a.off > size || a.size > size-a.off {
		return nil, &FormatError{
			File: f.name, Off: int64(min(a.off, math.MaxInt64)),
			Msg: fmt.Sprintf("%s of %d bytes in a file of %d", what, a.size, f.size), Err: ErrTruncated,
		}
	}
	data := make([]byte, a.size)
	if n, err := f.r.ReadAt(data, int64(a.off)); n < len(data) {
		return nil, &FormatError{File: f.name, Off: int64(a.off) + int64(n), Msg: what, Err: truncated(err)}
	}
	return data, nil
}

// truncated says of a short read at the end of a file what it means.
func truncated(err error) error {
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrTruncated
	}
	return err
}

// i686 reports whether a machine aligns 8-byte integers to 4 bytes.
func i686(machine string) bool {
	return len(machine) == 4 && machine[0] == 'i' && machine[2:] == "86"
}

// unixTime is a struct timeval; the zero time when it says nothing.
func unixTime(sec, usec uint64) time.Time {
	if sec == 0 || sec > math.MaxInt32<<8 || usec >= 1e6 {
		return time.Time{}
	}
	return time.Unix(int64(sec), int64(usec)*1000).UTC()
}

// A cursor decodes the members of a C struct in turn. Past the end of its bytes
// it gives zeros and remembers that it did.
type cursor struct {
	b      []byte
	off    int
	layout Layout
	align  int // of 8-byte integers
	short  bool
}

func (c *cursor) bytes(n int) []byte {
	if n > len(c.b)-c.off {
		c.short = true
		c.off = len(c.b)
		return make([]byte, n)
	}
	c.off += n
	return c.b[c.off-n : c.off]
}

func (c *cursor) aligned(n, align int) []byte {
	if pad := -c.off & (align - 1); pad > 0 {
		c.bytes(pad)
	}
	return c.bytes(n)
}

func (c *cursor) uint32() uint32 { return c.layout.Uint32(c.aligned(4, 4)) }
func (c *cursor) uint64() uint64 { return c.layout.Uint64(c.aligned(8, c.align)) }
func (c *cursor) word() uint64   { return c.layout.Word(c.aligned(c.layout.WordSize, c.layout.WordSize)) }

// text decodes an array of char up to its NUL.
func (c *cursor) text(n int) string {
	b, _, _ := bytes.Cut(c.bytes(n), []byte{0})
	return string(b)
}
