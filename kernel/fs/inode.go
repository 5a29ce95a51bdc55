package fs

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
)

// DirtyInodes returns the inodes of a mount's file system that are to be written,
// each as a [File] with its inode and, where the kernel remembers one, a name.
// They are on a list of what waits for that: the bits of i_state that say so are
// others in each few kernels.
func (m *Mount) DirtyInodes() iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		k := m.value.Kernel()
		t, err := k.Struct("inode")
		if err != nil {
			yield(File{}, err)
			return
		}
		head, err := m.value.Path("mnt", "mnt_sb", "s_inodes")
		if err != nil {
			yield(File{}, err)
			return
		}
		a, _ := head.Addr()
		for v, err := range k.List(a, t, "i_sb_list") {
			if err != nil {
				yield(File{}, fmt.Errorf("inodes of %s: %w", m.Target, err))
				return
			}
			r := kernel.Reader{Value: v}
			if r.Pointer("i_io_list", "next") == r.AddrOf("i_io_list") {
				continue
			}
			err := r.Err
			f := File{FD: -1, Type: "UNKN"}
			if setErr := f.setInode(v); err == nil {
				err = setErr
			}
			if err == nil {
				f.Path, err = m.nameOfInode(v)
			}
			if !yield(f, nil) || err != nil && !yield(File{}, fmt.Errorf("inode at %v: %w", f.Inode, err)) {
				return
			}
		}
	}
}

// nameOfInode returns one of the names of an inode, seen through the mount; the
// zero Path if the kernel remembers none. Linux kernel commit 3b7d764a37d0
// ("struct dentry: make ->d_u anonymous") (in v7.1).
func (m *Mount) nameOfInode(inode kernel.Value) (Path, error) {
	k := inode.Kernel()
	first, err := inode.UintAt("i_dentry", "first")
	if err != nil || first == 0 {
		return Path{}, err
	}
	t, err := k.Struct("dentry")
	if err != nil {
		return Path{}, err
	}
	member := "d_alias"
	if !k.At(0, t).Has(member) {
		member = "d_u.d_alias"
	}
	head, err := inode.Path("i_dentry")
	if err != nil {
		return Path{}, err
	}
	a, _ := head.Addr()
	for dentry, err := range k.HList(a, t, member) {
		if err != nil {
			return Path{}, err
		}
		p := Path{}
		p.Dentry, _ = dentry.Addr()
		p.Name, err = pathName(m.value, dentry)
		if unlinked(dentry) {
			p.Name += " (deleted)"
		}
		return p, err
	}
	return Path{}, nil
}
