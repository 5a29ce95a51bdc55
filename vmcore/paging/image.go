package paging

import (
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// Image is the map of the kernel's image: a constant difference between virtual
// and physical addresses, known without page tables. It is right from _stext to
// _end. Above _end, up to the bound that the architecture gives, it reads
// whatever memory is there.
type Image struct {
	phys    vmcore.PhysMemory
	arch    string
	machine machine
	linear
}

var _ vmcore.Memory = (*Image)(nil)

// linear maps start up to, not including, end to the physical address that is
// delta lower. All arithmetic wraps around at 64 bits.
type linear struct {
	start, end vmcore.Addr
	delta      uint64
}

func (l linear) toPhys(a vmcore.Addr) vmcore.PhysAddr { return vmcore.PhysAddr(uint64(a) - l.delta) }

// NewImage finds where the kernel's image lies from VMCOREINFO, or else from
// the segments of an ELF core. The error is an [*UnsupportedError] when nothing
// is known of the architecture, and wraps [vmcore.ErrNotFound] when the dump
// does not say.
func NewImage(phys vmcore.PhysMemory, arch vmcore.Arch, info *vmcore.VMCOREINFO, segs []vmcore.Segment) (*Image, error) {
	m, ok := machines[arch.Name]
	if !ok {
		return nil, &UnsupportedError{Arch: arch.Name}
	}
	where, err := m.image(info, segs)
	if err != nil {
		return nil, fmt.Errorf("place of the kernel image: %w", err)
	}
	return &Image{phys: phys, arch: arch.Name, machine: m, linear: where}, nil
}

// Bounds returns the first address of the image, or one that is less than 2 MiB
// lower, and the end of the area where it can lie.
func (m *Image) Bounds() (start, end vmcore.Addr) { return m.start, m.end }

// PhysBase returns the physical address of the start of the bounds.
func (m *Image) PhysBase() vmcore.PhysAddr { return m.toPhys(m.start) }

// Translate maps an address inside the bounds of the image.
func (m *Image) Translate(a vmcore.Addr) (Translation, error) {
	if a < m.start || a >= m.end {
		return Translation{}, &vmcore.FaultError{Addr: a, State: vmcore.Unmapped, Err: errNotImage}
	}
	return Translation{Phys: m.toPhys(a), Len: uint64(m.end - a)}, nil
}

// ReadMemory implements [vmcore.Memory] for the addresses of the image.
func (m *Image) ReadMemory(p []byte, a vmcore.Addr) (n int, err error) {
	return read(m.phys, m, p, a)
}

// aroundStext is the map of an image on machines that give no bound. The start
// of the image is aligned to 2 MiB on all of them, and _stext is close to it.
// No kernel's image comes near the size.
func aroundStext(info *vmcore.VMCOREINFO, delta uint64) (linear, error) {
	const align, size = 2 << 20, 1 << 30
	stext, ok := info.Symbol("_stext")
	if !ok {
		return linear{}, notInInfo("SYMBOL(_stext)")
	}
	start := stext &^ (align - 1)
	end := start + size
	if end < start {
		end = ^vmcore.Addr(0)
	}
	return linear{start: start, end: end, delta: delta}, nil
}

// aarch64Image uses kimage_voffset, as the kernel's own __kimg_to_phys does
// (arch/arm64/include/asm/memory.h).
func aarch64Image(info *vmcore.VMCOREINFO, _ []vmcore.Segment) (linear, error) {
	offset, ok := info.Number("kimage_voffset")
	if !ok {
		return linear{}, notInInfo("NUMBER(kimage_voffset)")
	}
	return aroundStext(info, uint64(offset))
}

// riscv64Image uses va_kernel_pa_offset (arch/riscv/include/asm/page.h,
// kernel_mapping_va_to_pa).
func riscv64Image(info *vmcore.VMCOREINFO, _ []vmcore.Segment) (linear, error) {
	offset, ok := info.Number("va_kernel_pa_offset")
	if !ok {
		return linear{}, notInInfo("NUMBER(va_kernel_pa_offset)")
	}
	return aroundStext(info, uint64(offset))
}

// s390xImage uses the two offsets of the image that KASLR chooses. Before Linux
// kernel commit c98d2ecae08f ("s390/mm: Uncouple physical vs virtual address
// spaces") (in v6.10) the two memories were the same.
func s390xImage(info *vmcore.VMCOREINFO, _ []vmcore.Segment) (linear, error) {
	phys, ok := info.Hex("KERNELOFFPHYS")
	if !ok {
		return aroundStext(info, 0)
	}
	virt, ok := info.Hex("KERNELOFFSET")
	if !ok {
		return linear{}, notInInfo("KERNELOFFSET")
	}
	return aroundStext(info, virt-phys)
}

// ppc64Image uses the linear map at PAGE_OFFSET, of which the image is a part
// (arch/powerpc/include/asm/page.h).
func ppc64Image(info *vmcore.VMCOREINFO, _ []vmcore.Segment) (linear, error) {
	return aroundStext(info, 0xc000000000000000)
}

func notInInfo(key string) error {
	return fmt.Errorf("no %s in VMCOREINFO: %w", key, vmcore.ErrNotFound)
}
