package fs

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
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
	want   Wanted
	seen   map[vmcore.Addr]bool // by struct file: whether it is the one
	memory map[vmcore.Addr]bool // by struct mm_struct, which threads share: whether it maps the file
}

// NewFinder returns a finder of the tasks that use a file.
func NewFinder(want Wanted) *Finder {
	return &Finder{want: want, seen: make(map[vmcore.Addr]bool), memory: make(map[vmcore.Addr]bool)}
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
	mm, ok, err := task.MM()
	if err != nil {
		return false, []error{err}
	}
	if !ok {
		return false, nil
	}
	at, _ := mm.Addr()
	if mapped, ok := f.memory[at]; ok {
		return mapped, nil
	}
	for vma, err := range vmas(mm) {
		var is bool
		if err == nil {
			is, err = f.isFileOf(vma)
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

// isFileOf reports whether a struct vm_area_struct maps the file.
func (f *Finder) isFileOf(vma kernel.Value) (bool, error) {
	file, at, err := target(vma, "vm_file")
	if err != nil || at == 0 {
		return false, err
	}
	is, ok := f.seen[at]
	if !ok {
		var found File
		if found, err = readFile(file); err != nil {
			err = fmt.Errorf("file at %v: %w", at, err)
		}
		is = f.want.Is(found)
		f.seen[at] = is
	}
	return is, err
}

// maxVMAs bounds the mappings of one task; vm.max_map_count is 65530 at first.
const maxVMAs = 1 << 24

// vmas walks the struct vm_area_structs of a struct mm_struct: in a maple tree
// since Linux kernel commit 763ecb035029 ("mm: remove the vma linked list") (in
// v6.1), in a list before.
func vmas(mm kernel.Value) iter.Seq2[kernel.Value, error] {
	return func(yield func(kernel.Value, error) bool) {
		k := mm.Kernel()
		if mm.Has("mm_mt") {
			t, err := k.Struct("vm_area_struct")
			if err != nil {
				yield(kernel.Value{}, err)
				return
			}
			tree, err := mm.Path("mm_mt")
			if err != nil {
				yield(kernel.Value{}, err)
				return
			}
			a, _ := tree.Addr()
			for r, err := range k.MapleTree(a) {
				if !yield(k.At(r.Entry, t), err) {
					return
				}
			}
			return
		}
		vma, at, err := target(mm, "mmap")
		for n := 0; err == nil && at != 0 && n < maxVMAs; n++ {
			if !yield(vma, nil) {
				return
			}
			vma, at, err = target(vma, "vm_next")
		}
		if err != nil {
			yield(kernel.Value{}, err)
		}
	}
}
