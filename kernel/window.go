package kernel

import "github.com/kdbg/kdbg/vmcore"

// window is a memory with one object already read, so that printing a structure
// reads it once: faster, and the same moment for all members on a live system.
type window struct {
	base  vmcore.Addr
	data  []byte // what could be read from base on
	under vmcore.Memory
}

// maxWindow bounds what is read ahead of an object.
const maxWindow = 1 << 20

// Snapshot returns the value with its bytes read, as far as they can be: members
// that are looked at afterwards cost no further reads.
func (v Value) Snapshot() Value {
	if v.kind != reference || v.percpu {
		return v
	}
	size, err := v.extent()
	if err != nil {
		return v
	}
	w := &window{base: v.addr, data: make([]byte, min(size, maxWindow)), under: v.mem}
	n, _ := v.mem.ReadMemory(w.data, v.addr)
	w.data = w.data[:n]
	v.mem = w
	return v
}

// ReadMemory implements [vmcore.Memory].
func (w *window) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	if b := w.slice(a, uint64(len(p))); b != nil {
		return copy(p, b), nil
	}
	return w.under.ReadMemory(p, a)
}

// slice returns size bytes from address a without copying, nil if the window
// does not hold them all.
func (w *window) slice(a vmcore.Addr, size uint64) []byte {
	off := uint64(a - w.base)
	if a < w.base || off > uint64(len(w.data)) || size > uint64(len(w.data))-off {
		return nil
	}
	return w.data[off : off+size : off+size]
}
