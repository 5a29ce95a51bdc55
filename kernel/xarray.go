package kernel

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// Entry is what an array of the kernel has at an index: a pointer, or a number
// that is marked as one by its lowest bit.
type Entry struct {
	Index uint64
	Entry vmcore.Addr
}

// xarrays are how sparse arrays look, newest first. Linux kernel commit
// f8d5d0cc145c ("xarray: Add definition of struct xarray") (in v4.20) made a
// radix_tree_root of the xarray; before, the mark of a pointer to a node was
// another.
var xarrays = []struct {
	array, head, node string
	internal          vmcore.Addr // the two low bits of a pointer to a node
}{
	{"xarray", "xa_head", "xa_node", 2},
	{"radix_tree_root", "rnode", "radix_tree_node", 1},
}

// xarray is what is known of the arrays of a kernel.
type xarray struct {
	k        *Kernel
	root     vmcore.Addr
	head     vmcore.Addr // offset of the pointer in the array
	internal vmcore.Addr
	shift    vmcore.Addr // offsets in a node
	offset   vmcore.Addr
	parent   vmcore.Addr
	slots    vmcore.Addr
	chunk    uint64 // slots of a node, a power of 2
	size     uint64 // bytes of a node up to the end of its slots
}

// XArray returns the entries of the xarray (include/linux/xarray.h), or the older
// radix_tree_root, at an address, in order of index. A node that cannot be read
// or belongs to another place gives a [*TreeError], and those below it are left
// out.
func (k *Kernel) XArray(a vmcore.Addr) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		x, err := k.xarray()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		x.root = a
		head, err := k.Pointer(a + x.head)
		if err != nil {
			yield(Entry{}, x.broken(a, "its head cannot be read", err))
			return
		}
		if !x.isNode(head) {
			if x.isEntry(head) {
				yield(Entry{0, head}, nil)
			}
			return
		}
		x.visit(head-x.internal, 0, 0, -1, 0, yield)
	}
}

// XArrayBelow returns the entries below a node of an xarray or radix tree, as
// [Kernel.XArray] does; indexes count from the node's first.
func (k *Kernel) XArrayBelow(node vmcore.Addr) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		x, err := k.xarray()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		x.root = node
		x.visit(node, 0, 0, -1, 0, yield)
	}
}

// xarray finds the layout of the kernel's arrays.
func (k *Kernel) xarray() (*xarray, error) {
	var first error
	for _, known := range xarrays {
		x := &xarray{k: k, internal: known.internal}
		err := x.layout(known.array, known.head, known.node)
		if err == nil {
			return x, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// layout looks the members of an array and its nodes up.
func (x *xarray) layout(array, head, node string) error {
	arrayType, err := x.k.structType(array)
	if err != nil {
		return err
	}
	if x.head, err = x.k.offsetOf(arrayType, head); err != nil {
		return err
	}
	nodeType, err := x.k.structType(node)
	if err != nil {
		return err
	}
	for name, to := range map[string]*vmcore.Addr{"shift": &x.shift, "offset": &x.offset, "parent": &x.parent, "slots": &x.slots} {
		if *to, err = x.k.offsetOf(nodeType, name); err != nil {
			return err
		}
	}
	slots, err := btfsrc.Find(nodeType, "slots")
	if err != nil {
		return err
	}
	a, ok := btfsrc.Strip(slots.Type).(*btf.Array)
	if !ok || a.Nelems == 0 || a.Nelems > 1<<10 || a.Nelems&(a.Nelems-1) != 0 {
		return typeErrorf("the slots of %s are %s", node, btfsrc.TypeName(slots.Type))
	}
	x.chunk = uint64(a.Nelems)
	x.size = uint64(x.slots) + x.chunk*uint64(x.k.layout.WordSize)
	return nil
}

// isNode reports whether a slot holds a node. Internal entries up to 4096 have
// meanings of their own.
func (x *xarray) isNode(e vmcore.Addr) bool { return e&3 == x.internal && e > 4096 }

// isEntry reports whether a slot holds something that was stored.
func (x *xarray) isEntry(e vmcore.Addr) bool { return e != 0 && e&3 != x.internal }

func (x *xarray) broken(at vmcore.Addr, msg string, err error) error {
	return &TreeError{What: "xarray", Root: x.root, At: at, Msg: msg, Err: err}
}

// visit yields the entries below a node, from an index on, and reports whether
// to go on. slot is the node's own place in its parent, -1 for the root; above
// is the parent's shift. That every node has one place in one parent bounds the
// walk.
func (x *xarray) visit(node, parent vmcore.Addr, index uint64, slot int, above uint, yield func(Entry, error) bool) bool {
	b := make([]byte, x.size)
	if _, err := x.k.mem.ReadMemory(b, node); err != nil {
		return yield(Entry{}, x.broken(node, "it cannot be read", err))
	}
	shift, bits := uint(b[x.shift]), uint(len64(x.chunk))
	word := vmcore.Addr(x.k.layout.WordSize)
	switch up := vmcore.Addr(x.k.layout.Word(b[x.parent:])); {
	case slot < 0 && (shift > 64 || shift%bits != 0), slot >= 0 && shift+bits != above:
		return yield(Entry{}, x.broken(node, fmt.Sprintf("its shift is %d", shift), nil))
	case slot >= 0 && (up != parent || int(b[x.offset]) != slot):
		return yield(Entry{}, x.broken(node, fmt.Sprintf("it is slot %d of node %v, not slot %d of %v", b[x.offset], up, slot, parent), nil))
	}
	for i := range x.chunk {
		e := vmcore.Addr(x.k.layout.Word(b[x.slots+vmcore.Addr(i)*word:]))
		at := index + i<<shift
		switch {
		case x.isNode(e) && shift > 0:
			if !x.visit(e-x.internal, node, at, int(i), shift, yield) {
				return false
			}
		case x.isEntry(e):
			if !yield(Entry{at, e}, nil) {
				return false
			}
		}
	}
	return true
}

// len64 returns the logarithm of a power of 2.
func len64(n uint64) (bits int) {
	for n > 1 {
		n, bits = n>>1, bits+1
	}
	return bits
}

// IDR returns what the struct idr (include/linux/idr.h) at an address maps
// numbers to, in order.
func (k *Kernel) IDR(a vmcore.Addr) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		t, err := k.structType("idr")
		if err != nil {
			yield(Entry{}, err)
			return
		}
		idr := k.At(a, t)
		tree, err := k.offsetOf(t, "idr_rt")
		if err != nil {
			yield(Entry{}, err)
			return
		}
		var base uint64
		if idr.Has("idr_base") { // Linux kernel commit 6ce711f27500 ("idr: Make 1-based IDRs more efficient") (in v4.16)
			if base, err = idr.UintAt("idr_base"); err != nil {
				yield(Entry{}, err)
				return
			}
		}
		for e, err := range k.XArray(a + tree) {
			e.Index += base
			if !yield(e, err) {
				return
			}
		}
	}
}
