package device

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// majorChains is the size of the tables of character devices, block devices and
// kobj_map, which are all hashed by the major number (CHRDEV_MAJOR_HASH_SIZE).
const majorChains = 255

// maxChain bounds one chain of such a table: a range of minor numbers each.
const maxChain = 1 << 20

// chains walks a table of pointers to structures that next links.
func chains(table kernel.Value) iter.Seq2[kernel.Value, error] {
	return func(yield func(kernel.Value, error) bool) {
		for i := range int64(majorChains) {
			next, err := table.Index(i)
			seen := make(map[vmcore.Addr]bool)
			for err == nil {
				var v kernel.Value
				if v, err = next.Deref(); err != nil {
					break
				}
				a, _ := v.Addr()
				if a == 0 {
					break
				}
				if seen[a] || len(seen) == maxChain {
					err = fmt.Errorf("chain %d comes back to %v", i, a)
					break
				}
				seen[a] = true
				if !yield(v, nil) {
					return
				}
				next, err = v.Path("next")
			}
			if err != nil && !yield(kernel.Value{}, err) {
				return
			}
		}
	}
}

// pointerTable returns a variable that is an array of pointers to structures.
func pointerTable(k *kernel.Kernel, name, structName string) (kernel.Value, error) {
	t, err := k.Struct(structName)
	if err != nil {
		return kernel.Value{}, err
	}
	return k.Object(name, &btf.Array{Index: k.BasicType("unsigned int"), Type: &btf.Pointer{Target: t}, Nelems: majorChains})
}
