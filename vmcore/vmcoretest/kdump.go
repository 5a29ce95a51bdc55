package vmcoretest

import (
	"bytes"
	"fmt"
	"math"

	"github.com/kdbg/kdbg/vmcore"
)

// KdumpOptions chooses among the variants of the kdump-compressed format.
type KdumpOptions struct {
	Version int // header_version, 1 to 6; zero: 6

	// Compression lists the methods that the pages take in turn. Default: none.
	// A page that does not shrink is stored as it is.
	Compression []Compression

	// SingleBitmap leaves out the first bitmap, as old diskdump files do. A
	// reader can tell only when MaxPFN is over half of what a bitmap block holds.
	SingleBitmap bool

	// Packed leaves out the padding in a 32-bit sub-header: the compiler of i686
	// aligns 8-byte integers to 4 bytes, that of ARM to 8.
	Packed bool

	MaxPFN    uint64 // one above the highest page frame; zero: from the memory
	PhysBase  uint64 // of the sub-header, where QEMU's is wrong
	DumpLevel int    // of the sub-header
	EraseInfo string // text of the eraseinfo area; only from version 5
	Signature string // zero: "KDUMP   "; the other is "DISKDUMP"
}

// Kdump writes the dump as a kdump-compressed file.
func (d *Dump) Kdump(opts *KdumpOptions) []byte { return d.Split(1, opts)[0] }

// Split writes the dump as makedumpfile --split does: n files with the same
// bitmaps, each with the pages of its own range of page frames.
func (d *Dump) Split(n int, opts *KdumpOptions) [][]byte {
	if opts == nil {
		opts = &KdumpOptions{}
	}
	k := &kdump{KdumpOptions: *opts, dump: d, mem: d.memory()}
	if k.Version == 0 {
		k.Version = 6
	}
	if k.Signature == "" {
		k.Signature = "KDUMP   "
	}
	if pfns := k.mem.pfns(); k.MaxPFN == 0 && len(pfns) > 0 {
		k.MaxPFN = pfns[len(pfns)-1] + 1
	}
	if n == 1 {
		return [][]byte{k.write(false, 0, k.MaxPFN)}
	}
	files := make([][]byte, n)
	for i := range files {
		files[i] = k.write(true, k.MaxPFN*uint64(i)/uint64(n), k.MaxPFN*uint64(i+1)/uint64(n))
	}
	return files
}

// kdump writes one set of files.
type kdump struct {
	KdumpOptions
	dump *Dump
	mem  *memory
}

// statusIncomplete is DUMP_DH_COMPRESSED_INCOMPLETE.
const statusIncomplete = 0x8

// The format is that of makedumpfile's diskdump_mod.h and crash's diskdump.h.
func (k *kdump) write(split bool, start, end uint64) []byte {
	blockSize := k.mem.pageSize
	bitmapBlocks := (k.MaxPFN + 8*blockSize - 1) / (8 * blockSize)
	sub := k.subHeader(split, start, end)
	subBlocks := (uint64(len(sub)) + blockSize - 1) / blockSize

	w := &writer{Layout: k.dump.arch().Layout}
	k.header(w, subBlocks, bitmapBlocks)
	w.padTo(blockSize)
	w.bytes(sub)
	w.padTo((1 + subBlocks) * blockSize)
	ram, dumped := k.bitmaps(bitmapBlocks * blockSize)
	if !k.SingleBitmap {
		w.bytes(ram)
	}
	w.bytes(dumped)
	k.pages(w, start, end)
	return w.b
}

func (k *kdump) header(w *writer, subBlocks, bitmapBlocks uint64) {
	w.text(k.Signature, 8)
	w.u32(uint32(k.Version))
	u := k.dump.Uname
	for _, s := range []string{u.Sysname, u.Nodename, u.Release, u.Version, u.Machine, u.Domainname} {
		w.text(s, 65)
	}
	w.align(w.WordSize)
	if t := k.dump.Time; t.IsZero() {
		w.zeros(2 * w.WordSize)
	} else {
		w.word(uint64(t.Unix()))
		w.word(uint64(t.Nanosecond() / 1000))
	}
	w.u32(k.status())
	w.u32(uint32(k.mem.pageSize))
	w.u32(uint32(subBlocks))
	if k.SingleBitmap {
		w.u32(uint32(bitmapBlocks))
	} else {
		w.u32(uint32(2 * bitmapBlocks))
	}
	w.u32(uint32(min(k.MaxPFN, math.MaxUint32))) // max_mapnr
	w.zeros(4 * 4)                               // total_ram_blocks to current_cpu
	w.u32(uint32(max(len(k.dump.CPUs), 1)))
}

