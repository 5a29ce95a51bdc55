package vmcore_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// FuzzKdump checks that a dump, whatever its bytes, has one content: a page reads
// the same from a fresh dump as from one that has read others before it, in
// pieces as in one go; its state is that of the read; and only pages in Ranges
// have bytes. Where opening fails, the error says where and why.
func FuzzKdump(f *testing.F) {
	small := &vmcoretest.Dump{
		Memory:   map[vmcore.PhysAddr][]byte{0x1000: bytes.Repeat([]byte("page "), 819), 0x3ff0: make([]byte, 32), 0x9000: {1}},
		Excluded: []vmcore.PhysAddr{0x6000},
	}
	all := []vmcoretest.Compression{vmcoretest.Zlib, vmcoretest.LZO, vmcoretest.Snappy, vmcoretest.Zstd}
	for i := range all {
		f.Add(small.Kdump(&vmcoretest.KdumpOptions{Compression: all[i:], Version: 6 - i}))
	}
	f.Add(small.Split(2, nil)[1])
	f.Add(vmcoretest.Flatten(small.Kdump(nil), &vmcoretest.FlattenOptions{Shuffle: 1}))
	small.Arch, small.Missing = vmcoretest.PPC, []vmcore.PhysAddr{0x7000}
	f.Add(small.Kdump(nil))
	f.Fuzz(func(t *testing.T, raw []byte) { checkOneContent(t, raw) })
}

func checkOneContent(t *testing.T, raw []byte) {
	open := func() (*vmcore.Dump, error) {
		return vmcore.New(bytes.NewReader(raw), int64(len(raw)), &vmcore.Options{CacheSize: 1})
	}
	d, err := open()
	if err != nil {
		var format *vmcore.FormatError
		if !errors.As(err, &format) && !errors.Is(err, vmcore.ErrUnrecognized) {
			t.Fatalf("error without a place: %v", err)
		}
		return
	}
	if d.PageSize() > 1<<16 {
		return // slow, and no different
	}
	const pages = 16
	size := d.PageSize()
	var inRanges [pages]bool
	last := vmcore.PhysAddr(0)
	for r := range d.Ranges() {
		if r.Start >= r.End || r.Start < last {
			t.Fatalf("range %v to %v after %v", r.Start, r.End, last)
		}
		last = r.End
		for a := r.Start; a < r.End && a < vmcore.PhysAddr(pages*size); a += vmcore.PhysAddr(size) {
			inRanges[int(a)/size] = true
		}
		if r.Start > vmcore.PhysAddr(pages*size) {
			break
		}
	}
	fresh, err := open()
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, pages*size)
	var states [pages]vmcore.PageState
	for pfn := pages - 1; pfn >= 0; pfn-- {
		a := vmcore.PhysAddr(pfn * size)
		_, err := d.ReadPhys(content[pfn*size:][:size], a)
		states[pfn] = stateOf(err)
		if got := d.PageState(a); got != states[pfn] {
			t.Fatalf("page %v is %v, but reads as %v", a, got, states[pfn])
		}
		if states[pfn] == vmcore.Present && !inRanges[pfn] {
			t.Fatalf("page %v is present, but in no range", a)
		}
	}
	piece := make([]byte, size/4)
	for off := 0; off < len(content); off += len(piece) {
		a, state := vmcore.PhysAddr(off), states[off/size]
		switch _, err := fresh.ReadPhys(piece, a); {
		case stateOf(err) != state:
			t.Fatalf("page at %v is %v, from a fresh dump: %v", a, state, err)
		case err == nil && !bytes.Equal(piece, content[off:][:len(piece)]):
			t.Fatalf("page at %v has other bytes in a fresh dump", a)
		}
	}
	if u := d.Usage(); u.Present%uint64(size) != 0 || u.Excluded%uint64(size) != 0 || u.Missing%uint64(size) != 0 {
		t.Fatalf("usage in parts of pages: %+v", u)
	}
}

// Each byte of the headers, bitmaps and descriptors in turn is damaged in three
// ways.
func TestKdumpFlips(t *testing.T) {
	src := &vmcoretest.Dump{
		Memory:     map[vmcore.PhysAddr][]byte{0x1000: bytes.Repeat([]byte("page "), 819), 0x4000: {1}, 0x9000: {2}},
		Excluded:   []vmcore.PhysAddr{0x6000},
		VMCOREINFO: "OSRELEASE=6.12.0-test\n",
	}
	raw := src.Kdump(&vmcoretest.KdumpOptions{Compression: []vmcoretest.Compression{vmcoretest.Zstd}})
	for off, b := range raw {
		if off > offDescriptors+3*24 {
			break
		}
		if b == 0 && off%61 != 0 {
			continue // padding, mostly
		}
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			raw[off] = b ^ flip
			checkOneContent(t, raw)
		}
		raw[off] = b
	}
}
