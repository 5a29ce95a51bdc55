package cmds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// address evaluates an expression that stands for an address: a number, a
// pointer, a symbol without a type, or an object in memory that is no number.
// Sixteen hexadecimal digits are an address without 0x, too, as the kernel
// itself and other debuggers print them.
func (e *Env) address(ctx context.Context, src string) (vmcore.Addr, error) {
	if u, err := strconv.ParseUint(src, 0, 64); err == nil {
		return vmcore.Addr(u), nil
	}
	if u, _ := hexNumber(src); isAddress(src) {
		return vmcore.Addr(u), nil
	}
	v, err := e.eval(ctx, src)
	var untyped *kernel.UntypedError
	if errors.As(err, &untyped) && untyped.Symbol.Name == src {
		return untyped.Symbol.Addr, nil
	}
	if err != nil {
		return 0, err
	}
	u, err := v.Uint()
	if err == nil {
		return vmcore.Addr(u), nil
	}
	if a, ok := v.Addr(); ok && kernel.ErrorKind(err) == kernel.KindType {
		return a, nil
	}
	return 0, err
}

// hexAddress reads an address of a command that looks at memory: as all
// debuggers of the kernel print them, digits are hexadecimal with or without 0x,
// and a symbol, with an offset perhaps, is its address. Anything else is an
// expression.
func (e *Env) hexAddress(ctx context.Context, word string) (uint64, error) {
	if u, ok := hexNumber(word); ok {
		return u, nil
	}
	name, offset, _ := strings.Cut(word, "+")
	if syms := e.Kernel.Lookup(name); len(syms) == 1 {
		if off, err := strconv.ParseUint(offset, 0, 64); err == nil || offset == "" {
			return uint64(syms[0].Addr) + off, nil
		}
	}
	a, err := e.address(ctx, word)
	return uint64(a), err
}

func hexNumber(word string) (uint64, bool) {
	u, err := strconv.ParseUint(strings.TrimPrefix(word, "0x"), 16, 64)
	return u, err == nil
}

// isAddress reports whether a word is a number that can only be an address.
func isAddress(word string) bool {
	_, ok := hexNumber(word)
	return ok && (strings.HasPrefix(word, "0x") || len(word) == 16)
}

// hexAddr writes an address as the kernel and crash do, without 0x.
func hexAddr(a vmcore.Addr) string { return strconv.FormatUint(uint64(a), 16) }

// hexPhys writes a physical address without 0x, as debuggers of the kernel do.
func hexPhys(a vmcore.PhysAddr) string { return fmt.Sprintf("%x", uint64(a)) }

// hex writes a number as addresses are in JSON.
func hex(u uint64) string { return vmcore.Addr(u).String() }

// place is where an object is, and on which CPU if it is per-CPU.
type place struct {
	addr vmcore.Addr
	cpu  *int
}

// places reads an address, or a symbol, behind which the CPUs may stand whose
// copies are meant: runqueues:0-2. Of a per-CPU symbol without CPUs it is the copy
// of each that is online.
func (e *Env) places(ctx context.Context, command, word string) ([]place, error) {
	name, list, some := strings.Cut(word, ":")
	syms := e.Kernel.Lookup(name)
	perCPU := slices.ContainsFunc(syms, func(s kallsyms.Symbol) bool { return s.Class == kallsyms.PerCPU })
	if !perCPU || len(syms) != 1 {
		a, err := e.hexAddress(ctx, word)
		return []place{{addr: vmcore.Addr(a)}}, err
	}
	cpus, err := e.Kernel.OnlineCPUs()
	if err == nil && some {
		cpus, err = parseCPUs(command, list, cpus)
	}
	if err != nil {
		return nil, err
	}
	var all []place
	template := e.Kernel.VariableAs(syms[0], e.Kernel.BasicType("char"))
	for _, cpu := range cpus {
		v, err := e.Kernel.PerCPU(template, cpu)
		if err != nil {
			return nil, err
		}
		a, _ := v.Addr()
		all = append(all, place{a, &cpu})
	}
	return all, nil
}

// physical is physical memory for code that reads virtual memory.
type physical struct{ vmcore.PhysMemory }

// ReadMemory implements [vmcore.Memory].
func (p physical) ReadMemory(b []byte, a vmcore.Addr) (int, error) {
	return p.ReadPhys(b, vmcore.PhysAddr(a))
}

// memory returns the memory that the options -p (physical) and -u (of the
// current task's program) choose, the kernel's without them.
func (e *Env) memory(opts flags) (vmcore.Memory, error) {
	switch {
	case opts.has('p'):
		if e.Kernel.Phys() == nil {
			return nil, &UnsupportedError{Msg: "there is no physical memory"}
		}
		return physical{e.Kernel.Phys()}, nil
	case opts.has('u'):
		t, err := e.Context.Task()
		if err != nil {
			return nil, err
		}
		return e.Memory.TaskSpace(t)
	}
	return e.Kernel.Memory(), nil
}
