package kallsyms

import (
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

const (
	maxSymbols = 1 << 22 // over ten times the largest kernel's
	maxTable   = 64 << 20
)

// Load decodes the kernel's symbols from the tables that VMCOREINFO points to,
// as kernels since v6.0 export (Linux kernel commits 5fd8fea935a1 and
// f09bddbd8661). mem needs to reach the kernel image only.
//
// What VMCOREINFO does not say is found out: the encoding of addresses by
// whether they ascend and _stext comes out where VMCOREINFO has it, and the
// encoding of name lengths by which one ends on each of the markers, which
// follow the names in memory.
//
// The error matches [vmcore.ErrNotFound] when VMCOREINFO lacks a line that is
// needed; [Scan] may succeed then. A table that is unreadable or makes no sense
// is a [*TableError].
func Load(mem vmcore.Memory, info *vmcore.VMCOREINFO, layout vmcore.Layout) (*Table, error) {
	l := loader{mem: mem, layout: layout}
	at := map[string]vmcore.Addr{}
	for _, name := range []string{"kallsyms_num_syms", "kallsyms_names", "kallsyms_token_table", "kallsyms_token_index"} {
		a, ok := info.Symbol(name)
		if !ok {
			return nil, fmt.Errorf("VMCOREINFO has no SYMBOL(%s): %w", name, vmcore.ErrNotFound)
		}
		at[name] = a
	}
	count, err := l.count(at["kallsyms_num_syms"])
	if err != nil {
		return nil, err
	}
	tok, err := l.tokens(at["kallsyms_token_table"], at["kallsyms_token_index"])
	if err != nil {
		return nil, err
	}
	t := &Table{}
	if t.names, err = l.names(at["kallsyms_names"], at["kallsyms_token_table"], count, tok); err != nil {
		return nil, err
	}
	if t.index, err = newIndex(&t.names); err != nil {
		return nil, &TableError{Table: "kallsyms_names", Addr: at["kallsyms_names"], Err: err}
	}
	readings, err := l.readings(info, count)
	if err != nil {
		return nil, err
	}
	known := truths{symbols: at}
	if stext, ok := info.Symbol("_stext"); ok {
		at["_stext"] = stext
	}
	if err := t.setAddrs(readings, layout, known); err != nil {
		return nil, err
	}
	t.sections = kernelSections(t)
	return t, nil
}

// loader reads tables whose addresses are known.
type loader struct {
	mem    vmcore.Memory
	layout vmcore.Layout
}

// read returns the size bytes of a table at address a.
func (l *loader) read(table string, a vmcore.Addr, size int) ([]byte, error) {
	if size > maxTable {
		return nil, &TableError{Table: table, Addr: a, Msg: fmt.Sprintf("%d bytes are more than any kernel's", size)}
	}
	b, err := vmcore.ReadLarge(l.mem, a, size)
	if err != nil {
		return nil, &TableError{Table: table, Addr: a, Err: err}
	}
	return b, nil
}

// count reads kallsyms_num_syms, 4 bytes since v4.20.
func (l *loader) count(a vmcore.Addr) (int, error) {
	b, err := l.read("kallsyms_num_syms", a, 4)
	if err != nil {
		return 0, err
	}
	n := l.layout.Uint32(b)
	if n == 0 || n > maxSymbols {
		return 0, &TableError{Table: "kallsyms_num_syms", Addr: a, Msg: fmt.Sprintf("%d symbols", n)}
	}
	return int(n), nil
}

// tokens reads kallsyms_token_table and the index right behind it.
func (l *loader) tokens(table, index vmcore.Addr) (*tokens, error) {
	if index <= table || index-table > 0x10000 {
		return nil, &TableError{Table: "kallsyms_token_index", Addr: index, Msg: "not behind the tokens at " + table.String()}
	}
	b, err := l.read("kallsyms_token_table", table, int(index-table)+512)
	if err != nil {
		return nil, err
	}
	t, err := parseTokens(b[:index-table])
	if err != nil {
		return nil, &TableError{Table: "kallsyms_token_table", Addr: table, Err: err}
	}
	if !t.isIndex(b[index-table:], l.layout) {
		return nil, &TableError{Table: "kallsyms_token_index", Addr: index, Msg: "does not fit the tokens at " + table.String()}
	}
	return t, nil
}

// names reads kallsyms_names. Nothing says how long it is, but all kernels
// have the names, the markers, sometimes the order by name (3 bytes each), and
// then the tokens: what is between is at most names of 512 bytes.
func (l *loader) names(a, behind vmcore.Addr, count int, tok *tokens) (names, error) {
	if behind <= a {
		return names{}, &TableError{Table: "kallsyms_names", Addr: a, Msg: "not before the tokens at " + behind.String()}
	}
	data, err := l.read("kallsyms_names", a, int(min(behind-a, vmcore.Addr(count)*maxPerName+64)))
	if err != nil {
		return names{}, err
	}
	n, ok := decodeNames(data, count, tok, l.layout)
	if !ok {
		return names{}, &TableError{Table: "kallsyms_names", Addr: a,
			Msg: fmt.Sprintf("neither encoding of lengths gives %d names that end at markers", count)}
	}
	return n, nil
}

// decodeNames finds the encoding of lengths under which the walk over the
// names ends at markers that agree with it. Should none do, because a kernel
// puts its markers elsewhere, each name beginning with a type has to do.
func decodeNames(data []byte, count int, tok *tokens, layout vmcore.Layout) (names, bool) {
	var typed names
	for _, long := range []bool{true, false} {
		n := names{data: data, long: long, tokens: tok}
		end, ok := n.walk(count)
		if !ok {
			continue
		}
		if _, ok := n.markers(layout, end); ok {
			return n, true
		}
		if n.typed() {
			typed = n
		}
	}
	return typed, typed.starts != nil
}

// readings reads the table of addresses, which is one of three.
func (l *loader) readings(info *vmcore.VMCOREINFO, count int) ([]stored, error) {
	if a, ok := info.Symbol("kallsyms_addresses"); ok {
		raw, err := l.read("kallsyms_addresses", a, count*l.layout.WordSize)
		return []stored{{encoding: AddressesAbsolute, at: a, raw: raw}}, err
	}
	a, ok := info.Symbol("kallsyms_offsets")
	if !ok {
		return nil, fmt.Errorf("VMCOREINFO has no SYMBOL(kallsyms_offsets): %w", vmcore.ErrNotFound)
	}
	raw, err := l.read("kallsyms_offsets", a, count*4)
	if err != nil {
		return nil, err
	}
	at, ok := info.Symbol("kallsyms_relative_base")
	if !ok {
		return baseless(a, raw, l.layout), nil
	}
	base, err := l.read("kallsyms_relative_base", at, l.layout.WordSize)
	if err != nil {
		return nil, err
	}
	return relative(a, vmcore.Addr(l.layout.Word(base)), raw, l.layout), nil
}
