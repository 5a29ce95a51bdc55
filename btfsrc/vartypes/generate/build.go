package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/btfsrc/vartypes"
	"github.com/kdbg/kdbg/kallsyms"
)

// names are the spellings of each name's types, with the kernels that have them.
type names map[string]map[string]uint64

// collect joins the variables of kernels; bit i of a set stands for kernel i.
func collect(kernels []*kernel) names {
	all := make(names)
	for i, k := range kernels {
		for _, v := range k.vars {
			name := v.symbol.Name
			if all[name] == nil {
				all[name] = make(map[string]uint64)
			}
			all[name][v.spelling] |= 1 << i
		}
	}
	for _, types := range all {
		openLengths(types)
	}
	return all
}

// openLengths leaves the length of constant texts open, for their last character
// is found in memory, and that of other characters where it differs.
func openLengths(types map[string]uint64) {
	count := make(map[string]int)
	for spelling := range types {
		count[element(spelling)]++
	}
	for spelling, kernels := range types {
		elem := element(spelling)
		if elem != spelling && (elem == "cichar;" || elem == "ichar;" && count[elem] > 1) {
			delete(types, spelling)
			types["[0]"+elem] |= kernels
		}
	}
}

// isWanted reports whether the table shall know the type of a symbol. Per-CPU
// variables are in every kernel's BTF; memory of init sections is freed; a name
// with a number from the compiler, or with a point in it, is not what a person
// types, and Rust's types are in no BTF.
func isWanted(s kallsyms.Symbol) bool {
	switch s.Class {
	case kallsyms.Text, kallsyms.PerCPU, kallsyms.Init:
		return false
	}
	return !strings.ContainsAny(s.Name, ". \t*") && !strings.HasPrefix(s.Name, "__UNIQUE_ID_") && !strings.HasPrefix(s.Name, "_R")
}

// entries returns the lines of the table: a rule where nearly all names of a
// beginning agree, and the names that no rule covers.
func (all names) entries() []vartypes.Entry {
	var entries []vartypes.Entry
	for prefix, r := range all.rules() {
		entries = append(entries, vartypes.Entry{Name: prefix + "*", Variants: []vartypes.Variant{{Spelling: r.spelling, Kernels: r.kernels}}})
	}
	for name, types := range all {
		entries = append(entries, vartypes.Entry{Name: name, Variants: variants(types)})
	}
	return entries
}

// variants returns the types of a name, those of the newest kernel first.
func variants(types map[string]uint64) []vartypes.Variant {
	var vs []vartypes.Variant
	for spelling, kernels := range types {
		vs = append(vs, vartypes.Variant{Spelling: spelling, Kernels: kernels})
	}
	slices.SortFunc(vs, func(a, b vartypes.Variant) int {
		return cmp.Or(cmp.Compare(b.Kernels, a.Kernels), cmp.Compare(a.Spelling, b.Spelling))
	})
	return vs
}
