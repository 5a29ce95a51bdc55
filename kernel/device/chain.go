package device

import (
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// majorChains is the size of the tables of character devices, block devices and
// kobj_map, which are all hashed by the major number (CHRDEV_MAJOR_HASH_SIZE).
const majorChains = 255

// chains walks a table of pointers to structures that next links.
func chains(table kernel.Value) iter.Seq2[kernel.Value, error] {
	return func(yield func(kernel.Value, error) bool) {
		k := table.Kernel()
		for i := range int64(majorChains) {
			first, t, next, err := chain(table, i)
			if err != nil {
				if !yield(kernel.Value{}, err) {
					return
				}
				continue
			}
			for a, err := range k.Chain(first, next, func(vmcore.Addr) bool { return false }) {
				if !yield(k.At(a, t), err) {
					return
				}
			}
		}
	}
}

// chain returns the first structure of a chain, their type, and the offset of next.
func chain(table kernel.Value, i int64) (first vmcore.Addr, t btf.Type, next vmcore.Addr, err error) {
	head, err := table.Index(i)
	if err == nil {
		head, err = head.Deref()
	}
	if err != nil {
		return 0, nil, 0, err
	}
	first, _ = head.Addr()
	link, err := table.Kernel().At(0, head.Type()).Path("next")
	next, _ = link.Addr()
	return first, head.Type(), next, err
}

// pointerTable returns a variable that is an array of pointers to structures.
func pointerTable(k *kernel.Kernel, name, structName string) (kernel.Value, error) {
	t, err := k.Struct(structName)
	if err != nil {
		return kernel.Value{}, err
	}
	return k.Object(name, &btf.Array{Index: k.BasicType("unsigned int"), Type: &btf.Pointer{Target: t}, Nelems: majorChains})
}
