package fs

import (
	"fmt"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

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
