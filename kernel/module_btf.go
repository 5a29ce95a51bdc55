package kernel

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// loadModuleTypes adds the split BTF of all modules to the kernel's types, once,
// and returns how many modules have some.
func (k *Kernel) loadModuleTypes() int { return k.modules.types() }

func (k *Kernel) addAllModuleBTF() int {
	blobs, err := k.moduleBTF()
	if err != nil {
		k.moduleProblem(err)
	}
	n := 0
	for _, b := range slices.SortedFunc(maps.Values(blobs), func(a, b moduleBTF) int { return cmp.Compare(a.name, b.name) }) {
		if err := k.addModuleBTF(b); err != nil {
			k.moduleProblem(fmt.Errorf("BTF of module %s: %w", b.name, err))
			continue
		}
		n++
	}
	return n
}

// maxModuleBTF bounds the BTF of one module.
const maxModuleBTF = 64 << 20

func (k *Kernel) addModuleBTF(b moduleBTF) error {
	if b.size > maxModuleBTF {
		return typeErrorf("%d bytes are more than %d", b.size, maxModuleBTF)
	}
	raw := make([]byte, b.size)
	if _, err := k.mem.ReadMemory(raw, b.data); err != nil {
		return err
	}
	return k.addTypes(b.name, btfsrc.SourceModule, raw)
}

// moduleBTF is where the kernel keeps the BTF of a module.
type moduleBTF struct {
	name string
	data vmcore.Addr
	size uint64
}

// moduleBTF walks btf_modules (kernel/bpf/btf.c), whose struct btf keeps a copy
// of each module's .BTF, by address of the struct module. The pointer that
// struct module has to the section is of no use: it is cleared after loading.
func (k *Kernel) moduleBTF() (map[vmcore.Addr]moduleBTF, error) {
	syms := k.syms.Lookup("btf_modules")
	if len(syms) == 0 {
		return nil, nil // no CONFIG_DEBUG_INFO_BTF_MODULES
	}
	t, err := k.structType("btf_module")
	if err != nil {
		return nil, fmt.Errorf("list BTF of modules: %w", err)
	}
	blobs := make(map[vmcore.Addr]moduleBTF)
	var first error
	for v, err := range k.List(syms[0].Addr, t, "list") {
		if err == nil {
			r := Reader{Value: v}
			b := moduleBTF{data: r.Pointer("btf", "data"), size: r.Uint("btf", "data_size"), name: r.Text("btf", "name")}
			if err = r.Err; err == nil {
				blobs[r.Pointer("module")] = b
			}
		}
		if first == nil && err != nil {
			first = fmt.Errorf("list BTF of modules: %w", err)
		}
	}
	return blobs, first
}
