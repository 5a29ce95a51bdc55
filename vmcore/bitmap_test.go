package vmcore

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// bitmapOf puts bits into a file behind some blocks of other data.
func bitmapOf(bits []byte, off int64) bitmap {
	raw := append(bytes.Repeat([]byte{0xff}, int(off)), bits...)
	return bitmap{off: off, table: &table{
		file:  fileAt{r: bytes.NewReader(raw), size: int64(len(raw)), name: "bits"},
		cache: newCache(3*tableBlock, tableBlock),
	}}
}

func TestRank(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	bits := make([]byte, 200*tableBlock)
	for i := range bits {
		bits[i] = byte(random.Uint32() & random.Uint32())
	}
	m := bitmapOf(bits, 2*tableBlock)
	rank := make([]uint64, len(bits)*8+1) // by counting one by one
	for pfn := range len(bits) * 8 {
		rank[pfn+1] = rank[pfn] + uint64(bits[pfn/8]>>(pfn%8)&1)
	}
	for _, first := range []uint64{0, 1, 70} {
		r := newRankIndex(m, first)
		for range 2000 { // in any order
			pfn := first*blockPages + random.Uint64N(uint64(len(rank))-first*blockPages)
			got, err := r.rank(pfn)
			if want := rank[pfn] - rank[first*blockPages]; err != nil || got != want {
				t.Fatalf("from block %d: rank(%d) = %d, %v; want %d", first, pfn, got, err, want)
			}
		}
	}
	last := uint64(len(rank) - 1)
	if got, err := newRankIndex(m, 0).rank(last); err != nil || got != rank[last] {
		t.Errorf("rank of the end = %d, %v; want %d", got, err, rank[last])
	}
}

// Only as much is counted as a question needs.
func TestRankOnDemand(t *testing.T) {
	r := newRankIndex(bitmapOf(make([]byte, 100*tableBlock), 0), 0)
	for _, tc := range []struct{ block, counted int }{{0, 1}, {5, 6}, {2, 6}, {80, 81}} {
		if _, err := r.rank(uint64(tc.block*blockPages + 9)); err != nil {
			t.Fatal(err)
		}
		if len(r.sums) != tc.counted {
			t.Errorf("after block %d, %d sums are known, want %d", tc.block, len(r.sums), tc.counted)
		}
	}
}

func TestRankTruncated(t *testing.T) {
	r := newRankIndex(bitmapOf(make([]byte, 3*tableBlock+10), 0), 0)
	_, err := r.rank(5 * blockPages)
	const want = "bits: offset 0x300a: bitmaps or page descriptors: file truncated"
	if fmt.Sprint(err) != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if n, err := r.rank(3*blockPages + 80); n != 0 || err != nil {
		t.Errorf("rank below the cut = %d, %v", n, err)
	}
}

func TestNext(t *testing.T) {
	bits := make([]byte, 2*tableBlock)
	set := func(from, to int) {
		for i := from; i < to; i++ {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	set(3, 5)
	set(2047, 2049) // across pieces
	set(32767, 32770)
	set(40000, 65536) // to the end
	m := bitmapOf(bits, 0)
	const end = 60000
	var got []string
	for pfn := uint64(0); pfn < end; {
		from, err := m.next(pfn, end, true)
		if err != nil {
			t.Fatal(err)
		}
		if pfn, err = m.next(from, end, false); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d-%d", from, pfn))
	}
	if want := "[3-5 2047-2049 32767-32770 40000-60000]"; fmt.Sprint(got) != want {
		t.Errorf("runs %v, want %s", got, want)
	}
}
