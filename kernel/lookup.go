package kernel

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// VarTyper gives the type of a symbol that no BTF describes and nobody declared:
// a table of well-known variables.
type VarTyper interface {
	VarType(s kallsyms.Symbol) (t btf.Type, src btfsrc.Source, ok bool)
	// Candidates returns the types among which VarType could not choose.
	Candidates(s kallsyms.Symbol) []btf.Type
}

// Lookup returns the symbols of a name: the kernel's own, or, where it has none,
// those of its modules.
func (k *Kernel) Lookup(name string) []kallsyms.Symbol {
	if found := k.syms.Lookup(name); len(found) > 0 {
		return found
	}
	var found []kallsyms.Symbol
	for _, m := range k.moduleSymbols() {
		found = append(found, m.Lookup(name)...)
	}
	return found
}

// Resolve returns the symbol that address a lies in, and the offset in it.
func (k *Kernel) Resolve(a vmcore.Addr) (s kallsyms.Symbol, offset uint64, ok bool) {
	if s, offset, ok = k.syms.Resolve(a); ok {
		return s, offset, true
	}
	return k.resolveInModules(a)
}

// Var returns the global variable of a name. Where statics of several files
// share it, the error is an [*AmbiguousError], and name#1, name#2 … choose one
// in order of address. A per-CPU variable is a template, see [Value.PerCPU].
//
// The type comes from the kernel's own BTF, then a module's, then a file's, then
// from [Kernel.Declare], then from the [VarTyper]s; a VAR counts only if its section and offset lead to the
// symbol's address. A symbol without a type gives an [*UntypedError].
func (k *Kernel) Var(name string) (Value, error) {
	s, vars, err := k.dataSymbol(name)
	if err != nil {
		return Value{}, err
	}
	return k.variable(s, vars)
}

// dataSymbol returns the symbol that a name, which may be name#2, stands for, and
// the VARs of that name.
func (k *Kernel) dataSymbol(name string) (kallsyms.Symbol, []btfsrc.Var, error) {
	name, number := splitNumber(name)
	syms := dataSymbols(k.Lookup(name))
	if len(syms) == 0 {
		if k.syms.Len() == 0 {
			if err := k.missing(partSymbols); err != nil {
				return kallsyms.Symbol{}, nil, err
			}
		}
		return kallsyms.Symbol{}, nil, &NotFoundError{What: "symbol", Name: name, Similar: k.similarSymbols(name)}
	}
	if number > len(syms) {
		return kallsyms.Symbol{}, nil, &NotFoundError{What: "symbol", Name: name + "#" + strconv.Itoa(number)}
	}
	vars := k.vars(name, syms)
	if number == 0 && len(syms) > 1 {
		return kallsyms.Symbol{}, nil, k.ambiguous(name, syms, vars)
	}
	return syms[max(number-1, 0)], vars, nil
}

// splitNumber cuts the number off name#2; it is 0 where there is none.
func splitNumber(name string) (string, int) {
	base, num, ok := strings.Cut(name, "#")
	if !ok {
		return name, 0
	}
	n, err := strconv.Atoi(num)
	if err != nil || n < 1 {
		return name, 0
	}
	return base, n
}

// dataSymbols sorts symbols by address and drops functions where data of the
// same name is there, and second names of one address.
func dataSymbols(syms []kallsyms.Symbol) []kallsyms.Symbol {
	syms = slices.Clone(syms)
	if slices.ContainsFunc(syms, func(s kallsyms.Symbol) bool { return s.Class != kallsyms.Text }) {
		syms = slices.DeleteFunc(syms, func(s kallsyms.Symbol) bool { return s.Class == kallsyms.Text })
	}
	slices.SortFunc(syms, func(a, b kallsyms.Symbol) int { return cmp.Compare(a.Addr, b.Addr) })
	return slices.CompactFunc(syms, func(a, b kallsyms.Symbol) bool { return a.Addr == b.Addr })
}

