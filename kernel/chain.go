package kernel

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/vmcore"
)

// maxRemembered is how many nodes of a chain are remembered, so that one that
// comes a second time is seen at once. Cycles further on are found by Brent's
// algorithm.
const maxRemembered = 1 << 16

// Chain returns the nodes of a list of any kind: first, then what the pointer at
// offset of each node points to, up to a NULL, or a node that ends says is none.
// A node that came before, or whose pointer cannot be read, ends the list with a
// [*ListError].
func (k *Kernel) Chain(first, offset vmcore.Addr, ends func(node vmcore.Addr) bool) iter.Seq2[vmcore.Addr, error] {
	return func(yield func(vmcore.Addr, error) bool) {
		seen := make(map[vmcore.Addr]bool)
		tortoise, steps, power := vmcore.Addr(0), 0, 1
		last := first
		for node := first; node != 0 && !ends(node); {
			if seen[node] || node == tortoise || steps == maxNodes {
				yield(0, &ListError{Head: first, At: last, Msg: fmt.Sprintf("it leads back to %v", node)})
				return
			}
			if len(seen) < maxRemembered {
				seen[node] = true
			}
			if steps++; steps == power {
				tortoise, power = node, power*2
			}
			next, err := k.Pointer(node + offset)
			if err != nil {
				yield(0, &ListError{Head: first, At: node, Msg: k.poison(node) + "it cannot be read", Err: err})
				return
			}
			if !yield(node, nil) {
				return
			}
			last, node = node, next
		}
	}
}

// poison says of an address that the kernel puts into what is deleted from a list
// that it is one (include/linux/poison.h).
func (k *Kernel) poison(a vmcore.Addr) string {
	var delta vmcore.Addr
	if k.layout.WordSize == 8 {
		delta = 0xdead000000000000 // CONFIG_ILLEGAL_POINTER_VALUE
	}
	switch a - delta {
	case 0x100:
		return "LIST_POISON1, of what was deleted from a list: "
	case 0x122:
		return "LIST_POISON2, of what was deleted from a list: "
	}
	return ""
}
