package vmcoretest

import (
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// Sizes of x86-64 pages.
const (
	Size4K = 1 << 12
	Size2M = 1 << 21
	Size1G = 1 << 30
)

// Flags of an x86-64 page table entry (arch/x86/include/asm/pgtable_types.h).
const (
	PagePresent  = 1 << 0
	PageWrite    = 1 << 1
	PageUser     = 1 << 2
	PageHuge     = 1 << 7 // PSE in an entry above the lowest level
	PageProtNone = 1 << 8 // when not present
	PageNX       = 1 << 63
)

// PageTables builds x86-64 page tables in the memory of a dump.
type PageTables struct {
	Root   vmcore.PhysAddr
	Levels int    // 4 or 5
	Mask   uint64 // set in every address, as memory encryption (SME) does

	dump *Dump
	next vmcore.PhysAddr // where the next table goes
}

// PageTables starts empty tables with the top one at root, at the start of a
// page. The page behind it is kept free, for a test of page-table isolation;
// the other tables follow there.
func (d *Dump) PageTables(root vmcore.PhysAddr, levels int) *PageTables {
	if levels != 4 && levels != 5 || root%Size4K != 0 {
		panic(fmt.Sprintf("vmcoretest: no page tables with %d levels at %v", levels, root))
	}
	d.Put(root, make([]byte, Size4K))
	return &PageTables{Root: root, Levels: levels, dump: d, next: root + 2*Size4K}
}

// Map maps one page of the given size, present and writable, with more flags.
func (t *PageTables) Map(virt vmcore.Addr, phys vmcore.PhysAddr, size uint64, flags uint64) {
	level := map[uint64]int{Size4K: 1, Size2M: 2, Size1G: 3}[size]
	if level == 0 || uint64(virt)%size != 0 || uint64(phys)%size != 0 {
		panic(fmt.Sprintf("vmcoretest: no page of %#x bytes maps %v to %v", size, virt, phys))
	}
	if level > 1 {
		flags |= PageHuge
	}
	t.Set(virt, level, uint64(phys)|t.Mask|PagePresent|PageWrite|flags)
}

// Set writes the entry for an address in the table of a level, as it is; level
// 1 is the lowest. Missing tables above it are made.
func (t *PageTables) Set(virt vmcore.Addr, level int, entry uint64) {
	table := t.Root
	for l := t.Levels; l > level; l-- {
		slot := t.slot(table, virt, l)
		old := X86_64.Layout.Uint64(slot)
		switch {
		case old == 0:
			child := t.next
			t.next += Size4K
			t.dump.Put(child, make([]byte, Size4K))
			put64(slot, uint64(child)|t.Mask|PagePresent|PageWrite|PageUser)
			table = child
		case l <= 3 && old&PageHuge != 0:
			panic(fmt.Sprintf("vmcoretest: %v is already in a large page", virt))
		default:
			table = vmcore.PhysAddr(old &^ t.Mask & 0x000ffffffffff000)
		}
	}
	put64(t.slot(table, virt, level), entry)
}

// Table returns the physical address of the table of a level for an address,
// which must exist.
func (t *PageTables) Table(virt vmcore.Addr, level int) vmcore.PhysAddr {
	table := t.Root
	for l := t.Levels; l > level; l-- {
		entry := X86_64.Layout.Uint64(t.slot(table, virt, l))
		table = vmcore.PhysAddr(entry &^ t.Mask & 0x000ffffffffff000)
	}
	return table
}

// slot is the entry for an address in one table.
func (t *PageTables) slot(table vmcore.PhysAddr, virt vmcore.Addr, level int) []byte {
	page := t.dump.Memory[table]
	if len(page) != Size4K {
		panic(fmt.Sprintf("vmcoretest: no page table at %v", table))
	}
	index := uint64(virt) >> (12 + 9*(level-1)) & 511
	return page[8*index : 8*index+8]
}

func put64(b []byte, v uint64) {
	for i := range 8 {
		b[i] = byte(v >> (8 * i))
	}
}