func (k *kdump) status() uint32 {
	var status Compression
	for _, c := range k.Compression {
		status |= c
	}
	if len(k.dump.Missing) > 0 {
		status |= statusIncomplete
	}
	return uint32(status)
}

// subHeader writes struct kdump_sub_header and behind it what it points to.
func (k *kdump) subHeader(split bool, start, end uint64) []byte {
	layout := k.dump.arch().Layout
	info := []byte(k.dump.VMCOREINFO)
	notes := marshalNotes(layout, k.dump.notes())
	if k.Version < 3 {
		info = nil
	}
	if k.Version < 4 {
		notes = nil
	}
	erase := []byte(k.EraseInfo)
	if k.Version < 5 {
		erase = nil
	}

	const structSize = 104 // of the largest layout: the areas start there in all
	infoOff := k.mem.pageSize + structSize
	notesOff := infoOff + uint64(len(info)+7)&^7
	eraseOff := notesOff + uint64(len(notes))
	area := func(w *writer, off uint64, data []byte) {
		if !k.Packed {
			w.align(8)
		}
		if len(data) == 0 {
			off = 0
		}
		w.u64(off)
		w.word(uint64(len(data)))
	}

	w := &writer{Layout: layout}
	w.word(k.PhysBase)
	w.u32(uint32(k.DumpLevel))
	if split {
		w.u32(1)
		w.word(start)
		w.word(end)
	} else {
		w.u32(0)
		w.word(0)
		w.word(0)
	}
	area(w, infoOff, info)
	area(w, notesOff, notes)
	area(w, eraseOff, erase)
	if k.Version >= 6 {
		if !k.Packed {
			w.align(8)
		}
		if !split {
			start, end = 0, 0
		}
		w.u64(start)
		w.u64(end)
		w.u64(k.MaxPFN)
	}
	w.padTo(structSize)
	w.bytes(info)
	w.align(8)
	w.bytes(notes)
	w.bytes(erase)
	return w.b
}

// bitmaps makes the bitmap of the pages that are RAM and that of the pages that
// are in the dump, least significant bit first.
func (k *kdump) bitmaps(size uint64) (ram, dumped []byte) {
	ram, dumped = make([]byte, size), make([]byte, size)
	for _, pfn := range k.mem.pfns() {
		if pfn >= k.MaxPFN {
			panic(fmt.Sprintf("vmcoretest: page frame %#x is not below MaxPFN %#x", pfn, k.MaxPFN))
		}
		ram[pfn/8] |= 1 << (pfn % 8)
		if k.mem.absent[pfn] != vmcore.Excluded {
			dumped[pfn/8] |= 1 << (pfn % 8)
		}
	}
	return ram, dumped
}

// pages writes the descriptors of the dumped pages in a range and then their
// data. Zero pages share one copy, as makedumpfile writes them; a page that is
// missing has offset 0.
func (k *kdump) pages(w *writer, start, end uint64) {
	var pfns []uint64
	for _, pfn := range k.mem.pfns() {
		if start <= pfn && pfn < end && k.mem.absent[pfn] != vmcore.Excluded {
			pfns = append(pfns, pfn)
		}
	}
	const descSize = 24
	dataOff := uint64(len(w.b) + len(pfns)*descSize)
	var data []byte
	describe := func(off uint64, size int, c Compression) {
		w.u64(off)
		w.u32(uint32(size))
		w.u32(uint32(c))
		w.u64(0) // page_flags
	}
	zero := make([]byte, k.mem.pageSize)
	var zeroOff uint64
	for i, pfn := range pfns {
		page, present := k.mem.present[pfn]
		isZero := bytes.Equal(page, zero)
		switch {
		case !present:
			describe(0, 0, 0)
			continue
		case isZero && zeroOff != 0:
			describe(zeroOff, len(zero), 0)
			continue
		}
		off := dataOff + uint64(len(data))
		stored, c := page, None
		if isZero {
			zeroOff = off
		} else if len(k.Compression) > 0 {
			stored, c = k.Compression[i%len(k.Compression)].compress(page)
		}
		describe(off, len(stored), c)
		data = append(data, stored...)
	}
	w.bytes(data)
}
