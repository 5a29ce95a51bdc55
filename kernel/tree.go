package kernel

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// TreeError says that a node of a tree of the kernel is damaged. What lies
// below it is lost; a walk goes on with the rest.
type TreeError struct {
	What string      // "rbtree", "xarray", "maple tree"
	Root vmcore.Addr // of the tree
	At   vmcore.Addr // the node
	Msg  string
	Err  error
}

func (e *TreeError) Error() string {
	text := fmt.Sprintf("%s at %v is damaged: node %v: %s", e.What, e.Root, e.At, e.Msg)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what lies beneath.
func (e *TreeError) Unwrap() error { return e.Err }

// maxRBDepth bounds the depth of a red-black tree: twice the logarithm of how
// many nodes fit into memory.
const maxRBDepth = 128

// RBTree returns the structures of type t that are linked by their member (a
// struct rb_node, include/linux/rbtree.h) to the rb_root or rb_root_cached at
// address root, in order. A node that cannot be read, or whose parent is another
// than the one it was reached from, gives a [*TreeError] in its place.
func (k *Kernel) RBTree(root vmcore.Addr, t btf.Type, member string) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		offset, err := k.offsetOf(t, member)
		if err != nil {
			yield(Value{}, err)
			return
		}
		w := rbWalk{k: k, root: root, yield: func(node vmcore.Addr) bool { return yield(k.At(node-offset, t), nil) }}
		w.fail = func(at vmcore.Addr, msg string, err error) bool {
			return yield(Value{}, &TreeError{What: "rbtree", Root: root, At: at, Msg: msg, Err: err})
		}
		if top, err := k.Pointer(root); err != nil {
			w.fail(root, "its root cannot be read", err)
		} else {
			w.visit(top, 0, 0)
		}
	}
}

// rbWalk is a walk over a red-black tree. That every node has one parent, and two
// different children, bounds it.
type rbWalk struct {
	k     *Kernel
	root  vmcore.Addr
	yield func(node vmcore.Addr) bool
	fail  func(at vmcore.Addr, msg string, err error) bool
}

// visit walks over what is below a node, and reports whether to go on.
// struct rb_node is three words: the parent, of which the low bits are the
// colour, the right child, the left child.
func (w *rbWalk) visit(node, parent vmcore.Addr, depth int) bool {
	if node == 0 {
		return true
	}
	word := vmcore.Addr(w.k.layout.WordSize)
	b := make([]byte, 3*word)
	if _, err := w.k.mem.ReadMemory(b, node); err != nil {
		return w.fail(node, "it cannot be read", err)
	}
	up, right, left := vmcore.Addr(w.k.layout.Word(b))&^3, vmcore.Addr(w.k.layout.Word(b[word:])), vmcore.Addr(w.k.layout.Word(b[2*word:]))
	switch {
	case up != parent:
		return w.fail(node, fmt.Sprintf("its parent is %v, not %v", up, parent), nil)
	case depth == maxRBDepth:
		return w.fail(node, fmt.Sprintf("it is below %d others", depth), nil)
	case left != 0 && left == right:
		return w.fail(node, "its two children are one", nil)
	}
	return w.visit(left, node, depth+1) && w.yield(node) && w.visit(right, node, depth+1)
}
