// Package sched reads what the kernel's scheduler and its clocks wait for: run
// queues, timers, wait queues, locks and work queues.
//
// It is a walker over package kernel below it and knows no terminal; the
// commands runq, timer, waitq, lock and wq above it write what it finds. Tasks
// themselves are in package kernel, their stacks in kernel/stack. Walks return
// iterators whose errors are problems found on the way: they go on where they can.
package sched

import (
	"fmt"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// addr returns the address of a value, which is 0 for one that has none.
func addr(v kernel.Value) vmcore.Addr {
	a, _ := v.Addr()
	return a
}

// onCPU returns a CPU's copy of a per-CPU variable that is a structure.
func onCPU(k *kernel.Kernel, name, structName string, cpu int) (kernel.Value, error) {
	v, err := k.ObjectOf(name, structName)
	if err == nil && v.PerCPU() {
		v, err = k.PerCPU(v, cpu)
	}
	if err != nil {
		return v, fmt.Errorf("%s of CPU %d: %w", name, cpu, err)
	}
	return v, nil
}

// structAt returns the structure of a name at an address.
func structAt(k *kernel.Kernel, name string, a vmcore.Addr) (kernel.Value, error) {
	t, err := k.Struct(name)
	if err != nil {
		return kernel.Value{}, err
	}
	return k.At(a, t), nil
}
