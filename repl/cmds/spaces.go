package cmds

import (
	"context"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/vmcore"
)

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
