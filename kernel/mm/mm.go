// Package mm looks into the memory management of a dumped kernel: page
// structures, zones and free lists, slab caches and their objects, vmalloc
// areas, the address spaces of tasks, swap areas, System V objects. It also searches
// memory.
//
// It walks structures by their members, on top of the typed values of package
// kernel. Page tables are package vmcore/paging, files behind mappings package
// kernel/fs; commands are above, in package repl/cmds.
//
// Walks are iterators that yield an error for each broken part and go on behind
// it. What costs a walk and is asked for often (where page structures lie, the
// slab caches) is found once for each [Memory].
package mm

import (
	"math/bits"
	"slices"
	"sync"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Memory is the memory management of one kernel. It is safe for concurrent use.
type Memory struct {
	k         *kernel.Kernel
	pageShift int         // log2 of the size of a page
	page      *pageLayout // nil until sparse was called

	ranges func() []vmcore.Range       // physical memory that the dump holds, ascending
	direct func() (vmcore.Addr, error) // where all physical memory is mapped
	sparse func() (*sparse, error)     // where page structures are
	nodes  func() ([]Node, []error)
	caches func() ([]Cache, []error)
	areas  func() ([]Area, []error) // of vmalloc

	slabTypes func() (slabTypes, error)
	slabIndex func() map[vmcore.Addr][]Slab // all slabs by the address of their cache
}

// New returns the memory management of a kernel. It reads nothing yet.
func New(k *kernel.Kernel) *Memory {
	m := &Memory{k: k, pageShift: bits.Len64(k.PageSize()) - 1}
	m.ranges = sync.OnceValue(func() []vmcore.Range {
		if k.Dump() == nil {
			return nil
		}
		return slices.Collect(k.Dump().Ranges())
	})
	m.direct = sync.OnceValues(m.directMap)
	m.sparse = sync.OnceValues(func() (s *sparse, err error) {
		if m.page, err = newPageLayout(k); err != nil {
			return nil, err
		}
		return m.readSections()
	})
	m.nodes = sync.OnceValues(m.readNodes)
	m.caches = sync.OnceValues(m.readCaches)
	m.areas = sync.OnceValues(m.readAreas)
	m.slabTypes = sync.OnceValues(m.findSlabTypes)
	m.slabIndex = sync.OnceValue(m.readSlabs)
	return m
}

// PageSize returns the size of a page in bytes.
func (m *Memory) PageSize() uint64 { return 1 << m.pageShift }
