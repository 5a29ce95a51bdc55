package vmcore

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"math/bits"
	"slices"
	"sync"
)

const (
	defaultCacheSize = 32 << 20
	tableCacheSize   = 4 << 20
)

// A kdump is a dump in the kdump-compressed format of makedumpfile and QEMU, in
// one file or in the volumes of makedumpfile --split.
//
// The states of its pages come from two bitmaps: a page in the second is in the
// file (Present, or Missing when the file is damaged there), one in the first
// alone is Excluded, one in neither is Unmapped. With a single bitmap, as old
// diskdump files have, no filter can show: what is not in the file is Unmapped.
type kdump struct {
	volumes  []*volume // ascending, none overlapping
	shift    int       // log2 of the page size
	maxPFN   uint64
	pages    *cache    // by page frame
	decoders sync.Pool // of *decoder
	noteData []byte
	infoData []byte
	warned   []string
}

var _ store = (*kdump)(nil)

// newKdump opens a dump: one file, or the volumes of one dump in any order. Of
// the bitmaps and descriptors it reads nothing yet, except to look for the end
// of a small dump.
func newKdump(files []fileAt, opts *Options) (*kdump, error) {
	k := &kdump{}
	tables := newCache(tableCacheSize, tableBlock)
	for i, f := range files {
		h, err := parseKdumpHeader(f)
		if err != nil {
			return nil, err
		}
		if len(files) > 1 && !h.split {
			return nil, &FormatError{File: f.name, Off: h.blockSize, Msg: "not a volume of a split dump"}
		}
		k.volumes = append(k.volumes, newVolume(h, &table{file: f, id: uint64(i), cache: tables}))
	}
	slices.SortFunc(k.volumes, func(v, w *volume) int { return cmp.Compare(v.startPFN, w.startPFN) })
	if err := k.checkSet(); err != nil {
		return nil, err
	}

	first := k.volumes[0]
	k.shift = bits.TrailingZeros64(uint64(first.blockSize))
	k.maxPFN = first.maxPFN
	size := defaultCacheSize
	if opts != nil && opts.CacheSize > 0 {
		size = opts.CacheSize
	}
	k.pages = newCache(size, int(first.blockSize))
	k.decoders.New = func() any { return newDecoder(int(first.blockSize)) }
	k.readAreas()
	for _, v := range k.volumes {
		k.warned = append(k.warned, v.warnings()...)
	}
	return k, nil
}

// checkSet compares the volumes with each other and warns of those not given.
func (k *kdump) checkSet() error {
	end := uint64(0)
	for i, v := range k.volumes {
		if first := k.volumes[0]; !v.sameDump(first.kdumpHeader) {
			return &FormatError{File: v.file().name, Msg: "belongs to another dump than " + first.file().name}
		}
		if v.startPFN < end {
			return &FormatError{
				File: v.file().name, Off: v.blockSize,
				Msg: fmt.Sprintf("holds page frame %#x, as %s does", v.startPFN, k.volumes[i-1].file().name),
			}
		}
		k.warnGap(end, v.startPFN)
		end = v.endPFN
	}
	k.warnGap(end, k.volumes[0].maxPFN)
	return nil
}

func (k *kdump) warnGap(start, end uint64) {
	if start < end {
		k.warned = append(k.warned, fmt.Sprintf("page frames %#x to %#x are in a volume not given", start, end))
	}
}

// readAreas reads the notes and VMCOREINFO from the first volume that has them:
// each volume of a set has the same.
func (k *kdump) readAreas() {
	read := func(data *[]byte, v *volume, a area, what string) {
		if len(*data) > 0 {
			return
		}
		var err error
		if *data, err = readArea(v.file(), a, what); err != nil {
			k.warned = append(k.warned, err.Error())
		}
	}
	for _, v := range k.volumes {
		read(&k.noteData, v, v.notes, "ELF notes")
		read(&k.infoData, v, v.vmcoreinfo, "VMCOREINFO")
	}
}

func (k *kdump) header() Header {
	h := k.volumes[0].kdumpHeader
	header := Header{
		Release: h.release, Version: h.kernel, Machine: h.machine, NodeName: h.node,
		Time: h.time, CPUs: h.cpus, DumpLevel: h.dumpLevel, MaxPFN: h.maxPFN,
	}
	for _, v := range k.volumes {
		header.Size += v.file().size
		header.Incomplete = header.Incomplete || v.status&statusIncomplete != 0
	}
	return header
}

func (k *kdump) arch() Arch {
	h := k.volumes[0].kdumpHeader
	return Arch{Name: h.machine, Layout: h.layout}
}

