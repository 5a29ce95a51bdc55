// Package kerneltest makes kernels out of Go literals for the tests of walkers:
// structures with no more members than a walker asks for, symbols, and memory.
// Words are of 8 bytes, least significant byte first.
package kerneltest

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Where things are.
const (
	Text     vmcore.Addr = 0xffffffff81000000 // of the kernel, one page
	Data     vmcore.Addr = 0xffffffff82000000 // of the kernel, for symbols, one page
	Excluded vmcore.Addr = heap + 0x4000000   // a page that a filter left out

	tables vmcore.Addr = 0xffffffff81800000
	heap   vmcore.Addr = 0xffff888000000000
	end    vmcore.Addr = heap + 0x10000000
)

// Memory is words by their addresses. Of the heap and the data, what is not there
// is zero.
type Memory map[vmcore.Addr]uint64

// ReadMemory reads memory, which ends at [Excluded] and outside of heap and data.
func (m Memory) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	for i := range p {
		at := a + vmcore.Addr(i)
		if at >= Excluded && at < Excluded+0x1000 {
			return i, &vmcore.FaultError{Addr: at, State: vmcore.Excluded}
		}
		if (at < heap || at >= end) && (at < Data || at >= Data+0x1000) {
			return i, &vmcore.FaultError{Addr: at, State: vmcore.Unmapped}
		}
		p[i] = byte(m[at&^7] >> (8 * (at & 7)))
	}
	return len(p), nil
}

// Put puts words one behind the other.
func (m Memory) Put(at uint64, words ...uint64) {
	for i, w := range words {
		m[vmcore.Addr(at)+8*vmcore.Addr(i)] = w
	}
}

// List makes a list of the nodes (struct list_head) behind a head.
func (m Memory) List(head uint64, nodes ...uint64) {
	at := head
	for _, node := range append(nodes, head) {
		m[vmcore.Addr(at)], m[vmcore.Addr(node)+8] = node, at
		at = node
	}
}

// World is a kernel and its memory, which can be changed at any time.
type World struct {
	Memory
	Kernel *kernel.Kernel
	t      testing.TB
	next   vmcore.Addr
}

// New returns a kernel with structures and symbols. A layout is the name of a
// structure and its members, such as "dentry d_parent:dentry* d_name:qstr": each
// has 8 bytes, or as many as its structure, which comes before. Types are long,
// int, char and structures, * behind them makes pointers, and [8] arrays.
func New(t testing.TB, layouts []string, symbols ...kallsymstest.Symbol) *World {
	w := &World{Memory: Memory{}, t: t, next: heap}
	layout := vmcore.Layout{WordSize: 8}
	all := []kallsymstest.Symbol{{Addr: Text, Type: 'T', Name: "_stext"}}
	all = append(all, symbols...)
	all = append(all, kallsymstest.Symbol{Addr: Data + 0x1000, Type: 'D', Name: "_edata"})
	for i, s := range all { // the text ends where the data begins
		if s.Addr >= Data {
			bounds := []kallsymstest.Symbol{{Addr: Text + 0x1000, Type: 'T', Name: "_etext"}, {Addr: Data, Type: 'D', Name: "_sdata"}}
			all = slices.Insert(all, i, bounds...)
			break
		}
	}
	image := (&kallsymstest.Kernel{
		Era: kallsymstest.V604, Layout: layout, Encoding: kallsyms.AbsolutePerCPU, Start: tables, Symbols: all,
	}).Image()
	syms, err := kallsyms.Load(imageMemory{image.Start, image.Bytes}, vmcore.ParseVMCOREINFO([]byte(image.VMCOREINFO)), layout)
	if err != nil {
		t.Fatal(err)
	}
	w.Kernel = kernel.New(kernel.Config{
		Arch: vmcore.Arch{Name: "x86_64", Layout: layout}, Mem: w.Memory, Symbols: syms, Types: newTypes(t, layouts),
	})
	return w
}

