package vmcore

import (
	"fmt"
	"iter"
)

// A volume is one file of a kdump: the whole dump, or the page frames from
// startPFN up to endPFN of a split one.
type volume struct {
	*kdumpHeader
	table  *table
	ram    *bitmap // pages that exist; nil when the file has one bitmap
	dumped *bitmap // pages in the file
	ranks  *rankIndex
}

func newVolume(h *kdumpHeader, t *table) *volume {
	v := &volume{kdumpHeader: h, table: t, dumped: &bitmap{table: t, off: h.bitmapOff()}}
	if h.twoBitmaps() {
		v.ram = v.dumped
		v.dumped = &bitmap{table: t, off: h.bitmapOff() + h.bitmapBlocks/2*h.blockSize}
	}
	v.ranks = newRankIndex(*v.dumped, h.startPFN/blockPages)
	return v
}

func (v *volume) file() fileAt { return v.table.file }

// A descriptor says where the bytes of a page are: struct page_desc of
// makedumpfile's diskdump_mod.h. There is one for each set bit of the second
// bitmap, in order. Zero pages share their bytes.
type descriptor struct {
	off   uint64
	size  uint32
	flags compression
}

const descriptorSize = 24

// index returns the number of a page frame's descriptor in the volume.
func (v *volume) index(pfn uint64) (uint64, error) {
	before, err := v.ranks.rank(v.startPFN)
	if err != nil {
		return 0, err
	}
	n, err := v.ranks.rank(pfn)
	return n - before, err
}

// descriptorAt reads the i-th descriptor.
func (v *volume) descriptorAt(i uint64) (descriptor, error) {
	var buf [descriptorSize]byte
	off := v.descriptorOff() + int64(i*descriptorSize)
	head := min(len(buf), tableBlock-int(off%tableBlock))
	if err := v.table.read(buf[:head], off); err != nil {
		return descriptor{}, err
	}
	if head < len(buf) {
		if err := v.table.read(buf[head:], off+int64(head)); err != nil {
			return descriptor{}, err
		}
	}
	return descriptor{
		off:   v.layout.Uint64(buf[:]),
		size:  v.layout.Uint32(buf[8:]),
		flags: compression(v.layout.Uint32(buf[12:])),
	}, nil
}

// readPage unpacks a page to d.out.
func (v *volume) readPage(d *decoder, pfn uint64) error {
	i, err := v.index(pfn)
	if err != nil {
		return err
	}
	desc, err := v.descriptorAt(i)
	if err != nil {
		return err
	}
	if err := v.checkDescriptor(desc, i, len(d.in)); err != nil {
		return err
	}
	if n, err := v.file().r.ReadAt(d.in[:desc.size], int64(desc.off)); n < int(desc.size) {
		return v.pageError(pfn, int64(desc.off)+int64(n), truncated(err))
	}
	if err := d.unpack(int(desc.size), desc.flags); err != nil {
		return v.pageError(pfn, int64(desc.off), err)
	}
	return nil
}

func (v *volume) pageError(pfn uint64, off int64, err error) error {
	return &FormatError{File: v.file().name, Off: off, Msg: fmt.Sprintf("data of page frame %#x", pfn), Err: err}
}

// checkDescriptor refuses a descriptor that cannot be of a page.
func (v *volume) checkDescriptor(d descriptor, i uint64, pageSize int) error {
	fail := func(err error, format string, args ...any) error {
		return &FormatError{
			File: v.file().name, Off: v.descriptorOff() + int64(i*descriptorSize),
			Msg: "page descriptor: " + fmt.Sprintf(format, args...), Err: err,
		}
	}
	switch {
	case d.off == 0 && v.status&statusIncomplete != 0:
		return fail(nil, "empty, as the writing of the dump was cut short")
	case d.off == 0:
		return fail(nil, "offset 0")
	case d.size == 0 || d.size > uint32(pageSize):
		return fail(nil, "%d bytes for a page of %d", d.size, pageSize)
	case !d.flags.known():
		return fail(ErrUnsupported, "%v", d.flags)
	case !v.holds(d):
		return fail(ErrTruncated, "bytes %#x to %#x of a file of %#x", d.off, d.off+uint64(d.size), v.file().size)
	}
	return nil
}

// holds reports whether a page's bytes lie in the file.
func (v *volume) holds(d descriptor) bool {
	size := uint64(v.file().size)
	return d.off != 0 && d.off <= size && uint64(d.size) <= size-d.off
}

