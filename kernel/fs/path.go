package fs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Path is a place in the tree of files (struct path, include/linux/path.h).
type Path struct {
	Name   string      // from the root of all mounts, as /proc shows it
	Dentry vmcore.Addr // of its struct dentry
	Mount  vmcore.Addr // of the struct vfsmount that it is seen through
}

// PathOf reads a struct path. The name of a deleted file ends in " (deleted)";
// what has no name in a directory is named by what it is, such as pipe:[4711].
// Where a part of the name cannot be read, the name begins there with why, and
// the error is returned too.
func PathOf(path kernel.Value) (Path, error) {
	var p Path
	dentry, at, err := target(path, "dentry")
	if err != nil {
		return p, err
	}
	_, vfsmount, err := target(path, "mnt")
	if err != nil {
		return p, err
	}
	p.Dentry, p.Mount = at, vfsmount
	if at == 0 {
		return p, nil
	}
	mnt, err := path.Kernel().Container(vfsmount, "mount", "mnt")
	if err != nil {
		return p, err
	}
	if p.Name, err = generatedName(mnt, dentry); p.Name != "" || err != nil {
		return p, err
	}
	p.Name, err = pathName(mnt, dentry)
	if unlinked(dentry) {
		p.Name += " (deleted)"
	}
	return p, err
}

// DentryName returns the name of a dentry from the root of its file system.
func DentryName(dentry kernel.Value) (string, error) {
	return pathName(kernel.Value{}, dentry)
}

const (
	maxSteps = 8192      // from a file up to the root: PATH_MAX bytes hold 2048 names
	maxName  = 256       // NAME_MAX and its NUL
	maxPath  = 64 * 1024 // bytes of a whole name
)

// errTooDeep says that the way up from a file has no end.
var errTooDeep = errors.New("the way up to its root does not end")

// pathName walks from a dentry up to the root, from a mount to what it is
// mounted on, as d_path does (fs/d_path.c). With no mount it ends at the root of
// the file system. mnt is a struct mount.
func pathName(mnt, dentry kernel.Value) (string, error) {
	var names []string // the last one first
	size := 0
	join := func() string {
		slices.Reverse(names)
		return strings.Join(names, "/")
	}
	fail := func(err error) (string, error) {
		names = append(names, "<"+kernel.ErrorKind(err)+">")
		return join(), err
	}
	for range maxSteps {
		at, _ := dentry.Addr()
		if mnt.Type() != nil {
			up, mountpoint, done, err := leaveMount(mnt, at)
			if err != nil {
				return fail(err)
			}
			if done {
				return "/" + join(), nil
			}
			if mountpoint.Type() != nil {
				mnt, dentry = up, mountpoint
				continue
			}
		}
		parent, parentAt, err := target(dentry, "d_parent")
		if err != nil {
			return fail(fmt.Errorf("dentry at %v: %w", at, err))
		}
		if parentAt == at {
			return "/" + join(), nil
		}
		name, err := nameOf(dentry)
		if err != nil {
			return fail(fmt.Errorf("name of dentry at %v: %w", at, err))
		}
		names = append(names, name)
		if size += len(name) + 1; size > maxPath {
			break
		}
		dentry = parent
	}
	// Of a way that goes in circles, the end is worth showing.
	names = names[:min(len(names), 8)]
	return fail(errTooDeep)
}

// leaveMount returns, where a dentry is the root of a mount, the parent of that
// mount and the dentry that it is mounted on. done is true for a mount that is
// mounted nowhere, being the first or detached.
func leaveMount(mnt kernel.Value, dentry vmcore.Addr) (parent, mountpoint kernel.Value, done bool, err error) {
	root, err := mnt.UintAt("mnt", "mnt_root")
	if err != nil || vmcore.Addr(root) != dentry {
		return kernel.Value{}, kernel.Value{}, false, err
	}
	at, _ := mnt.Addr()
	parent, up, err := target(mnt, "mnt_parent")
	if err != nil || up == at {
		return kernel.Value{}, kernel.Value{}, err == nil, err
	}
	mountpoint, _, err = target(mnt, "mnt_mountpoint")
	return parent, mountpoint, false, err
}

// nameOf returns a dentry's own name.
func nameOf(dentry kernel.Value) (string, error) {
	name, err := dentry.Path("d_name", "name")
	if err != nil {
		return "", err
	}
	return name.CString(maxName)
}

// unlinked reports whether a dentry is out of the table of names and not a root:
// d_unlinked of include/linux/dcache.h.
func unlinked(dentry kernel.Value) bool {
	hashed, err := dentry.UintAt("d_hash", "pprev")
	if err != nil || hashed != 0 {
		return false
	}
	at, _ := dentry.Addr()
	parent, err := dentry.UintAt("d_parent")
	return err == nil && vmcore.Addr(parent) != at
}
