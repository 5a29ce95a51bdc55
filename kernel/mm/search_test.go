package mm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
	"github.com/kdbg/kdbg/vmcore"
)

// openDump opens one of the dumps of the repository.
func openDump(t testing.TB, name string) *kernel.Kernel {
	t.Helper()
	k, err := kernel.Open(t.Context(), kernel.Options{Files: []string{"../../testdata/dumps/" + name + ".kdump"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// holed is physical memory with pages that the dump does not hold.
type holed struct {
	data  []byte
	holes map[uint64]bool // page frames
}

func (h holed) ReadPhys(p []byte, a vmcore.PhysAddr) (int, error) {
	for n := range p {
		at := uint64(a) + uint64(n)
		if at >= uint64(len(h.data)) || h.holes[at/4096] {
			return n, &vmcore.PhysFaultError{Addr: vmcore.PhysAddr(at), State: vmcore.Excluded}
		}
		p[n] = h.data[at]
	}
	return len(p), nil
}

// search searches physical memory and returns what it finds as lines.
func search(t *testing.T, phys holed, layout vmcore.Layout, q mm.Query, pieces ...mm.Piece) []string {
	t.Helper()
	m := mm.New(kernel.New(kernel.Config{Arch: vmcore.Arch{Name: "x86_64", Layout: layout}, Phys: phys}))
	var got []string
	for h, err := range m.Search(t.Context(), q, all(pieces), nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%#x: %d %#x", h.Addr, h.Index, h.Value))
	}
	return got
}

func all(pieces []mm.Piece) iter.Seq2[mm.Piece, error] {
	return func(yield func(mm.Piece, error) bool) {
		for _, p := range pieces {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func TestSearchValues(t *testing.T) {
	const size = 1 << 20
	little, big := vmcore.Layout{WordSize: 8}, vmcore.Layout{WordSize: 8, BigEndian: true}
	for _, tc := range []struct {
		name   string
		layout vmcore.Layout
		query  mm.Query
		want   []string
	}{
		{"word", little, mm.Query{Width: 8, Values: []uint64{0x1122334455667788}}, []string{
			"0x0: 0 0x1122334455667788", "0x3fff8: 0 0x1122334455667788", "0x40000: 0 0x1122334455667788", "0xffff8: 0 0x1122334455667788",
		}},
		{"big-endian", big, mm.Query{Width: 8, Values: []uint64{0x8877665544332211}}, []string{
			"0x0: 0 0x8877665544332211", "0x3fff8: 0 0x8877665544332211", "0x40000: 0 0x8877665544332211", "0xffff8: 0 0x8877665544332211",
		}},
		{"mask", little, mm.Query{Width: 8, Values: []uint64{0x1122334455667700}, Mask: 0xff}, []string{
			"0x0: 0 0x1122334455667788", "0x3fff8: 0 0x1122334455667788", "0x40000: 0 0x1122334455667788", "0xffff8: 0 0x1122334455667788",
		}},
		{"half words", little, mm.Query{Width: 4, Values: []uint64{7, 0x11223344}}, []string{
			"0x4: 1 0x11223344", "0x1004: 0 0x7", "0x3fffc: 1 0x11223344", "0x40004: 1 0x11223344", "0xffffc: 1 0x11223344",
		}},
		{"short", little, mm.Query{Width: 2, Values: []uint64{7}}, []string{"0x1004: 0 0x7"}},
		{"excluded", little, mm.Query{Width: 8, Values: []uint64{0x9999999999999999}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			phys := holed{make([]byte, size), map[uint64]bool{3: true, 200: true}}
			for _, at := range []uint64{0, 0x3fff8, 0x40000, 0xffff8} {
				binary.LittleEndian.PutUint64(phys.data[at:], 0x1122334455667788)
			}
			phys.data[0x1004] = 7
			copy(phys.data[0x3000:], bytes.Repeat([]byte{0x99}, 4096))
			if diff := cmp.Diff(tc.want, search(t, phys, tc.layout, tc.query, mm.Piece{Addr: 0, Phys: 0, Size: size})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSearchTexts finds texts across the parts that are searched at a time, across
// pieces that lie beside each other, and not across a gap.
func TestSearchTexts(t *testing.T) {
	phys := holed{make([]byte, 1<<20), map[uint64]bool{0x20: true}}
	put := func(a uint64) { copy(phys.data[a:], "needle") }
	put(0x3fffd) // at the end of the first part
	put(0x80000 - 6)
	copy(phys.data[0x9fffd:], "nee") // continued at 0xb0000, which follows it in virtual memory
	copy(phys.data[0xb0000:], "dle")
	copy(phys.data[0xfffd:], "nee") // continued at 0x20000, which does not
	copy(phys.data[0x20000:], "dle")
	pieces := []mm.Piece{
		{Addr: 0xc0000, Phys: 0, Size: 0x10000},
		{Addr: 0x100000, Phys: 0x20000, Size: 0x80000},
		{Addr: 0x180000, Phys: 0xb0000, Size: 0x1000},
	}
	want := []string{"0x11fffd: 0 0x0", "0x15fffa: 0 0x0", "0x17fffd: 0 0x0"}
	little := vmcore.Layout{WordSize: 8}
	if diff := cmp.Diff(want, search(t, phys, little, mm.Query{Texts: [][]byte{[]byte("needle")}}, pieces...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = []string{"0x11fffd: 0 0x0", "0x11fffe: 1 0x0", "0x15fffa: 0 0x0", "0x15fffb: 1 0x0", "0x17fffd: 0 0x0", "0x17fffe: 1 0x0"}
	if diff := cmp.Diff(want, search(t, phys, little, mm.Query{Texts: [][]byte{[]byte("needle"), []byte("ee")}}, pieces...)[1:]); diff != "" {
		t.Errorf("two texts (-want +got):\n%s", diff)
	}
}

// TestSearchEnds stops a search in two ways; what it began ends with it.
func TestSearchEnds(t *testing.T) {
	phys := holed{data: make([]byte, 4<<20)}
	m := mm.New(kernel.New(kernel.Config{Arch: vmcore.Arch{Layout: vmcore.Layout{WordSize: 8}}, Phys: phys}))
	pieces := all([]mm.Piece{{Size: 4 << 20}})
	n := 0
	for range m.Search(t.Context(), mm.Query{Width: 8, Values: []uint64{0}}, pieces, nil) {
		if n++; n == 10 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range m.Search(ctx, mm.Query{Width: 8, Values: []uint64{1}}, pieces, nil) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
	}
}

// TestSearchDump finds what crash 9.0.2 finds with the full debug info:
//
//	search -k ff16c475c250f100
//	search -k -c swapper/0
//	search -k -w deadbeef
//
// crash shows each value in the kernel's image a third time, below _stext, where
// the kernel's page tables map nothing any more (cleanup_highmap).
func TestSearchDump(t *testing.T) {
	k := openDump(t, "debian-6.12-amd64")
	m := mm.New(k)
	for _, tc := range []struct {
		query mm.Query
		want  string
	}{
		{mm.Query{Width: 8, Values: []uint64{0xff16c475c250f100}}, "[ff16c475c30c13f0 ffffffffc05203f0]"},
		{mm.Query{Texts: [][]byte{[]byte("swapper/0")}}, "[ff16c475c72114e0 ffffffffa34114e0]"},
		{mm.Query{Width: 4, Values: []uint64{0xdeadbeef}}, "[ff16c475c254b294 ff16c475c255add4 ff16c475c262e794 ff16c475c2a2f6b4 " +
			"ff16c475c5682af8 ff16c475c5682afc ff16c475c56e1394 ff16c475c5c2b2b4 ff16c475c5c3e5b4 ff16c475c5d0d5d8 ff16c475c5d0e108 " +
			"ff16c475c6121034 ff16c475c6138574 ff16c475c61b8e74 ffffffffa1882af8 ffffffffa1882afc ffffffffa18e1394 ffffffffa1e2b2b4 " +
			"ffffffffa1e3e5b4 ffffffffa1f0d5d8 ffffffffa1f0e108 ffffffffa2321034 ffffffffa2338574 ffffffffa23b8e74 ffffffffc0302294 " +
			"ffffffffc0311dd4 ffffffffc0371794 ffffffffc03976b4]"},
	} {
		var got []string
		for h, err := range m.Search(t.Context(), tc.query, m.Virtual(k.Space(), mm.KernelStart, math.MaxUint64), nil) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%x", h.Addr))
		}
		if fmt.Sprint(got) != tc.want {
			t.Errorf("%v: got %s, want %s", tc.query, got, tc.want)
		}
	}
}

// BenchmarkSearch searches all of a dump's memory, 68 MiB in pages packed by
// zstd.
func BenchmarkSearch(b *testing.B) {
	k := openDump(b, "debian-6.12-amd64")
	m := mm.New(k)
	for _, bc := range []struct {
		name  string
		query mm.Query
	}{
		{"value", mm.Query{Width: 8, Values: []uint64{0xff16c475c250f100}}},
		{"mask", mm.Query{Width: 8, Values: []uint64{0xff16c475c250f100}, Mask: 0xff}},
		{"int", mm.Query{Width: 4, Values: []uint64{0xdeadbeef}}},
		{"text", mm.Query{Texts: [][]byte{[]byte("swapper/0")}}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var size uint64
			for b.Loop() {
				size = 0
				for _, err := range m.Search(context.Background(), bc.query, m.Physical(0, 1<<52), func(n uint64) { size += n }) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.SetBytes(int64(size))
		})
	}
}
