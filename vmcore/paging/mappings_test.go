package paging_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// mappings writes what is mapped as lines.
func mappings(s *paging.Space, first, last vmcore.Addr) []string {
	var lines []string
	for m, err := range s.Mappings(first, last) {
		if err != nil {
			lines = append(lines, err.Error())
			continue
		}
		if m.Err != nil {
			lines = append(lines, fmt.Sprintf("%v+%#x: %v", m.Virt, m.Size, m.Err))
			continue
		}
		lines = append(lines, fmt.Sprintf("%v → %v+%#x", m.Virt, m.Phys, m.Size))
	}
	return lines
}

func TestMappings(t *testing.T) {
	d := &vmcoretest.Dump{}
	pt := d.PageTables(pgdPhys, 5)
	const base = vmcore.Addr(0xff11000000000000)
	pt.Map(base, 0x5000, vmcoretest.Size4K, 0)
	pt.Map(base+0x1000, 0x6000, vmcoretest.Size4K, 0)
	pt.Map(base+0x2000, 0x9000, vmcoretest.Size4K, 0)
	pt.Map(base+0x200000, 0x7fe00000, vmcoretest.Size2M, 0)
	pt.Map(0xffffffffffe00000, 0x400000, vmcoretest.Size2M, 0)
	pt.Map(0x400000, 0xa000, vmcoretest.Size4K, vmcoretest.PageUser)
	const swapped = 3<<59 | (^uint64(0x1234)&(1<<50-1))<<9 // in area 3
	pt.Set(0x401000, 1, swapped)
	pt.Map(0x402000, 0xb000, vmcoretest.Size4K, vmcoretest.PageUser)
	pt.Set(0xff20000000000000, 5, 0x7000|vmcoretest.PagePresent)                    // not in the dump
	pt.Set(0xff30000000000000, 5, uint64(pt.Table(base, 4))|vmcoretest.PagePresent) // as at base
	pt.Set(0xff40000000000000, 5, uint64(pgdPhys)|vmcoretest.PagePresent)           // itself
	s := newKernel(t, d, vmcoreinfo(5, ""))
	for _, tc := range []struct {
		name        string
		first, last vmcore.Addr
		want        []string
	}{
		{"kernel", 0xff00000000000000, ^vmcore.Addr(0), []string{
			"0xff11000000000000 → 0x5000+0x2000",
			"0xff11000000002000 → 0x9000+0x1000",
			"0xff11000000200000 → 0x7fe00000+0x200000",
			"address 0xff20000000000000: not mapped: P4D entry: physical address 0x7000: not mapped",
			"0xffffffffffe00000 → 0x400000+0x200000",
		}},
		{"user", 0, 0x7fffffffffff, []string{
			"0x400000 → 0xa000+0x1000",
			"0x401000+0x1000: PTE entry 0x1fffffffffdb9600: swapped out to swap area 3, page 0x1234",
			"0x402000 → 0xb000+0x1000",
		}},
		{"part", base + 0x1800, base + 0x2fff7ff, []string{
			"0xff11000000001800 → 0x6800+0x800",
			"0xff11000000002000 → 0x9000+0x1000",
			"0xff11000000200000 → 0x7fe00000+0x200000",
		}},
		{"inside of a page", base + 0x201010, base + 0x20101f, []string{"0xff11000000201010 → 0x7fe01010+0x10"}},
		{"backwards", 1, 0, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, mappings(s, tc.first, tc.last)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestMappingsEnd breaks off after each number of mappings.
func TestMappingsEnd(t *testing.T) {
	d := &vmcoretest.Dump{}
	pt := d.PageTables(pgdPhys, 4)
	pt.Map(0x1000, 0x5000, vmcoretest.Size4K, 0)
	pt.Map(0x3000, 0x6000, vmcoretest.Size4K, 0)
	s := newKernel(t, d, vmcoreinfo(4, ""))
	for most := 1; most <= 2; most++ {
		n := 0
		for range s.Mappings(0, ^vmcore.Addr(0)) {
			if n++; n == most {
				break
			}
		}
		if n != most {
			t.Errorf("got %d mappings, want %d", n, most)
		}
	}
}

func TestDecode(t *testing.T) {
	d := &vmcoretest.Dump{}
	d.PageTables(pgdPhys, 4)
	s := newKernel(t, d, vmcoreinfo(4, ""))
	for _, tc := range []struct {
		entry uint64
		want  string
	}{
		{0x8000000001000063, "0x1000000 [present write accessed dirty nx]"},
		{0x25, "0x0 [present user accessed]"},
		{0x000ffffffedcb100 | 1<<63, "0x1234000 [protnone]"},
		{0, "PTE entry 0x0: nothing"},
		{1<<59 | (^uint64(0x1234)&(1<<50-1))<<9, "PTE entry 0xfffffffffdb9600: swapped out to swap area 1, page 0x1234"},
	} {
		page, flags, err := s.Decode(tc.entry)
		got := fmt.Sprint(page, flags)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%#x: got %s, want %s", tc.entry, got, tc.want)
		}
	}
}
