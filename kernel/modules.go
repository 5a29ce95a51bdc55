package kernel

import (
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// Module is a loaded kernel module (struct module, include/linux/module.h).
type Module struct {
	Name   string
	Addr   vmcore.Addr // of the struct module
	State  string      // "live", "coming", "going"
	Ranges []ModuleRange
	Taints uint64
	UsedBy []string // names of the modules that use this one
	BTF    bool     // the kernel holds BTF of the module
	value  Value
}

// ModuleRange is a range of a module's memory.
type ModuleRange struct {
	Start, End vmcore.Addr
	Class      kallsyms.Class
}

// Base returns the lowest address of the module's memory that stays after
// initialisation, its text where the kernel says which that is.
func (m *Module) Base() vmcore.Addr {
	if len(m.Ranges) == 0 {
		return 0
	}
	return m.Ranges[0].Start
}

// Size returns the bytes of the module's memory.
func (m *Module) Size() uint64 {
	var size uint64
	for _, r := range m.Ranges {
		size += uint64(r.End - r.Start)
	}
	return size
}

// contains reports whether the module's memory covers address a.
func (m *Module) contains(a vmcore.Addr) bool {
	for _, r := range m.Ranges {
		if r.Start <= a && a < r.End {
			return true
		}
	}
	return false
}

// moduleCache remembers the modules, their symbols and whether their BTF has
// been loaded.
type moduleCache struct {
	list  func() ([]Module, []error)
	syms  func() map[string]*kallsyms.Table
	types func() int // adds their BTF; returns how many have some

	mu   sync.Mutex
	errs []error // what could not be read
}

// Modules returns the loaded modules in the kernel's order, the newest first.
// Where they are damaged, it returns what could be found, and what is broken.
func (k *Kernel) Modules() ([]Module, []error) { return k.modules.list() }

func (k *Kernel) initModules() {
	k.modules.list = sync.OnceValues(k.readModules)
	k.modules.syms = sync.OnceValue(k.readAllModuleSymbols)
	k.modules.types = sync.OnceValue(k.addAllModuleBTF)
}

// moduleProblem remembers that something of a module could not be read.
func (k *Kernel) moduleProblem(err error) {
	k.modules.mu.Lock()
	defer k.modules.mu.Unlock()
	k.modules.errs = append(k.modules.errs, err)
}

// ModuleProblems returns what could not be read of modules so far.
func (k *Kernel) ModuleProblems() []error {
	k.modules.mu.Lock()
	defer k.modules.mu.Unlock()
	return slices.Clone(k.modules.errs)
}

func (k *Kernel) readModules() (mods []Module, errs []error) {
	syms := k.syms.Lookup("modules")
	if len(syms) == 0 {
		if err := k.missing(partSymbols); err != nil {
			errs = append(errs, err)
		}
		return nil, errs // none without CONFIG_MODULES
	}
	t, err := k.structType("module")
	if err != nil {
		return nil, []error{fmt.Errorf("list modules: %w", err)}
	}
	for v, err := range k.List(syms[0].Addr, t, "list") {
		var m Module
		if err == nil {
			m, err = readModule(v)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("list modules: %w", err))
		}
		if m.Name != "" && m.State != "unformed" {
			mods = append(mods, m)
		}
	}
	withBTF, err := k.moduleBTF()
	if err != nil {
		errs = append(errs, err)
	}
	for i := range mods {
		_, mods[i].BTF = withBTF[mods[i].Addr]
	}
	return mods, errs
}

// moduleStates are the values of enum module_state.
var moduleStates = [...]string{"live", "coming", "going", "unformed"}

// readModule reads a module. One with a name is worth showing in spite of an error.
func readModule(v Value) (Module, error) {
	m := Module{value: v}
	m.Addr, _ = v.Addr()
	name, err := v.Path("name")
	if err != nil {
		return m, err
	}
	if m.Name, err = name.CString(256); err != nil {
		return m, fmt.Errorf("module at %v: %w", m.Addr, err)
	}
	if state, err := v.UintAt("state"); err == nil && state < uint64(len(moduleStates)) {
		m.State = moduleStates[state]
	}
	m.Taints, _ = v.UintAt("taints")
	m.Ranges = moduleRanges(v)
	if m.UsedBy, err = moduleUsers(v); err != nil {
		err = fmt.Errorf("module %s: %w", m.Name, err)
	}
	return m, err
}

// modMemClasses are the classes of struct module's mem[] by index (enum
// mod_mem_type, include/linux/module.h): text, data, rodata, ro_after_init and
// the same of the init part.
var modMemClasses = [...]kallsyms.Class{kallsyms.Text, kallsyms.Data, kallsyms.ROData, kallsyms.ROData,
	kallsyms.Init, kallsyms.Init, kallsyms.Init}

