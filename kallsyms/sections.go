package kallsyms

import (
	"strings"

	"github.com/kdbg/kdbg/vmcore"
)

// Section is a range of addresses whose symbols have one class.
type Section struct {
	Start, End vmcore.Addr // End is the first address behind
	Class      Class
}

// boundaries name the sections of a kernel image, as
// include/asm-generic/vmlinux.lds.h and the architectures' linker scripts do.
// Where sections nest or touch, the first here that has an address owns it:
// per-CPU templates lie inside the init section on some architectures.
var boundaries = [...]struct {
	start, end string
	class      Class
}{
	{"__per_cpu_start", "__per_cpu_end", PerCPU},
	{"__init_begin", "__init_end", Init},
	{"_sinittext", "_einittext", Init}, // all that is known without CONFIG_KALLSYMS_ALL
	{"_stext", "_etext", Text},
	{"__start_rodata", "__end_rodata", ROData},
	{"_sdata", "_edata", Data},
	{"__bss_start", "__bss_stop", BSS},
	{"__brk_base", "__brk_limit", BSS},
}

// sections tells the class of an address.
type sections struct {
	list     []Section
	complete bool        // no memory is between the sections
	start    vmcore.Addr // of the image; symbols below it are absolute
	mapped   bool        // per-CPU symbols have addresses inside the image
}

// kernelSections finds the sections of the kernel image by their boundaries.
func kernelSections(t *Table) sections {
	var s sections
	s.start, _ = t.addr("_stext")
	if text, ok := t.addr("_text"); ok {
		s.start = min(s.start, text)
	}
	for _, b := range boundaries {
		start, ok := t.addr(b.start)
		end, ok2 := t.addr(b.end)
		if ok && ok2 && start < end {
			s.list = append(s.list, Section{Start: start, End: end, Class: b.class})
			s.mapped = s.mapped || b.class == PerCPU && start >= s.start
		}
	}
	return s
}

// at returns the section that address a lies in, an Absolute one below the
// image, and otherwise an Unknown one, without an end if there may be symbols
// between the sections.
func (s *sections) at(a vmcore.Addr) Section {
	for _, sec := range s.list {
		if a >= sec.Start && a < sec.End {
			return sec
		}
	}
	if a < s.start {
		return Section{Start: a, End: a, Class: Absolute}
	}
	if s.complete {
		return Section{Start: a, End: a, Class: Unknown}
	}
	return Section{Start: a, End: noAddr, Class: Unknown}
}

// inMemory reports whether the memory at a symbol's address is the symbol's.
func (s *sections) inMemory(sym Symbol) bool {
	switch sym.Class {
	case Absolute:
		return false
	case PerCPU:
		return s.mapped
	}
	return true
}

// endOf returns the class of the section whose end a symbol marks, as told from
// its name: nothing of its own is behind it.
func (t *Table) endOf(name string) (c Class, ok bool) {
	for _, b := range boundaries {
		if name == b.end {
			return b.class, true
		}
	}
	for _, prefix := range [...]string{"__stop_", "__end_"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if start, ok := t.addr("__start_" + rest); ok {
				return t.sections.at(start).Class, true
			}
		}
	}
	return BSS, name == "_end"
}
