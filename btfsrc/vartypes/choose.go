package vartypes

import (
	"cmp"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// Typer types the variables of one kernel from the table. It is safe for
// concurrent use.
type Typer struct {
	table   func() (*Table, error)
	types   *btfsrc.Types
	mem     vmcore.Memory
	buildID string
}

// New returns what types the variables of a kernel from the table in the
// program, which is not decompressed before the first question. A kernel whose
// build ID, in hexadecimal, is that of one of the table is that one; for all
// others, and with an empty ID, the dump itself must show which type is right.
func New(types *btfsrc.Types, mem vmcore.Memory, buildID string) *Typer {
	return &Typer{embeddedTable, types, mem, buildID}
}

// Typer is [New] with another table.
func (t *Table) Typer(types *btfsrc.Types, mem vmcore.Memory, buildID string) *Typer {
	return &Typer{func() (*Table, error) { return t, nil }, types, mem, buildID}
}

// VarType returns the type of a symbol. It is not ok where the table does not
// have the name, and where what the dump shows rules out all types of the name or
// leaves more than one.
func (t *Typer) VarType(s kallsyms.Symbol) (typ btf.Type, src btfsrc.Source, ok bool) {
	v := variable{t, s}
	found, own := v.candidates()
	found = v.fitting(found, own)
	found = v.pickLength(v.plausible(found, len(found) > 1))
	if len(found) == 0 || !own && v.isDescribed() && v.isOpen(found[0]) {
		return nil, btfsrc.SourceNone, false
	}
	for _, c := range found[1:] {
		if !v.alike(found[0], c) {
			return nil, btfsrc.SourceNone, false
		}
	}
	return found[0], btfsrc.SourceTable, true
}

// Candidates returns the types that the table has for a symbol and that exist in
// this kernel, for a person to choose from.
func (t *Typer) Candidates(s kallsyms.Symbol) []btf.Type {
	found, _ := variable{t, s}.candidates()
	return found
}

// variable is a symbol of the kernel, on the way to its type.
type variable struct {
	*Typer
	symbol kallsyms.Symbol
}

// candidates returns the types of the name that this kernel has, those of the
// newest kernel first. Of types that differ in const alone, that comes first which
// fits the section. They are the kernel's own where it is one of the table.
func (v variable) candidates() (found []btf.Type, own bool) {
	table, err := v.table()
	if err != nil || !v.isPlain() {
		return nil, false
	}
	e, _ := table.Lookup(v.symbol.Name)
	variants, own := table.own(e.Variants, v.buildID)
	for _, variant := range variants {
		types, err := resolve(v.types, variant.Spelling)
		if err != nil {
			continue // this kernel has no such type, so it is not the variable's
		}
		found = append(found, types...)
	}
	readOnly := v.symbol.Class == kallsyms.ROData
	slices.SortStableFunc(found, func(a, b btf.Type) int {
		return cmp.Compare(constness(a, readOnly), constness(b, readOnly))
	})
	return found, own
}

// isPlain reports whether the table may have the symbol: it has the kernel's own
// variables, of which there is one copy.
func (v variable) isPlain() bool {
	switch v.symbol.Class {
	case kallsyms.Text, kallsyms.PerCPU, kallsyms.Absolute:
		return false
	}
	return v.symbol.Module == ""
}

// constness returns 0 where a type is constant as its section is, 1 otherwise.
func constness(t btf.Type, readOnly bool) int {
	if a, ok := t.(*btf.Array); ok {
		t = a.Type
	}
	if _, ok := t.(*btf.Const); ok == readOnly {
		return 0
	}
	return 1
}

// fitting returns the types that fit into the room up to the next symbol, or where
// there are such those that explain it: what they leave is empty, and smaller than
// the alignment of the next symbol. An array whose length is open, or explains
// nothing and is another kernel's, gets as many elements as there is room for.
func (v variable) fitting(found []btf.Type, own bool) []btf.Type {
	var loose, explained []btf.Type
	for _, t := range found {
		if a, ok := t.(*btf.Array); ok && a.Nelems == 0 {
			t = v.fill(a)
		}
		switch {
		case v.explains(t):
			explained = append(explained, t)
		case v.hasRoom(t) && (own || !v.hasMore(t)):
			loose = append(loose, t)
		}
	}
	if explained == nil && !own {
		explained = v.plausible(v.filled(found), true)
	}
	if explained == nil {
		return loose
	}
	return explained
}

// filled returns arrays of the elements of those found that explain the room.
func (v variable) filled(found []btf.Type) []btf.Type {
	var filled []btf.Type
	for _, t := range found {
		if a, ok := t.(*btf.Array); ok && v.explains(v.fill(a)) {
			filled = append(filled, v.fill(a))
		}
	}
	return filled
}

func (v variable) hasRoom(t btf.Type) bool {
	size, err := v.types.Sizeof(t)
	return err == nil && (size <= v.symbol.Size || v.symbol.Size == 0)
}

// hasMore reports whether more is stored in the variable than a type has bytes for.
// That shows in BSS only: constants need not have a symbol, variables have one.
func (v variable) hasMore(t btf.Type) bool {
	size, err := v.types.Sizeof(t)
	return err == nil && v.symbol.Class == kallsyms.BSS && size < v.symbol.Size && !v.isEmpty(size, v.symbol.Size-size)
}

func (v variable) explains(t btf.Type) bool {
	size, err := v.types.Sizeof(t)
	if err != nil || size == 0 || size > v.symbol.Size {
		return false
	}
	end := uint64(v.symbol.Addr) + v.symbol.Size
	slack := v.symbol.Size - size
	return slack == 0 || slack < end&-end && v.isEmpty(size, slack)
}

// isEmpty reports whether the bytes from an offset are zero or cannot be read.
func (v variable) isEmpty(off, n uint64) bool {
	b := make([]byte, min(n, maxContents))
	read, _ := v.mem.ReadMemory(b, v.symbol.Addr+vmcore.Addr(off))
	return !slices.ContainsFunc(b[:read], func(c byte) bool { return c != 0 })
}

// isDescribed reports whether a BTF has the kernel's variables, of which init_task
// is always one. What its encoder left out is then not worth a guess.
func (v variable) isDescribed() bool { return len(v.types.Vars("init_task")) > 0 }

// isOpen reports whether an array of another length would explain the room as well:
// with an empty element less at its end, or one more in the padding.
func (v variable) isOpen(t btf.Type) bool {
	a, ok := t.(*btf.Array)
	if !ok || a.Nelems == 0 {
		return false
	}
	n := uint64(a.Nelems)
	return v.explains(withLength(a, n-1)) || v.explains(withLength(a, n+1))
}

// pickLength leaves one of arrays that differ in their length alone, all of which
// would explain the room: as long as memory makes it look, or else the longest.
func (v variable) pickLength(found []btf.Type) []btf.Type {
	if len(found) < 2 {
		return found
	}
	first, ok := found[0].(*btf.Array)
	if !ok {
		return found
	}
	filled, best := v.fill(first), first
	for _, t := range found[1:] {
		a, ok := t.(*btf.Array)
		if !ok || !equivalent(first.Type, a.Type, 0) {
			return found
		}
		if best.Nelems != filled.Nelems && (a.Nelems == filled.Nelems || a.Nelems > best.Nelems) {
			best = a
		}
	}
	return []btf.Type{best}
}
