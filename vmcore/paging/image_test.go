package paging_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

func TestImageBounds(t *testing.T) {
	text := []vmcore.Segment{
		{Virt: 0xffff888000000000, Phys: 0, PhysValid: true},
		{Virt: 0xffffffffc0000000, Phys: 0x40000000, PhysValid: true}, // a module
		{Virt: 0xffffffffa0000000, Phys: vmcore.PhysAddr(vmcoretest.NoPhys)},
		{Virt: 0xffffffffa0000000, Phys: 0x1000000, PhysValid: true},
	}
	for _, tc := range []struct {
		name, arch, info string
		segs             []vmcore.Segment
		want             string
	}{
		{"phys_base", "x86_64", "NUMBER(phys_base)=-520093696\nSYMBOL(_stext)=ffffffffa0000000\n", nil,
			"0xffffffffa0000000..0xffffffffc0000000 at 0x1000000"},
		{"no _stext", "x86_64", "NUMBER(phys_base)=0\n", nil,
			"0xffffffff80000000..0xffffffffc0000000 at 0x0"},
		{"small image area", "x86_64", "NUMBER(phys_base)=0\nSYMBOL(_stext)=ffffffff81000000\nNUMBER(KERNEL_IMAGE_SIZE)=536870912\n", nil,
			"0xffffffff81000000..0xffffffffa0000000 at 0x1000000"},
		{"hostile image area", "x86_64", "NUMBER(phys_base)=0\nNUMBER(KERNEL_IMAGE_SIZE)=-1\nSYMBOL(_stext)=1000\n", nil,
			"0xffffffff80000000..0xffffffffc0000000 at 0x0"},
		{"segment", "x86_64", "", text,
			"0xffffffffa0000000..0xffffffffc0000000 at 0x1000000"},
		{"VMCOREINFO before segment", "x86_64", "NUMBER(phys_base)=4096\n", text,
			"0xffffffff80000000..0xffffffffc0000000 at 0x1000"},
		{"aarch64", "aarch64", "NUMBER(kimage_voffset)=0xffff7fff80000000\nSYMBOL(_stext)=ffff800080010000\n", nil,
			"0xffff800080000000..0xffff8000c0000000 at 0x100000000"},
		{"riscv64", "riscv64", "NUMBER(va_kernel_pa_offset)=0xfffffffeffe00000\nSYMBOL(_stext)=ffffffff80002000\n", nil,
			"0xffffffff80000000..0xffffffffc0000000 at 0x80200000"},
		{"s390x", "s390x", "KERNELOFFSET=3ffe0000000\nKERNELOFFPHYS=10000000\nSYMBOL(_stext)=3ffe0100000\n", nil,
			"0x3ffe0000000..0x40020000000 at 0x10000000"},
		{"s390x before 6.10", "s390x", "KERNELOFFSET=0\nSYMBOL(_stext)=100000\n", nil,
			"0x0..0x40000000 at 0x0"},
		{"ppc64le", "ppc64le", "SYMBOL(_stext)=c000000000000000\n", nil,
			"0xc000000000000000..0xc000000040000000 at 0x0"},
		{"image at the end of memory", "ppc64", "SYMBOL(_stext)=fffffffffffff000\n", nil,
			"0xffffffffffe00000..0xffffffffffffffff at 0x3fffffffffe00000"},
		{"nothing known", "x86_64", "", nil,
			"place of the kernel image: no NUMBER(phys_base) in VMCOREINFO and no segment in the image's area at 0xffffffff80000000: not found"},
		{"no offset", "aarch64", "SYMBOL(_stext)=ffff800080010000\n", nil,
			"place of the kernel image: no NUMBER(kimage_voffset) in VMCOREINFO: not found"},
		{"other machine", "loongarch64", "", nil, "virtual memory of loongarch64 is not supported yet"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			phys := (&vmcoretest.Dump{}).Phys()
			img, err := paging.NewImage(phys, vmcore.Arch{Name: tc.arch}, vmcore.ParseVMCOREINFO([]byte(tc.info)), tc.segs)
			got := fmt.Sprint(err)
			if err == nil {
				start, end := img.Bounds()
				got = fmt.Sprintf("%v..%v at %#x", start, end, int64(img.PhysBase()))
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestImageReadMemory(t *testing.T) {
	d := &vmcoretest.Dump{
		Memory:   map[vmcore.PhysAddr][]byte{textPhys: mark(4092, "Linu"), textPhys + 0x1000: mark(0, "x ve")},
		Excluded: []vmcore.PhysAddr{textPhys + 0x2000},
	}
	v := vmcore.ParseVMCOREINFO([]byte(vmcoreinfo(4, "")))
	img, err := paging.NewImage(d.Phys(), vmcoretest.X86_64, v, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		at   vmcore.Addr
		want string
	}{
		{stext + 0xffc, `"Linux ve" <nil>`},
		{stext + 0x1ffe, `"\x00\x00" address 0xffffffffa0002000, physical 0x1002000: page excluded from the dump`},
		{stext - 4, `"" address 0xffffffff9ffffffc: not mapped: outside of the kernel image`},
		{0xffffffffc0000000, `"" address 0xffffffffc0000000: not mapped: outside of the kernel image`},
	} {
		p := make([]byte, 8)
		n, err := img.ReadMemory(p, tc.at)
		if got := fmt.Sprintf("%q %v", p[:n], err); got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.at, got, tc.want)
		}
	}
}

// TestImageStandsIn loses a page table: the image is still readable, the rest
// is not, and neither is what the tables do say is unmapped.
func TestImageStandsIn(t *testing.T) {
	d := &vmcoretest.Dump{
		Memory:   map[vmcore.PhysAddr][]byte{textPhys: mark(0, "Linux version")},
		Excluded: []vmcore.PhysAddr{0x3000},
	}
	pt := d.PageTables(pgdPhys, 4)
	pt.Set(stext, 2, 0x3000|vmcoretest.PagePresent)
	pt.Set(0xffffffffc0000000, 2, 0x3000|vmcoretest.PagePresent)
	s := newKernel(t, d, vmcoreinfo(4, ""))
	p := make([]byte, 13)
	if n, err := s.ReadMemory(p, stext); err != nil || string(p[:n]) != "Linux version" {
		t.Errorf("image: %q, %v", p[:n], err)
	}
	if _, err := s.ReadMemory(p, 0xffffffffc0000000); !errors.Is(err, vmcore.ErrExcluded) {
		t.Errorf("module: %v, want it excluded", err)
	}
	if _, err := s.ReadMemory(p, stext+0x200000); !errors.Is(err, vmcore.ErrUnmapped) {
		t.Errorf("not mapped in the image: %v", err)
	}
}

func TestNewKernelErrors(t *testing.T) {
	phys := (&vmcoretest.Dump{}).Phys()
	for _, tc := range []struct{ arch, info, want string }{
		{"x86_64", "NUMBER(phys_base)=0\n", "top page table: no SYMBOL(swapper_pg_dir) in VMCOREINFO: not found"},
		{"x86_64", "NUMBER(phys_base)=0\nSYMBOL(swapper_pg_dir)=1000\n",
			"top page table swapper_pg_dir: address 0x1000: not mapped: outside of the kernel image"},
		{"riscv64", "NUMBER(va_kernel_pa_offset)=0x0\nSYMBOL(_stext)=0\n", "virtual memory of riscv64 is not supported yet"},
	} {
		v := vmcore.ParseVMCOREINFO([]byte(tc.info))
		img, err := paging.NewImage(phys, vmcore.Arch{Name: tc.arch}, v, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := paging.NewKernel(img, v); fmt.Sprint(err) != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
	img, err := paging.NewImage(phys, vmcoretest.X86_64, vmcore.ParseVMCOREINFO([]byte("NUMBER(phys_base)=0\n")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := paging.New(img, paging.Params{Levels: 3}); !errors.Is(err, vmcore.ErrUnsupported) {
		t.Errorf("3 levels: %v", err)
	}
	if s, err := paging.New(img, paging.Params{Levels: 4, SMEMask: 1<<64 - 1}); err == nil || s != nil {
		t.Errorf("hostile encryption mask: %v, %v", s, err)
	}
}
