package paging

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/kdbg/kdbg/vmcore"
)

// The layout of an x86-64 kernel and its page table entries
// (arch/x86/include/asm/page_64_types.h, pgtable_types.h).
const (
	x86KernelMap = 0xffffffff80000000 // __START_KERNEL_map
	x86ImageSize = 1 << 30            // KERNEL_IMAGE_SIZE with KASLR
	x86Align     = 2 << 20            // of the image, at least

	x86AddrBits = 0x000ffffffffff000
	x86Present  = 1 << 0
	x86Huge     = 1 << 7 // above the lowest level
	x86ProtNone = 1 << 8 // when not present
)

// x86Image finds phys_base in VMCOREINFO (Linux v4.10 and later), else from the
// lowest segment inside the image area. The area ends where modules start.
func x86Image(info *vmcore.VMCOREINFO, segs []vmcore.Segment) (linear, error) {
	size := uint64(x86ImageSize)
	if n, ok := info.Number("KERNEL_IMAGE_SIZE"); ok && n > 0 && n <= 2<<30-x86Align {
		size = uint64(n)
	}
	m := linear{start: x86KernelMap, end: vmcore.Addr(x86KernelMap + size)}
	inArea := func(a vmcore.Addr) bool { return a >= x86KernelMap && a < m.end }
	if stext, ok := info.Symbol("_stext"); ok && inArea(stext) {
		m.start = stext &^ (x86Align - 1)
	}
	if base, ok := info.Number("phys_base"); ok {
		m.delta = x86KernelMap - uint64(base)
		return m, nil
	}
	lowest := m.end
	for _, s := range segs {
		if s.PhysValid && inArea(s.Virt) && s.Virt < lowest {
			lowest = s.Virt
			m.delta = uint64(s.Virt) - uint64(s.Phys)
		}
	}
	if lowest == m.end {
		return linear{}, fmt.Errorf("no NUMBER(phys_base) in VMCOREINFO and no segment in the image's area at %v: %w",
			vmcore.Addr(x86KernelMap), vmcore.ErrNotFound)
	}
	m.start = max(m.start, lowest&^(x86Align-1))
	return m, nil
}

// x86Params finds the kernel's top page table, which is in the image.
func x86Params(img *Image, info *vmcore.VMCOREINFO) (Params, error) {
	p := Params{Levels: 4}
	if n, _ := info.Number("pgtable_l5_enabled"); n != 0 {
		p.Levels = 5
	}
	if n, ok := info.Number("sme_mask"); ok {
		p.SMEMask = uint64(n)
	}
	// swapper_pg_dir is a macro for the symbol that is the table's real name.
	for _, name := range []string{"swapper_pg_dir", "init_top_pgt", "init_level4_pgt"} {
		a, ok := info.Symbol(name)
		if !ok {
			continue
		}
		t, err := img.Translate(a)
		if err != nil {
			return Params{}, fmt.Errorf("top page table %s: %w", name, err)
		}
		p.Root = t.Phys
		return p, nil
	}
	return Params{}, fmt.Errorf("top page table: %w", notInInfo("SYMBOL(swapper_pg_dir)"))
}

// x86Tables are page tables of 512 entries of 8 bytes in 4 or 5 levels. The
// lowest level is 1.
type x86Tables struct {
	phys   vmcore.PhysMemory
	root   vmcore.PhysAddr
	levels int
	addr   uint64 // the bits of an entry that are its physical address
	cache  x86Cache
}

var _ tables = (*x86Tables)(nil)

// Regions kept by the address spaces of the kernel and of a task.
const (
	x86KernelRegions = 512
	x86UserRegions   = 32
)

func newX86Tables(phys vmcore.PhysMemory, p Params) (tables, error) {
	if p.Levels != 4 && p.Levels != 5 {
		return nil, fmt.Errorf("page tables with %d levels: %w", p.Levels, vmcore.ErrUnsupported)
	}
	if bits.OnesCount64(p.SMEMask) > 1 || p.SMEMask&^x86AddrBits != 0 {
		return nil, fmt.Errorf("memory encryption mask %#x: not one bit of an address", p.SMEMask)
	}
	addr := x86AddrBits &^ p.SMEMask
	return &x86Tables{
		phys:   phys,
		root:   p.Root & vmcore.PhysAddr(addr), // without PCID and LAM bits
		levels: p.Levels,
		addr:   addr,
		cache:  newX86Cache(x86KernelRegions),
	}, nil
}

