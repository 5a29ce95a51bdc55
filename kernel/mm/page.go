package mm

import (
	"fmt"
	"iter"
	"math/bits"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Page is a page structure (struct page, include/linux/mm_types.h).
type Page struct {
	Addr    vmcore.Addr // of the structure
	PFN     uint64
	Phys    vmcore.PhysAddr // of the page
	Flags   uint64
	Mapping uint64 // with the bits that tell anonymous memory and the like apart
	Index   uint64
	Private uint64
	Count   int32       // _refcount
	Type    uint32      // page_type, which is _mapcount of a page that is mapped
	Head    vmcore.Addr // of the compound page, Addr itself for others
}

// pageLayout says where the members of a page structure lie, so that all of a
// machine's can be read at the speed of memory.
type pageLayout struct {
	size                                             uint64
	flags, mapping, index, private, count, typ, head uint64 // offsets
	flagNames                                        []PageFlag
	typeNames                                        []pageType
	slabType                                         *pageType // nil where a flag says it
	slabFlag                                         uint64
}

// PageFlag is a bit of a page's flags.
type PageFlag struct {
	Name string // of enum pageflags, without PG_
	Bit  uint
}

// pageType is a value of page_type, and of how many of its bits.
type pageType struct {
	name  string
	value uint32
	shift uint
}

// newPageLayout finds the members by name. Those of unions that kernels renamed
// are tried newest first.
func newPageLayout(k *kernel.Kernel) (*pageLayout, error) {
	t, err := k.Struct("page")
	if err != nil {
		return nil, err
	}
	l := new(pageLayout)
	if l.size, err = k.Types().Sizeof(t); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		to    *uint64
		names []string
	}{
		{&l.flags, []string{"flags"}},
		{&l.mapping, []string{"mapping"}},
		// Linux kernel commit acc53a0b4c15 ("mm: rename page->index to page->__folio_index") (in v6.16).
		{&l.index, []string{"__folio_index", "index"}},
		{&l.private, []string{"private"}},
		{&l.count, []string{"_refcount", "_count"}},
		{&l.typ, []string{"page_type", "_mapcount"}},
		// The older name is that of kernels before v7.0.
		{&l.head, []string{"compound_info", "compound_head"}},
	} {
		if *f.to, err = offsetOf(t, l.size, f.names...); err != nil {
			return nil, err
		}
	}
	l.flagNames = enumBits(k, "pageflags", "PG_", "__NR_PAGEFLAGS")
	l.typeNames = pageTypes(k)
	for i, t := range l.typeNames {
		if t.name == "slab" {
			l.slabType = &l.typeNames[i]
		}
	}
	for _, f := range l.flagNames {
		if f.Name == "slab" {
			l.slabFlag = 1 << f.Bit
		}
	}
	return l, nil
}

// offsetOf returns the offset of the first of several members that a structure
// has.
func offsetOf(t btf.Type, size uint64, names ...string) (uint64, error) {
	for _, name := range names {
		f, err := btfsrc.Find(t, name)
		if err != nil {
			continue
		}
		if off := f.BitOffset / 8; off+4 <= size {
			return off, nil
		}
	}
	return 0, &kernel.NotFoundError{What: "member", Name: names[0], In: btfsrc.TypeName(t)}
}

// enumBits returns the enumerators of an enum as bits, in its order, up to one
// that ends it.
func enumBits(k *kernel.Kernel, enum, prefix, end string) []PageFlag {
	e, err := k.Enum(enum)
	if err != nil {
		return nil
	}
	var flags []PageFlag
	for _, v := range e.Values {
		if name, ok := strings.CutPrefix(v.Name, prefix); ok && name != "" && v.Value < 64 && v.Name != end {
			flags = append(flags, PageFlag{name, uint(v.Value)})
		}
	}
	return flags
}

// pageTypes returns the values of page_type. Linux kernel commit 4ffca5a96678
// ("mm: support only one page_type per page") (in v6.12) made the highest byte
// the type, an enum pagetype; before, VMCOREINFO tells the values that makedumpfile
// needs.
func pageTypes(k *kernel.Kernel) []pageType {
	var types []pageType
	if e, err := k.Enum("pagetype"); err == nil {
		for _, v := range e.Values {
			if name, ok := strings.CutPrefix(v.Name, "PGTY_"); ok && v.Value >= 0x80 && v.Value < 0xff {
				types = append(types, pageType{name, uint32(v.Value), 24})
			}
		}
		return types
	}
	for _, name := range []string{"BUDDY", "OFFLINE", "HUGETLB", "SLAB"} {
		if v, ok := k.Info().Number("PAGE_" + name + "_MAPCOUNT_VALUE"); ok {
			types = append(types, pageType{strings.ToLower(name), uint32(v), 0})
		}
	}
	return types
}

// decode makes a page of the bytes of its structure.
func (l *pageLayout) decode(layout vmcore.Layout, b []byte, a vmcore.Addr, pfn uint64, shift int) Page {
	word := func(off uint64) uint64 { return layout.Word(b[off:]) }
	p := Page{
		Addr: a, PFN: pfn, Phys: vmcore.PhysAddr(pfn << shift),
		Flags: word(l.flags), Mapping: word(l.mapping), Index: word(l.index), Private: word(l.private),
		Count: int32(layout.Uint32(b[l.count:])), Type: layout.Uint32(b[l.typ:]), Head: a,
	}
	if info := word(l.head); info&1 != 0 {
		p.Head = headOf(a, info)
	}
	return p
}

