package device

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
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
			for steps := 0; err == nil; steps++ {
				var v kernel.Value
				if v, err = next.Deref(); err != nil {
					break
				}
				if a, _ := v.Addr(); a == 0 {
					break
				}
				if steps == maxChain {
					err = fmt.Errorf("chain %d has no end", i)
					break
				}
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

// major and minor take a dev_t apart (include/linux/kdev_t.h).
func major(dev uint64) int { return int(dev >> 20) }
func minor(dev uint64) int { return int(dev & (1<<20 - 1)) }
