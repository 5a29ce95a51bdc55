package mm_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
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

func hits(t *testing.T, m *mm.Memory, k *kernel.Kernel, q mm.Query) []string {
	t.Helper()
	var got []string
	for h, err := range m.Search(t.Context(), q, m.Virtual(k.Space(), mm.KernelStart, ^mm.KernelStart|mm.KernelStart), nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%x", h.Addr))
	}
	return got
}

func TestX(t *testing.T) {
	k := openDump(t, "debian-6.12-amd64")
	m := mm.New(k)
	fmt.Println(hits(t, m, k, mm.Query{Width: 8, Values: []uint64{0xff16c475c250f100}}))
	fmt.Println(hits(t, m, k, mm.Query{Width: 4, Values: []uint64{0xdeadbeef}}))
	fmt.Println(hits(t, m, k, mm.Query{Texts: [][]byte{[]byte("swapper/0")}}))
}

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
				for _, err := range m.Search(context.Background(), bc.query, m.Physical(0, 1<<52), func(n uint64) { size = n }) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.SetBytes(int64(size))
		})
	}
}
