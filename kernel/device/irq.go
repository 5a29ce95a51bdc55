package device

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// IRQ is an interrupt line of the kernel (struct irq_desc,
// include/linux/irqdesc.h).
type IRQ struct {
	Number  int
	Addr    vmcore.Addr
	Actions []Action
	Chip    string // the name of what raises it, such as "IO-APIC"; may be empty
	Flow    string // how it is handled, such as "edge"; may be empty
	value   kernel.Value
}

// Action is what a driver does about an interrupt (struct irqaction).
type Action struct {
	Addr    vmcore.Addr
	Name    string
	Handler vmcore.Addr
	Thread  vmcore.Addr // struct task_struct of its thread, 0 if it has none
}

// IRQs returns the interrupt lines in order of number. One of which something
// cannot be read comes with what can, and the error after it.
func IRQs(k *kernel.Kernel) iter.Seq2[IRQ, error] {
	return func(yield func(IRQ, error) bool) {
		t, err := k.Struct("irq_desc")
		if err != nil {
			yield(IRQ{}, err)
			return
		}
		for e, err := range irqEntries(k, t) {
			if err != nil {
				if !yield(IRQ{}, fmt.Errorf("interrupts: %w", err)) {
					return
				}
				continue
			}
			irq, err := readIRQ(int(e.Index), k.At(e.Entry, t))
			if !yield(irq, nil) {
				return
			}
			if err != nil && !yield(IRQ{}, fmt.Errorf("interrupt %d at %v: %w", irq.Number, irq.Addr, err)) {
				return
			}
		}
	}
}

// irqEntries returns where the descriptors are. Linux kernel commit 721255b9826b
// ("genirq: Use a maple tree for interrupt descriptor management") (in v6.5) put
// them into a tree in place of a radix tree; without CONFIG_SPARSE_IRQ they are
// an array.
func irqEntries(k *kernel.Kernel, t btf.Type) iter.Seq2[kernel.Entry, error] {
	if s := k.Lookup("sparse_irqs"); len(s) == 1 {
		return func(yield func(kernel.Entry, error) bool) {
			for r, err := range k.MapleTree(s[0].Addr) {
				if !yield(kernel.Entry{Index: r.First, Entry: r.Entry}, err) {
					return
				}
			}
		}
	}
	if s := k.Lookup("irq_desc_tree"); len(s) == 1 {
		return k.XArray(s[0].Addr)
	}
	return irqArray(k, t)
}

// maxIRQs bounds the array of descriptors.
const maxIRQs = 1 << 16

func irqArray(k *kernel.Kernel, t btf.Type) iter.Seq2[kernel.Entry, error] {
	return func(yield func(kernel.Entry, error) bool) {
		s := k.Lookup("irq_desc")
		if len(s) != 1 {
			yield(kernel.Entry{}, &kernel.NotFoundError{What: "symbol", Name: "sparse_irqs"})
			return
		}
		size, err := k.Types().Sizeof(t)
		if err != nil || size == 0 {
			yield(kernel.Entry{}, err)
			return
		}
		for i := range min(s[0].Size/size, maxIRQs) {
			if !yield(kernel.Entry{Index: i, Entry: s[0].Addr + vmcore.Addr(i*size)}, nil) {
				return
			}
		}
	}
}

// maxActions bounds the actions of one interrupt.
const maxActions = 1 << 12

func readIRQ(number int, v kernel.Value) (IRQ, error) {
	irq := IRQ{Number: number, value: v}
	irq.Addr, _ = v.Addr()
	r := kernel.Reader{Value: v}
	if r.Uint("irq_data", "chip") != 0 && r.Uint("irq_data", "chip", "name") != 0 {
		irq.Chip = r.Text("irq_data", "chip", "name")
	}
	if r.Uint("name") != 0 {
		irq.Flow = r.Text("name")
	}
	next, err := v.Path("action")
	for err == nil {
		if next, err = next.Deref(); err != nil {
			break
		}
		a := kernel.Reader{Value: next}
		at, _ := next.Addr()
		if at == 0 {
			break
		}
		action := Action{Addr: at, Handler: a.Pointer("handler"), Thread: a.Pointer("thread")}
		if a.Uint("name") != 0 {
			action.Name = a.Text("name")
		}
		if slices.ContainsFunc(irq.Actions, func(other Action) bool { return other.Addr == at }) || len(irq.Actions) == maxActions {
			err = fmt.Errorf("the list comes back to %v", at)
			break
		}
		irq.Actions = append(irq.Actions, action)
		if err = a.Err; err == nil {
			next, err = next.Path("next")
		}
	}
	if err != nil {
		err = fmt.Errorf("action: %w", err)
	}
	return irq, errors.Join(r.Err, err)
}

// Affinity returns the CPUs that an interrupt may be sent to. A kernel without
// SMP keeps none.
func (i *IRQ) Affinity() ([]int, error) {
	if !i.value.Has("irq_common_data", "affinity") {
		return i.value.Kernel().OnlineCPUs()
	}
	mask, err := i.value.Path("irq_common_data", "affinity")
	if err != nil {
		return nil, err
	}
	return mask.CPUs()
}

// Counts returns how often each of cpus has seen an interrupt. Linux kernel
// commit 86d2a2f51fba ("genirq: Convert kstat_irqs to a struct") (in v6.10) put
// the number into a structure.
func (i *IRQ) Counts(cpus []int) ([]uint64, error) {
	p, err := i.value.Path("kstat_irqs")
	if err != nil {
		return nil, err
	}
	if u, err := p.Uint(); err != nil || u == 0 {
		return make([]uint64, len(cpus)), err
	}
	var counts []uint64
	for _, cpu := range cpus {
		v, err := i.value.Kernel().PerCPU(p, cpu)
		if err != nil {
			return nil, err
		}
		var n uint64
		if v.Has("cnt") {
			n, err = v.UintAt("cnt")
		} else {
			n, err = v.Uint()
		}
		if err != nil {
			return nil, err
		}
		counts = append(counts, n)
	}
	return counts, nil
}