func (k *kdump) version() int       { return k.volumes[0].kdumpHeader.version }
func (k *kdump) pageSize() int      { return 1 << k.shift }
func (k *kdump) notes() []byte      { return k.noteData }
func (k *kdump) vmcoreinfo() []byte { return k.infoData }
func (k *kdump) warnings() []string { return k.warned }

// compression lists the methods that the header tells of. Each page says its
// own, so that the list is only a hint.
func (k *kdump) compression() []string {
	status := compression(k.volumes[0].status)
	var names []string
	for _, c := range []compression{packedZlib, packedLZO, packedSnappy, packedZstd} {
		if status&c != 0 {
			names = append(names, c.String())
		}
	}
	return names
}

// read implements store. It goes no further than the end of a page.
func (k *kdump) read(p []byte, a PhysAddr) (int, PageState, error) {
	pfn, off := uint64(a)>>k.shift, int(uint64(a)&(1<<k.shift-1))
	p = p[:min(len(p), 1<<k.shift-off)]
	if k.pages.read(p, pfn, off) {
		return len(p), Present, nil
	}
	v, state, err := k.state(pfn)
	if state != Present {
		return len(p), state, err
	}
	d := k.decoders.Get().(*decoder)
	defer k.decoders.Put(d)
	if err := v.readPage(d, pfn); err != nil {
		return len(p), Missing, err
	}
	k.pages.add(pfn, d.out)
	copy(p, d.out[off:])
	return len(p), Present, nil
}

// state looks a page up in the bitmaps. Present means that the volume has a
// descriptor for it.
func (k *kdump) state(pfn uint64) (*volume, PageState, error) {
	if pfn >= k.maxPFN {
		return nil, Unmapped, nil
	}
	v := k.volumeOf(pfn)
	maps := v
	if maps == nil {
		maps = k.volumes[0] // each volume has the bitmaps of the whole dump
	}
	dumped, err := maps.dumped.test(pfn)
	switch {
	case err != nil:
		return nil, Missing, err
	case dumped && v == nil:
		return nil, Missing, &FormatError{
			File: maps.file().name, Off: maps.blockSize,
			Msg: fmt.Sprintf("page frame %#x is in a volume not given", pfn),
		}
	case dumped:
		return v, Present, nil
	case maps.ram == nil:
		return nil, Unmapped, nil
	}
	ram, err := maps.ram.test(pfn)
	switch {
	case err != nil:
		return nil, Missing, err
	case ram:
		return nil, Excluded, nil
	}
	return nil, Unmapped, nil
}

// volumeOf returns the volume that holds a page frame; nil when it was not
// given.
func (k *kdump) volumeOf(pfn uint64) *volume {
	i, _ := slices.BinarySearchFunc(k.volumes, pfn, func(v *volume, pfn uint64) int {
		if v.endPFN <= pfn {
			return -1
		}
		return 1
	})
	if i < len(k.volumes) && k.volumes[i].startPFN <= pfn {
		return k.volumes[i]
	}
	return nil
}

// ranges yields the physical memory that the second bitmap says is in the files.
// Pages that a damaged file lacks are not told apart: that would cost a look at
// every descriptor.
func (k *kdump) ranges() iter.Seq[Range] {
	return func(yield func(Range) bool) {
		var last Range // not yielded yet: the next volume may go on with it
		for _, v := range k.volumes {
			for r := range v.ranges() {
				switch {
				case r.Start == last.End:
					last.End = r.End
				case last.Start < last.End && !yield(last):
					return
				default:
					last = r
				}
			}
		}
		if last.Start < last.End {
			yield(last)
		}
	}
}

// usage implements store. It counts both bitmaps, and of a file that ends early
// the descriptors whose pages are lost.
func (k *kdump) usage() Usage {
	var u Usage
	add := func(v *volume, start, end uint64, given bool) {
		ram, dumped := v.count(start, end)
		u.Excluded += ram - min(ram, dumped)
		if !given {
			u.Missing += dumped
			return
		}
		lost := v.lost(math.MaxUint64)
		u.Missing += lost
		u.Present += dumped - min(dumped, lost)
	}
	end := uint64(0)
	for _, v := range k.volumes {
		add(k.volumes[0], end, v.startPFN, false)
		add(v, v.startPFN, v.endPFN, true)
		end = v.endPFN
	}
	add(k.volumes[0], end, k.maxPFN, false)
	return Usage{Present: u.Present << k.shift, Excluded: u.Excluded << k.shift, Missing: u.Missing << k.shift}
}
