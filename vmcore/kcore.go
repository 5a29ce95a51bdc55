package vmcore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
)

// isKcore reports whether a file name is that of the running kernel's memory, in
// this machine's proc or, seen from a container, in the host's. Its size is that
// of the address space, or 0, and changes: nothing may depend on it.
func isKcore(name string) bool {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	dir, base := filepath.Split(filepath.Clean(name))
	return base == "kcore" && filepath.Base(dir) == "proc"
}

// oneAtATime is a file that takes one read at a time. /proc/kcore is one, though
// nothing says so: the kernel copies memory through a page that belongs to the
// open file (private_data in fs/proc/kcore.c), and of two reads at once each gets
// pages of the other.
type oneAtATime struct {
	mu sync.Mutex
	r  io.ReaderAt
}

// ReadAt implements [io.ReaderAt].
func (f *oneAtATime) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.r.ReadAt(p, off)
}

// sysInfo returns the VMCOREINFO of the running kernel from where it says that
// its note is: the physical address and the size, in hexadecimal. Its
// /proc/kcore has no note before Linux kernel commit 23c85094fe18 ("proc/kcore:
// add vmcoreinfo note to /proc/kcore") (in v4.19). The result is nil where that
// does not work either.
func sysInfo(s store, where string, arch Arch) *VMCOREINFO {
	var at, size uint64
	if _, err := fmt.Sscanf(where, "%v %x", &at, &size); err != nil || size > maxVMCOREINFO {
		return nil
	}
	note := make([]byte, size)
	if _, err := (&Dump{store: s}).ReadPhys(note, PhysAddr(at)); err != nil {
		return nil
	}
	n, _ := parseNotes(note, arch) // half a VMCOREINFO is of use, too
	return n.vmcoreinfo
}

// PermissionError reports a dump, or a running kernel's memory, that may not be
// read. It wraps the error of the system, and so is fs.ErrPermission.
type PermissionError struct {
	Name string // the file's name
	Err  error
}

func (e *PermissionError) Error() string {
	var path *fs.PathError
	if errors.As(e.Err, &path) {
		return path.Error()
	}
	return e.Name + ": " + e.Err.Error()
}

// Unwrap returns the error of the system.
func (e *PermissionError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *PermissionError) Hint() string {
	if isKcore(e.Name) {
		return "run kdbg as root (CAP_SYS_RAWIO); where root is refused too, kernel lockdown is on (Secure Boot; see /sys/kernel/security/lockdown), or a container hides it"
	}
	return "dumps are private to root as a rule: run kdbg as root, or change the owner of the file"
}

// refusedError returns err as a PermissionError; nil when it is another one.
func refusedError(name string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return &PermissionError{Name: name, Err: err}
}
