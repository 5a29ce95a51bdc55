package kernel

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// MapleRange is what a maple tree has from index First to Last.
type MapleRange struct {
	First, Last uint64
	Entry       vmcore.Addr
}

// Kinds of nodes, enum maple_type (include/linux/maple_tree.h), of which the
// first two are leaves.
const (
	mapleDense = iota
	mapleLeaf64
	mapleRange64
	mapleArange64
	mapleKinds
)

const (
	maxMapleDepth = 31   // MAPLE_HEIGHT_MAX
	mapleNodeMask = 0xff // low bits of a pointer to a node, which say its kind
	mapleReserved = 4096 // entries below that are like pointers to nodes
)

// mapleNode is how a kind of node lies in memory.
type mapleNode struct {
	pivots, slots  vmcore.Addr // offsets
	nPivot, nSlots int
}

// mapleTree is a walk over a maple tree.
type mapleTree struct {
	k     *Kernel
	root  vmcore.Addr
	kinds [mapleKinds]mapleNode
	max   uint64 // the largest index
	yield func(MapleRange, error) bool
}

// MapleTree returns the ranges of the struct maple_tree at an address that have
// an entry, in order. The indices of the nodes below a node may not overlap,
// which bounds the walk: a node where they do, or that cannot be read, gives a
// [*TreeError], and those below it are left out.
func (k *Kernel) MapleTree(a vmcore.Addr) iter.Seq2[MapleRange, error] {
	return func(yield func(MapleRange, error) bool) {
		m := &mapleTree{k: k, root: a, max: ^uint64(0) >> (64 - 8*k.layout.WordSize), yield: yield}
		top, err := m.open()
		if err != nil {
			yield(MapleRange{}, err)
			return
		}
		switch {
		case isMapleNode(top):
			m.visit(top, 0, m.max, 0)
		case top != 0:
			yield(MapleRange{0, 0, top}, nil)
		}
	}
}

// open looks the members of nodes up, and returns the tree's root.
func (m *mapleTree) open() (vmcore.Addr, error) {
	tree, err := m.k.structType("maple_tree")
	if err != nil {
		return 0, err
	}
	root, err := m.k.offsetOf(tree, "ma_root")
	if err != nil {
		return 0, err
	}
	for _, n := range []struct {
		kinds []int
		typ   string
	}{
		{[]int{mapleDense}, "maple_node"},
		{[]int{mapleLeaf64, mapleRange64}, "maple_range_64"},
		{[]int{mapleArange64}, "maple_arange_64"},
	} {
		layout, err := m.k.mapleNode(n.typ)
		if err != nil {
			return 0, err
		}
		for _, kind := range n.kinds {
			m.kinds[kind] = layout
		}
	}
	top, err := m.k.Pointer(m.root + root)
	if err != nil {
		return 0, m.broken(m.root, "its root cannot be read", err)
	}
	return top, nil
}

// mapleNode looks up how a node lies in memory. One without pivots, which is
// dense, has one index in each slot.
func (k *Kernel) mapleNode(name string) (mapleNode, error) {
	t, err := k.structType(name)
	if err != nil {
		return mapleNode{}, err
	}
	slot, err := btfsrc.Find(t, "slot")
	if err != nil {
		return mapleNode{}, err
	}
	n := mapleNode{slots: vmcore.Addr(slot.BitOffset / 8), nSlots: elements(slot.Type)}
	if pivot, err := btfsrc.Find(t, "pivot"); err == nil {
		n.pivots, n.nPivot = vmcore.Addr(pivot.BitOffset/8), elements(pivot.Type)
	}
	word := k.layout.WordSize
	if n.nSlots == 0 || int(n.slots)+n.nSlots*word > mapleNodeMask+1 || int(n.pivots)+n.nPivot*word > mapleNodeMask+1 {
		return n, typeErrorf("%s does not fit into %d bytes", name, mapleNodeMask+1)
	}
	return n, nil
}

// elements returns the number of elements of an array, 0 for another type.
func elements(t btf.Type) int {
	if a, ok := btfsrc.Strip(t).(*btf.Array); ok && a.Nelems <= maxCPUs {
		return int(a.Nelems)
	}
	return 0
}

// isMapleNode reports whether the root of a tree points to a node. The slots of
// an inner node hold nothing else, and have no such mark (mte_mk_node,
// lib/maple_tree.c).
func isMapleNode(e vmcore.Addr) bool { return e&3 == 2 && e > mapleReserved }

func (m *mapleTree) broken(at vmcore.Addr, msg string, err error) error {
	return &TreeError{What: "maple tree", Root: m.root, At: at, Msg: msg, Err: err}
}

// visit yields the entries of a node for the indices from lo to hi, and reports
// whether to go on.
func (m *mapleTree) visit(enode vmcore.Addr, lo, hi uint64, depth int) bool {
	at, kind := enode&^mapleNodeMask, int(enode>>3&0xf)
	var b [mapleNodeMask + 1]byte
	if _, err := m.k.mem.ReadMemory(b[:], at); err != nil {
		return m.yield(MapleRange{}, m.broken(at, "it cannot be read", err))
	}
	switch {
	case kind >= mapleKinds:
		return m.yield(MapleRange{}, m.broken(at, fmt.Sprintf("there is no kind %d of nodes", kind), nil))
	case depth == maxMapleDepth:
		return m.yield(MapleRange{}, m.broken(at, fmt.Sprintf("it is below %d others", depth), nil))
	}
	n, leaf := m.kinds[kind], kind <= mapleLeaf64
	word := vmcore.Addr(m.k.layout.WordSize)
	first := lo
	for i := range n.nSlots {
		last := hi
		switch {
		case kind == mapleDense:
			last = first
		case i < n.nPivot:
			// A pivot of 0 ends the node, unless it is the first.
			if p := m.k.layout.Word(b[n.pivots+vmcore.Addr(i)*word:]); p != 0 || i == 0 && lo == 0 {
				last = p
			}
		}
		if last < first || last > hi {
			return m.yield(MapleRange{}, m.broken(at, fmt.Sprintf("pivot %d is %#x, not between %#x and %#x", i, last, first, hi), nil))
		}
		e := vmcore.Addr(m.k.layout.Word(b[n.slots+vmcore.Addr(i)*word:]))
		switch {
		case !leaf && e > mapleReserved:
			if !m.visit(e, first, last, depth+1) {
				return false
			}
		case !leaf && e != 0:
			if !m.yield(MapleRange{}, m.broken(at, fmt.Sprintf("slot %d holds %v, which is no node", i, e), nil)) {
				return false
			}
		case leaf && e != 0 && !isMapleZero(e):
			if !m.yield(MapleRange{first, last, e}, nil) {
				return false
			}
		}
		if last == hi {
			return true
		}
		first = last + 1
	}
	return true
}

// isMapleZero reports whether an entry is reserved: XA_ZERO_ENTRY and its like,
// which take up a range and are no entry to a reader.
func isMapleZero(e vmcore.Addr) bool { return e&3 == 2 && e < mapleReserved }
