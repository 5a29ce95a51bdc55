package mm

import (
	"fmt"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// NoMemoryError says that a task has no memory of its own: it is a thread of the
// kernel, or has ended.
type NoMemoryError struct{ Task kernel.Task }

func (e *NoMemoryError) Error() string {
	return fmt.Sprintf("task %d (%s) has no user memory", e.Task.PID, e.Task.Comm)
}

// Kind returns [kernel.KindNotFound].
func (*NoMemoryError) Kind() string { return kernel.KindNotFound }

// Hint says which tasks have some.
func (*NoMemoryError) Hint() string {
	return "threads of the kernel have none, nor have zombies; take a task of a program"
}

// TaskSpace returns the address space of a task's program.
func (m *Memory) TaskSpace(t kernel.Task) (*paging.Space, error) {
	mm, ok, err := t.MM()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &NoMemoryError{t}
	}
	return m.UserSpace(mm)
}

// UserSpace returns the address space of a struct mm_struct.
func (m *Memory) UserSpace(mm kernel.Value) (*paging.Space, error) {
	kernelSpace, err := m.Kernel()
	if err != nil {
		return nil, err
	}
	pgd, err := mm.UintAt("pgd")
	if err != nil {
		return nil, err
	}
	t, err := kernelSpace.Translate(vmcore.Addr(pgd))
	if err != nil {
		return nil, fmt.Errorf("top page table: %w", err)
	}
	return kernelSpace.User(t.Phys), nil
}

// Kernel returns the kernel's own address space.
func (m *Memory) Kernel() (*paging.Space, error) {
	if s := m.k.Space(); s != nil {
		return s, nil
	}
	for _, err := range m.k.Problems() {
		return nil, err // the first is why there is none
	}
	return nil, &UnsupportedError{What: "virtual memory of " + m.k.Arch().Name}
}
