package paging

import (
	"iter"

	"github.com/kdbg/kdbg/vmcore"
)

// Mapping is a run of virtual addresses that physical memory follows without a
// gap: one page, or several beside each other.
type Mapping struct {
	Virt vmcore.Addr
	Phys vmcore.PhysAddr
	Size uint64 // bytes

	// Err, if not nil, is an [*EntryError]: a program has a page here that is not in
	// memory, as one that is swapped out. Phys then means nothing.
	Err error
}

// Mappings yields what is mapped from address first to address last, in ascending
// order, and the pages of programs that are not in memory. What the tables do not
// map costs nothing. An error is a table that
// cannot be read, a [*vmcore.FaultError] for the first address that it is
// about; the walk goes on behind it.
//
// A table that was met before is not entered again. That ends a walk over tables
// that lead to each other, and passes over the areas of a kernel that map one
// page again and again: the shadow memory of KASAN, and espfix.
func (s *Space) Mappings(first, last vmcore.Addr) iter.Seq2[Mapping, error] {
	return func(yield func(Mapping, error) bool) {
		var run Mapping
		flush := func() bool {
			r := run
			run = Mapping{}
			return r.Size == 0 || yield(r, nil)
		}
		ok := s.tables.mappings(first, last, func(m Mapping, err error) bool {
			switch {
			case err != nil:
				return flush() && yield(Mapping{}, err)
			case m.Err != nil:
				return flush() && yield(m, nil)
			case run.Size > 0 && m.Virt == run.Virt+vmcore.Addr(run.Size) && m.Phys == run.Phys+vmcore.PhysAddr(run.Size):
				run.Size += m.Size
				return true
			}
			ok := flush()
			run = m
			return ok
		})
		if ok {
			flush()
		}
	}
}

// Decode explains a page table entry of the lowest level by itself: the page
// that it maps and the names of its bits. The error is an [*EntryError] for an
// entry that maps nothing; that of a user page which is swapped out says where.
func (s *Space) Decode(entry uint64) (page vmcore.PhysAddr, flags []string, err error) {
	return s.tables.decode(entry)
}
