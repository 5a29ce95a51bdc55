package stack

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// areas returns the stacks on which a CPU handles interrupts and exceptions, as
// far as the dump says where they are.
func (m *x86) areas(cpu int) []area {
	list := m.interruptStack(cpu)
	return append(list, m.exceptionStacks(cpu)...)
}

// interruptStack is where a CPU handles interrupts. Linux kernel commit
// d7b6d709a76a ("x86/percpu: Move irq_stack variables next to current_task") (in
// v6.2) put the pointer to its end into pcpu_hot, from which v6.15 took it again.
func (m *x86) interruptStack(cpu int) []area {
	end, err := m.perCPU("hardirq_stack_ptr", cpu)
	if err != nil {
		hot, hotErr := m.k.ObjectOf("pcpu_hot", "pcpu_hot")
		if hotErr == nil {
			hot, hotErr = m.k.PerCPU(hot, cpu)
		}
		if hotErr != nil {
			return nil
		}
		end, err = hot.UintAt("hardirq_stack_ptr")
	}
	typ, typeErr := m.k.Struct("irq_stack")
	if err != nil || typeErr != nil || end == 0 {
		return nil
	}
	size, err := m.k.At(0, typ).Size()
	// Linux kernel commit 951c2a51ae75 ("x86/irq/64: Adjust the per CPU irq stack
	// pointer by 8") (in v5.12): it points to the last word.
	end = (end + 15) &^ 15
	if err != nil || size > end {
		return nil
	}
	return []area{{"IRQ", vmcore.Addr(end - size), vmcore.Addr(end)}}
}

// exceptionStacks are those of the exceptions that must not trust the stack they
// meet, and the one on which a CPU enters the kernel (struct cpu_entry_area,
// arch/x86/include/asm/cpu_entry_area.h).
func (m *x86) exceptionStacks(cpu int) []area {
	base, err := m.perCPU("cea_exception_stacks", cpu)
	typ, typeErr := m.k.Struct("cea_exception_stacks")
	if err != nil || typeErr != nil || base == 0 {
		return nil
	}
	var list []area
	for _, f := range btfsrc.Fields(typ) {
		name, ok := strings.CutSuffix(f.Name, "_stack")
		size, err := m.k.Types().Sizeof(f.Type)
		start := base + f.BitOffset/8
		if ok && err == nil && start+size > start {
			list = append(list, area{name, vmcore.Addr(start), vmcore.Addr(start + size)})
		}
	}
	entryType, err := m.k.Struct("cpu_entry_area")
	if err != nil {
		return list
	}
	estacks, err := m.k.At(0, entryType).Field("estacks")
	if err != nil {
		return list
	}
	before, _ := estacks.Addr()
	entry, err := m.k.At(vmcore.Addr(base)-before, entryType).Field("entry_stack_page")
	if err != nil {
		return list
	}
	if size, err := entry.Size(); err == nil {
		start, _ := entry.Addr()
		list = append(list, area{"entry", start, start + vmcore.Addr(size)})
	}
	return list
}

// perCPU reads a CPU's copy of a variable that is a pointer.
func (m *x86) perCPU(name string, cpu int) (uint64, error) {
	if len(m.k.Symbols().Lookup(name)) == 0 { // it is no module's
		return 0, &kernel.NotFoundError{What: "symbol", Name: name}
	}
	v, err := m.k.Object(name, &btf.Pointer{Target: &btf.Void{}})
	if err != nil {
		return 0, err
	}
	if v, err = m.k.PerCPU(v, cpu); err != nil {
		return 0, err
	}
	return v.Uint()
}
