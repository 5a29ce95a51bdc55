package kernel

import (
	"iter"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
)

// TypedSymbol is a variable, the type it has in this kernel and where that comes
// from. Type is nil and Source [btfsrc.SourceNone] where nothing tells.
type TypedSymbol struct {
	kallsyms.Symbol
	Type   btf.Type
	Source btfsrc.Source
}

// Variables returns the variables of the kernel and its modules with their types:
// the symbols in sections of data, by address, but for those that mark a
// section's end. What was freed after boot is left out, and so is what macros
// and the linker make many thousands of, such as __ksymtab_kfree and __key.12.
func (k *Kernel) Variables() iter.Seq[TypedSymbol] {
	return func(yield func(TypedSymbol) bool) {
		for s := range k.AllSymbols() {
			if !isVariable(s) {
				continue
			}
			t, src, _ := k.symbolType(s, k.vars(s.Name, []kallsyms.Symbol{s}))
			if !yield(TypedSymbol{s, t, src}) {
				return
			}
		}
	}
}

func isVariable(s kallsyms.Symbol) bool {
	switch s.Class {
	case kallsyms.Data, kallsyms.ROData, kallsyms.BSS, kallsyms.PerCPU:
		return s.Size > 0 && !isGenerated(s.Name)
	}
	return false
}

// generated are beginnings of names that macros of the kernel give to data which
// nobody names in the source: what is exported, parameters, trace points and
// system calls, static keys and calls, notes of objtool.
var generated = []string{
	"__ksymtab_", "__kstrtab", "__crc_", "__flags_", "__BTF_ID__", "__param_", "__UNIQUE_ID_", "__func__", "__PRETTY_FUNCTION__", "__key",
	"__tracepoint_", "__tpstrtab_", "__bpf_trace_tp_map_", "__event_", "trace_event_", "event_class_", "print_fmt_",
	"__SCK__", "__syscall_meta_", "types__", "args__", "str__", "__pfx_", "__already_done", "__initcall_", "__setup_", "__mod_", "__modver_",
}

func isGenerated(name string) bool {
	if strings.ContainsAny(name, ".$") {
		return true // a static of a function or a part of an object, numbered by the compiler
	}
	for _, prefix := range generated {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
