package fs

import (
	"fmt"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
	"github.com/kdbg/kdbg/vmcore"
)

// Wanted is a file that is looked for: by its path, or by the address of its
// struct file, dentry or inode. The zero Wanted is none.
type Wanted struct {
	Name string
	Addr vmcore.Addr
}

// Is reports whether a file is the one that is looked for.
func (w Wanted) Is(f File) bool {
	return w.Name != "" && f.Name == w.Name || w.Addr != 0 && (w.Addr == f.Addr || w.Addr == f.Dentry || w.Addr == f.Inode)
}

// Use is how a task uses a file.
type Use struct{ Root, Current, Open, Mapped bool }

// Any reports whether it does.
func (u Use) Any() bool { return u != Use{} }

// Finder finds out which tasks use a file. Tasks share most of their files: each
// is looked at once.
type Finder struct {
	mem    *mm.Memory
	want   Wanted
	seen   map[vmcore.Addr]bool // by struct file: whether it is the one
	memory map[vmcore.Addr]bool // by struct mm_struct, which threads share: whether it maps the file
}

// NewFinder returns a finder of the tasks that use a file.
func NewFinder(mem *mm.Memory, want Wanted) *Finder {
	return &Finder{mem: mem, want: want, seen: make(map[vmcore.Addr]bool), memory: make(map[vmcore.Addr]bool)}
}

// Use returns how a task uses the file, and what of the task cannot be read.
func (f *Finder) Use(task kernel.Task) (u Use, errs []error) {
	dirs, _, err := DirectoriesOf(task.Value())
	if err != nil {
		errs = append(errs, err)
	}
	u.Root, u.Current = f.want.Is(dirs.Root), f.want.Is(dirs.Current)
	for file, err := range Files(task.Value()) {
		if err != nil {
			errs = append(errs, err)
		}
		u.Open = u.Open || err == nil && f.want.Is(file)
	}
	var mapErrs []error
	u.Mapped, mapErrs = f.mapped(task)
	return u, append(errs, mapErrs...)
}

// mapped reports whether the file is mapped into the memory of a task.
func (f *Finder) mapped(task kernel.Task) (mapped bool, errs []error) {
	memory, ok, err := task.MM()
	if err != nil {
		return false, []error{err}
	}
	if !ok {
		return false, nil
	}
	at, _ := memory.Addr()
	if mapped, ok := f.memory[at]; ok {
		return mapped, nil
	}
	for vma, err := range f.mem.VMAs(memory) {
		var is bool
		if err == nil {
			is, err = f.isFileOf(task.Value().Kernel(), vma)
		}
		if err != nil {
			if errs = append(errs, err); len(errs) == maxBroken {
				break
			}
		}
		mapped = mapped || is
	}
	f.memory[at] = mapped
	return mapped, errs
}

// isFileOf reports whether a mapping is of the file.
func (f *Finder) isFileOf(k *kernel.Kernel, vma mm.VMA) (bool, error) {
	if vma.File == 0 {
		return false, nil
	}
	is, ok := f.seen[vma.File]
	if ok {
		return is, nil
	}
	t, err := k.Struct("file")
	if err != nil {
		return false, err
	}
	found, err := readFile(k.At(vma.File, t))
	if err != nil {
		err = fmt.Errorf("file at %v: %w", vma.File, err)
	}
	is = f.want.Is(found)
	f.seen[vma.File] = is
	return is, err
}