// vars returns the VARs of a name. The BTF of modules is loaded where the
// kernel's own has none: the symbol may be a module's, or the kernel's variables
// may be described by a module (CONFIG_DEBUG_INFO_BTF_VARS=m). Where that does
// not do for all symbols of the name, files beside the dump are looked for.
func (k *Kernel) vars(name string, syms []kallsyms.Symbol) []btfsrc.Var {
	if syms[0].Class == kallsyms.Text {
		return k.types.Vars(name)
	}
	found := k.types.Vars(name)
	if len(found) == 0 && k.loadModuleTypes() > 0 {
		found = k.types.Vars(name)
	}
	if len(found) < len(syms) && k.searchBTF(syms[0].Module) {
		found = k.types.Vars(name)
	}
	return found
}

// variable returns the variable at a symbol, typed by the first of vars that
// belongs to the symbol's address.
func (k *Kernel) variable(s kallsyms.Symbol, vars []btfsrc.Var) (Value, error) {
	t, src, ok := k.symbolType(s, vars)
	if !ok {
		return Value{}, &UntypedError{Symbol: s, Alias: k.typedAlias(s), Candidates: k.candidates(s), Unfit: k.unfitFile(), Err: k.missing(partTypes)}
	}
	return k.at(s, t, src), nil
}

// VariableAs returns the variable at a symbol seen as type t, whatever its type
// is. A per-CPU variable stays a template.
func (k *Kernel) VariableAs(s kallsyms.Symbol, t btf.Type) Value {
	return k.at(s, t, btfsrc.SourceNone)
}

// at returns the object of type t at a symbol.
func (k *Kernel) at(s kallsyms.Symbol, t btf.Type, src btfsrc.Source) Value {
	v := k.At(s.Addr, t)
	v.source = src
	v.percpu = s.Class == kallsyms.PerCPU
	return v
}

// candidates returns the declarations that a symbol may have.
func (k *Kernel) candidates(s kallsyms.Symbol) []string {
	var found []string
	for _, typer := range k.typers {
		for _, t := range typer.Candidates(s) {
			if c := btfsrc.Declaration(t, s.Name); !slices.Contains(found, c) {
				found = append(found, c)
			}
		}
	}
	return found
}

// typedAlias returns another name of a symbol's address that has a type, as
// jiffies_64 has for jiffies, which the linker script makes an alias of it.
func (k *Kernel) typedAlias(s kallsyms.Symbol) string {
	for _, other := range k.syms.At(s.Addr) {
		if other.Name == s.Name || other.Class != s.Class {
			continue
		}
		if _, _, ok := k.symbolType(other, k.types.Vars(other.Name)); ok {
			return other.Name
		}
	}
	return ""
}

// symbolType returns the type of a symbol from the first source that has one.
func (k *Kernel) symbolType(s kallsyms.Symbol, vars []btfsrc.Var) (btf.Type, btfsrc.Source, bool) {
	if t, src, ok := k.describedType(s, vars); ok {
		return t, src, true
	}
	if s.Class == kallsyms.Text {
		if fn := k.types.Lookup(btfsrc.KindFunc, s.Name); len(fn) > 0 {
			return fn[0], btfsrc.SourceBTF, true
		}
	}
	if t, src, ok := k.declared.typeOf(s); ok {
		return t, src, true
	}
	for _, typer := range k.typers {
		if t, src, ok := typer.VarType(s); ok {
			return t, src, true
		}
	}
	return nil, btfsrc.SourceNone, false
}

// describedType returns the type that a BTF gives the variable at a symbol.
func (k *Kernel) describedType(s kallsyms.Symbol, vars []btfsrc.Var) (btf.Type, btfsrc.Source, bool) {
	for _, v := range vars {
		if v.Section == "" && k.isOnly(s, v) || v.Section != "" && k.startsAt(v, s.Addr-vmcore.Addr(v.Offset)) {
			return v.Type, v.Source, true
		}
	}
	return nil, btfsrc.SourceNone, false
}