func (t *x86Tables) user(root vmcore.PhysAddr) tables {
	return &x86Tables{
		phys:   t.phys,
		root:   root & vmcore.PhysAddr(t.addr),
		levels: t.levels,
		addr:   t.addr,
		cache:  newX86Cache(x86UserRegions),
	}
}

// canonical reports whether the bits above those that the tables translate are
// copies of the highest of them.
func (t *x86Tables) canonical(a vmcore.Addr) bool {
	unused := 64 - (12 + 9*t.levels)
	return int64(a)<<unused>>unused == int64(a)
}

func (t *x86Tables) translate(a vmcore.Addr) (Translation, error) {
	region := t.cache.load(a)
	if region == nil {
		if !t.canonical(a) {
			return Translation{}, &vmcore.FaultError{Addr: a, State: vmcore.Unmapped, Err: errNotCanonical}
		}
		entry, level, err := t.descend(a, 2, nil)
		if err != nil {
			return Translation{}, err
		}
		region = &x86Region{key: x86Key(a), level: level, entry: entry}
		if !x86Leaf(entry, level) {
			if region.table = t.lowestTable(entry); region.table == nil {
				return t.translateUncached(a)
			}
		}
		t.cache.store(region)
	}
	if region.table == nil {
		return t.leaf(a, region.entry, region.level), nil
	}
	index := x86Index(a, 1)
	entry := region.table[index]
	if !x86Resident(a, entry, 1) {
		at := vmcore.PhysAddr(region.entry&t.addr) + vmcore.PhysAddr(8*index)
		return Translation{}, t.notMapped(a, entry, 1, at)
	}
	return t.leaf(a, entry, 1), nil
}

// translateUncached is for a lowest table that can be read in part only, as
// where a segment of a dump ends inside it.
func (t *x86Tables) translateUncached(a vmcore.Addr) (Translation, error) {
	entry, level, err := t.descend(a, 1, nil)
	if err != nil {
		return Translation{}, err
	}
	return t.leaf(a, entry, level), nil
}

func (t *x86Tables) walk(a vmcore.Addr) ([]Entry, error) {
	if !t.canonical(a) {
		return nil, &vmcore.FaultError{Addr: a, State: vmcore.Unmapped, Err: errNotCanonical}
	}
	var path []Entry
	_, _, err := t.descend(a, 1, func(level int, at vmcore.PhysAddr, value uint64) {
		path = append(path, Entry{Level: t.levelName(level), Addr: at, Value: value, Flags: x86Flags(value, level)})
	})
	return path, err
}

// descend follows the tables from the top to a level, or to the entry above it
// that maps a large page. It calls visit, if not nil, for every entry. The entry
// that it returns is either in memory or leads to a table.
func (t *x86Tables) descend(a vmcore.Addr, lowest int, visit func(level int, at vmcore.PhysAddr, value uint64)) (entry uint64, level int, err error) {
	table := t.root
	var b [8]byte
	for level = t.levels; ; level-- {
		at := table + vmcore.PhysAddr(8*x86Index(a, level))
		if _, err := t.phys.ReadPhys(b[:], at); err != nil {
			return 0, level, fault(a, fmt.Errorf("%s entry: %w", t.levelName(level), err))
		}
		entry = binary.LittleEndian.Uint64(b[:])
		if visit != nil {
			visit(level, at, entry)
		}
		if !x86Resident(a, entry, level) {
			return 0, level, t.notMapped(a, entry, level, at)
		}
		if level == lowest || x86Leaf(entry, level) {
			return entry, level, nil
		}
		table = vmcore.PhysAddr(entry & t.addr)
	}
}

