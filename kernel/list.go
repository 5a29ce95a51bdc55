package kernel

import (
	"fmt"
	"iter"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// ListError says that a list of the kernel is damaged.
type ListError struct {
	Head vmcore.Addr // of the list
	At   vmcore.Addr // the node where it went wrong
	Msg  string
	Err  error
}

func (e *ListError) Error() string {
	text := fmt.Sprintf("list at %v is damaged: node %v: %s", e.Head, e.At, e.Msg)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what lies beneath.
func (e *ListError) Unwrap() error { return e.Err }

// maxNodes bounds a walk over a list or a tree.
const maxNodes = 1 << 22

// List returns the structures of type t that are linked by their member (a
// struct list_head, include/linux/list.h) to the list_head at address head. Where
// two nodes do not agree that they are neighbours there is a [*ListError], and
// then come the nodes between the break and the end of the list, from which they
// are found by their pointers back.
func (k *Kernel) List(head vmcore.Addr, t btf.Type, member string) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		offset, err := k.offsetOf(t, member)
		if err != nil {
			yield(Value{}, err)
			return
		}
		last := head
		for node, err := range k.listNodes(head) {
			if err == nil {
				last = node
				if !yield(k.At(node-offset, t), nil) {
					return
				}
				continue
			}
			if !yield(Value{}, err) {
				return
			}
			for _, node := range slices.Backward(k.nodesBehind(head, last)) {
				if !yield(k.At(node-offset, t), nil) {
					return
				}
			}
		}
	}
}

// listLink is a struct list_head.
type listLink struct{ next, prev vmcore.Addr }

func (k *Kernel) listLink(a vmcore.Addr) (l listLink, err error) {
	word := k.layout.WordSize
	b := make([]byte, 2*word)
	if _, err = k.mem.ReadMemory(b, a); err == nil {
		l = listLink{vmcore.Addr(k.layout.Word(b)), vmcore.Addr(k.layout.Word(b[word:]))}
	}
	return l, err
}

// listNodes returns the nodes of a list up to a break, which is an error. That
// each node has one before it bounds the walk.
func (k *Kernel) listNodes(head vmcore.Addr) iter.Seq2[vmcore.Addr, error] {
	return func(yield func(vmcore.Addr, error) bool) {
		at := head
		fail := func(err error, format string, args ...any) {
			yield(0, &ListError{Head: head, At: at, Msg: fmt.Sprintf(format, args...), Err: err})
		}
		here, err := k.listLink(head)
		if err != nil {
			fail(err, "it cannot be read")
			return
		}
		for range maxNodes {
			node := here.next
			if what := poison(node); what != "" {
				fail(nil, "its next node is %s", what)
				return
			}
			if here, err = k.listLink(node); err != nil {
				fail(err, "its next node cannot be read")
				return
			}
			if here.prev != at {
				fail(nil, "its next node is %v, before which is %v", node, here.prev)
				return
			}
			if node == head || !yield(node, nil) {
				return
			}
			at = node
		}
		fail(nil, "it is not the last of %d", maxNodes)
	}
}

// nodesBehind returns the nodes of a list behind one of them, the last first, as
// far as they agree.
func (k *Kernel) nodesBehind(head, first vmcore.Addr) (nodes []vmcore.Addr) {
	behind := head
	here, err := k.listLink(head)
	for err == nil && here.prev != first && len(nodes) < maxNodes {
		node := here.prev
		if here, err = k.listLink(node); err != nil || here.next != behind {
			break
		}
		nodes, behind = append(nodes, node), node
	}
	return nodes
}

// HList is [Kernel.List] for the nodes of a struct hlist_head, and of a
// hlist_nulls_head, whose end is an odd number (include/linux/list_nulls.h). A
// damaged one ends with a [*ListError].
func (k *Kernel) HList(head vmcore.Addr, t btf.Type, member string) iter.Seq2[Value, error] {
	return k.chain(head, t, member, func(node vmcore.Addr) bool { return node == 0 || node&1 != 0 })
}

// LList is [Kernel.List] for the nodes of a struct llist_head
// (include/linux/llist.h), the last that was added first.
func (k *Kernel) LList(head vmcore.Addr, t btf.Type, member string) iter.Seq2[Value, error] {
	return k.chain(head, t, member, func(node vmcore.Addr) bool { return node == 0 })
}

// chain follows the pointer at head, and then the one that each node begins
// with, until end says that there is no node. A cycle is found by Brent's
// algorithm.
func (k *Kernel) chain(head vmcore.Addr, t btf.Type, member string, end func(vmcore.Addr) bool) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		offset, err := k.offsetOf(t, member)
		if err != nil {
			yield(Value{}, err)
			return
		}
		at := head
		node, err := k.Pointer(head)
		tortoise, steps, power := head, 0, 1
		for err == nil && !end(node) {
			switch {
			case node == tortoise || steps > maxNodes:
				yield(Value{}, &ListError{Head: head, At: node, Msg: "it does not come back to its head"})
				return
			case poison(node) != "":
				yield(Value{}, &ListError{Head: head, At: at, Msg: "its next node is " + poison(node)})
				return
			}
			if steps++; steps == power {
				tortoise, power = node, power*2
			}
			if !yield(k.At(node-offset, t), nil) {
				return
			}
			at = node
			node, err = k.Pointer(at)
		}
		if err != nil {
			yield(Value{}, &ListError{Head: head, At: at, Msg: "its next node cannot be read", Err: err})
		}
	}
}

// offsetOf returns where a structure has a member, which may be a path in it.
func (k *Kernel) offsetOf(t btf.Type, member string) (vmcore.Addr, error) {
	v, err := k.At(0, t).Path(member)
	return v.addr, err
}

// poison names a pointer that the kernel leaves where an object was
// (include/linux/poison.h), "" if it is none. The two low bytes tell them apart;
// POISON_POINTER_DELTA, CONFIG_ILLEGAL_POINTER_VALUE, is above.
func poison(a vmcore.Addr) string {
	const delta = 0xdead000000000000
	switch {
	case a == 0:
		return "NULL"
	case a == delta+0x100:
		return "LIST_POISON1, of a node that was removed"
	case a == delta+0x122:
		return "LIST_POISON2, of a node that was removed"
	case a == 0x6b6b6b6b6b6b6b6b:
		return "POISON_FREE, of memory that was freed"
	}
	return ""
}
