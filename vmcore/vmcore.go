// Package vmcore opens crash dumps of the Linux kernel and reads their
// physical memory.
//
// It owns the file formats (ELF vmcores, kdump-compressed files, makedumpfile's
// flattened wrapping of both, /proc/kcore), the VMCOREINFO note and the
// registers of the CPUs. It knows no symbol, no type and no page table: package
// paging above it translates virtual addresses, package kallsyms reads symbols,
// package kernel joins them all.
//
// A dump is hostile input. Every length in it is checked against the file
// before anything is allocated, and bad data gives an error, never a panic.
package vmcore

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Addr is a virtual address of the dumped kernel.
type Addr uint64

// String returns the address as 0x and lower-case hexadecimal digits.
func (a Addr) String() string { return fmt.Sprintf("%#x", uint64(a)) }

// PhysAddr is a physical address of the dumped machine. It is a type of its
// own so that it is never taken for a virtual one.
type PhysAddr uint64

// String returns the address as 0x and lower-case hexadecimal digits.
func (a PhysAddr) String() string { return fmt.Sprintf("%#x", uint64(a)) }

// Memory is a virtual address space. Implementations are safe for concurrent
// use.
type Memory interface {
	// ReadMemory fills p from address a. It returns the number of bytes read
	// before the first that could not be; when that is less than len(p), the
	// error is a [*FaultError] for the first unreadable address.
	ReadMemory(p []byte, a Addr) (n int, err error)
}

// PhysMemory is physical memory. Implementations are safe for concurrent use.
type PhysMemory interface {
	// ReadPhys fills p from physical address a. It returns the number of bytes
	// read before the first that could not be; when that is less than len(p),
	// the error is a [*PhysFaultError] for the first unreadable address.
	ReadPhys(p []byte, a PhysAddr) (n int, err error)
}

// PageState says what a dump holds for a page. The five are never confused.
type PageState uint8

const (
	// Present pages have their bytes in the file.
	Present PageState = iota
	// Zero pages are stated by the format to be all zeros; they read as zeros.
	Zero
	// Excluded pages existed and were filtered out when the dump was written.
	Excluded
	// Missing pages should be in the file, but it is truncated or corrupt there.
	Missing
	// Unmapped addresses have no page: no RAM there, or no translation.
	Unmapped
)

var pageStates = [...]string{"present", "zero", "excluded", "missing", "unmapped"}

// String returns the state's name as a person reads it, such as "excluded".
func (s PageState) String() string {
	if int(s) < len(pageStates) {
		return pageStates[s]
	}
	return fmt.Sprintf("PageState(%d)", uint8(s))
}

// Errors that a caller may ask for with errors.Is.
var (
	ErrExcluded     = errors.New("page excluded from the dump")
	ErrMissing      = errors.New("page missing from the file")
	ErrUnmapped     = errors.New("address not mapped")
	ErrUnrecognized = errors.New("not a crash dump that kdbg knows")
	ErrUnsupported  = errors.New("not supported")
	ErrTruncated    = errors.New("file truncated")
	ErrNotFound     = errors.New("not found")
)

func (s PageState) sentinel() error {
	switch s {
	case Excluded:
		return ErrExcluded
	case Missing:
		return ErrMissing
	case Unmapped:
		return ErrUnmapped
	}
	return nil
}

// FaultError reports the first virtual address that a read could not reach.
// errors.Is tells it apart by [ErrExcluded], [ErrMissing] and [ErrUnmapped].
type FaultError struct {
	Addr  Addr
	State PageState // Excluded, Missing or Unmapped
	Err   error     // what lies beneath, such as a *PhysFaultError; may be nil
}

func (e *FaultError) Error() string {
	where, err := "address "+e.Addr.String(), e.Err
	if phys, ok := err.(*PhysFaultError); ok && phys.State == e.State && e.State != Unmapped {
		where, err = where+", physical "+phys.Addr.String(), phys.Err // said once
	}
	return faultText(where, e.State, err)
}

// Unwrap returns what lies beneath.
func (e *FaultError) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel of the error's page state.
func (e *FaultError) Is(target error) bool { return target == e.State.sentinel() }

// PhysFaultError reports the first physical address that a read could not
// reach. errors.Is tells it apart as for [FaultError].
type PhysFaultError struct {
	Addr  PhysAddr
	State PageState // Excluded, Missing or Unmapped
	Err   error     // what lies beneath, such as a *FormatError; may be nil
}

func (e *PhysFaultError) Error() string {
	return faultText("physical address "+e.Addr.String(), e.State, e.Err)
}

// Unwrap returns what lies beneath.
func (e *PhysFaultError) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel of the error's page state.
func (e *PhysFaultError) Is(target error) bool { return target == e.State.sentinel() }

func faultText(where string, s PageState, err error) string {
	text := where + ": "
	switch s {
	case Excluded:
		text += "page excluded from the dump"
	case Missing:
		text += "page missing from the file"
	default:
		text += "not mapped"
	}
	if err != nil {
		text += ": " + err.Error()
	}
	return text
}

// FormatError reports bytes of a file that break its format.
type FormatError struct {
	File string // the file's name; empty when unknown
	Off  int64  // offset in that file
	Msg  string // what is wrong there
	Err  error  // such as ErrTruncated; may be nil
}

func (e *FormatError) Error() string {
	text := fmt.Sprintf("offset %#x: %s", e.Off, e.Msg)
	if e.File != "" {
		text = e.File + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what lies beneath.
func (e *FormatError) Unwrap() error { return e.Err }

// Layout is how a machine lays out its words in memory: two facts in place of
// a [binary.ByteOrder], so that hot paths call no interface.
type Layout struct {
	BigEndian bool
	WordSize  int // bytes in a pointer and an unsigned long: 4 or 8
}

// ByteOrder returns the layout's byte order for use with encoding/binary.
func (l Layout) ByteOrder() binary.ByteOrder {
	if l.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// Uint16 decodes the first 2 bytes of b.
func (l Layout) Uint16(b []byte) uint16 {
	if l.BigEndian {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

// Uint32 decodes the first 4 bytes of b.
func (l Layout) Uint32(b []byte) uint32 {
	if l.BigEndian {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

// Uint64 decodes the first 8 bytes of b.
func (l Layout) Uint64(b []byte) uint64 {
	if l.BigEndian {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// Word decodes a pointer or an unsigned long from the first WordSize bytes of b.
func (l Layout) Word(b []byte) uint64 {
	if l.WordSize == 4 {
		return uint64(l.Uint32(b))
	}
	return l.Uint64(b)
}

// Arch is the architecture of the dumped machine.
type Arch struct {
	Name   string // as uname -m prints it: "x86_64", "aarch64", "s390x", "ppc64le", …
	Layout Layout
}
