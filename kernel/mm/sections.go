package mm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Section is a piece of physical memory that has page structures of its own
// (struct mem_section, include/linux/mmzone.h).
type Section struct {
	Number uint64
	Addr   vmcore.Addr // of the mem_section
	MemMap vmcore.Addr // of the page structure of its first page
	Coded  vmcore.Addr // of that of page frame 0, if it had one there
	State  uint64      // the lowest bits of section_mem_map
}

// The states of a section, bits of section_mem_map.
const (
	sectionPresent = 1 << iota
	sectionHasMemMap
	sectionOnline
	sectionEarly
)

// StateLetters returns the states of a section as letters: Present, has a
// memory Map, Online, from Early boot.
func (s Section) StateLetters() string {
	letters := ""
	for i, c := range "PMOE" {
		if s.State>>i&1 != 0 {
			letters += string(c)
		}
	}
	return letters
}

// sparse is the kernel's memory model: sections of one size.
type sparse struct {
	sections []Section // those with page structures, ascending by number
	perShift uint      // log2 of the pages of a section
	problem  error     // what could not be read
}

// maxSections bounds the sections that are looked at: 1 << 22 of 128 MiB are
// 512 TiB.
const maxSections = 1 << 22

// readSections finds the sections of memory.
func (m *Memory) readSections() (*sparse, error) {
	bits, ok := m.k.Info().Number("SECTION_SIZE_BITS")
	if !ok && m.k.Arch().Name == "x86_64" {
		bits, ok = 27, true // arch/x86/include/asm/sparsemem.h; exported since Linux v5.9
	}
	if !ok || bits <= int64(m.pageShift) || bits > 48 {
		return nil, &UnsupportedError{What: "memory without sections"}
	}
	t, err := m.k.Struct("mem_section")
	if err != nil {
		return nil, err
	}
	table, err := m.k.Object("mem_section", &btf.Pointer{Target: &btf.Pointer{Target: t}})
	if err != nil {
		return nil, err
	}
	size, err := m.k.Types().Sizeof(t)
	if err != nil || size == 0 {
		return nil, fmt.Errorf("struct mem_section has no size: %w", err)
	}
	highest := uint64(maxSections - 1)
	if v, err := m.k.Object("__highest_present_section_nr", m.k.BasicType("unsigned long")); err == nil {
		if n, err := v.Uint(); err == nil {
			highest = min(highest, n)
		}
	}
	s := &sparse{perShift: uint(bits) - uint(m.pageShift)}
	perRoot := max(1, uint64(1)<<m.pageShift/size) // SECTIONS_PER_ROOT with SPARSEMEM_EXTREME
	for root := uint64(0); root*perRoot <= highest; root++ {
		a, err := m.sectionRoot(table, root)
		if err == nil && a != 0 {
			err = m.readRoot(s, a, t, root*perRoot, perRoot, highest)
		}
		if err != nil {
			s.problem = fmt.Errorf("sections of memory: %w", err)
			break
		}
	}
	if len(s.sections) == 0 {
		return nil, cmp.Or(s.problem, errors.New("sections of memory: mem_section names none with page structures"))
	}
	return s, nil
}

// sectionRoot returns where the sections of a root lie: mem_section points to an
// array of pointers with SPARSEMEM_EXTREME, and is an array of arrays without.
func (m *Memory) sectionRoot(table kernel.Value, root uint64) (vmcore.Addr, error) {
	v, err := table.Index(int64(root))
	if err != nil {
		return 0, err
	}
	u, err := v.Uint() // an array's value is its address
	return vmcore.Addr(u), err
}

// readRoot adds the sections of a root that have page structures.
func (m *Memory) readRoot(s *sparse, a vmcore.Addr, t btf.Type, first, count, highest uint64) error {
	mask := uint64(1)<<m.enumerator("SECTION_MAP_LAST_BIT", 6) - 1
	pageSize := m.page.size
	array := m.k.At(a, &btf.Array{Index: m.k.BasicType("unsigned int"), Type: t, Nelems: uint32(count)})
	for i := uint64(0); i < count && first+i <= highest; i++ {
		v, err := array.Index(int64(i))
		if err != nil {
			return err
		}
		coded, err := v.UintAt("section_mem_map")
		if err != nil {
			return err
		}
		if coded&sectionHasMemMap == 0 {
			continue
		}
		n := first + i
		base := vmcore.Addr(coded &^ mask)
		at, _ := v.Addr()
		s.sections = append(s.sections, Section{
			Number: n, Addr: at, Coded: base, State: coded & mask,
			MemMap: base + vmcore.Addr(n<<s.perShift*pageSize),
		})
	}
	return nil
}

// section returns the section of a page frame.
func (s *sparse) section(pfn uint64) (Section, bool) {
	i, ok := slices.BinarySearchFunc(s.sections, pfn>>s.perShift, func(x Section, n uint64) int { return cmp.Compare(x.Number, n) })
	if !ok {
		return Section{}, false
	}
	return s.sections[i], true
}

// Sections returns the sections of memory that have page structures, ascending.
func (m *Memory) Sections() ([]Section, error) {
	s, err := m.sparse()
	if err != nil {
		return nil, err
	}
	return s.sections, s.problem
}

// SectionPages returns how many pages a section has.
func (m *Memory) SectionPages() uint64 {
	s, err := m.sparse()
	if err != nil {
		return 0
	}
	return 1 << s.perShift
}

// enumerator returns the value of an enumerator, otherwise def.
func (m *Memory) enumerator(name string, def uint64) uint64 {
	if _, v, ok := m.k.Types().Enumerator(name); ok {
		return v
	}
	return def
}
