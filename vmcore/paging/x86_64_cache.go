package paging

import (
	"sync/atomic"

	"github.com/kdbg/kdbg/vmcore"
)

// x86Cache keeps how regions of 2 MiB are mapped: the entry of the large page
// that covers one, or its whole lowest table. So one miss costs one walk and
// one page, and 512 pages around it cost nothing more. It is direct-mapped: a
// region has one slot, and a new region takes the slot of an old one. Readers
// and writers need no lock, for a region never changes once it is stored.
type x86Cache struct {
	slots []atomic.Pointer[x86Region] // a power of two
}

type x86Region struct {
	key   uint64       // x86Key of its addresses
	entry uint64       // of a large page, or of level 2
	level int          // of entry
	table *[512]uint64 // the lowest table; nil for a large page
}

func newX86Cache(slots int) x86Cache {
	return x86Cache{slots: make([]atomic.Pointer[x86Region], slots)}
}

// x86Key is the number of the region of an address.
func x86Key(a vmcore.Addr) uint64 { return uint64(a) >> 21 }

func (c *x86Cache) slot(key uint64) *atomic.Pointer[x86Region] {
	// Fold in the higher bits: areas of the kernel start at round addresses.
	return &c.slots[(key^key>>9^key>>18)&uint64(len(c.slots)-1)]
}

func (c *x86Cache) load(a vmcore.Addr) *x86Region {
	key := x86Key(a)
	if r := c.slot(key).Load(); r != nil && r.key == key {
		return r
	}
	return nil
}

func (c *x86Cache) store(r *x86Region) { c.slot(r.key).Store(r) }
