package vartypes

import (
	"errors"
	"math"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// maxContents bounds the bytes of a variable that are looked at.
const maxContents = 4 << 10

// plausible returns the types that the memory of the variable does not speak
// against: all, where it cannot be read. Strictly, a pointer to nowhere and a list
// head within that is none speak against a type too, though a few variables hold
// such: per-CPU memory is at no address, and not every member is in use.
func (v variable) plausible(found []btf.Type, strict bool) []btf.Type {
	return slices.DeleteFunc(found, func(t btf.Type) bool {
		size, err := v.types.Sizeof(t)
		if err != nil {
			return true
		}
		b := make([]byte, min(size, maxContents))
		n, _ := v.mem.ReadMemory(b, v.symbol.Addr)
		x := examiner{variable: v, bytes: b[:n], strict: strict}
		return !x.fits(t, 0, 0)
	})
}

// examiner holds the bytes of a variable against a type.
type examiner struct {
	variable
	bytes  []byte
	strict bool
	steps  int
}

// maxSteps bounds how many members and elements are looked at.
const maxSteps = 1024

func (x *examiner) fits(t btf.Type, off uint64, depth int) bool {
	if x.steps++; x.steps > maxSteps || depth > maxDepth || off >= uint64(len(x.bytes)) {
		return true
	}
	t = btfsrc.Strip(t)
	switch t := t.(type) {
	case *btf.Int:
		return t.Encoding != btf.Bool || x.bytes[off] <= 1
	case *btf.Pointer:
		return !x.strict || x.isPointer(off)
	case *btf.Array:
		size, err := x.types.Sizeof(t.Type)
		for i := range uint64(t.Nelems) {
			if err != nil || size == 0 || off+i*size >= uint64(len(x.bytes)) || x.steps > maxSteps {
				break
			}
			if !x.fits(t.Type, off+i*size, depth+1) {
				return false
			}
		}
	case *btf.Struct:
		if t.Name == "list_head" && (x.strict || depth == 0) && !x.isList(off) {
			return false
		}
		for _, f := range btfsrc.Fields(t) {
			if f.BitSize == 0 && !x.fits(f.Type, off+f.BitOffset/8, depth+1) {
				return false
			}
		}
	}
	return true
}

// word returns the word at an offset.
func (x *examiner) word(off uint64) (uint64, bool) {
	layout := x.types.Layout()
	end := off + uint64(layout.WordSize)
	if end > uint64(len(x.bytes)) {
		return 0, false
	}
	return layout.Word(x.bytes[off:end]), true
}

// isPointer reports whether a word may be a pointer: null, an error number, or the
// address of memory, even if the dump leaves it out.
func (x *examiner) isPointer(off uint64) bool {
	p, ok := x.word(off)
	const maxErrno = 4095
	if !ok || p == 0 || -p <= maxErrno {
		return true
	}
	_, err := x.mem.ReadMemory(make([]byte, 1), vmcore.Addr(p))
	return !isUnmapped(err)
}

// isList reports whether a list_head may be one: empty memory, or what it points
// to points back.
func (x *examiner) isList(off uint64) bool {
	layout := x.types.Layout()
	next, ok := x.word(off)
	prev, more := x.word(off + uint64(layout.WordSize))
	if !ok || !more || next == 0 && prev == 0 {
		return true
	}
	b := make([]byte, layout.WordSize)
	if _, err := x.mem.ReadMemory(b, vmcore.Addr(next)+vmcore.Addr(layout.WordSize)); err != nil {
		return !isUnmapped(err)
	}
	return layout.Word(b) == uint64(x.symbol.Addr)+off
}

func isUnmapped(err error) bool {
	var f *vmcore.FaultError
	return errors.As(err, &f) && f.State == vmcore.Unmapped
}

// Alike reports whether the memory of a variable prints alike as either type, so
// that it makes no difference which of them it has.
func (t *Typer) Alike(s kallsyms.Symbol, a, b btf.Type) bool { return variable{t, s}.alike(a, b) }

func (v variable) alike(a, b btf.Type) bool {
	m, ok := btfsrc.Strip(a).(*btf.Int)
	n, more := btfsrc.Strip(b).(*btf.Int)
	if !ok || !more {
		return equivalent(a, b, 0)
	}
	x, ok := v.number(m)
	y, more := v.number(n)
	return ok == more && x == y
}

// number returns the variable read as an integer; ok is false if it cannot be.
func (v variable) number(t *btf.Int) (n uint64, ok bool) {
	b := make([]byte, t.Size)
	if _, err := v.mem.ReadMemory(b, v.symbol.Addr); err != nil {
		return 0, false
	}
	if !v.types.Layout().BigEndian {
		slices.Reverse(b)
	}
	if len(b) > 0 && t.Encoding == btf.Signed && b[0] >= 0x80 {
		n = math.MaxUint64
	}
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, true
}

// equivalent reports whether two types differ in qualifiers and typedefs at most.
func equivalent(a, b btf.Type, depth int) bool {
	a, b = btfsrc.Strip(a), btfsrc.Strip(b)
	if a == b {
		return true
	}
	if depth > maxDepth {
		return false
	}
	switch a := a.(type) {
	case *btf.Void:
		_, ok := b.(*btf.Void)
		return ok
	case *btf.Int:
		b, ok := b.(*btf.Int)
		return ok && a.Size == b.Size && a.Encoding == b.Encoding
	case *btf.Pointer:
		b, ok := b.(*btf.Pointer)
		return ok && equivalent(a.Target, b.Target, depth+1)
	case *btf.Array:
		b, ok := b.(*btf.Array)
		return ok && a.Nelems == b.Nelems && equivalent(a.Type, b.Type, depth+1)
	case *btf.FuncProto:
		_, ok := b.(*btf.FuncProto)
		return ok
	}
	return false
}
