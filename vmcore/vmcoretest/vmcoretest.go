// Package vmcoretest writes crash dumps from a Go literal, for tests.
//
// A [Dump] states what a machine's memory held. Its methods write that same
// machine in each format that kdbg reads: ELF, kdump-compressed (whole or
// split), /proc/kcore; [Flatten] wraps a file as makedumpfile -F does. Both
// byte orders and word sizes come from [Dump.Arch]. [PageTables] adds x86-64
// page tables to the memory, and [Dump.Phys] is the memory itself for tests
// that need no file.
//
// The package writes formats and reads none, so that it can never agree with a
// mistake in the reader. It uses only the words of package vmcore (Addr, Arch,
// errors). Tests of vmcore that use it are therefore external ones, in package
// vmcore_test: an internal test would be an import cycle.
//
// A literal that contradicts itself panics: it is a mistake in the test.
package vmcoretest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kdbg/kdbg/vmcore"
)

// Machines to choose from. Any other [vmcore.Arch] works as well.
var (
	X86_64  = vmcore.Arch{Name: "x86_64", Layout: vmcore.Layout{WordSize: 8}}
	I686    = vmcore.Arch{Name: "i686", Layout: vmcore.Layout{WordSize: 4}}
	AArch64 = vmcore.Arch{Name: "aarch64", Layout: vmcore.Layout{WordSize: 8}}
	ARM     = vmcore.Arch{Name: "arm", Layout: vmcore.Layout{WordSize: 4}}
	RISCV64 = vmcore.Arch{Name: "riscv64", Layout: vmcore.Layout{WordSize: 8}}
	S390X   = vmcore.Arch{Name: "s390x", Layout: vmcore.Layout{BigEndian: true, WordSize: 8}}
	PPC64LE = vmcore.Arch{Name: "ppc64le", Layout: vmcore.Layout{WordSize: 8}}
	PPC64   = vmcore.Arch{Name: "ppc64", Layout: vmcore.Layout{BigEndian: true, WordSize: 8}}
	PPC     = vmcore.Arch{Name: "ppc", Layout: vmcore.Layout{BigEndian: true, WordSize: 4}}
)

// Dump is a machine at the moment of its crash.
type Dump struct {
	Arch     vmcore.Arch // zero: X86_64
	PageSize int         // bytes; zero: 4096

	// Memory holds chunks of any length at any address. They must not overlap.
	// A page that a chunk touches is present, and zero where none does.
	Memory map[vmcore.PhysAddr][]byte

	Excluded []vmcore.PhysAddr // pages filtered out; see [Pages]
	Missing  []vmcore.PhysAddr // pages that an incomplete dump lacks (kdump-compressed only)

	Segments   []Segment // ELF segments besides those for Memory; written first
	CPUs       []CPU     // one PRSTATUS note each
	VMCOREINFO string    // empty: no such note
	Notes      []Note    // after those for CPUs and VMCOREINFO

	Uname Uname     // only in kdump-compressed files
	Time  time.Time // only in kdump-compressed files
}

// Uname is the utsname of a kdump-compressed header. Empty fields stay empty,
// as in what QEMU writes.
type Uname struct {
	Sysname, Nodename, Release, Version, Machine, Domainname string
}

// NoPhys is the physical address of a segment that has none, as for the vmalloc
// area in /proc/kcore.
const NoPhys = ^vmcore.PhysAddr(0)

// Segment is one PT_LOAD of an ELF file.
type Segment struct {
	Virt    vmcore.Addr
	Phys    vmcore.PhysAddr
	Data    []byte
	MemSize uint64 // zero: len(Data)
}

// Pages lists the addresses of the 4096-byte pages from start up to, not
// including, end.
func Pages(start, end vmcore.PhysAddr) []vmcore.PhysAddr {
	var pages []vmcore.PhysAddr
	for a := start; a < end; a += 4096 {
		pages = append(pages, a)
	}
	return pages
}

// Put adds a chunk to the dump's memory.
func (d *Dump) Put(a vmcore.PhysAddr, data []byte) {
	if d.Memory == nil {
		d.Memory = make(map[vmcore.PhysAddr][]byte)
	}
	if _, ok := d.Memory[a]; ok {
		panic(fmt.Sprintf("vmcoretest: two chunks at %v", a))
	}
	d.Memory[a] = data
}

func (d *Dump) arch() vmcore.Arch {
	if d.Arch.Name == "" {
		return X86_64
	}
	return d.Arch
}

func (d *Dump) pageSize() uint64 {
	if d.PageSize == 0 {
		return 4096
	}
	return uint64(d.PageSize)
}

// memory is what a Dump states, by page frame number.
type memory struct {
	pageSize uint64
	present  map[uint64][]byte // whole pages
	absent   map[uint64]vmcore.PageState
}

// memory puts the chunks together into pages.
func (d *Dump) memory() *memory {
	m := &memory{
		pageSize: d.pageSize(),
		present:  make(map[uint64][]byte),
		absent:   make(map[uint64]vmcore.PageState),
	}
	var end vmcore.PhysAddr
	for _, a := range slices.Sorted(maps.Keys(d.Memory)) {
		if a < end {
			panic(fmt.Sprintf("vmcoretest: chunk at %v overlaps the one before", a))
		}
		m.put(a, d.Memory[a])
		end = a + vmcore.PhysAddr(len(d.Memory[a]))
	}
	for _, a := range d.Excluded {
		m.setAbsent(a, vmcore.Excluded)
	}
	for _, a := range d.Missing {
		m.setAbsent(a, vmcore.Missing)
	}
	return m
}

func (m *memory) put(a vmcore.PhysAddr, data []byte) {
	for len(data) > 0 {
		pfn, off := uint64(a)/m.pageSize, uint64(a)%m.pageSize
		page := m.present[pfn]
		if page == nil {
			page = make([]byte, m.pageSize)
			m.present[pfn] = page
		}
		n := copy(page[off:], data)
		data, a = data[n:], a+vmcore.PhysAddr(n)
	}
}

func (m *memory) setAbsent(a vmcore.PhysAddr, s vmcore.PageState) {
	pfn := uint64(a) / m.pageSize
	if m.present[pfn] != nil {
		panic(fmt.Sprintf("vmcoretest: page %v is %v and has contents", a, s))
	}
	m.absent[pfn] = s
}

// pfns lists every page of RAM, ascending.
func (m *memory) pfns() []uint64 {
	all := slices.Collect(maps.Keys(m.present))
	all = slices.AppendSeq(all, maps.Keys(m.absent))
	slices.Sort(all)
	return all
}

// Phys returns the dump's memory without a file around it. Later changes to d
// do not show in it.
func (d *Dump) Phys() vmcore.PhysMemory { return d.memory() }

// ReadPhys implements [vmcore.PhysMemory].
func (m *memory) ReadPhys(p []byte, a vmcore.PhysAddr) (n int, err error) {
	for n < len(p) {
		at := uint64(a) + uint64(n)
		page, ok := m.present[at/m.pageSize]
		if !ok {
			state, ok := m.absent[at/m.pageSize]
			if !ok {
				state = vmcore.Unmapped
			}
			return n, &vmcore.PhysFaultError{Addr: vmcore.PhysAddr(at), State: state}
		}
		n += copy(p[n:], page[at%m.pageSize:])
	}
	return n, nil
}
