// Package kernel is an opened kernel: its memory, symbols and types in one
// object, and typed values on top of them.
//
// It joins the packages below it (vmcore for files, vmcore/paging for virtual
// memory, kallsyms for symbols, btfsrc for types) and adds what needs all of
// them: global variables, per-CPU variables, modules, lists, and the printing of
// values as C or JSON. Expressions and commands are above it, in package repl.
//
// Nothing here asks for the kernel's version. Code that differs between kernels
// asks for the member, symbol or type, and names the commit that made the
// difference.
package kernel

import (
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// Config is what a [Kernel] is made of.
type Config struct {
	Arch    vmcore.Arch
	Mem     vmcore.Memory     // the kernel's virtual memory
	Phys    vmcore.PhysMemory // may be nil
	Info    *vmcore.VMCOREINFO
	Symbols *kallsyms.Table
	Types   *btfsrc.Types
	Typers  []VarTyper // asked in order for variables that no BTF describes and nobody declared
}

// Kernel is a dumped or running kernel. It is safe for concurrent use.
type Kernel struct {
	arch   vmcore.Arch
	layout vmcore.Layout
	mem    vmcore.Memory
	phys   vmcore.PhysMemory
	info   *vmcore.VMCOREINFO
	syms   *kallsyms.Table
	types  *btfsrc.Types
	typers []VarTyper

	dump     *vmcore.Dump  // nil when made by New
	names    []string      // of the dump's files
	space    *paging.Space // nil when the architecture is not supported
	problems []error

	starts  sectionStarts
	modules moduleCache
	tasks   taskCache
	basic   sync.Map // name → btf.Type
	derived sync.Map // reflect.Type → func() any
	fields  sync.Map // fieldKey → foundField

	declared declarations
	files    btfFiles
}

// New joins the parts of a kernel. Symbols and Types may be nil; what needs
// them then fails.
func New(c Config) *Kernel {
	k := &Kernel{
		arch: c.Arch, layout: c.Arch.Layout,
		mem: c.Mem, phys: c.Phys, info: c.Info,
		syms: c.Symbols, types: c.Types, typers: c.Typers,
	}
	if k.info == nil {
		k.info = vmcore.ParseVMCOREINFO(nil)
	}
	if k.syms == nil {
		k.syms = new(kallsyms.Table)
	}
	if k.types == nil {
		k.types = btfsrc.Empty(k.layout)
	}
	k.initModules()
	return k
}

// Derived returns what makes of a kernel: made when it is first asked for, and
// kept with the kernel. There is one for each type T. Packages above this one
// keep so what is dear to find.
func Derived[T any](k *Kernel, makes func(*Kernel) T) T {
	key := reflect.TypeFor[T]()
	kept, ok := k.derived.Load(key)
	if !ok {
		kept, _ = k.derived.LoadOrStore(key, sync.OnceValue(func() any { return makes(k) }))
	}
	return kept.(func() any)().(T)
}

// Close closes the dump. Values of the kernel cannot be read afterwards.
func (k *Kernel) Close() error {
	if k.dump == nil {
		return nil
	}
	return k.dump.Close()
}

// Dump returns the file the kernel was opened from, nil for one made by [New].
func (k *Kernel) Dump() *vmcore.Dump { return k.dump }

// Files returns the names of the dump's files, as they were given to [Open].
func (k *Kernel) Files() []string { return k.names }

// Arch returns the architecture of the kernel.
func (k *Kernel) Arch() vmcore.Arch { return k.arch }

// Info returns the kernel's VMCOREINFO, which may be empty.
func (k *Kernel) Info() *vmcore.VMCOREINFO { return k.info }

// Types returns the kernel's own types and those of the modules loaded so far.
// [Kernel.LookupType] loads modules as it needs them.
func (k *Kernel) Types() *btfsrc.Types { return k.types }

// Symbols returns the kernel's own symbols, without those of modules.
func (k *Kernel) Symbols() *kallsyms.Table { return k.syms }

// Memory returns the kernel's virtual memory.
func (k *Kernel) Memory() vmcore.Memory { return k.mem }

// Phys returns physical memory; it may be nil.
func (k *Kernel) Phys() vmcore.PhysMemory { return k.phys }

// Space returns the page tables of the kernel, nil where the architecture is
// not supported.
func (k *Kernel) Space() *paging.Space { return k.space }

// Problems returns what could not be found when the kernel was opened, each a
// [*MissingPartError] or a warning of the dump.
func (k *Kernel) Problems() []error { return k.problems }

// NoTypes returns why the kernel has no types, and nil where it has some.
func (k *Kernel) NoTypes() error {
	if k.types.NumTypes() > 0 {
		return nil // of a file
	}
	return k.missing(partTypes)
}

// missing returns the problem of a part, or of the part that it would have been
// found by; nil if there is none.
func (k *Kernel) missing(part string) error {
	for _, err := range k.problems {
		if m, ok := err.(*MissingPartError); ok && m.Part == part {
			return m
		}
	}
	switch {
	case k.syms.Len() > 0:
		return nil
	case part == partTypes:
		return k.missing(partSymbols)
	case part == partSymbols:
		return k.missing(partMemory)
	}
	return nil
}

// Release returns the kernel's release as uname -r prints it, "" if unknown.
func (k *Kernel) Release() string {
	if r := k.info.Release(); r != "" || k.dump == nil {
		return r
	}
	return k.dump.Header().Release
}

// BasicType returns the C type of a basic spelling such as "unsigned long". It
// is the kernel's own where its BTF has one, otherwise one that fits the
// architecture: long has the size of a pointer.
func (k *Kernel) BasicType(name string) btf.Type {
	if t, ok := k.basic.Load(name); ok {
		return t.(btf.Type)
	}
	t := k.basicType(name)
	k.basic.Store(name, t)
	return t
}

// basicTypes are the integers of C. DWARF, and BTF after it, spells them as the
// compiler does: gcc says long unsigned int, clang unsigned long.
var basicTypes = []struct {
	spellings []string
	size      uint32 // 0: that of a pointer
	encoding  btf.IntEncoding
}{
	{[]string{"char"}, 1, btf.Unsigned}, // since -funsigned-char, Linux v6.2
	{[]string{"signed char"}, 1, btf.Signed},
	{[]string{"unsigned char"}, 1, btf.Unsigned},
	{[]string{"_Bool", "bool"}, 1, btf.Bool},
	{[]string{"short", "short int"}, 2, btf.Signed},
	{[]string{"unsigned short", "short unsigned int"}, 2, btf.Unsigned},
	{[]string{"int"}, 4, btf.Signed},
	{[]string{"unsigned int", "unsigned"}, 4, btf.Unsigned},
	{[]string{"long", "long int"}, 0, btf.Signed},
	{[]string{"unsigned long", "long unsigned int"}, 0, btf.Unsigned},
	{[]string{"long long", "long long int"}, 8, btf.Signed},
	{[]string{"unsigned long long", "long long unsigned int"}, 8, btf.Unsigned},
}

func (k *Kernel) basicType(name string) btf.Type {
	switch name {
	case "void":
		return &btf.Void{}
	case "float":
		return &btf.Float{Name: name, Size: 4}
	case "double":
		return &btf.Float{Name: name, Size: 8}
	}
	for _, b := range basicTypes {
		if !slices.Contains(b.spellings, name) {
			continue
		}
		for _, spelling := range b.spellings {
			if found := k.types.Lookup(btfsrc.KindInt, spelling); len(found) > 0 {
				return found[0]
			}
		}
		size := b.size
		if size == 0 {
			size = uint32(k.layout.WordSize)
		}
		return &btf.Int{Name: b.spellings[0], Size: size, Encoding: b.encoding}
	}
	return k.BasicType("int")
}

// LookupType returns all types of a kind and name: the kernel's own, or, where
// it has none, those of its modules, whose BTF is loaded for that.
func (k *Kernel) LookupType(kind btfsrc.Kind, name string) []btf.Type {
	if found := k.types.Lookup(kind, name); len(found) > 0 {
		return found
	}
	if k.loadModuleTypes() == 0 {
		return nil
	}
	return k.types.Lookup(kind, name)
}

// structType returns the first structure of a name, for the kernel's own
// structures that this package walks.
func (k *Kernel) structType(name string) (btf.Type, error) {
	found := k.types.Lookup(btfsrc.KindStruct, name)
	if len(found) == 0 {
		if err := k.missing(partTypes); err != nil {
			return nil, err
		}
		return nil, &NotFoundError{What: "struct", Name: name}
	}
	return found[0], nil
}

// SymbolName returns the address as symbol+0x10, or symbol+0x10 [module] for a
// module's, and "" where no symbol is near.
func (k *Kernel) SymbolName(a vmcore.Addr) string {
	s, off, ok := k.Resolve(a)
	if !ok {
		return ""
	}
	name := s.Name
	if off != 0 {
		name += "+0x" + strconv.FormatUint(off, 16)
	}
	if s.Module != "" {
		name += " [" + s.Module + "]"
	}
	return name
}