// Room returns the address of size bytes of the heap that nothing else is at.
func (w *World) Room(size uint64) uint64 {
	at := w.next
	w.next += vmcore.Addr(size+0x1ff) &^ 0x1ff
	return uint64(at)
}

// Object puts words somewhere, and returns where.
func (w *World) Object(words ...uint64) uint64 {
	at := w.Room(8 * uint64(len(words)))
	w.Put(at, words...)
	return at
}

// Text puts a string and its NUL somewhere, and returns where.
func (w *World) Text(s string) uint64 {
	b := append([]byte(s), make([]byte, 8)...)
	var words []uint64
	for ; len(b) >= 8; b = b[8:] {
		words = append(words, binary.LittleEndian.Uint64(b))
	}
	return w.Object(words...)
}

// Value returns the object of a structure at an address.
func (w *World) Value(structName string, at uint64) kernel.Value {
	w.t.Helper()
	typ, err := w.Kernel.Struct(structName)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Kernel.At(vmcore.Addr(at), typ)
}

// newTypes makes BTF of layouts.
func newTypes(t testing.TB, layouts []string) *btfsrc.Types {
	basic := map[string]btf.Type{
		"long": &btf.Int{Name: "unsigned long", Size: 8}, "int": &btf.Int{Name: "unsigned int", Size: 4},
		"short": &btf.Int{Name: "unsigned short", Size: 2}, "char": &btf.Int{Name: "char", Size: 1},
	}
	structs := make(map[string]*btf.Struct)
	var all []btf.Type
	for _, layout := range layouts {
		name, _, _ := strings.Cut(layout, " ")
		structs[name] = &btf.Struct{Name: name}
		all = append(all, structs[name])
	}
	for _, layout := range layouts {
		name, members, _ := strings.Cut(layout, " ")
		s := structs[name]
		for member := range strings.SplitSeq(members, " ") {
			name, typ, _ := strings.Cut(member, ":")
			of, size := memberType(typ, basic, structs)
			s.Members = append(s.Members, btf.Member{Name: name, Type: of, Offset: btf.Bits(s.Size * 8)})
			s.Size += (size + 7) &^ 7
		}
	}
	return Types(t, all)
}

// Types makes the BTF of a kernel that has types and those they refer to.
func Types(t testing.TB, all []btf.Type) *btfsrc.Types {
	t.Helper()
	b, err := btf.NewBuilder(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	types, err := btfsrc.Load(raw, vmcore.Layout{WordSize: 8})
	if err != nil {
		t.Fatal(err)
	}
	return types
}

// memberType returns a type of layouts, and its size.
func memberType(text string, basic map[string]btf.Type, structs map[string]*btf.Struct) (btf.Type, uint32) {
	text, array, isArray := strings.Cut(text, "[")
	name := strings.TrimRight(text, "*")
	of, size := basic[name], uint32(8)
	if of == nil {
		of, size = structs[name], structs[name].Size
	} else {
		size = of.(*btf.Int).Size
	}
	for range len(text) - len(name) {
		of, size = &btf.Pointer{Target: of}, 8
	}
	if isArray {
		n, _ := strconv.Atoi(strings.TrimSuffix(array, "]"))
		of, size = &btf.Array{Index: basic["int"], Type: of, Nelems: uint32(n)}, size*uint32(n)
	}
	return of, size
}

// imageMemory is memory with the symbol table.
type imageMemory struct {
	start vmcore.Addr
	data  []byte
}

func (m imageMemory) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	if a < m.start || a-m.start > vmcore.Addr(len(m.data)) {
		return 0, &vmcore.FaultError{Addr: a, State: vmcore.Unmapped}
	}
	n := copy(p, m.data[a-m.start:])
	if n < len(p) {
		return n, &vmcore.FaultError{Addr: a + vmcore.Addr(n), State: vmcore.Unmapped}
	}
	return n, nil
}
