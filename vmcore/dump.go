package vmcore

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"
)

// Options changes how a dump is opened. The zero value is the default.
type Options struct {
	// VMCOREINFO is text to use in place of the dump's own. Default: nil, the
	// dump's own.
	VMCOREINFO []byte
	// CacheSize is how many bytes of decompressed pages are kept. Default: 32 MiB.
	CacheSize int
}

// A Dump is an open crash dump, or the memory of the running kernel. Its
// methods are safe for concurrent use, except Close.
type Dump struct {
	store    store
	ranges   iter.Seq[Range]
	virtual  Memory
	format   Format
	arch     Arch
	header   Header
	pageSize int
	info     *VMCOREINFO
	cpus     []CPU
	segments []Segment
	warnings []string
	files    []io.Closer
}

var _ PhysMemory = (*Dump)(nil)

// Format says how a dump is written.
type Format struct {
	Name        string   // "ELF", "kdump-compressed" or "/proc/kcore"
	Version     int      // of kdump-compressed headers: 1 to 6; 0 for the others
	Flattened   bool     // wrapped by makedumpfile -F, or by QEMU
	Compression []string // of pages, as the header hints: "zlib", "zstd", …
	Volumes     int      // files of one dump; more than 1 after makedumpfile --split
	Live        bool     // the running kernel, whose memory changes while it is read
}

// String describes the format in a line, such as
// "kdump-compressed version 6, zstd, flattened".
func (f Format) String() string {
	text := f.Name
	if f.Version != 0 {
		text += fmt.Sprintf(" version %d", f.Version)
	}
	if len(f.Compression) > 0 {
		text += ", " + strings.Join(f.Compression, ", ")
	}
	if f.Flattened {
		text += ", flattened"
	}
	if f.Volumes > 1 {
		text += fmt.Sprintf(", %d volumes", f.Volumes)
	}
	switch {
	case f.Live:
		text += ", live"
	case f.Name == formatKcore:
		text += ", saved to a file"
	}
	return text
}

// Names of formats.
const (
	formatELF   = "ELF"
	formatKdump = "kdump-compressed"
	formatKcore = "/proc/kcore"
)

// Header is what a dump says about the machine and about itself. Fields that it
// does not state are empty.
type Header struct {
	Release    string // as uname -r prints it
	Version    string // as uname -v prints it
	Machine    string // as uname -m prints it
	NodeName   string
	Time       time.Time // of the crash or of the dump
	CPUs       int
	DumpLevel  int    // makedumpfile's -d; -1 unknown
	Incomplete bool   // the writer ran out of space
	Size       int64  // of the files in bytes; -1 unknown
	MaxPFN     uint64 // one above the last page frame number
}

// Range is a run of physical memory; End is not part of it.
type Range struct{ Start, End PhysAddr }

// Format returns how the dump is written.
func (d *Dump) Format() Format { return d.format }

// Arch returns the architecture of the dumped machine.
func (d *Dump) Arch() Arch { return d.arch }

// PageSize returns the size of a page in bytes. Where neither the dump nor its
// VMCOREINFO states it, it is the one usual for the architecture.
func (d *Dump) PageSize() int { return d.pageSize }

// Header returns what the dump says about the machine.
func (d *Dump) Header() Header { return d.header }

// Info returns the kernel's VMCOREINFO. It is never nil, and empty where the
// dump has none; see [Dump.FindVMCOREINFO].
func (d *Dump) Info() *VMCOREINFO { return d.info }

// CPUs returns the registers of the processors; nil where the dump has none.
func (d *Dump) CPUs() []CPU { return d.cpus }

// Segments returns what an ELF core states about its memory, in the order of the
// file; nil for other formats.
func (d *Dump) Segments() []Segment { return d.segments }

// Virtual returns the memory that the file holds by virtual address, which needs
// no page table: that of /proc/kcore. It is nil for other formats.
func (d *Dump) Virtual() Memory { return d.virtual }

// Warnings returns what is wrong with the dump though it could be opened, such
// as a file that ends early.
func (d *Dump) Warnings() []string { return d.warnings }

// ReadPhys implements [PhysMemory].
func (d *Dump) ReadPhys(p []byte, a PhysAddr) (int, error) {
	done := 0
	for done < len(p) {
		at := a + PhysAddr(done)
		if at < a {
			return done, &PhysFaultError{Addr: at, State: Unmapped, Err: errEndOfAddresses}
		}
		n, state, err := d.store.read(p[done:], at)
		if state != Present && state != Zero {
			return done, &PhysFaultError{Addr: at, State: state, Err: err}
		}
		done += n
	}
	return done, nil
}

