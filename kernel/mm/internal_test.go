package mm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// page is a memory of one page at slabStart.
type page []byte

const slabStart = vmcore.Addr(0xffff888003a40000)

func (p page) ReadMemory(b []byte, a vmcore.Addr) (int, error) {
	if a < slabStart || a >= slabStart+vmcore.Addr(len(p)) {
		return 0, &vmcore.FaultError{Addr: a, State: vmcore.Excluded}
	}
	return copy(b, p[a-slabStart:]), nil
}

// TestFollow follows lists of free objects, with and without hardening and red
// zones, whole and damaged.
func TestFollow(t *testing.T) {
	const random = 0x1122334455667788
	object := func(c Cache, i uint64) vmcore.Addr { return c.object(Slab{Start: slabStart}, i) }
	for _, tc := range []struct {
		name  string
		cache Cache
		list  []uint64 // numbers of the objects that are linked; from 100 on an address beside object n-100
		want  string
	}{
		{"plain", Cache{Size: 256}, []uint64{3, 0, 15}, "[3 0 15]"},
		{"none", Cache{Size: 256}, nil, "[]"},
		{"link inside", Cache{Size: 256, link: 128}, []uint64{1, 2}, "[1 2]"},
		{"hardened", Cache{Size: 256, link: 128, random: random}, []uint64{7, 6, 5}, "[7 6 5]"},
		{"red zones", Cache{Size: 256, link: 64, leftPad: 64, random: random}, []uint64{0, 9}, "[0 9]"},
		{"a circle", Cache{Size: 256}, []uint64{1, 2, 1}, "the list does not end"},
		{"beside an object", Cache{Size: 256}, []uint64{1, 102}, "[1] no object of the slab"},
		{"beyond the slab", Cache{Size: 256}, []uint64{1, 16}, "[1] no object of the slab"},
		{"written to while free", Cache{Size: 256, random: random}, []uint64{4, 1000}, "[4] no object of the slab"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			mem := make(page, 4096)
			c := tc.cache
			s := Slab{Start: slabStart, Objects: 16}
			at := func(n uint64) vmcore.Addr {
				if n >= 100 {
					return object(c, n-100) + 8
				}
				return object(c, n)
			}
			for i, n := range tc.list {
				if n >= 16 || slices.Contains(tc.list[:i], n) {
					break
				}
				link := at(n) + vmcore.Addr(c.link)
				next := uint64(0)
				if i+1 < len(tc.list) {
					next = uint64(at(tc.list[i+1]))
				}
				if c.random != 0 {
					next ^= c.random ^ bits.ReverseBytes64(uint64(link))
				}
				if i+1 < len(tc.list) && tc.list[i+1] == 1000 {
					next = 0x4141414141414141
				}
				binary.LittleEndian.PutUint64(mem[link-slabStart:], next)
			}
			m := New(kernel.New(kernel.Config{Arch: vmcore.Arch{Layout: vmcore.Layout{WordSize: 8}}, Mem: mem}))
			var first vmcore.Addr
			if len(tc.list) > 0 {
				first = at(tc.list[0])
			}
			free, err := m.follow(c, s, first)
			numbers := []uint64{}
			for _, a := range free {
				numbers = append(numbers, uint64(a-s.Start-vmcore.Addr(c.leftPad))/c.Size)
			}
			got := fmt.Sprint(numbers)
			var broken *FreelistError
			if errors.As(err, &broken) {
				got += " " + broken.Msg
			}
			if got != tc.want && !strings.HasSuffix(got, " "+tc.want) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestHeadOf decodes both ways in which tail pages name their head.
func TestHeadOf(t *testing.T) {
	const head = vmcore.Addr(0xffffea0000200000)
	for _, tail := range []vmcore.Addr{head + 64, head + 511*64} {
		for name, info := range map[string]uint64{
			"pointer": uint64(head) | 1,
			"mask":    math.MaxUint64&^(1<<15-1) | 1, // 512 pages of 64 bytes
		} {
			if got := headOf(tail, info); got != head {
				t.Errorf("%s: head of %v is %v, want %v", name, tail, got, head)
			}
		}
	}
}

// TestPageNames decodes flags and types as kernels of three ages have them.
func TestPageNames(t *testing.T) {
	flags := []PageFlag{{"locked", 0}, {"lru", 5}, {"head", 6}, {"slab", 9}, {"owner_priv_1", 10}, {"checked", 10}}
	byType := []pageType{{"buddy", 0xf0, 24}, {"slab", 0xf5, 24}}
	byValue := []pageType{{"buddy", 0xffffff7f, 0}}
	for _, tc := range []struct {
		page  Page
		types []pageType
		want  string
	}{
		{Page{Flags: 1<<5 | 1<<10, Type: 3}, byType, "lru owner_priv_1"}, // one name for a bit; mapped 4 times
		{Page{Flags: 1 << 6, Type: 0xf5000000}, byType, "head slab"},
		{Page{Type: 0xf0000003}, byType, "buddy"},
		{Page{Type: 0xffffff7f}, byValue, "buddy"},
		{Page{Flags: 1 << 9, Type: 0xffffffff}, byValue, "slab"},
		{Page{Flags: 9, Addr: 64, Head: 32}, byType, "tail"},
	} {
		m := &Memory{page: &pageLayout{flagNames: flags, typeNames: tc.types}}
		if got := strings.Join(m.FlagNames(tc.page), " "); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.page, got, tc.want)
		}
	}
}

// TestContentsOfUser lists what a program has behind its addresses: pages,
// PROT_NONE ones among them, pages that are swapped out, and nothing, of which
// terabytes are one line.
func TestContentsOfUser(t *testing.T) {
	const pgd = vmcore.PhysAddr(0x1100000)
	d := &vmcoretest.Dump{}
	pt := d.PageTables(pgd, 4)
	pt.Map(0x400000, 0xa000, vmcoretest.Size4K, vmcoretest.PageUser)
	pt.Map(0x401000, 0xb000, vmcoretest.Size4K, vmcoretest.PageUser)
	pt.Set(0x403000, 1, 2<<59|(^uint64(0x77)&(1<<50-1))<<9)
	pt.Set(0x404000, 1, uint64(0xc000)|1<<8) // not present, PROT_NONE
	info := vmcore.ParseVMCOREINFO([]byte("OSRELEASE=6.12.0\nSYMBOL(_stext)=ffffffff81000000\n" +
		"SYMBOL(swapper_pg_dir)=ffffffff81100000\nNUMBER(phys_base)=0\nNUMBER(KERNEL_IMAGE_SIZE)=1073741824\n"))
	img, err := paging.NewImage(d.Phys(), vmcoretest.X86_64, info, nil)
	if err != nil {
		t.Fatal(err)
	}
	space, err := paging.NewKernel(img, info)
	if err != nil {
		t.Fatal(err)
	}
	m := New(kernel.New(kernel.Config{Arch: vmcoretest.X86_64}))
	var got []string
	for run, err := range m.Contents(space.User(pgd), VMA{Start: 0x3ff000, End: 0x200000000000}) {
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%v+%#x: ", run.Virt, run.Size)
		if run.Err != nil {
			line += run.Err.Error()
		} else {
			line += run.Phys.String()
		}
		got = append(got, line)
	}
	want := []string{
		"0x3ff000+0x1000: not mapped",
		"0x400000+0x2000: 0xa000",
		"0x402000+0x1000: not mapped",
		"0x403000+0x1000: PTE entry 0x17ffffffffff1000: swapped out to swap area 2, page 0x77",
		"0x404000+0x1000: 0xc000",
		"0x405000+0x1fffffbfb000: not mapped",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPhysSet adds runs and asks what of others is in the set.
func TestPhysSet(t *testing.T) {
	var s physSet
	for _, start := range []uint64{0x1000, 0x3000, 0x8000, 0x2000, 0x7000} {
		s.add(Piece{Phys: vmcore.PhysAddr(start), Size: 0x1000})
	}
	if got := fmt.Sprint(s.runs); got != "[{0x1000 0x4000} {0x7000 0x9000}]" {
		t.Errorf("got %s", got)
	}
	for _, tc := range []struct{ start, size, known, gap uint64 }{
		{0, 0x10000, 0, 0x1000},
		{0x1000, 0x10000, 0x3000, 0},
		{0x3800, 0x100, 0x100, 0},
		{0x4000, 0x10000, 0, 0x3000},
		{0x9000, 0x10000, 0, 0x10000},
	} {
		p := Piece{Phys: vmcore.PhysAddr(tc.start), Size: tc.size}
		if known, gap := s.prefix(p), s.gap(p); known != tc.known || gap != tc.gap {
			t.Errorf("%#x+%#x: %#x known, gap of %#x; want %#x, %#x", tc.start, tc.size, known, gap, tc.known, tc.gap)
		}
	}
}
