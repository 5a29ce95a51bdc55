package vmcore_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// BenchmarkKdumpPage reads pages of a real kernel that are not in the cache.
func BenchmarkKdumpPage(b *testing.B) {
	src := realPages(b, 1000)
	for _, tc := range []struct {
		name string
		c    vmcoretest.Compression
	}{
		{"raw", vmcoretest.None}, {"zlib", vmcoretest.Zlib}, {"lzo", vmcoretest.LZO},
		{"snappy", vmcoretest.Snappy}, {"zstd", vmcoretest.Zstd},
	} {
		raw := src.Kdump(&vmcoretest.KdumpOptions{Compression: []vmcoretest.Compression{tc.c}})
		b.Run(tc.name, func(b *testing.B) {
			readAll(b, bytes.NewReader(raw), int64(len(raw)))
		})
	}
	flat := vmcoretest.Flatten(src.Kdump(&vmcoretest.KdumpOptions{Compression: []vmcoretest.Compression{vmcoretest.Snappy}}), &vmcoretest.FlattenOptions{RecordSize: 16 << 10})
	b.Run("flattened snappy", func(b *testing.B) {
		readAll(b, bytes.NewReader(flat), int64(len(flat)))
	})
}

// realPages copies pages out of a real dump.
func realPages(b *testing.B, n int) *vmcoretest.Dump {
	d, err := vmcore.Open("../testdata/dumps/vars-7.2-amd64.kdump", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	src := &vmcoretest.Dump{}
	for r := range d.Ranges() {
		for a := r.Start; a < r.End; a += 4096 {
			page := make([]byte, 4096)
			if _, err := d.ReadPhys(page, a); err != nil {
				b.Fatal(err)
			}
			src.Put(a, page)
			if n--; n == 0 {
				return src
			}
		}
	}
	return src
}

func readAll(b *testing.B, r *bytes.Reader, size int64) {
	d, err := vmcore.New(r, size, &vmcore.Options{CacheSize: 1})
	if err != nil {
		b.Fatal(err)
	}
	var pages []vmcore.PhysAddr
	for r := range d.Ranges() {
		for a := r.Start; a < r.End; a += 4096 {
			pages = append(pages, a)
		}
	}
	page := make([]byte, 4096)
	b.SetBytes(4096)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := d.ReadPhys(page, pages[i%len(pages)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKdumpCached reads 8 bytes of a page that was read before.
func BenchmarkKdumpCached(b *testing.B) {
	d := openBytes(b, machine(vmcoretest.X86_64, 4096).Kdump(nil))
	var word [8]byte
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.ReadPhys(word[:], 0x1100); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKdumpOpen opens a dump and reads its last page, which is the worst
// one: its place in the file follows from all the bits before it.
func BenchmarkKdumpOpen(b *testing.B) {
	for _, memory := range []uint64{16 << 20, 64 << 30, 1 << 40, 4 << 40} {
		name := sparseKdump(b, memory)
		b.Run(fmt.Sprintf("%dMiB", memory>>20), func(b *testing.B) {
			var word [8]byte
			b.ReportAllocs()
			for b.Loop() {
				d, err := vmcore.Open(name, nil)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := d.ReadPhys(word[:], vmcore.PhysAddr(memory-4096)); err != nil {
					b.Fatal(err)
				}
				d.Close()
			}
		})
	}
}

// sparseKdump writes a dump of a machine with that much memory, of which the
// first MiB and the last page are in the file. Nearly all of the file is holes.
func sparseKdump(b *testing.B, memory uint64) string {
	const blockSize = 4096
	last := memory/blockSize - 1
	bitmapSize := int64(memory / blockSize / 8)
	bitmapSize = (bitmapSize + blockSize - 1) &^ (blockSize - 1)
	dump := &vmcoretest.Dump{}
	dump.Put(0, bytes.Repeat([]byte("kernel"), 1<<20/6))

	// A small dump in the same format, with room made for large bitmaps.
	small := dump.Kdump(nil)
	put := binary.LittleEndian
	put.PutUint32(small[offBitmaps:], uint32(2*bitmapSize/blockSize))
	put.PutUint32(small[offBitmaps+4:], uint32(last+1))
	put.PutUint64(small[offSub+96:], last+1)
	const pages = 256
	descs, data := small[offDescriptors:][:pages*24], small[offDescriptors+pages*24:]
	descOff := 2*blockSize + 2*bitmapSize
	dataOff := descOff + int64(len(descs)) + 24
	moved := uint64(dataOff) - uint64(offDescriptors+len(descs))
	for i := range pages {
		put.PutUint64(descs[i*24:], put.Uint64(descs[i*24:])+moved)
	}

	name := filepath.Join(b.TempDir(), "vmcore")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for _, part := range []struct {
		off  int64
		data []byte
	}{
		{0, small[:2*blockSize]},
		{2 * blockSize, small[2*blockSize:][:pages/8]},
		{2*blockSize + bitmapSize, small[2*blockSize:][:pages/8]},
		{2*blockSize + int64(last/8), []byte{1 << (last % 8)}},
		{2*blockSize + bitmapSize + int64(last/8), []byte{1 << (last % 8)}},
		{descOff, descs},
		{descOff + int64(len(descs)), descs[:24]}, // the last page shares the first one's bytes
		{dataOff, data},
	} {
		if _, err := f.WriteAt(part.data, part.off); err != nil {
			b.Fatal(err)
		}
	}
	return name
}
