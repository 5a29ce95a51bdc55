// Package paging gives virtual memory over the physical memory of a dump.
//
// Two things translate. An [Image] is the one linear map that covers the
// kernel's image: it needs no page table, so symbols and types can be read
// before anything else works. A [Space] walks page tables: the kernel's own, or
// those of a task. Both are a [vmcore.Memory].
//
// The package knows page tables and no symbol: package kernel above it finds
// the tables of a task, package vmcore below reads physical memory. Each
// architecture is one file that implements the interface tables.
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

// A translator maps virtual addresses.
type translator interface {
	Translate(a vmcore.Addr) (Translation, error)
}

// read fills p from virtual address a. Pages that follow one another in
// physical memory are read in one go.
func read(phys vmcore.PhysMemory, tr translator, p []byte, a vmcore.Addr) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	t, err := tr.Translate(a)
	for err == nil {
		run := t.Len // bytes at t.Phys that are contiguous in both memories
		left := uint64(len(p) - n)
		var next Translation
		var nextErr error
		for run < left {
			at := a + vmcore.Addr(uint64(n)+run)
			if at < a {
				nextErr = &vmcore.FaultError{Addr: at, State: vmcore.Unmapped, Err: errEndOfSpace}
				break
			}
			if next, nextErr = tr.Translate(at); nextErr != nil || next.Phys != t.Phys+vmcore.PhysAddr(run) {
				break
			}
			run += next.Len
		}
		run = min(run, left)
		m, err := phys.ReadPhys(p[n:n+int(run)], t.Phys)
		n += m
		if err != nil {
			return n, fault(a+vmcore.Addr(n), err)
		}
		if n == len(p) {
			return n, nil
		}
		t, err = next, nextErr
		if err != nil {
			return n, err
		}
	}
	return n, err
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