// moduleRanges returns where a module lies: Linux kernel commit ac3b43283923
// ("module: replace module_layout with module_memory") (in v6.4) gave struct
// module an array mem[] in place of core_layout and init_layout.
func moduleRanges(v Value) []ModuleRange {
	var ranges []ModuleRange
	add := func(base, size uint64, err error, c kallsyms.Class) {
		if err == nil && base != 0 && size != 0 && base+size > base {
			ranges = append(ranges, ModuleRange{vmcore.Addr(base), vmcore.Addr(base + size), c})
		}
	}
	if mem, err := v.Field("mem"); err == nil {
		for i, c := range modMemClasses {
			e, err := mem.Index(int64(i))
			if err != nil {
				break
			}
			base, _ := e.UintAt("base")
			size, err := e.UintAt("size")
			add(base, size, err, c)
		}
		return ranges
	}
	core, err := v.Field("core_layout")
	if err != nil {
		return nil
	}
	base, _ := core.UintAt("base")
	text, _ := core.UintAt("text_size")
	ro, _ := core.UintAt("ro_size")
	size, err := core.UintAt("size")
	add(base, text, err, kallsyms.Text)
	if ro > text {
		add(base+text, ro-text, err, kallsyms.ROData)
	}
	if size > max(ro, text) {
		add(base+max(ro, text), size-max(ro, text), err, kallsyms.Data)
	}
	return ranges
}

// moduleUsers returns the names of the modules that use a module. The list
// exists with CONFIG_MODULE_UNLOAD.
func moduleUsers(v Value) (names []string, err error) {
	if !v.Has("source_list") {
		return nil, nil
	}
	use, err := v.k.structType("module_use")
	if err != nil {
		return nil, err
	}
	r := Reader{Value: v}
	for u, err := range v.k.List(r.AddrOf("source_list"), use, "source_list") {
		var name string
		if err == nil {
			name, err = u.StringAt("source", "name")
		}
		switch {
		case err != nil:
			r.keep(err)
		case len(names) == maxModuleUsers:
			return names, fmt.Errorf("more than %d modules use it", maxModuleUsers)
		default:
			names = append(names, name)
		}
	}
	return names, r.Err
}

// maxModuleUsers bounds the modules that use one.
const maxModuleUsers = 1024

// moduleSymbols returns the symbol tables of all modules by name. A module
// whose symbols cannot be read has none.
func (k *Kernel) moduleSymbols() map[string]*kallsyms.Table { return k.modules.syms() }

// AllSymbols returns the symbols of the kernel, by ascending address, and then
// those of its modules.
func (k *Kernel) AllSymbols() iter.Seq[kallsyms.Symbol] {
	return func(yield func(kallsyms.Symbol) bool) {
		for s := range k.syms.All() {
			if !yield(s) {
				return
			}
		}
		modules, _ := k.Modules()
		for _, m := range modules {
			t := k.moduleSymbols()[m.Name]
			if t == nil {
				continue
			}
			for s := range t.All() {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// ModuleSymbols returns the symbols of one module, by address.
func (k *Kernel) ModuleSymbols(module string) (iter.Seq[kallsyms.Symbol], error) {
	if t := k.moduleSymbols()[module]; t != nil {
		return t.All(), nil
	}
	return nil, &NotFoundError{What: "module", Name: module}
}

func (k *Kernel) readAllModuleSymbols() map[string]*kallsyms.Table {
	mods, _ := k.Modules() // whose error Modules itself reports
	tables := make(map[string]*kallsyms.Table)
	for i := range mods {
		t, err := k.readModuleSymbols(&mods[i])
		if err != nil {
			k.moduleProblem(fmt.Errorf("symbols of module %s: %w", mods[i].Name, err))
			continue
		}
		tables[mods[i].Name] = t
	}
	return tables
}

// readModuleSymbols reads struct mod_kallsyms of a module. Linux kernel commit
// 1c7651f43777 ("kallsyms: store type information in its own array") (in v5.2)
// added typetab.
func (k *Kernel) readModuleSymbols(m *Module) (*kallsyms.Table, error) {
	spec := kallsyms.ModuleSpec{Name: m.Name}
	var err error
	if spec.NumSymbols, err = m.value.UintAt("kallsyms", "num_symtab"); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		to   *vmcore.Addr
	}{{"symtab", &spec.Symtab}, {"strtab", &spec.Strtab}, {"typetab", &spec.Typetab}} {
		u, err := m.value.UintAt("kallsyms", f.name)
		if err != nil && f.name != "typetab" {
			return nil, err
		}
		*f.to = vmcore.Addr(u)
	}
	for _, r := range m.Ranges {
		spec.Sections = append(spec.Sections, kallsyms.Section{Start: r.Start, End: r.End, Class: r.Class})
	}
	if base, err := m.value.UintAt("percpu"); err == nil && base != 0 {
		size, _ := m.value.UintAt("percpu_size")
		spec.Sections = append(spec.Sections, kallsyms.Section{
			Start: vmcore.Addr(base), End: vmcore.Addr(base + size), Class: kallsyms.PerCPU,
		})
	}
	return kallsyms.LoadModule(k.mem, k.layout, spec)
}

// resolveInModules returns the symbol of a module that address a lies in.
func (k *Kernel) resolveInModules(a vmcore.Addr) (kallsyms.Symbol, uint64, bool) {
	mods, _ := k.Modules()
	i := slices.IndexFunc(mods, func(m Module) bool { return m.contains(a) })
	if i < 0 {
		return kallsyms.Symbol{}, 0, false
	}
	t := k.moduleSymbols()[mods[i].Name]
	if t == nil {
		return kallsyms.Symbol{}, 0, false
	}
	return t.Resolve(a)
}
