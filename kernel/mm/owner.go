package mm

import (
	"errors"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Owner is all that is known of whose memory an address is. Parts that do not
// apply are nil.
type Owner struct {
	Addr      vmcore.Addr
	Symbol    *kallsyms.Symbol
	PerCPU    *int // the CPU whose copy of the kernel's per-CPU variables the address is in
	Task      *kernel.Task
	Stack     bool    // the address is in the task's kernel stack, not its structure
	Object    *Object // of a slab cache
	Area      *Area   // of vmalloc
	Structure *Page   // the address is in the structure of this page
	Page      *Page   // the address is in this page
	FreeHead  *Page   // the free block that the page is in begins here
	Order     int     // of that block
}

// Owner finds out whose memory an address is. What could not be found out is among
// the errors.
func (m *Memory) Owner(a vmcore.Addr) (o Owner, errs []error) {
	note := func(err error) {
		if err != nil && kernel.ErrorKind(err) != kernel.KindNotFound {
			errs = append(errs, err)
		}
	}
	o.Addr = a
	if s, _, ok := m.k.Resolve(a); ok {
		o.Symbol = &s
	}
	m.perCPUOwner(&o)
	object, ok, err := m.ObjectAt(a)
	if note(err); ok {
		o.Object = &object
	}
	if area, ok := m.AreaAt(a); ok {
		o.Area = &area
	}
	m.taskOwner(&o)
	if p, err := m.PageAt(a); err == nil {
		o.Structure = &p
	}
	note(m.pageOwner(&o))
	return o, errs
}

// perCPUOwner finds the CPU and the variable where an address is in a CPU's copy
// of per-CPU variables.
func (m *Memory) perCPUOwner(o *Owner) {
	start, end := m.k.Lookup("__per_cpu_start"), m.k.Lookup("__per_cpu_end")
	cpus, err := m.k.PossibleCPUs()
	if err != nil || len(start) != 1 || len(end) != 1 {
		return
	}
	for _, cpu := range cpus {
		first, err := m.k.PerCPU(m.k.Uint(&btf.Pointer{Target: &btf.Void{}}, uint64(start[0].Addr)), cpu)
		if err != nil {
			return
		}
		base, _ := first.Addr()
		size := end[0].Addr - start[0].Addr
		if o.Addr < base || o.Addr-base >= size {
			continue
		}
		o.PerCPU = &cpu
		// Addresses of per-CPU variables are small numbers, which are not resolved.
		at := start[0].Addr + o.Addr - base
		for s := range m.k.Symbols().All() {
			if s.Class == kallsyms.PerCPU && s.Addr <= at && at < s.Addr+vmcore.Addr(s.Size) {
				o.Symbol = &s
			}
		}
		return
	}
}

// taskOwner finds the task whose structure or kernel stack an address is in.
func (m *Memory) taskOwner(o *Owner) {
	if o.Object != nil && o.Object.Cache.Name != "task_struct" && o.Area == nil {
		return
	}
	size := m.StackSize()
	for t, err := range m.k.Tasks() {
		if err != nil {
			continue
		}
		if o.Object != nil && t.Addr == o.Object.Addr {
			o.Task = &t
			return
		}
		stack, err := t.Value().UintAt("stack")
		if err == nil && uint64(o.Addr)-stack < size {
			o.Task, o.Stack = &t, true
			return
		}
	}
}

// pageOwner finds the page of an address, and the free block that it is in.
func (m *Memory) pageOwner(o *Owner) error {
	space, err := m.Kernel()
	if err != nil {
		return err
	}
	t, err := space.Translate(o.Addr)
	if errors.Is(err, vmcore.ErrUnmapped) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := m.Page(uint64(t.Phys) >> m.pageShift)
	if err != nil {
		return err
	}
	o.Page = &p
	if head, order, ok := m.freeBlock(p.PFN); ok {
		o.FreeHead, o.Order = &head, order
	}
	return nil
}

// StackSize returns the bytes of a task's kernel stack, THREAD_SIZE, which union
// thread_union has.
func (m *Memory) StackSize() uint64 {
	for _, t := range m.k.LookupType(btfsrc.KindUnion, "thread_union") {
		if size, err := m.k.Types().Sizeof(t); err == nil && size <= 1<<20 {
			return size
		}
	}
	return 16 << 10
}