// headOf returns the head that a tail page names: it holds the head's address,
// or, in kernels from v7.0 on that save memory on the structures of huge pages, a
// mask of ones that makes it out of the tail's own address (compound_info_has_mask,
// include/linux/page-flags.h). No address is such a mask.
func headOf(tail vmcore.Addr, info uint64) vmcore.Addr {
	info &^= 1
	if bits.OnesCount64(-info) == 1 {
		return tail & vmcore.Addr(info)
	}
	return vmcore.Addr(info)
}

// PageAt returns the page whose structure is at an address, or which the address
// is inside of.
func (m *Memory) PageAt(a vmcore.Addr) (Page, error) {
	pfn, ok := m.pfnOf(a)
	if !ok {
		return Page{}, &kernel.NotFoundError{What: "page structure", Name: a.String()}
	}
	return m.Page(pfn)
}

// pfnOf returns the page frame whose structure covers an address.
func (m *Memory) pfnOf(a vmcore.Addr) (uint64, bool) {
	s, err := m.sparse()
	if err != nil {
		return 0, false
	}
	pages := uint64(1) << s.perShift
	try := func(x Section) (uint64, bool) {
		if a < x.MemMap || uint64(a-x.MemMap) >= pages*m.page.size {
			return 0, false
		}
		return x.Number<<s.perShift + uint64(a-x.MemMap)/m.page.size, true
	}
	// With SPARSEMEM_VMEMMAP the structures of all sections are one array.
	if first := s.sections[0]; a >= first.Coded {
		if x, ok := s.section(uint64(a-first.Coded) / m.page.size); ok && x.Coded == first.Coded {
			return try(x)
		}
	}
	for _, x := range s.sections {
		if pfn, ok := try(x); ok {
			return pfn, true
		}
	}
	return 0, false
}

// Page returns the page of a page frame.
func (m *Memory) Page(pfn uint64) (Page, error) {
	s, err := m.sparse()
	if err != nil {
		return Page{}, err
	}
	x, ok := s.section(pfn)
	if !ok {
		return Page{}, &kernel.NotFoundError{What: "page structure", Name: fmt.Sprintf("page frame %#x", pfn)}
	}
	a := x.Coded + vmcore.Addr(pfn*m.page.size)
	b := make([]byte, m.page.size)
	if _, err := m.k.Memory().ReadMemory(b, a); err != nil {
		return Page{}, fmt.Errorf("page structure of %v: %w", vmcore.PhysAddr(pfn<<m.pageShift), err)
	}
	return m.page.decode(m.k.Arch().Layout, b, a, pfn, m.pageShift), nil
}

// Pages yields the pages of page frames first to last, ascending. Structures that
// the dump does not hold are passed over, with an error for each run of them.
func (m *Memory) Pages(first, last uint64) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		s, err := m.sparse()
		if err != nil {
			yield(Page{}, err)
			return
		}
		for _, x := range s.sections {
			from, to := max(first, x.Number<<s.perShift), min(last, (x.Number+1)<<s.perShift-1)
			if from <= to && !m.sectionPages(x, from, to, yield) {
				return
			}
		}
		if s.problem != nil {
			yield(Page{}, s.problem)
		}
	}
}

// pagesAtOnce is how many page structures are read at a time.
const pagesAtOnce = 1024

func (m *Memory) sectionPages(x Section, from, to uint64, yield func(Page, error) bool) bool {
	size := m.page.size
	buf := make([]byte, pagesAtOnce*size)
	layout := m.k.Arch().Layout
	for pfn := from; pfn <= to; {
		a := x.Coded + vmcore.Addr(pfn*size)
		b := buf[:min(pagesAtOnce, to-pfn+1)*size]
		n, err := m.k.Memory().ReadMemory(b, a)
		for i := uint64(0); i+size <= uint64(n); i += size {
			if !yield(m.page.decode(layout, b[i:i+size], a+vmcore.Addr(i), pfn, m.pageShift), nil) {
				return false
			}
			pfn++
		}
		if err != nil {
			if !yield(Page{}, fmt.Errorf("page structures: %w", err)) {
				return false
			}
			// On to those of the next readable page of memory.
			bad := a + vmcore.Addr(n)
			pfn = from + (uint64(bad)+gap(uint64(bad))-uint64(x.Coded)-from*size+size-1)/size
		}
	}
	return true
}

// PageFlags returns the flags of pages that the kernel has, in its order.
func (m *Memory) PageFlags() ([]PageFlag, error) {
	if _, err := m.sparse(); m.page == nil {
		return nil, err
	}
	return m.page.flagNames, nil
}

// FlagNames returns the names of the flags that a page has, and of its type. Of
// names that share a bit it is the first.
func (m *Memory) FlagNames(p Page) []string {
	var names []string
	var told uint64
	if p.Head != p.Addr {
		// The lowest byte of the second page's flags is the order of the whole
		// (struct folio's _flags_1), and no flag of a tail says anything.
		return []string{"tail"}
	}
	for _, f := range m.page.flagNames {
		if bit := uint64(1) << f.Bit; p.Flags&bit != 0 && told&bit == 0 {
			names, told = append(names, f.Name), told|bit
		}
	}
	if name := m.page.typeName(p.Type); name != "" {
		names = append(names, name)
	}
	return names
}

func (l *pageLayout) typeName(typ uint32) string {
	for _, t := range l.typeNames {
		if typ>>t.shift == t.value {
			return t.name
		}
	}
	return ""
}