// lowestTable reads the table that an entry of level 2 leads to; nil if it
// cannot.
func (t *x86Tables) lowestTable(entry uint64) *[512]uint64 {
	var b [4096]byte
	if _, err := t.phys.ReadPhys(b[:], vmcore.PhysAddr(entry&t.addr)); err != nil {
		return nil
	}
	table := new([512]uint64)
	for i := range table {
		table[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return table
}

// leaf translates by an entry that maps a page.
func (t *x86Tables) leaf(a vmcore.Addr, entry uint64, level int) Translation {
	size := uint64(1) << x86Shift(level)
	off := uint64(a) & (size - 1)
	// The kernel inverts the address in an entry that is not present, so that
	// the processor cannot speculate on it: Linux kernel commit 6b28baca9b1f
	// ("x86/speculation/l1tf: Protect PROT_NONE PTEs against speculation") (in
	// v4.19). Older kernels do not; no memory is so high that both look alike.
	addr := entry
	if top := uint64(1) << (bits.Len64(t.addr) - 1); entry&x86Present == 0 && entry&top != 0 {
		addr = ^entry
	}
	// Bit 12 of a large page's entry is an attribute (PAT), not address.
	return Translation{
		Phys:     vmcore.PhysAddr(addr&t.addr&^(size-1) | off),
		Len:      size - off,
		PageSize: size,
		Entry:    entry,
	}
}

func x86Shift(level int) int { return 12 + 9*(level-1) }

func x86Index(a vmcore.Addr, level int) uint64 { return uint64(a) >> x86Shift(level) & 511 }

// x86Leaf reports whether an entry maps a page rather than leads to a table.
func x86Leaf(entry uint64, level int) bool {
	return level == 1 || level <= 3 && entry&x86Huge != 0
}

// x86Resident reports whether an entry leads on to memory. In the user half that
// includes pages the processor must not touch but the kernel still knows:
// PROT_NONE ones, and large pages that are being split (pte_present and
// pmd_present in arch/x86/include/asm/pgtable.h).
func x86Resident(a vmcore.Addr, entry uint64, level int) bool {
	if entry&x86Present != 0 {
		return true
	}
	user := int64(a) >= 0
	return user && x86Leaf(entry, level) && (level > 1 || entry&x86ProtNone != 0)
}

// notMapped makes the error for an entry that leads nowhere.
func (t *x86Tables) notMapped(a vmcore.Addr, entry uint64, level int, at vmcore.PhysAddr) error {
	e := &vmcore.FaultError{Addr: a, State: vmcore.Unmapped}
	if entry == 0 {
		return e
	}
	why := "not present"
	if int64(a) >= 0 && level <= 2 {
		why = x86Swap(entry)
	}
	e.Err = &EntryError{Level: t.levelName(level), Addr: at, Value: entry, Why: why}
	return e
}

// x86Swap explains an entry in the user half that is neither empty nor a page:
// a swap entry as in arch/x86/include/asm/pgtable_64.h, with the offset inverted
// since Linux v4.19. The kernel uses the highest types for pages in migration,
// poisoned ones and the like, how many depends on its configuration.
func x86Swap(entry uint64) string {
	const firstSpecial = 23 // of 32 types, with every such option on
	typ, page := entry>>59, ^entry<<5>>14
	if typ >= firstSpecial {
		return fmt.Sprintf("special swap entry of type %d (as for migration or poison), page %#x", typ, page)
	}
	return fmt.Sprintf("swapped out to swap area %d, page %#x", typ, page)
}

// levelName returns the kernel's name for a level: with 4 levels it leaves out
// the P4D.
func (t *x86Tables) levelName(level int) string {
	if level == t.levels {
		return "PGD"
	}
	return [...]string{1: "PTE", 2: "PMD", 3: "PUD", 4: "P4D"}[level]
}

var x86FlagNames = []struct {
	bit  int
	name string
}{
	{0, "present"}, {1, "write"}, {2, "user"}, {3, "pwt"}, {4, "pcd"}, {5, "accessed"}, {6, "dirty"},
	{8, "global"}, {63, "nx"},
}

// x86Flags names the bits of an entry. Those of one that is not present mean
// something else.
func x86Flags(entry uint64, level int) []string {
	if entry&x86Present == 0 {
		return nil
	}
	var flags []string
	for _, f := range x86FlagNames {
		if entry>>f.bit&1 != 0 {
			flags = append(flags, f.name)
		}
	}
	if level > 1 && x86Leaf(entry, level) {
		flags = append(flags, "huge")
	}
	return flags
}
