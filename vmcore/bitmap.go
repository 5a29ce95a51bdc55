package vmcore

import (
	"context"
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A bitmap has one bit for each page frame, the least significant of a byte
// first in either byte order.
type bitmap struct {
	table *table
	off   int64 // in the file, a multiple of tableBlock
}

// blockPages is the number of pages whose bits are in one block of a bitmap.
const blockPages = tableBlock * 8

// test reports whether the bit of a page frame is set.
func (m *bitmap) test(pfn uint64) (bool, error) {
	var b [1]byte
	err := m.table.read(b[:], m.off+int64(pfn/8))
	return b[0]>>(pfn%8)&1 != 0, err
}

// next returns the first page frame of pfn to end whose bit is set, or clear,
// and end when there is none.
func (m *bitmap) next(pfn, end uint64, set bool) (uint64, error) {
	var buf [256]byte
	for pfn < end {
		piece := pfn / (8 * uint64(len(buf)))
		first := piece * 8 * uint64(len(buf)) // page frame of buf's first bit
		if err := m.table.read(buf[:], m.off+int64(first/8)); err != nil {
			return pfn, err
		}
		for ; pfn < first+8*uint64(len(buf)); pfn = (pfn | 7) + 1 {
			b := buf[(pfn-first)/8]
			if !set {
				b = ^b
			}
			if b >>= pfn % 8; b != 0 {
				return min(pfn+uint64(bits.TrailingZeros8(b)), end), nil
			}
		}
	}
	return end, nil
}

// onesBefore counts the set bits of pfn's block before pfn.
func (m *bitmap) onesBefore(pfn uint64) (uint64, error) {
	bit := pfn % blockPages
	if bit == 0 {
		return 0, nil
	}
	var buf [tableBlock]byte
	p := buf[:(bit+7)/8]
	if err := m.table.read(p, m.off+int64(pfn/blockPages*tableBlock)); err != nil {
		return 0, err
	}
	if bit%8 != 0 {
		p[len(p)-1] &= 1<<(bit%8) - 1
	}
	return ones(p), nil
}

// ones counts the set bits of p.
func ones(p []byte) (n uint64) {
	for ; len(p) >= 8; p = p[8:] {
		n += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(p)))
	}
	for _, b := range p {
		n += uint64(bits.OnesCount8(b))
	}
	return n
}

// A rankIndex counts the set bits of a bitmap before any page frame, which is
// where a page's descriptor is. It keeps the sum at every block, 8 bytes for
// 128 MiB of memory, as far up as someone has asked.
//
// The file has no shortcut: only reading every bit before a page frame tells
// its rank. For 1 TiB of memory that is 32 MiB, read and counted in parallel in
// about a hundredth of a second, once.
type rankIndex struct {
	bitmap bitmap
	first  uint64 // the first block counted

	mu   sync.Mutex
	sums []uint64 // set bits from block first up to block first+i
}

func newRankIndex(m bitmap, first uint64) *rankIndex {
	return &rankIndex{bitmap: m, first: first, sums: []uint64{0}}
}

// rank counts the set bits before pfn from the start of r's first block.
func (r *rankIndex) rank(pfn uint64) (uint64, error) {
	n, err := r.bitmap.onesBefore(pfn)
	if err != nil {
		return 0, err
	}
	sum, err := r.sum(int(pfn/blockPages - r.first))
	return sum + n, err
}

// sum counts the set bits of the first i blocks.
func (r *rankIndex) sum(i int) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i >= len(r.sums) {
		if err := r.extend(i); err != nil {
			return 0, err
		}
	}
	return r.sums[i], nil
}

// countChunk is how many blocks one goroutine counts at a time.
const countChunk = 32

// extend counts the blocks below i that are not counted yet.
func (r *rankIndex) extend(i int) error {
	t := r.bitmap.table
	counted := len(r.sums) - 1
	offset := func(block int) int64 { return r.bitmap.off + int64(r.first+uint64(block))*tableBlock }
	if size := t.file.size; offset(i) > size {
		return t.short(size, nil)
	}
	counts := make([]uint32, i-counted)
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(runtime.GOMAXPROCS(0))
	for lo := 0; lo < len(counts) && ctx.Err() == nil; lo += countChunk {
		chunk := counts[lo:min(lo+countChunk, len(counts))]
		g.Go(func() error { return t.countOnes(chunk, offset(counted+lo)) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, n := range counts {
		r.sums = append(r.sums, r.sums[len(r.sums)-1]+uint64(n))
	}
	return nil
}
