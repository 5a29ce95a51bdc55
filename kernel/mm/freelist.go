package mm

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// FreeList is a list of free blocks of one size and mobility in a zone (struct
// free_area, include/linux/mmzone.h).
type FreeList struct {
	Zone   Zone
	Order  int         // log2 of the pages of a block
	Type   int         // enum migratetype
	Addr   vmcore.Addr // of the list's head
	Blocks uint64      // that are on the list
}

// Pages returns the pages on the list.
func (f FreeList) Pages() uint64 { return f.Blocks << f.Order }

// FreeLists yields the free lists of a zone, by order and then by mobility. The
// blocks are counted one by one; a list that is damaged comes with an error and
// what could be counted.
func (m *Memory) FreeLists(z Zone) iter.Seq2[FreeList, error] {
	return func(yield func(FreeList, error) bool) {
		if z.Present == 0 {
			return // its lists were never made
		}
		areas, err := z.value.Path("free_area")
		if err != nil {
			yield(FreeList{}, err)
			return
		}
		for order := range elements(areas.Type()) {
			area, err := areas.Index(int64(order))
			if err != nil {
				yield(FreeList{}, err)
				return
			}
			lists, err := area.Path("free_list")
			if err != nil {
				yield(FreeList{}, err)
				return
			}
			for typ := range elements(lists.Type()) {
				head, err := lists.Index(int64(typ))
				if err != nil {
					yield(FreeList{}, err)
					return
				}
				a, _ := head.Addr()
				f := FreeList{Zone: z, Order: order, Type: typ, Addr: a}
				for _, err := range m.FreeBlocks(f) {
					if err == nil {
						f.Blocks++
					} else if !yield(FreeList{}, fmt.Errorf("zone %s, free blocks of order %d: %w", z.Name, order, err)) {
						return
					}
				}
				if !yield(f, nil) {
					return
				}
			}
		}
	}
}

// FreeBlocks yields the addresses of the page structures of a list's blocks.
func (m *Memory) FreeBlocks(f FreeList) iter.Seq2[vmcore.Addr, error] {
	return func(yield func(vmcore.Addr, error) bool) {
		t, err := m.k.Struct("page")
		if err != nil {
			yield(0, err)
			return
		}
		for v, err := range m.k.List(f.Addr, t, "lru") {
			a, _ := v.Addr()
			if !yield(a, err) {
				return
			}
		}
	}
}

// MigrateTypes returns the names of the mobilities of free blocks.
func (m *Memory) MigrateTypes() []string {
	counters, err := m.counters("migratetype", "MIGRATE_TYPES")
	if err != nil {
		return nil
	}
	var names []string
	for _, c := range counters {
		name := c.Name
		if len(name) > len("MIGRATE_") {
			name = name[len("MIGRATE_"):]
		}
		names = append(names, name)
	}
	return names
}

// freeBlock returns the free block that covers a page frame: its first page, and
// its order.
func (m *Memory) freeBlock(pfn uint64) (head Page, order int, ok bool) {
	for order := range maxOrder + 1 {
		p, err := m.Page(pfn &^ (1<<order - 1))
		if err == nil && m.page.typeName(p.Type) == "buddy" && p.Private >= uint64(order) && p.Private <= maxOrder {
			return p, int(p.Private), true
		}
	}
	return Page{}, 0, false
}

// maxOrder is above the order of every free block.
const maxOrder = 20

// CPUPages are the free pages that a CPU keeps for itself (struct per_cpu_pages).
type CPUPages struct {
	Zone  Zone
	CPU   int
	Addr  vmcore.Addr
	Count uint64
	Batch uint64
	High  uint64
}

// CPUPages yields the free pages that CPUs keep of a zone.
func (m *Memory) CPUPages(z Zone) iter.Seq2[CPUPages, error] {
	return func(yield func(CPUPages, error) bool) {
		cpus, err := m.k.OnlineCPUs()
		if err != nil {
			yield(CPUPages{}, err)
			return
		}
		// Linux kernel commit 28f836b6777b ("mm/page_alloc: split per cpu page
		// lists and zone stats") (in v5.14).
		path, inner := "per_cpu_pageset", ""
		if !z.value.Has(path) {
			path, inner = "pageset", "pcp"
		}
		pointer, err := z.value.Path(path)
		if err != nil {
			yield(CPUPages{}, err)
			return
		}
		for _, cpu := range cpus {
			p, err := m.cpuPages(z, cpu, pointer, inner)
			if !yield(p, err) {
				return
			}
		}
	}
}

func (m *Memory) cpuPages(z Zone, cpu int, pointer kernel.Value, inner string) (CPUPages, error) {
	p := CPUPages{Zone: z, CPU: cpu}
	v, err := m.k.PerCPU(pointer, cpu)
	if err == nil && inner != "" {
		v, err = v.Path(inner)
	}
	if err != nil {
		return p, err
	}
	p.Addr, _ = v.Addr()
	return p, readAll(v, fmt.Sprintf("free pages of CPU %d", cpu), map[string]*uint64{"count": &p.Count, "batch": &p.Batch, "high": &p.High})
}
