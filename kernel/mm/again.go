package mm

import (
	"cmp"
	"context"
	"slices"

	"github.com/kdbg/kdbg/vmcore"
)

// physSet is a set of physical addresses: runs in ascending order, none beside
// another.
type physSet struct{ runs []vmcore.Range }

// at returns the first run that ends behind an address.
func (s *physSet) at(a vmcore.PhysAddr) int {
	i, _ := slices.BinarySearchFunc(s.runs, a, func(r vmcore.Range, a vmcore.PhysAddr) int {
		if r.End <= a {
			return -1
		}
		return 1
	})
	return i
}

// prefix returns how many bytes at the start of a piece are in the set.
func (s *physSet) prefix(p Piece) uint64 {
	i := s.at(p.Phys)
	if i == len(s.runs) || s.runs[i].Start > p.Phys {
		return 0
	}
	return min(p.Size, uint64(s.runs[i].End-p.Phys))
}

// gap returns how many bytes at the start of a piece are not in the set.
func (s *physSet) gap(p Piece) uint64 {
	i := s.at(p.Phys)
	if i == len(s.runs) {
		return p.Size
	}
	return min(p.Size, uint64(s.runs[i].Start-min(p.Phys, s.runs[i].Start)))
}

// add adds a piece of which nothing is in the set.
func (s *physSet) add(p Piece) {
	r := vmcore.Range{Start: p.Phys, End: p.Phys + vmcore.PhysAddr(p.Size)}
	i := s.at(p.Phys)
	if i < len(s.runs) && s.runs[i].Start == r.End {
		r.End = s.runs[i].End
		s.runs = slices.Delete(s.runs, i, i+1)
	}
	if i > 0 && s.runs[i-1].End == r.Start {
		s.runs[i-1].End = r.End
		return
	}
	s.runs = slices.Insert(s.runs, i, r)
}

// foundHits are the numbers found so far by where they lie in physical memory,
// so that memory which is mapped again need not be read again.
type foundHits struct {
	*searcher
	pages  map[vmcore.PhysAddr][]Hit // by page, hits with physical addresses
	count  int
	worker searchWorker
}

// maxFound bounds the hits that are remembered. Beyond it, memory that is mapped
// again is searched again.
const maxFound = 1 << 20

// recall remembers the hits of a job, and finds those of one that is again.
func (f *foundHits) recall(ctx context.Context, j *job) {
	switch {
	case len(f.Texts) > 0:
	case !j.again:
		for _, h := range j.hits {
			f.remember(j, h)
		}
	case f.count > maxFound:
		f.worker.run(ctx, f.searcher, j)
	default:
		f.find(j)
	}
}

// remember notes a hit by its physical address.
func (f *foundHits) remember(j *job, h Hit) {
	if f.count++; f.count > maxFound {
		f.pages = nil
		return
	}
	i, _ := slices.BinarySearchFunc(j.parts, h.Addr, func(p Piece, a uint64) int {
		if p.Addr+(p.Size-1) < a {
			return -1
		}
		return 1
	})
	phys := j.parts[i].Phys + vmcore.PhysAddr(h.Addr-j.parts[i].Addr)
	if f.pages == nil {
		f.pages = make(map[vmcore.PhysAddr][]Hit)
	}
	h.Addr = uint64(phys)
	f.pages[phys/foundPage] = append(f.pages[phys/foundPage], h)
}

// foundPage is the unit by which hits are remembered: no page is smaller.
const foundPage = 4096

// find adds the hits in memory that was searched before.
func (f *foundHits) find(j *job) {
	j.read = j.size
	p := j.parts[0]
	if len(f.pages) == 0 || p.Size == 0 {
		return
	}
	first, last := p.Phys, p.Phys+vmcore.PhysAddr(p.Size-1)
	for page := first / foundPage; page <= last/foundPage; page++ {
		for _, h := range f.pages[page] {
			if at := vmcore.PhysAddr(h.Addr); at >= first && at <= last {
				h.Addr = p.Addr + uint64(at-first)
				j.hits = append(j.hits, h)
			}
		}
	}
	slices.SortFunc(j.hits, func(a, b Hit) int { return cmp.Compare(a.Addr, b.Addr) })
}