// isOnly reports whether s is the one symbol that a VAR can be of that no DATASEC
// lists, such as jiffies, which the kernel would refuse beside jiffies_64 at its
// address. There is nothing but the name to tell.
func (k *Kernel) isOnly(s kallsyms.Symbol, v btfsrc.Var) bool {
	syms := dataSymbols(k.lookupIn(v.Module, v.Name))
	return len(syms) == 1 && syms[0].Addr == s.Addr
}

// ambiguous lists the variables that share a name.
func (k *Kernel) ambiguous(name string, syms []kallsyms.Symbol, vars []btfsrc.Var) error {
	e := &AmbiguousError{Name: name}
	for _, s := range syms {
		c := Candidate{Symbol: s}
		if t, _, ok := k.symbolType(s, vars); ok {
			c.Type = btfsrc.TypeName(t)
		}
		e.Candidates = append(e.Candidates, c)
	}
	return e
}

// sectionStarts remembers where each DATASEC starts in memory.
type sectionStarts struct {
	mu       sync.Mutex
	sections map[sectionKey]*sectionVotes
}

type sectionKey struct{ module, section string }

// sectionVotes are the addresses at which a section may start, by the number of
// its variables that say so.
type sectionVotes struct {
	votes map[vmcore.Addr]int
	all   bool // every variable of the section has voted
}

const (
	// enoughVotes settle where a section starts if the variables disagree: a
	// VAR and a symbol may share a name by chance, but not twice at one distance.
	enoughVotes = 2
	// fewVars are asked first, which answers for nearly all variables.
	fewVars = 16
)

// startsAt reports whether v's DATASEC starts at address a. BTF does not say
// where a section is: that is found by the variables whose names belong to one
// symbol each, each of which leads to a start.
//
// A section may have several: an ELF file can hold more than one section of a
// name, and pahole's global_var puts the variables of all into one DATASEC.
func (k *Kernel) startsAt(v btfsrc.Var, a vmcore.Addr) bool {
	key := sectionKey{v.Module, v.Section}
	k.starts.mu.Lock()
	defer k.starts.mu.Unlock()
	s := k.starts.sections[key]
	if s == nil {
		s = &sectionVotes{votes: make(map[vmcore.Addr]int)}
		if k.starts.sections == nil {
			k.starts.sections = make(map[sectionKey]*sectionVotes)
		}
		k.starts.sections[key] = s
		k.vote(s, key, fewVars)
	}
	if s.votes[a] < enoughVotes && !s.all {
		clear(s.votes)
		k.vote(s, key, math.MaxInt)
		s.all = true
	}
	if len(s.votes) == 1 {
		return s.votes[a] > 0
	}
	return s.votes[a] >= enoughVotes
}

// vote asks up to most variables of a section where it starts.
func (k *Kernel) vote(s *sectionVotes, key sectionKey, most int) {
	asked := 0
	for v := range k.types.Section(key.section) {
		if v.Module != key.module {
			continue
		}
		syms := dataSymbols(k.lookupIn(key.module, v.Name))
		if len(syms) != 1 {
			continue
		}
		s.votes[syms[0].Addr-vmcore.Addr(v.Offset)]++
		if asked++; asked == most {
			return
		}
	}
}

// lookupIn returns the symbols of a name in one module, or in the kernel for
// the types that a module or a file holds about the kernel itself.
func (k *Kernel) lookupIn(module, name string) []kallsyms.Symbol {
	if module != "" && !k.describesKernel(module) {
		if t, ok := k.moduleSymbols()[module]; ok {
			if found := t.Lookup(name); len(found) > 0 {
				return found
			}
		}
	}
	return k.syms.Lookup(name)
}

// describesKernel reports whether the BTF of a module is about the kernel's own
// variables (CONFIG_DEBUG_INFO_BTF_VARS=m), of which init_task is always one. A
// symbol of that module is then another, even if its name is the same, as each
// module has an orc_header.
func (k *Kernel) describesKernel(module string) bool {
	return slices.ContainsFunc(k.types.Vars("init_task"), func(v btfsrc.Var) bool { return v.Module == module })
}
