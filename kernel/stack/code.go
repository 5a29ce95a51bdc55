package stack

import (
	"cmp"
	"slices"
	"strconv"
	"sync"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// code tells addresses of code from others. Besides that of the kernel and its
// modules there is what the kernel has made while it ran: compiled BPF programs,
// and the trampolines by which functions are traced.
type code struct {
	k       *kernel.Kernel
	kernel  []span // by symbols
	modules func() []module
	made    func() []madeCode
}

// span is a range of addresses; end is not part of it.
type span struct{ start, end vmcore.Addr }

func (s span) contains(a vmcore.Addr) bool { return s.start <= a && a < s.end }

// module is where the code of a module is.
type module struct {
	span
	*kernel.Module
}

// madeCode is code that the kernel has made.
type madeCode struct {
	span
	name string
	from vmcore.Addr // what a trampoline is a copy of; 0 for what is no copy
}

func newCode(k *kernel.Kernel) *code {
	c := &code{k: k}
	for _, bounds := range [][2]string{{"_stext", "_etext"}, {"_sinittext", "_einittext"}} {
		start, end := k.Symbols().Lookup(bounds[0]), k.Symbols().Lookup(bounds[1])
		if len(start) == 1 && len(end) == 1 {
			c.kernel = append(c.kernel, span{start[0].Addr, end[0].Addr})
		}
	}
	c.modules = sync.OnceValue(c.moduleCode)
	c.made = sync.OnceValue(c.readMade)
	return c
}

// contains reports whether an address is one of code.
func (c *code) contains(a vmcore.Addr) bool {
	if c.inKernel(a) {
		return true
	}
	if _, ok := c.module(a); ok {
		return true
	}
	_, ok := c.madeAt(a)
	return ok
}

func (c *code) inKernel(a vmcore.Addr) bool {
	return slices.ContainsFunc(c.kernel, func(s span) bool { return s.contains(a) })
}

// isStart reports whether an address is that of a function, as pointers to
// functions are and return addresses are not.
func (c *code) isStart(a vmcore.Addr) bool {
	_, off, ok := c.k.Resolve(a)
	return ok && off == 0
}

// module returns the module that an address is code of.
func (c *code) module(a vmcore.Addr) (*kernel.Module, bool) {
	mods := c.modules()
	i, exact := slices.BinarySearchFunc(mods, a, func(m module, a vmcore.Addr) int { return cmp.Compare(m.start, a) })
	if !exact {
		i--
	}
	if i < 0 || !mods[i].contains(a) {
		return nil, false
	}
	return mods[i].Module, true
}

func (c *code) moduleCode() []module {
	mods, _ := c.k.Modules() // those before any damage
	var list []module
	for i := range mods {
		for _, r := range mods[i].Ranges {
			if r.Class == kallsyms.Text || r.Class == kallsyms.Init {
				list = append(list, module{span{r.Start, r.End}, &mods[i]})
			}
		}
	}
	slices.SortFunc(list, func(a, b module) int { return cmp.Compare(a.start, b.start) })
	return list
}

// madeAt returns the code that the kernel has made at an address.
func (c *code) madeAt(a vmcore.Addr) (madeCode, bool) {
	made := c.made()
	i, exact := slices.BinarySearchFunc(made, a, func(m madeCode, a vmcore.Addr) int { return cmp.Compare(m.start, a) })
	if !exact {
		i--
	}
	if i < 0 || !made[i].contains(a) {
		return madeCode{}, false
	}
	return made[i], true
}

// maxMade bounds the pieces of code that a kernel can have made.
const maxMade = 1 << 17

// readMade reads what is known of such code, as far as it can be read: a walk
// that misses some stops there.
func (c *code) readMade() []madeCode {
	made := append(c.bpfCode(), c.trampolines()...)
	slices.SortFunc(made, func(a, b madeCode) int { return cmp.Compare(a.start, b.start) })
	return made
}

// bpfCode reads the list of compiled BPF programs. Linux kernel commit
// bfea9a8574f3 ("bpf: Add name to struct bpf_ksym") (in v5.7) gave it names.
func (c *code) bpfCode() []madeCode {
	head := c.k.Symbols().Lookup("bpf_kallsyms")
	typ, err := c.k.Struct("bpf_ksym")
	if err != nil || len(head) != 1 {
		return nil
	}
	var made []madeCode
	for v, err := range c.k.List(head[0].Addr, typ, "lnode") {
		if err != nil || len(made) == maxMade {
			break
		}
		start, err := v.UintAt("start")
		end, endErr := v.UintAt("end")
		if err != nil || endErr != nil {
			continue
		}
		name, _ := v.StringAt("name")
		made = append(made, madeCode{span: span{vmcore.Addr(start), vmcore.Addr(end)}, name: name})
	}
	return made
}

// ftraceSavesRegs is FTRACE_OPS_FL_SAVE_REGS, include/linux/ftrace.h.
const ftraceSavesRegs = 1 << 2

// trampolines reads those of ftrace, which are copies of ftrace_caller or of
// ftrace_regs_caller (create_trampoline, arch/x86/kernel/ftrace.c).
func (c *code) trampolines() []madeCode {
	typ, err := c.k.Struct("ftrace_ops")
	if err != nil {
		return nil
	}
	from := make(map[bool]vmcore.Addr)
	for saves, name := range map[bool]string{false: "ftrace_caller", true: "ftrace_regs_caller"} {
		if syms := c.k.Symbols().Lookup(name); len(syms) == 1 {
			from[saves] = syms[0].Addr
		}
	}
	list := c.k.Symbols().Lookup("ftrace_ops_list")
	if len(list) != 1 {
		return nil
	}
	var made []madeCode
	at, err := c.k.Pointer(list[0].Addr)
	for n := 0; err == nil && at != 0 && n < maxTracers; n++ {
		ops := c.k.At(at, typ)
		start, startErr := ops.UintAt("trampoline")
		size, sizeErr := ops.UintAt("trampoline_size")
		flags, _ := ops.UintAt("flags")
		if startErr == nil && sizeErr == nil && start != 0 && start+size > start {
			made = append(made, madeCode{
				span{vmcore.Addr(start), vmcore.Addr(start + size)}, "ftrace_trampoline", from[flags&ftraceSavesRegs != 0],
			})
		}
		var next uint64
		next, err = ops.UintAt("next")
		at = vmcore.Addr(next)
	}
	return made
}

// maxTracers bounds the list of those who trace functions, cycles included.
const maxTracers = 1 << 12

// ftraceOriginal returns the place in the kernel's own code that a place in a
// trampoline of ftrace is a copy of.
func (c *code) ftraceOriginal(a vmcore.Addr) (vmcore.Addr, bool) {
	if c.inKernel(a) {
		return 0, false
	}
	m, ok := c.madeAt(a)
	if !ok || m.from == 0 {
		return 0, false
	}
	return m.from + a - m.start, true
}

// Name is what a place in the code is called.
type Name struct {
	Symbol string // as a programmer wrote it; "" where no symbol is near
	Offset uint64
	Module string // "" for the kernel itself
}

// String returns the name as symbol+0x10 [module], or as 0x… where there is none.
func (n Name) String() string {
	hex := "0x" + strconv.FormatUint(n.Offset, 16)
	text := n.Symbol
	switch {
	case text == "":
		text = hex
	case n.Offset != 0:
		text += "+" + hex
	}
	if n.Module != "" {
		text += " [" + n.Module + "]"
	}
	return text
}

// Name returns the name of the code that a frame is in. What is behind a call is
// of the function that has called, even if the call is its last instruction.
func (u *Unwinder) Name(f Frame) Name {
	pc := f.PC
	if !f.Exact {
		pc--
	}
	if m, ok := u.code.madeAt(pc); ok {
		return Name{m.name, uint64(f.PC - m.start), "bpf"}
	}
	s, _, ok := u.k.Resolve(pc)
	if !ok {
		return Name{Offset: uint64(f.PC)}
	}
	return Name{s.Demangled(), uint64(f.PC - s.Addr), s.Module}
}
