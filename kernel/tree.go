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
		for node, err := range k.RBNodes(root, false) {
			v := Value{}
			if err == nil {
				v = k.At(node.Addr-offset, t)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// RBNode is a node of a red-black tree.
type RBNode struct {
	Addr vmcore.Addr
	Path string // from the root: l and r for each turn
}

// RBNodes returns the nodes of the red-black tree at address root: in order, or,
// top down, each node before those below it. Errors are those of [Kernel.RBTree].
func (k *Kernel) RBNodes(root vmcore.Addr, topDown bool) iter.Seq2[RBNode, error] {
	return func(yield func(RBNode, error) bool) {
		w := rbWalk{k: k, root: root, topDown: topDown, yield: yield}
		if top, err := k.Pointer(root); err != nil {
			w.fail(root, "its root cannot be read", err)
		} else {
			w.visit(top, 0)
		}
	}
}

// RBNodesBelow returns a node of a red-black tree and those below it, as
// [Kernel.RBNodes] does.
func (k *Kernel) RBNodesBelow(node vmcore.Addr, topDown bool) iter.Seq2[RBNode, error] {
	return func(yield func(RBNode, error) bool) {
		w := rbWalk{k: k, root: node, topDown: topDown, yield: yield}
		if up, err := k.Pointer(node); err != nil {
			w.fail(node, "it cannot be read", err)
		} else {
			w.visit(node, up&^3)
		}
	}
}

// rbWalk is a walk over a red-black tree. That every node has one parent, and two
// different children, bounds it.
type rbWalk struct {
	k       *Kernel
	root    vmcore.Addr
	topDown bool
	path    []byte // to the node that is visited
	yield   func(RBNode, error) bool
}

func (w *rbWalk) fail(at vmcore.Addr, msg string, err error) bool {
	return w.yield(RBNode{}, &TreeError{What: "rbtree", Root: w.root, At: at, Msg: msg, Err: err})
}

// visit walks over what is below a node, and reports whether to go on.
// struct rb_node is three words: the parent, of which the low bits are the
// colour, the right child, the left child.
func (w *rbWalk) visit(node, parent vmcore.Addr) bool {
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
	case len(w.path) == maxRBDepth:
		return w.fail(node, fmt.Sprintf("it is below %d others", len(w.path)), nil)
	case left != 0 && left == right:
		return w.fail(node, "its two children are one", nil)
	}
	here := RBNode{node, string(w.path)}
	if w.topDown {
		return w.yield(here, nil) && w.turn('l', left, node) && w.turn('r', right, node)
	}
	return w.turn('l', left, node) && w.yield(here, nil) && w.turn('r', right, node)
}

// turn visits a child.
func (w *rbWalk) turn(way byte, child, parent vmcore.Addr) bool {
	w.path = append(w.path, way)
	defer func() { w.path = w.path[:len(w.path)-1] }()
	return w.visit(child, parent)
}
