package fs

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Page is a page of a file that is in memory.
type Page struct {
	Index uint64      // in the file, in pages
	Addr  vmcore.Addr // of its struct page, the first of those of a folio
}

// Pages returns the pages of the struct inode at an address that are in memory.
func Pages(k *kernel.Kernel, inode vmcore.Addr) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		t, err := k.Struct("inode")
		if err != nil {
			yield(Page{}, err)
			return
		}
		array, err := k.At(inode, t).Path("i_mapping", "i_pages")
		if err != nil {
			yield(Page{}, fmt.Errorf("inode at %v: %w", inode, err))
			return
		}
		a, _ := array.Addr()
		for e, err := range k.XArray(a) {
			// An odd entry is no page: it says when one was taken out.
			if err == nil && e.Entry&1 != 0 {
				continue
			}
			if !yield(Page{e.Index, e.Entry}, err) {
				return
			}
		}
	}
}

// PageCount returns how many pages of the struct inode at an address are in
// memory by the kernel's own count.
func PageCount(k *kernel.Kernel, inode vmcore.Addr) (uint64, error) {
	t, err := k.Struct("inode")
	if err != nil {
		return 0, err
	}
	n, err := k.At(inode, t).UintAt("i_mapping", "nrpages")
	if err != nil {
		err = fmt.Errorf("inode at %v: %w", inode, err)
	}
	return n, err
}

// DentryAt returns the file of the struct dentry at an address, seen through the
// first mount of its file system that shows it.
func DentryAt(k *kernel.Kernel, a vmcore.Addr) (File, error) {
	t, err := k.Struct("dentry")
	if err != nil {
		return File{}, err
	}
	dentry := k.At(a, t)
	f := File{FD: -1}
	f.Dentry = a
	if err := f.readInode(dentry, "d_inode"); err != nil {
		return f, fmt.Errorf("dentry at %v: %w", a, err)
	}
	super, err := dentry.UintAt("d_sb")
	if err != nil {
		return f, err
	}
	f.Super = vmcore.Addr(super)
	mnt, err := mountOf(k, f.Super)
	if err != nil {
		return f, err
	}
	if mnt.Type() != nil {
		if f.Name, err = generatedName(mnt, dentry); f.Name != "" || err != nil {
			return f, err
		}
	}
	f.Name, err = pathName(mnt, dentry)
	if unlinked(dentry) {
		f.Name += " (deleted)"
	}
	return f, err
}

// mountOf returns the struct mount of the first namespace that shows a super
// block, the zero Value where none does.
func mountOf(k *kernel.Kernel, super vmcore.Addr) (kernel.Value, error) {
	ns, err := Namespace(k, kernel.Value{})
	if err != nil {
		return kernel.Value{}, err
	}
	for v, err := range mountObjects(ns) {
		if err != nil {
			return kernel.Value{}, err
		}
		if at, err := v.UintAt("mnt", "mnt_sb"); err == nil && vmcore.Addr(at) == super {
			return v, nil
		}
	}
	return kernel.Value{}, nil
}
