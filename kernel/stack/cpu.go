package stack

import "github.com/kdbg/kdbg/vmcore"

// CPUStack is a stack on which a CPU handles interrupts and exceptions.
type CPUStack struct {
	Name       string
	Start, End vmcore.Addr
}

// CPUStacks returns the stacks of a CPU that belong to no task.
func (u *Unwinder) CPUStacks(cpu int) []CPUStack {
	var list []CPUStack
	for _, a := range u.machine.areas(cpu) {
		list = append(list, CPUStack{a.name, a.start, a.end})
	}
	return list
}

// TaskStackSize returns the size of the stack of a task.
func (u *Unwinder) TaskStackSize() uint64 { return u.stackSize() }
