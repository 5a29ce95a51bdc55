package paging_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// A kernel that KASLR moved up by 0x20000000 in virtual memory and put at 16 MiB
// in physical memory.
const (
	stext    = vmcore.Addr(0xffffffffa0000000)
	textPhys = vmcore.PhysAddr(0x1000000)
	physBase = int64(textPhys) - 0x20000000
	pgdVirt  = stext + 0x100000
	pgdPhys  = textPhys + 0x100000
)

func vmcoreinfo(levels int, more string) string {
	return fmt.Sprintf("OSRELEASE=6.12.0\nSYMBOL(_stext)=%x\nSYMBOL(swapper_pg_dir)=%x\n"+
		"NUMBER(phys_base)=%d\nNUMBER(pgtable_l5_enabled)=%d\nNUMBER(KERNEL_IMAGE_SIZE)=1073741824\n%s",
		uint64(stext), uint64(pgdVirt), physBase, levels-4, more)
}

// newKernel opens the address space of a dump.
func newKernel(t testing.TB, d *vmcoretest.Dump, info string) *paging.Space {
	t.Helper()
	v := vmcore.ParseVMCOREINFO([]byte(info))
	img, err := paging.NewImage(d.Phys(), vmcoretest.X86_64, v, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := paging.NewKernel(img, v)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mark returns a page that holds text at an offset.
func mark(off int, text string) []byte {
	page := make([]byte, 4096)
	copy(page[off:], text)
	return page
}

// describe writes what Translate says as one line.
func describe(s *paging.Space, a vmcore.Addr) string {
	t, err := s.Translate(a)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%v+%#x of %#x", t.Phys, t.Len, t.PageSize)
}

func TestTranslate(t *testing.T) {
	const sme = 1 << 47
	for _, tc := range []struct {
		levels int
		mask   uint64
		base   vmcore.Addr // of the direct map
	}{
		{4, 0, 0xffff888000000000},
		{5, 0, 0xff11000000000000},
		{4, sme, 0xffff888000000000},
		{5, sme, 0xff11000000000000},
	} {
		t.Run(fmt.Sprintf("%d levels mask %#x", tc.levels, tc.mask), func(t *testing.T) {
			d := &vmcoretest.Dump{}
			pt := d.PageTables(pgdPhys, tc.levels)
			pt.Mask = tc.mask
			const pat = 1 << 12
			pt.Map(tc.base+0x1000, 0x5000, vmcoretest.Size4K, vmcoretest.PageNX)
			pt.Map(tc.base+0x200000, 0x7fe00000, vmcoretest.Size2M, pat)
			pt.Map(tc.base+0x40000000, 0x3c0000000, vmcoretest.Size1G, pat|vmcoretest.PageNX)
			s := newKernel(t, d, vmcoreinfo(tc.levels, fmt.Sprintf("NUMBER(sme_mask)=%d\n", tc.mask)))
			for off, want := range map[vmcore.Addr]string{
				0x1000:     "0x5000+0x1000 of 0x1000",
				0x1fff:     "0x5fff+0x1 of 0x1000",
				0x200000:   "0x7fe00000+0x200000 of 0x200000",
				0x3ff010:   "0x7ffff010+0xff0 of 0x200000",
				0x40000000: "0x3c0000000+0x40000000 of 0x40000000",
				0x52345678: "0x3d2345678+0x2dcba988 of 0x40000000",
				0x2000:     fmt.Sprintf("address %v: not mapped", tc.base+0x2000),
				0x80000000: fmt.Sprintf("address %v: not mapped", tc.base+0x80000000),
			} {
				for _, again := range []string{"", ", from the cache"} {
					if got := describe(s, tc.base+off); got != want {
						t.Errorf("%#x%s: got %s, want %s", uint64(off), again, got, want)
					}
				}
			}
		})
	}
}

func TestTranslateNotCanonical(t *testing.T) {
	d := &vmcoretest.Dump{}
	d.PageTables(pgdPhys, 4)
	d5 := &vmcoretest.Dump{}
	d5.PageTables(pgdPhys, 5)
	four := newKernel(t, d, vmcoreinfo(4, ""))
	five := newKernel(t, d5, vmcoreinfo(5, ""))
	for _, tc := range []struct {
		at         vmcore.Addr
		four, five string
	}{
		{0x00007fffffffffff, "not mapped", "not mapped"},
		{0x0000800000000000, "not canonical", "not mapped"},
		{0xff11000000000000, "not canonical", "not mapped"},
		{0xffff7fffffffffff, "not canonical", "not mapped"},
		{0x0100000000000000, "not canonical", "not canonical"},
		{0xdead000000000100, "not canonical", "not canonical"},
		{0xffff800000000000, "not mapped", "not mapped"},
	} {
		for want, s := range map[string]*paging.Space{tc.four: four, tc.five: five} {
			if tc.four == tc.five {
				s = four
			}
			_, err := s.Translate(tc.at)
			if !errors.Is(err, vmcore.ErrUnmapped) || strings.Contains(err.Error(), "canonical") != (want == "not canonical") {
				t.Errorf("%v: got %v, want %s", tc.at, err, want)
			}
		}
	}
}

// swapEntry encodes a swap entry as the kernel's __swp_entry does.
func swapEntry(typ, page uint64) uint64 { return ^page<<14>>5 | typ<<59 }

func TestUserSpace(t *testing.T) {
	const pgd = vmcore.PhysAddr(0x8000000)
	d := &vmcoretest.Dump{}
	d.PageTables(pgdPhys, 4)
	pt := d.PageTables(pgd, 4)
	pt.Map(0x400000, 0x5000, vmcoretest.Size4K, vmcoretest.PageUser)
	pt.Set(0x401000, 1, ^uint64(0x6000)&0x000ffffffffff000|vmcoretest.PageProtNone) // inverted
	pt.Set(0x402000, 1, 0x7000|vmcoretest.PageProtNone)                             // as before Linux v4.19
	pt.Set(0x403000, 1, swapEntry(3, 0x1234))
	pt.Set(0x404000, 1, swapEntry(30, 0x10))
	pt.Set(0x600000, 2, ^uint64(0x40000000)&0x000fffffffe00000|vmcoretest.PageHuge) // a large page being split
	pt.Set(0x800000, 2, swapEntry(31, 0x20))
	// The user copy of page-table isolation shares the tables of user memory.
	d.Put(pgd+0x1000, append([]byte(nil), d.Memory[pgd]...))

	s := newKernel(t, d, vmcoreinfo(4, ""))
	wants := map[vmcore.Addr]string{
		0x400010: "0x5010+0xff0 of 0x1000",
		0x401010: "0x6010+0xff0 of 0x1000",
		0x402010: "0x7010+0xff0 of 0x1000",
		0x403000: "address 0x403000: not mapped: PTE entry 0x1fffffffffdb9600: swapped out to swap area 3, page 0x1234",
		0x404000: "address 0x404000: not mapped: PTE entry 0xf7ffffffffffde00: special swap entry of type 30 (as for migration or poison), page 0x10",
		0x600010: "0x40000010+0x1ffff0 of 0x200000",
		0x800000: "address 0x800000: not mapped: PMD entry 0xffffffffffffbe00: special swap entry of type 31 (as for migration or poison), page 0x20",
		0x900000: "address 0x900000: not mapped: PMD entry 0xffffffffffffbe00: special swap entry of type 31 (as for migration or poison), page 0x20",
		0xa00000: "address 0xa00000: not mapped",
	}
	for name, cr3 := range map[string]vmcore.PhysAddr{
		"mm->pgd":                 pgd,
		"CR3 with PCID":           pgd | 0x006,
		"user copy, no-flush bit": pgd | 1<<63 | 0x1000 | 0x806,
	} {
		user := s.User(cr3)
		for at, want := range wants {
			if got := describe(user, at); got != want {
				t.Errorf("%s: %v: got %s, want %s", name, at, got, want)
			}
		}
	}
	_, err := s.User(pgd).Translate(0x403000)
	var entry *paging.EntryError
	if !errors.As(err, &entry) || entry.Level != "PTE" {
		t.Errorf("%v is no EntryError of the PTE", err)
	}
}

// TestKernelNotPresent keeps the rules of user memory out of the kernel half.
func TestKernelNotPresent(t *testing.T) {
	d := &vmcoretest.Dump{}
	pt := d.PageTables(pgdPhys, 4)
	pt.Set(0xffffc90000000000, 1, 0x5000|vmcoretest.PageProtNone)
	s := newKernel(t, d, vmcoreinfo(4, ""))
	const want = "address 0xffffc90000000000: not mapped: PTE entry 0x5100: not present"
	if got := describe(s, 0xffffc90000000000); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWalk(t *testing.T) {
	for levels, want := range map[int]string{
		4: "PGD 0x1100880=0x1102007 PUD 0x1102000=0x1103007 PMD 0x1103000=0x1104007 PTE 0x1104008=0x8000000000005103",
		5: "PGD 0x1100ff8=0x1102007 P4D 0x1102880=0x1103007 PUD 0x1103000=0x1104007 PMD 0x1104000=0x1105007 PTE 0x1105008=0x8000000000005103",
	} {
		d := &vmcoretest.Dump{}
		pt := d.PageTables(pgdPhys, levels)
		pt.Map(0xffff880000001000, 0x5000, vmcoretest.Size4K, vmcoretest.PageNX|1<<8)
		s := newKernel(t, d, vmcoreinfo(levels, ""))
		path, err := s.Walk(0xffff880000001234)
		var got []string
		for _, e := range path {
			got = append(got, fmt.Sprintf("%s %v=%#x", e.Level, e.Addr, e.Value))
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" || err != nil {
			t.Errorf("%d levels: %v (-want +got):\n%s", levels, err, diff)
		}
		if flags := strings.Join(path[levels-1].Flags, " "); flags != "present write global nx" {
			t.Errorf("flags %q", flags)
		}
		path, err = s.Walk(0xffff880000002000)
		if len(path) != levels || !errors.Is(err, vmcore.ErrUnmapped) {
			t.Errorf("unmapped: %d entries, %v", len(path), err)
		}
	}
}

// TestReadMemory reads across pages that are and are not neighbours, and into
// what cannot be read.
func TestReadMemory(t *testing.T) {
	const base = 0xffffc90000000000
	d := &vmcoretest.Dump{
		Memory: map[vmcore.PhysAddr][]byte{
			0x5000: mark(4092, "wxyz"), 0x6000: mark(0, "abcd"), 0x9000: mark(0, "efgh"),
		},
		Excluded: vmcoretest.Pages(0x7000, 0x8000),
		Missing:  []vmcore.PhysAddr{0x8000},
	}
	pt := d.PageTables(pgdPhys, 4)
	for i, phys := range []vmcore.PhysAddr{0x5000, 0x6000, 0x9000, 0x7000, 0x8000, 0x666000} {
		pt.Map(base+vmcore.Addr(i)*0x1000, phys, vmcoretest.Size4K, 0)
	}
	pt.Map(base+0x200000, 0x400000, vmcoretest.Size2M, 0)
	d.Put(0x400000, mark(4092, "larg"))
	d.Put(0x401000, mark(0, "e pg"))
	pt.Map(0xfffffffffffff000, 0x9000, vmcoretest.Size4K, 0)
	d.Excluded = append(d.Excluded, 0x3000)
	pt.Set(base+0x400000, 2, 0x3000|vmcoretest.PagePresent)
	d.Missing = append(d.Missing, 0x4000)
	pt.Set(base+0x40000000, 3, 0x4000|vmcoretest.PagePresent)
	s := newKernel(t, d, vmcoreinfo(4, ""))

	for _, tc := range []struct {
		at   vmcore.Addr
		want string
	}{
		{base + 0xffc, `"wxyzabcd" <nil>`},
		{base + 0x2000, `"efgh\x00\x00\x00\x00" <nil>`},
		{base + 0x2ffc, `"\x00\x00\x00\x00" address 0xffffc90000003000, physical 0x7000: page excluded from the dump`},
		{base + 0x3ffc, `"" address 0xffffc90000003ffc, physical 0x7ffc: page excluded from the dump`},
		{base + 0x4000, `"" address 0xffffc90000004000, physical 0x8000: page missing from the file`},
		{base + 0x5000, `"" address 0xffffc90000005000: not mapped: physical address 0x666000: not mapped`},
		{base + 0x6000, `"" address 0xffffc90000006000: not mapped`},
		{base + 0x200ffc, `"large pg" <nil>`},
		{base + 0x400008, `"" address 0xffffc90000400008: page excluded from the dump: PTE entry: physical address 0x3000: page excluded from the dump`},
		{base + 0x40000000, `"" address 0xffffc90040000000: page missing from the file: PMD entry: physical address 0x4000: page missing from the file`},
		{0xfffffffffffffffc, `"\x00\x00\x00\x00" address 0x0: not mapped: the end of the address space`},
	} {
		p := make([]byte, 8)
		n, err := s.ReadMemory(p, tc.at)
		if got := fmt.Sprintf("%q %v", p[:n], err); got != tc.want {
			t.Errorf("%v:\n got %s\nwant %s", tc.at, got, tc.want)
		}
	}
}

// TestSelfReference has a top table with an entry for itself, as some systems
// use for a window on their tables: the walk must end at the lowest level.
func TestSelfReference(t *testing.T) {
	d := &vmcoretest.Dump{}
	pt := d.PageTables(pgdPhys, 4)
	pt.Set(0xffff800000000000, 4, uint64(pgdPhys)|vmcoretest.PagePresent)
	s := newKernel(t, d, vmcoreinfo(4, ""))
	const self = 0xffff804020100000 // index 256 at every level
	if got, want := describe(s, self), "0x1100000+0x1000 of 0x1000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestConcurrentUse lets goroutines compete for the slots of the cache. The race
// detector sees what this test alone cannot.
func TestConcurrentUse(t *testing.T) {
	const base, regions = vmcore.Addr(0xffff888000000000), 1200
	d := &vmcoretest.Dump{}
	pt := d.PageTables(pgdPhys, 4)
	for i := range regions {
		pt.Map(base+vmcore.Addr(i)<<21, vmcore.PhysAddr(i)<<21, vmcoretest.Size2M, 0)
	}
	s := newKernel(t, d, vmcoreinfo(4, ""))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 4 * regions {
				at := vmcore.Addr((i*(2*worker+1))%regions) << 21
				if tr, err := s.Translate(base + at); err != nil || tr.Phys != vmcore.PhysAddr(at) {
					t.Errorf("%v: %+v, %v", base+at, tr, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
