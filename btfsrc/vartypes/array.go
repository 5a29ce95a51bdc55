package vartypes

import (
	"bytes"
	"math"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
)

// maxArray bounds the bytes of an array that are looked at for its end.
const maxArray = 1 << 20

// fill gives an array the number of elements that the room up to the next symbol
// shows. A part of the room may be left for alignment: an array ends, if that
// explains the room, where its last element is known to be.
func (v variable) fill(a *btf.Array) *btf.Array {
	elem, err := v.types.Sizeof(a.Type)
	if err != nil || elem == 0 {
		return a
	}
	most := v.symbol.Size / elem
	filled := withLength(a, v.lastElement(a.Type, elem, most))
	if !v.explains(filled) {
		filled = withLength(a, most)
	}
	return filled
}

func withLength(a *btf.Array, n uint64) *btf.Array {
	return &btf.Array{Index: a.Index, Type: a.Type, Nelems: uint32(min(n, math.MaxUint32))}
}

// lastElement returns how many elements an array probably has, of at most some. A
// text has a zero behind its last character. Numbers and names end with the last
// that is there, and so do most constant tables; other tables have an empty element
// at the end. Nothing is known of what is only written while the kernel runs.
func (v variable) lastElement(t btf.Type, elem, most uint64) uint64 {
	if most > maxArray/elem {
		return most
	}
	b := make([]byte, most*elem)
	if _, err := v.mem.ReadMemory(b, v.symbol.Addr); err != nil {
		return most
	}
	used := (uint64(len(bytes.TrimRight(b, "\x00"))) + elem - 1) / elem
	readOnly := v.symbol.Class == kallsyms.ROData
	switch {
	case used == 0, v.symbol.Class == kallsyms.BSS && !isChar(t):
		return most
	case isNumber(t) && !isChar(t), isChar(target(t)), isComposite(t) && readOnly:
		return used
	}
	return min(used+1, most)
}

func isNumber(t btf.Type) bool { _, ok := btfsrc.Strip(t).(*btf.Int); return ok }

func isChar(t btf.Type) bool {
	n, ok := btfsrc.Strip(t).(*btf.Int)
	return ok && n.Name == "char"
}

// target returns what a pointer points to, and void for other types.
func target(t btf.Type) btf.Type {
	if p, ok := btfsrc.Strip(t).(*btf.Pointer); ok {
		return p.Target
	}
	return (*btf.Void)(nil)
}

func isComposite(t btf.Type) bool { return btfsrc.Fields(t) != nil }
