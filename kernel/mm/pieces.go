package mm

import (
	"iter"
	"slices"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// KernelStart is the lowest address of the kernel's half of virtual memory on a
// 64-bit machine where both halves share one address space.
const KernelStart = vmcore.Addr(1 << 63)

// Physical returns the physical memory from first to last that the dump holds,
// for [Memory.Search].
func (m *Memory) Physical(first, last vmcore.PhysAddr) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		d := m.k.Dump()
		if d == nil {
			return
		}
		for r := range d.Ranges() {
			if r.Start > last {
				return
			}
			if p, ok := clip(Piece{uint64(r.Start), r.Start, uint64(r.End - r.Start)}, uint64(first), uint64(last)); ok && !yield(p, nil) {
				return
			}
		}
	}
}

// Virtual returns the virtual memory from first to last that page tables map and
// the dump holds, for [Memory.Search]. Memory that is mapped several times, as the
// kernel's image is, is there several times.
func (m *Memory) Virtual(space *paging.Space, first, last vmcore.Addr) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		for run, err := range space.Mappings(first, last) {
			if err != nil {
				if !yield(Piece{}, err) {
					return
				}
				continue
			}
			if run.Err != nil {
				continue // not in memory
			}
			for p := range m.held(Piece{uint64(run.Virt), run.Phys, run.Size}) {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// held yields those parts of a piece that the dump holds.
func (m *Memory) held(p Piece) iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		ranges := m.ranges()
		first, last := uint64(p.Phys), uint64(p.Phys)+p.Size-1
		i, _ := slices.BinarySearchFunc(ranges, p.Phys, func(r vmcore.Range, a vmcore.PhysAddr) int {
			if r.End <= a {
				return -1
			}
			return 1
		}) // the first that ends behind p.Phys
		for ; i < len(ranges) && uint64(ranges[i].Start) <= last; i++ {
			r := ranges[i]
			part, ok := clip(Piece{uint64(r.Start), r.Start, uint64(r.End - r.Start)}, first, last)
			part.Addr = p.Addr + uint64(part.Phys-p.Phys)
			if ok && !yield(part) {
				return
			}
		}
	}
}

// clip returns the part of a piece of which the addresses are from first to last.
func clip(p Piece, first, last uint64) (Piece, bool) {
	if p.Size == 0 || p.Addr > last || p.Addr+(p.Size-1) < first {
		return Piece{}, false
	}
	if p.Addr < first {
		_, p = p.cut(first - p.Addr)
	}
	if p.Addr+(p.Size-1) > last {
		p, _ = p.cut(last - p.Addr + 1)
	}
	return p, true
}
