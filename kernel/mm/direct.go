package mm

import (
	"github.com/kdbg/kdbg/vmcore"
)

// directMap finds where the kernel maps all of physical memory. On x86-64 that
// is page_offset_base, unless the kernel cannot move it: Linux kernel commit
// d52888aa2753 ("x86/mm: Move LDT remap out of KASLR region on 5-level paging")
// (in v4.20) settled where it then is.
func (m *Memory) directMap() (vmcore.Addr, error) {
	if arch := m.k.Arch().Name; arch != "x86_64" {
		return 0, &UnsupportedError{What: "the direct map of " + arch}
	}
	if v, err := m.k.Object("page_offset_base", m.k.BasicType("unsigned long")); err == nil {
		base, err := v.Uint()
		return vmcore.Addr(base), err
	}
	if n, _ := m.k.Info().Number("pgtable_l5_enabled"); n != 0 {
		return 0xff11000000000000, nil
	}
	return 0xffff888000000000, nil
}

// Virt returns where the kernel sees a physical address: in its map of all
// physical memory.
func (m *Memory) Virt(a vmcore.PhysAddr) (vmcore.Addr, error) {
	base, err := m.direct()
	return base + vmcore.Addr(a), err
}

// UnsupportedError says that kdbg cannot do something for the kernel of a dump.
type UnsupportedError struct{ What string }

func (e *UnsupportedError) Error() string { return e.What + " is not supported" }

// Is reports whether target is [vmcore.ErrUnsupported].
func (e *UnsupportedError) Is(target error) bool { return target == vmcore.ErrUnsupported }
