package paging_test

import (
	"math/rand/v2"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// vmalloc maps a number of pages of 4096 bytes that are not neighbours.
func vmalloc(b *testing.B, pages int) (*paging.Space, vmcore.Addr) {
	const base = 0xffffc90000000000
	d := &vmcoretest.Dump{}
	pt := d.PageTables(pgdPhys, 4)
	for i := range pages {
		pt.Map(base+vmcore.Addr(i)<<12, 0x40000000+vmcore.PhysAddr(i)<<13, vmcoretest.Size4K, 0)
	}
	d.Put(0x40000000, make([]byte, 64<<10))
	return newKernel(b, d, vmcoreinfo(4, "")), base
}

func BenchmarkTranslate(b *testing.B) {
	const pages = 1 << 18 // 1 GiB: as many regions as a Space keeps
	s, base := vmalloc(b, pages)
	next := map[string]func(i int) vmcore.Addr{
		"sequential": func(i int) vmcore.Addr { return base + vmcore.Addr(i%pages)<<12 },
		"random":     func(int) vmcore.Addr { return base + vmcore.Addr(rand.IntN(pages))<<12 },
	}
	for _, name := range []string{"sequential", "random"} {
		next := next[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := s.Translate(next(i)); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
		b.Run(name+" parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(pages); pb.Next(); i++ {
					if _, err := s.Translate(next(i)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkReadMemory(b *testing.B) {
	d := &vmcoretest.Dump{Memory: map[vmcore.PhysAddr][]byte{0x40000000: make([]byte, 64<<10)}}
	pt := d.PageTables(pgdPhys, 4)
	const base = 0xffff888040000000
	pt.Map(base, 0x40000000, vmcoretest.Size2M, 0)
	s := newKernel(b, d, vmcoreinfo(4, ""))
	for _, size := range []int{8, 4096, 64 << 10} {
		b.Run(map[int]string{8: "8", 4096: "4096", 64 << 10: "64K"}[size], func(b *testing.B) {
			p := make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := s.ReadMemory(p, base); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