var errEndOfAddresses = errors.New("beyond the last address")

// PageState says what the dump holds at a physical address.
func (d *Dump) PageState(a PhysAddr) PageState {
	var b [1]byte
	_, state, _ := d.store.read(b[:], a)
	return state
}

// Ranges yields the physical memory that has bytes in the dump, in ascending
// order and found as they are asked for.
func (d *Dump) Ranges() iter.Seq[Range] { return d.ranges }

// Usage returns how much physical memory the dump covers. In a
// kdump-compressed file that costs a pass over the bitmaps.
func (d *Dump) Usage() Usage { return d.store.usage() }

// Close closes the files. Nothing may be read after it.
func (d *Dump) Close() error {
	var errs []error
	for _, f := range d.files {
		errs = append(errs, f.Close())
	}
	d.files = nil
	return errors.Join(errs...)
}

// fromELF makes a Dump of an ELF core.
func fromELF(e *elfFile, opts *Options) *Dump {
	d := &Dump{
		store:    e,
		ranges:   e.phys.ranges(),
		format:   Format{Name: formatELF, Volumes: 1},
		arch:     e.machine,
		segments: e.segments,
		warnings: e.warnings,
		cpus:     e.notes.cpus(e.machine),
	}
	if e.kcore {
		d.format.Name = formatKcore
		d.format.Live = e.file.size < 0
		d.virtual = virtualMemory{e.virt}
	}
	info := e.notes.vmcoreinfo
	if info == nil && d.format.Live {
		where, _ := os.ReadFile("/sys/kernel/vmcoreinfo") // not every kernel has it
		info = sysInfo(e, string(where), d.arch)
	}
	d.info = chooseInfo(opts, info)
	if d.pageSize = d.info.PageSize(); d.pageSize == 0 {
		d.pageSize = d.arch.pageSize()
	}
	d.header = Header{
		Machine:    e.machine.Name,
		CPUs:       len(d.cpus),
		DumpLevel:  -1,
		Incomplete: e.header.flags&flagIncomplete != 0,
		Size:       max(e.file.size, -1),
	}
	if n := len(e.phys.all); n > 0 {
		d.header.MaxPFN = e.phys.all[n-1].last/uint64(d.pageSize) + 1
	}
	d.complete()
	return d
}

// fromKdump makes a Dump of a kdump-compressed file or set of files.
func fromKdump(k *kdump, opts *Options) *Dump {
	arch := k.arch()
	arch.Name = archName(arch.Name)
	d := &Dump{
		store:    k,
		ranges:   k.ranges(),
		format:   Format{Name: formatKdump, Version: k.version(), Compression: k.compression(), Volumes: len(k.volumes)},
		arch:     arch,
		header:   k.header(),
		pageSize: k.pageSize(),
		warnings: k.warnings(),
	}
	n, err := parseNotes(k.notes(), arch)
	if err != nil {
		d.warnings = append(d.warnings, fmt.Sprintf("notes: %v", err))
	}
	d.cpus = n.cpus(arch)
	d.info = chooseInfo(opts, parseVMCOREINFO(k.vmcoreinfo(), "sub-header"), n.vmcoreinfo)
	d.complete()
	return d
}

// chooseInfo returns the user's VMCOREINFO, or the first that is not empty.
func chooseInfo(opts *Options, found ...*VMCOREINFO) *VMCOREINFO {
	if opts.VMCOREINFO != nil {
		return parseVMCOREINFO(opts.VMCOREINFO, "options")
	}
	for _, v := range found {
		if v != nil && !v.Empty() {
			return v
		}
	}
	return &VMCOREINFO{}
}

// complete fills in what the headers leave to VMCOREINFO.
func (d *Dump) complete() {
	if d.header.Release == "" {
		d.header.Release = d.info.Release()
	}
	if t, ok := d.info.CrashTime(); ok {
		d.header.Time = t
	}
	if d.info.Truncated() {
		d.warnings = append(d.warnings, fmt.Sprintf("VMCOREINFO is cut at %d bytes: the kernel had no more room", len(d.info.Text())))
	}
}

// virtualMemory is memory that a file holds by virtual address.
type virtualMemory struct{ spans spans }

// ReadMemory implements [Memory].
func (v virtualMemory) ReadMemory(p []byte, a Addr) (int, error) {
	done := 0
	for done < len(p) {
		at := a + Addr(done)
		if at < a {
			return done, &FaultError{Addr: at, State: Unmapped, Err: errEndOfAddresses}
		}
		n, state, err := v.spans.read(p[done:], uint64(at))
		if state != Present {
			return done, &FaultError{Addr: at, State: state, Err: err}
		}
		done += n
	}
	return done, nil
}
