package device

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Vector is where a processor, or the kernel for a soft interrupt, goes on when
// an interrupt of a number comes.
type Vector struct {
	Number  int
	Addr    vmcore.Addr // of the entry in the table
	Handler vmcore.Addr
}

// vectors is the size of x86's interrupt descriptor table.
const vectors = 256

// IDT returns the entries of x86's interrupt descriptor table (struct
// gate_struct, arch/x86/include/asm/desc_defs.h). A 32-bit gate has no
// offset_high.
func IDT(k *kernel.Kernel) iter.Seq2[Vector, error] {
	return table(k, "idt_table", "gate_struct", vectors, func(v kernel.Value) (vmcore.Addr, error) {
		r := kernel.Reader{Value: v}
		a := r.Uint("offset_low") | r.Uint("offset_middle")<<16
		if v.Has("offset_high") {
			a |= r.Uint("offset_high") << 32
		}
		return vmcore.Addr(a), r.Err
	})
}

// softIRQs is NR_SOFTIRQS of include/linux/interrupt.h, the same since v2.6.31.
const softIRQs = 10

// SoftIRQs returns the handlers of the kernel's soft interrupts (softirq_vec,
// kernel/softirq.c).
func SoftIRQs(k *kernel.Kernel) iter.Seq2[Vector, error] {
	return table(k, "softirq_vec", "softirq_action", softIRQs, func(v kernel.Value) (vmcore.Addr, error) {
		a, err := v.UintAt("action")
		return vmcore.Addr(a), err
	})
}

// table returns the entries of a variable that is an array of structures, as
// many as the variable is long and at most limit.
func table(k *kernel.Kernel, name, structName string, limit uint64, handler func(kernel.Value) (vmcore.Addr, error)) iter.Seq2[Vector, error] {
	return func(yield func(Vector, error) bool) {
		t, err := k.Struct(structName)
		if err != nil {
			yield(Vector{}, err)
			return
		}
		size, err := k.Types().Sizeof(t)
		if err != nil || size == 0 {
			yield(Vector{}, err)
			return
		}
		array, err := k.Object(name, &btf.Array{Index: k.BasicType("unsigned int"), Type: t, Nelems: uint32(limit)})
		if err != nil {
			yield(Vector{}, err)
			return
		}
		if s := k.Lookup(name); len(s) == 1 && s[0].Size != 0 {
			limit = min(limit, s[0].Size/size)
		}
		for i := range int(limit) {
			entry, err := array.Index(int64(i))
			v := Vector{Number: i}
			if err == nil {
				v.Addr, _ = entry.Addr()
				v.Handler, err = handler(entry)
			}
			if err != nil {
				err = fmt.Errorf("%s[%d]: %w", name, i, err)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}
