package kernel

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// ListError says that a list of the kernel is damaged: it does not come back to
// its head.
type ListError struct {
	Head vmcore.Addr // the list_head that the walk began at
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

// maxNodes bounds a walk over a list.
const maxNodes = 1 << 22

// List returns the structures of type t that are linked by their member (a
// struct list_head, include/linux/list.h) to the list_head at address head. A
// damaged list ends with a [*ListError]; a cycle that misses the head is found
// by Brent's algorithm.
func (k *Kernel) List(head vmcore.Addr, t btf.Type, member string) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		link, err := k.At(0, t).Field(member)
		if err != nil {
			yield(Value{}, err)
			return
		}
		offset, _ := link.Addr()
		at := head
		node, err := k.Pointer(head)
		tortoise, steps, power := head, 0, 1
		for err == nil && node != head {
			if node == tortoise || steps > maxNodes {
				yield(Value{}, &ListError{Head: head, At: node, Msg: "it does not come back to its head"})
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
