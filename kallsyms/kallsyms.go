// Package kallsyms reads the symbols that a Linux kernel carries in its own
// memory: the kallsyms_* tables of the kernel image, and the symbol tables of
// loaded modules.
//
// It owns the formats of those tables (scripts/kallsyms.c, kernel/kallsyms.c
// and kernel/module/kallsyms.c in the kernel) and what can be told from
// addresses alone: sizes and classes. It knows no type, no page table and no
// list of modules: memory comes from package vmcore or vmcore/paging below it,
// and package kernel above it finds the modules.
//
// Two words are used exactly. A table's encoding is how addresses are stored
// in it. A boundary is a symbol that the linker script puts at the start or
// the end of a section, such as _etext.
package kallsyms

import (
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/ianlancetaylor/demangle"

	"github.com/kdbg/kdbg/vmcore"
)

// Symbol is one name of one address.
type Symbol struct {
	Name string
	Addr vmcore.Addr // where it is; for a per-CPU symbol, what to add a CPU's offset to
	// Size is the number of bytes up to the next symbol or the end of the
	// section. The tables hold no sizes: padding counts as part of the symbol.
	// It is 0 for symbols that mark an end, and for absolute ones.
	Size uint64
	// Type is the letter nm prints. It lies: data is 'T' where the linker put
	// it in a writable and executable section, and per-CPU symbols were 'A'.
	Type   byte
	Class  Class  // told from the address
	Module string // the module's name; empty for the kernel itself
}

// Demangled returns the name as a Rust or C++ programmer wrote it; other names
// are returned as they are.
func (s Symbol) Demangled() string { return demangle.Filter(s.Name) }

// Class is the kind of section that a symbol lies in.
type Class uint8

const (
	Unknown  Class = iota // between sections, or in a table without boundaries
	Text                  // code
	Data                  // initialised and writable
	ROData                // read-only once the kernel has booted
	BSS                   // zero at boot
	PerCPU                // a template, or a bare offset: every CPU has its own copy
	Absolute              // a number, not the address of anything
	Init                  // freed after boot: what its memory holds now is not the symbol's
)

var classes = [...]string{"unknown", "text", "data", "rodata", "bss", "percpu", "absolute", "init"}

// String returns the class's name, such as "rodata".
func (c Class) String() string {
	if int(c) < len(classes) {
		return classes[c]
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// A Table is the symbols of the kernel or of one module. It is immutable, and
// safe for concurrent use. Names stay compressed as they are in the kernel, and
// become strings when asked for.
type Table struct {
	names names
	addrs []vmcore.Addr // ascending
	index index

	sections sections
	module   string
	encoding Encoding
	scanned  bool
}

// Len returns the number of symbols.
func (t *Table) Len() int { return len(t.addrs) }

// Encoding returns how the table stores addresses.
func (t *Table) Encoding() Encoding { return t.encoding }

// Scanned reports whether the table was found by [Scan], without VMCOREINFO
// saying where it is.
func (t *Table) Scanned() bool { return t.scanned }

// Lookup returns all symbols of a name, by ascending address, and nil when
// there is none. Static functions and variables of different source files may
// share a name.
func (t *Table) Lookup(name string) []Symbol {
	var found []Symbol
	for i := range t.find(name) {
		found = append(found, t.symbol(i))
	}
	return found
}

// Resolve returns the symbol that address a lies in, and how far behind its
// start. Of several names of an address it gives the one that the kernel
// itself prints, the first in the table, but not the end of a section where
// something else begins.
//
// Absolute symbols are never the answer, nor are per-CPU symbols whose
// addresses are bare offsets (x86-64 before v6.15, modules): nothing of theirs
// is at that address.
func (t *Table) Resolve(a vmcore.Addr) (s Symbol, offset uint64, ok bool) {
	i, exact := slices.BinarySearch(t.addrs, a)
	if !exact {
		if i == 0 {
			return Symbol{}, 0, false
		}
		i, _ = slices.BinarySearch(t.addrs, t.addrs[i-1])
	}
	start := t.addrs[i]
	for ; i < len(t.addrs) && t.addrs[i] == start; i++ {
		here := t.symbol(i)
		offset = uint64(a - start)
		if t.sections.inMemory(here) && offset < here.Size {
			return here, offset, true
		}
		if t.sections.inMemory(here) && offset == 0 && !ok {
			s, ok = here, true
		}
	}
	return s, 0, ok
}

// At returns every symbol at exactly address a, in the table's order.
func (t *Table) At(a vmcore.Addr) []Symbol {
	var found []Symbol
	for i, _ := slices.BinarySearch(t.addrs, a); i < len(t.addrs) && t.addrs[i] == a; i++ {
		found = append(found, t.symbol(i))
	}
	return found
}

// All returns the symbols by ascending address.
func (t *Table) All() iter.Seq[Symbol] { return t.Prefix("") }

// Prefix returns the symbols whose names begin with p, by ascending address.
func (t *Table) Prefix(p string) iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		for i := range t.addrs {
			if t.names.hasPrefix(i, p) && !yield(t.symbol(i)) {
				return
			}
		}
	}
}

// find yields the numbers of the symbols of a name, ascending.
func (t *Table) find(name string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range t.index.bucket(hashToken([]byte(name)).sum) {
			if t.names.equal(i, name) && !yield(i) {
				return
			}
		}
	}
}

// addr returns the address of the first symbol of a name.
func (t *Table) addr(name string) (vmcore.Addr, bool) {
	for i := range t.find(name) {
		return t.addrs[i], true
	}
	return 0, false
}

func (t *Table) symbol(i int) Symbol {
	typ, name := t.names.text(i)
	s := Symbol{Name: name, Addr: t.addrs[i], Type: typ, Module: t.module}
	if c, ok := t.endOf(name); ok {
		s.Class = c
		return s
	}
	sec := t.sections.at(s.Addr)
	s.Class = sec.Class
	if end := min(sec.End, t.next(i)); end != noAddr {
		s.Size = uint64(end - s.Addr)
	}
	return s
}

// next returns the first address after that of symbol i, or noAddr.
func (t *Table) next(i int) vmcore.Addr {
	a, rest := t.addrs[i], t.addrs[i+1:]
	if len(rest) > 0 && rest[0] == a { // any number of aliases
		n, _ := slices.BinarySearch(rest, a+1)
		rest = rest[n:]
	}
	if len(rest) == 0 {
		return noAddr
	}
	return rest[0]
}

// noAddr is the end of what has no known end.
const noAddr = vmcore.Addr(math.MaxUint64)

// TableError reports a kallsyms table that cannot be read or makes no sense.
type TableError struct {
	Table string      // such as "kallsyms_names"
	Addr  vmcore.Addr // where the table is
	Msg   string      // what is wrong with it; empty when Err says all
	Err   error       // such as a *vmcore.FaultError; may be nil
}

func (e *TableError) Error() string {
	text := e.Table + " at " + e.Addr.String()
	if e.Msg != "" {
		text += ": " + e.Msg
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what lies beneath.
func (e *TableError) Unwrap() error { return e.Err }
