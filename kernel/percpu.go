package kernel

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// maxCPUs bounds the number of CPUs, far above any kernel's NR_CPUS.
const maxCPUs = 1 << 16

// PerCPU returns the copy that one CPU has of a per-CPU variable, or the object
// that a pointer to per-CPU memory (void __percpu *) points to for that CPU.
// For a pointer to a per-CPU variable it is that CPU's pointer. A copy that was
// picked before is exchanged for the CPU's.
func (k *Kernel) PerCPU(v Value, cpu int) (Value, error) {
	off, err := k.perCPUOffset(cpu)
	if err != nil {
		return Value{}, err
	}
	_, isPointer := btfsrc.Strip(v.typ).(*btf.Pointer)
	switch {
	case v.kind == reference && (v.percpu || v.picked != 0):
		v.addr += off - v.picked
		v.percpu, v.picked = false, off
		return v, nil
	case v.percpu && isPointer:
		u, err := v.Uint()
		return k.Uint(v.typ, u+uint64(off)), err
	case isPointer:
		p, err := v.Deref()
		p.addr += off
		return p, err
	}
	return Value{}, &TypeError{Msg: "not a per-CPU variable", Do: "leave the CPU out"}
}

// perCPUOffset returns what is added to the address of a per-CPU symbol for a
// CPU (__per_cpu_offset, include/asm-generic/percpu.h). A kernel without SMP has
// no such array and one CPU.
func (k *Kernel) perCPUOffset(cpu int) (vmcore.Addr, error) {
	possible, err := k.PossibleCPUs()
	if err != nil {
		return 0, err
	}
	found := false
	for _, c := range possible {
		found = found || c == cpu
	}
	if !found {
		return 0, &TypeError{
			Msg: fmt.Sprintf("no CPU %d", cpu),
			Do:  fmt.Sprintf("this machine has CPUs %s", CPUList(possible)),
		}
	}
	syms := k.syms.Lookup("__per_cpu_offset")
	if len(syms) == 0 {
		return 0, nil
	}
	word := k.layout.WordSize
	b := make([]byte, word)
	if _, err := k.mem.ReadMemory(b, syms[0].Addr+vmcore.Addr(cpu*word)); err != nil {
		return 0, fmt.Errorf("read __per_cpu_offset[%d]: %w", cpu, err)
	}
	return vmcore.Addr(k.layout.Word(b)), nil
}

// OnlineCPUs returns the numbers of the CPUs that were online, ascending.
func (k *Kernel) OnlineCPUs() ([]int, error) { return k.cpuMask("__cpu_online_mask") }

// PossibleCPUs returns the numbers of the CPUs that have per-CPU memory,
// ascending.
func (k *Kernel) PossibleCPUs() ([]int, error) { return k.cpuMask("__cpu_possible_mask") }

// cpuMask reads a bitmap of CPUs (struct cpumask, kernel/cpu.c). A kernel
// without SMP has CPU 0 only.
func (k *Kernel) cpuMask(name string) ([]int, error) {
	syms := k.syms.Lookup(name)
	if len(syms) == 0 {
		if k.syms.Len() == 0 {
			if err := k.missing(partSymbols); err != nil {
				return nil, err
			}
		}
		return []int{0}, nil
	}
	size := uint64(maxCPUs / 8)
	if t, err := k.structType("cpumask"); err == nil {
		if n, err := k.types.Sizeof(t); err == nil {
			size = min(size, n)
		}
	} else if syms[0].Size != 0 {
		size = min(size, syms[0].Size)
	}
	word := uint64(k.layout.WordSize)
	size -= size % word
	b := make([]byte, size)
	if _, err := k.mem.ReadMemory(b, syms[0].Addr); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	cpus := k.setBits(b)
	if len(cpus) == 0 {
		return nil, fmt.Errorf("%s at %v names no CPU", name, syms[0].Addr)
	}
	return cpus, nil
}

// setBits returns the numbers of the bits that are set in words.
func (k *Kernel) setBits(b []byte) []int {
	var set []int
	word := k.layout.WordSize
	for at := 0; at+word <= len(b); at += word {
		bits := k.layout.Word(b[at:])
		for i := range word * 8 {
			if bits>>i&1 != 0 {
				set = append(set, at*8+i)
			}
		}
	}
	return set
}

// CPUs returns the numbers that a struct cpumask, or a cpumask_var_t, which is a
// pointer to one or an array of one, holds. Those that are not possible are left
// out: the kernel does not care about their bits, and a mask that it allocated
// ends before them.
func (v Value) CPUs() ([]int, error) {
	possible, err := v.k.PossibleCPUs()
	if err != nil {
		return nil, err
	}
	if !isComposite(v.typ) {
		if v, err = v.Deref(); err != nil {
			return nil, err
		}
	}
	bits := 8 * v.k.layout.WordSize
	words := possible[len(possible)-1]/bits + 1
	a, ok := v.Addr()
	if !ok {
		return nil, typeErrorf("%s is no mask of CPUs in memory", v.TypeName())
	}
	b := make([]byte, words*v.k.layout.WordSize)
	if _, err := v.k.mem.ReadMemory(b, a); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(v.k.setBits(b), func(cpu int) bool { return !slices.Contains(possible, cpu) }), nil
}

// CPUList writes CPU numbers as the kernel does, such as "0-3,8".
func CPUList(cpus []int) string {
	var b []byte
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = fmt.Append(b, cpus[i])
		if j > i {
			b = fmt.Appendf(b, "-%d", cpus[j])
		}
		i = j + 1
	}
	return string(b)
}

// PerCPUCounter returns the sum of a struct percpu_counter
// (include/linux/percpu_counter.h): what it holds itself, and what each CPU has
// counted since.
func (k *Kernel) PerCPUCounter(v Value) (int64, error) {
	n, err := v.UintAt("count")
	if err != nil || !v.Has("counters") { // without SMP it is all
		return int64(n), err
	}
	counters, err := v.Path("counters")
	if err != nil {
		return 0, err
	}
	if p, err := counters.Uint(); err != nil || p == 0 {
		return int64(n), err
	}
	cpus, err := k.PossibleCPUs()
	if err != nil {
		return 0, err
	}
	sum := int64(n)
	for _, cpu := range cpus {
		c, err := k.PerCPU(counters, cpu)
		if err != nil {
			return 0, err
		}
		part, err := c.Int()
		if err != nil {
			return 0, fmt.Errorf("counter of CPU %d: %w", cpu, err)
		}
		sum += part
	}
	return sum, nil
}
