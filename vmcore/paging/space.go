package paging

import (
	"errors"

	"github.com/kdbg/kdbg/vmcore"
)

// Params says where page tables start and how to read them. The zero value of
// what an architecture does not have means nothing.
type Params struct {
	Root    vmcore.PhysAddr // of the top table; x86-64: CR3 as it is
	Levels  int             // x86-64: 4 or 5
	SMEMask uint64          // x86-64: the address bit that means encrypted memory
}

// tables is what an architecture implements. It is safe for concurrent use.
type tables interface {
	// translate maps one address. The error is a *vmcore.FaultError; it wraps a
	// *vmcore.PhysFaultError when a table could not be read, and does not when
	// the tables say that nothing is mapped.
	translate(a vmcore.Addr) (Translation, error)

	// walk lists the entries that lead to an address, up to the last that could
	// be read.
	walk(a vmcore.Addr) ([]Entry, error)

	// mappings calls yield for the pages that are mapped from address first to
	// last, in ascending order, and for tables that cannot be read. It reports
	// whether yield always did.
	mappings(first, last vmcore.Addr, yield func(Mapping, error) bool) bool

	// decode explains an entry of the lowest level.
	decode(entry uint64) (page vmcore.PhysAddr, flags []string, err error)

	// user returns the tables of a task of the same machine.
	user(root vmcore.PhysAddr) tables
}

// Space is a virtual address space: that of the kernel or that of a task. It
// keeps translations, so that of a running kernel it shows the past.
type Space struct {
	phys   vmcore.PhysMemory
	image  *Image
	tables tables
}

var _ vmcore.Memory = (*Space)(nil)

// NewKernel makes the kernel's address space from what VMCOREINFO says of its
// page tables. The error is an [*UnsupportedError] for other machines than
// x86-64, and wraps [vmcore.ErrNotFound] when VMCOREINFO names no table.
func NewKernel(img *Image, info *vmcore.VMCOREINFO) (*Space, error) {
	p, err := FindParams(img, info)
	if err != nil {
		return nil, err
	}
	return New(img, p)
}

// FindParams reads the parameters of the kernel's page tables from VMCOREINFO.
// A caller that knows them from elsewhere, such as from the CR3 in a note of
// QEMU, uses [New] without it. Errors are those of [NewKernel].
func FindParams(img *Image, info *vmcore.VMCOREINFO) (Params, error) {
	if img.machine.params == nil {
		return Params{}, &UnsupportedError{Arch: img.arch}
	}
	return img.machine.params(img, info)
}

// New makes the kernel's address space with given parameters.
func New(img *Image, p Params) (*Space, error) {
	if img.machine.tables == nil {
		return nil, &UnsupportedError{Arch: img.arch}
	}
	t, err := img.machine.tables(img.phys, p)
	if err != nil {
		return nil, err
	}
	return &Space{phys: img.phys, image: img, tables: t}, nil
}

// User returns the address space of a task whose top page table is at pgd, a
// physical address or a CR3 with its control bits. With page-table isolation
// both of a task's tables map its own memory; mm->pgd is the one that maps the
// kernel as well.
func (s *Space) User(pgd vmcore.PhysAddr) *Space {
	return &Space{phys: s.phys, image: s.image, tables: s.tables.user(pgd)}
}

// Translate maps an address by the page tables. When a table of the kernel's
// image cannot be read, the image map stands in; when the tables say that
// nothing is mapped, that is the answer. The error is a [*vmcore.FaultError].
func (s *Space) Translate(a vmcore.Addr) (Translation, error) {
	t, err := s.tables.translate(a)
	if err == nil {
		return t, nil
	}
	if _, unreadable := errors.AsType[*vmcore.PhysFaultError](err); unreadable {
		if t, imgErr := s.image.Translate(a); imgErr == nil {
			t.Len = min(t.Len, imagePage-uint64(a)%imagePage)
			return t, nil
		}
	}
	return Translation{}, err
}

// imagePage bounds how far one answer of the image map reaches: the tables may
// be readable again for the next page.
const imagePage = 4096

// Walk lists the page table entries that lead to an address, from the top. With
// an error, which is as for [Space.Translate], they end where the walk did.
func (s *Space) Walk(a vmcore.Addr) ([]Entry, error) { return s.tables.walk(a) }

// ReadMemory implements [vmcore.Memory].
func (s *Space) ReadMemory(p []byte, a vmcore.Addr) (n int, err error) {
	return read(s.phys, s, p, a)
}