// ranges yields the memory that has descriptors. It ends early where the bitmap
// cannot be read.
func (v *volume) ranges() iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for pfn := v.startPFN; ; {
			start, err := v.dumped.next(pfn, v.endPFN, true)
			if err != nil || start == v.endPFN {
				return
			}
			end, err := v.dumped.next(start, v.endPFN, false)
			size := uint64(v.blockSize)
			if !yield(Range{Start: PhysAddr(start * size), End: PhysAddr(end * size)}) || err != nil {
				return
			}
			pfn = end
		}
	}
}

// count counts the bits of both bitmaps from start up to end. It is 0 where a
// bitmap cannot be read.
func (v *volume) count(start, end uint64) (ram, dumped uint64) {
	between := func(r *rankIndex) uint64 {
		lo, errLo := r.rank(start)
		hi, errHi := r.rank(end)
		if errLo != nil || errHi != nil {
			return 0
		}
		return hi - lo
	}
	dumped = between(v.ranksFrom(start))
	if v.ram == nil {
		return dumped, dumped
	}
	return between(newRankIndex(*v.ram, start/blockPages)), dumped
}

// ranksFrom returns an index of the second bitmap that starts no later than at
// a page frame: the volume's own when that will do.
func (v *volume) ranksFrom(pfn uint64) *rankIndex {
	if v.ranks.first <= pfn/blockPages {
		return v.ranks
	}
	return newRankIndex(*v.dumped, pfn/blockPages)
}

// lost counts the pages whose bytes are behind the end of the file, or were
// never written. Pages are written in order, so that it looks at descriptors
// from the last one back to the first that is good, and at no more than limit.
// Zero pages say nothing, as their shared bytes are the first of all.
func (v *volume) lost(limit uint64) (lost uint64) {
	n, err := v.index(v.endPFN)
	if err != nil || n == 0 {
		return 0
	}
	first, _ := v.descriptorAt(0)
	if room := uint64(max(0, v.file().size-v.descriptorOff())) / descriptorSize; room < n {
		lost, n = n-room, room
	}
	for ; n > 0 && limit > 0; n, limit = n-1, limit-1 {
		d, err := v.descriptorAt(n - 1)
		switch {
		case err != nil || !v.holds(d):
			lost++
		case d.off > first.off:
			return lost
		}
	}
	return lost
}

// misplaced reports whether the data of the pages is not where the descriptors
// end. The bitmap then has bits too many or too few, and the pages behind those
// are taken for others.
func (v *volume) misplaced() bool {
	n, err := v.index(v.endPFN)
	if err != nil || n == 0 {
		return false
	}
	first, err := v.descriptorAt(0)
	if err != nil || !v.holds(first) {
		return false
	}
	counts := []uint64{n}
	if v.split { // makedumpfile leaves room in each volume for the descriptors of all
		_, all := v.count(0, v.maxPFN)
		counts = append(counts, all)
	}
	for _, n := range counts {
		// The page that zero pages share comes first where there is one.
		end := uint64(v.descriptorOff()) + n*descriptorSize
		if first.off == end || first.off == end+uint64(v.blockSize) {
			return false
		}
	}
	return true
}

// What opening a file spends to notice that it is damaged.
const (
	tailBitmap      = 1 << 20 // bytes of the largest bitmap it counts: 32 GiB of memory
	tailDescriptors = 256
)

// warnings says what is wrong with the volume, as far as opening it tells.
func (v *volume) warnings() []string {
	var all []string
	warn := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if name := v.file().name; name != "" {
			text = name + ": " + text
		}
		all = append(all, text)
	}
	if v.version > 6 {
		warn("kdump header version %d is newer than 6: read as 6", v.version)
	}
	if v.erase.size > 0 {
		warn("makedumpfile erased some data: it reads as X")
	}
	incomplete := v.status&statusIncomplete != 0
	if incomplete {
		warn("the writing of the dump was cut short: pages are missing")
	}
	if n := v.oneBitmap(); v.bitmapBlocks != n && v.bitmapBlocks != 2*n {
		warn("header has %d blocks of bitmaps, where %#x pages take %d", v.bitmapBlocks, v.maxPFN, 2*n)
	}
	size := v.file().size
	if size < v.descriptorOff() {
		warn("file truncated at %#x: its bitmaps end at %#x", size, v.descriptorOff())
		return all
	}
	if v.bitmapBytes() > tailBitmap {
		return all
	}
	switch {
	case v.misplaced():
		warn("offset %#x: the bitmap of the dumped pages is damaged: pages may be taken for others", v.dumped.off)
	case !incomplete && v.lost(tailDescriptors) > 0:
		warn("file truncated at %#x: pages are missing", size)
	}
	return all
}
