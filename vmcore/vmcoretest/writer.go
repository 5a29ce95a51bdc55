package vmcoretest

import (
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// writer appends the words of a file in the target's layout.
type writer struct {
	vmcore.Layout
	b []byte
}

func (w *writer) bytes(b []byte) { w.b = append(w.b, b...) }

func (w *writer) u8(v uint8) { w.b = append(w.b, v) }

func (w *writer) u16(v uint16) { w.uint(uint64(v), 2) }
func (w *writer) u32(v uint32) { w.uint(uint64(v), 4) }
func (w *writer) u64(v uint64) { w.uint(v, 8) }

// word appends an unsigned long, whose upper half a 32-bit target drops.
func (w *writer) word(v uint64) { w.uint(v, w.WordSize) }

func (w *writer) uint(v uint64, size int) {
	for i := range size {
		shift := 8 * i
		if w.BigEndian {
			shift = 8 * (size - 1 - i)
		}
		w.u8(uint8(v >> shift))
	}
}

// text appends s as an array of size bytes, filled up with zeros.
func (w *writer) text(s string, size int) {
	if len(s) > size {
		panic(fmt.Sprintf("vmcoretest: %q is longer than its %d bytes", s, size))
	}
	w.bytes([]byte(s))
	w.zeros(size - len(s))
}

func (w *writer) zeros(n int) { w.b = append(w.b, make([]byte, n)...) }

// align appends zeros up to a multiple of n bytes.
func (w *writer) align(n int) { w.zeros((n - len(w.b)%n) % n) }

// padTo appends zeros up to offset off.
func (w *writer) padTo(off uint64) {
	if uint64(len(w.b)) > off {
		panic(fmt.Sprintf("vmcoretest: offset %#x is already written", off))
	}
	w.zeros(int(off) - len(w.b))
}
