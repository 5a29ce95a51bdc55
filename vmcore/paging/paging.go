// Package paging gives virtual memory over the physical memory of a dump.
//
// Two things translate. An [Image] is the one linear map that covers the
// kernel's image: it needs no page table, so symbols and types can be read
// before anything else works. A [Space] walks page tables: the kernel's own, or
// those of a task. Both are a [vmcore.Memory].
//
// The package knows page tables and no symbol: package kernel above it finds
// the tables of a task, package vmcore below reads physical memory. What
// differs between architectures is a machine, with its page tables in a file of
// its own.
//
// Page tables are hostile input like the rest of a dump. A walk is as deep as
// the machine's levels and no deeper, so that a table may well point to itself.
package paging

import (
	"errors"
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// Translation is where a virtual address lies in physical memory.
type Translation struct {
	Phys     vmcore.PhysAddr
	Len      uint64 // bytes from the address to the end of its page
	PageSize uint64 // bytes; 0 when the image map answered in place of a table
	Entry    uint64 // the page table entry; 0 when the image map answered
}

// Entry is one page table entry on the way to an address.
type Entry struct {
	Level string          // the kernel's name of the table, such as "PMD"
	Addr  vmcore.PhysAddr // of the entry itself
	Value uint64
	Flags []string // names of the bits that are set, such as "present"
}

// UnsupportedError reports an architecture whose translation is not written.
type UnsupportedError struct {
	Arch string // as in [vmcore.Arch]
}

func (e *UnsupportedError) Error() string {
	if e.Arch == "" {
		return "virtual memory of an unknown machine is not supported"
	}
	return "virtual memory of " + e.Arch + " is not supported yet"
}

// Is reports whether target is [vmcore.ErrUnsupported].
func (e *UnsupportedError) Is(target error) bool { return target == vmcore.ErrUnsupported }

// EntryError reports a page table entry that maps nothing.
type EntryError struct {
	Level string          // the kernel's name of the table, such as "PTE"
	Addr  vmcore.PhysAddr // of the entry itself
	Value uint64
	Why   string // what the entry says, such as "swapped out to swap area 0, page 0x1234"
}

func (e *EntryError) Error() string { return fmt.Sprintf("%s entry %#x: %s", e.Level, e.Value, e.Why) }

// A machine is what an architecture provides.
type machine struct {
	// image finds the map of the kernel's image.
	image func(*vmcore.VMCOREINFO, []vmcore.Segment) (linear, error)

	// params finds the kernel's page tables, and tables reads such tables. Both
	// are nil where that is not written yet.
	params func(*Image, *vmcore.VMCOREINFO) (Params, error)
	tables func(vmcore.PhysMemory, Params) (tables, error)
}

// machines are the architectures by the names of [vmcore.Arch].
var machines = map[string]machine{
	"x86_64":  {image: x86Image, params: x86Params, tables: newX86Tables},
	"aarch64": {image: aarch64Image},
	"riscv64": {image: riscv64Image},
	"s390x":   {image: s390xImage},
	"ppc64":   {image: ppc64Image},
	"ppc64le": {image: ppc64Image},
}

// A translator maps virtual addresses.
type translator interface {
	Translate(a vmcore.Addr) (Translation, error)
}

// read fills p from virtual address a.
func read(phys vmcore.PhysMemory, tr translator, p []byte, a vmcore.Addr) (n int, err error) {
	for n < len(p) {
		at := a + vmcore.Addr(n)
		if at < a {
			return n, &vmcore.FaultError{Addr: at, State: vmcore.Unmapped, Err: errEndOfSpace}
		}
		start, size, err := contiguous(tr, at, uint64(len(p)-n))
		if err != nil {
			return n, err
		}
		m, err := phys.ReadPhys(p[n:n+int(size)], start)
		n += m
		if err != nil {
			return n, fault(a+vmcore.Addr(n), err)
		}
	}
	return n, nil
}

// contiguous translates address a and finds how many of the bytes from there on,
// at most max, follow one another in physical memory as well.
func contiguous(tr translator, a vmcore.Addr, max uint64) (start vmcore.PhysAddr, size uint64, err error) {
	t, err := tr.Translate(a)
	if err != nil {
		return 0, 0, err
	}
	start, size = t.Phys, t.Len
	for size < max {
		next := a + vmcore.Addr(size)
		t, err := tr.Translate(next)
		if err != nil || next < a || t.Phys != start+vmcore.PhysAddr(size) {
			break
		}
		size += t.Len
	}
	return start, min(size, max), nil
}

var (
	errEndOfSpace   = errors.New("the end of the address space")
	errNotCanonical = errors.New("not a canonical address")
	errNotImage     = errors.New("outside of the kernel image")
)

// fault makes the error for a virtual address that physical memory could not
// provide, with the same page state.
func fault(a vmcore.Addr, err error) error {
	state := vmcore.Missing
	if pf, ok := errors.AsType[*vmcore.PhysFaultError](err); ok {
		state = pf.State
	}
	return &vmcore.FaultError{Addr: a, State: state, Err: err}
}
