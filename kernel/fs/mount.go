package fs

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Mount is a mounted file system (struct mount, fs/mount.h).
type Mount struct {
	Addr   vmcore.Addr // of the struct mount
	Super  vmcore.Addr // of its struct super_block
	Root   vmcore.Addr // of the struct dentry that is the root of what is mounted
	Source string      // the device, or what stands for one
	Target string      // the path where it is mounted
	Type   string      // of the file system
	value  kernel.Value
}

// Namespace returns the mount namespace of a task, of the kernel's first task
// if task is the zero Value. A task that has exited has none.
func Namespace(k *kernel.Kernel, task kernel.Value) (kernel.Value, error) {
	if task.Type() == nil {
		var err error
		if task, err = k.ObjectOf("init_task", "task_struct"); err != nil {
			return kernel.Value{}, err
		}
	}
	proxy, a, err := target(task, "nsproxy")
	if err != nil {
		return kernel.Value{}, err
	}
	if a == 0 {
		return kernel.Value{}, &kernel.NotFoundError{What: "mount namespace", Name: "mnt_ns", In: "a task that has exited"}
	}
	ns, _, err := target(proxy, "mnt_ns")
	return ns, err
}

// Mounts returns what is mounted in a namespace (a struct mnt_namespace), in the
// kernel's order. A mount of which something cannot be read comes with what can,
// and the error after it.
func Mounts(ns kernel.Value) iter.Seq2[Mount, error] {
	return func(yield func(Mount, error) bool) {
		for v, err := range mountObjects(ns) {
			if err != nil {
				if !yield(Mount{}, fmt.Errorf("mounts: %w", err)) {
					return
				}
				continue
			}
			m, err := readMount(v)
			if !yield(m, nil) {
				return
			}
			if err != nil && !yield(Mount{}, fmt.Errorf("mount at %v: %w", m.Addr, err)) {
				return
			}
		}
	}
}

// mountObjects walks the struct mounts of a namespace. They are in a red-black
// tree since Linux kernel commit 2eea9ce4310d ("mounts: keep list of mounts in an
// rbtree") (in v6.8), and were in a list; mounts was then their number.
func mountObjects(ns kernel.Value) iter.Seq2[kernel.Value, error] {
	k := ns.Kernel()
	fail := func(err error) iter.Seq2[kernel.Value, error] {
		return func(yield func(kernel.Value, error) bool) { yield(kernel.Value{}, err) }
	}
	t, err := k.Struct("mount")
	if err != nil {
		return fail(err)
	}
	if ns.Has("mounts", "rb_node") {
		root, err := ns.Path("mounts")
		if err != nil {
			return fail(err)
		}
		a, _ := root.Addr()
		return k.RBTree(a, t, "mnt_node")
	}
	head, err := ns.Path("list")
	if err != nil {
		return fail(err)
	}
	a, _ := head.Addr()
	return k.List(a, t, "mnt_list")
}

// readMount reads a struct mount. Where the source or type cannot be read, the
// text says so.
func readMount(v kernel.Value) (Mount, error) {
	r := kernel.Reader{Value: v}
	m := Mount{
		Super:  r.Pointer("mnt", "mnt_sb"),
		Root:   r.Pointer("mnt", "mnt_root"),
		Source: r.Text("mnt_devname"),
		Type:   r.Text("mnt", "mnt_sb", "s_type", "name"),
		value:  v,
	}
	m.Addr, _ = v.Addr()
	root, _, err := target(v, "mnt", "mnt_root")
	if err == nil {
		m.Target, err = pathName(v, root)
	}
	if r.Err == nil {
		r.Err = err
	}
	return m, r.Err
}

// Is reports whether an address is that of the mount, of a part of it, of its
// super block or of its root.
func (m *Mount) Is(a vmcore.Addr) bool {
	size, err := m.value.Size()
	return a == m.Super || a == m.Root || err == nil && a >= m.Addr && uint64(a-m.Addr) < size
}

// SuperOf returns the address of the struct super_block that the struct dentry
// or struct inode at an address belongs to, 0 if there is neither: the object has
// to be found again from where it leads.
func SuperOf(k *kernel.Kernel, a vmcore.Addr) vmcore.Addr {
	for _, kind := range []struct{ name, super string }{{"dentry", "d_sb"}, {"inode", "i_sb"}} {
		t, err := k.Struct(kind.name)
		if err != nil {
			continue
		}
		super, err := k.At(a, t).Path(kind.super)
		if err != nil {
			continue
		}
		to, err := super.UintAt("s_root")
		if err != nil || to == 0 {
			continue
		}
		_, at, err := target(super)
		if root, rootErr := super.UintAt("s_root", "d_sb"); err == nil && rootErr == nil && vmcore.Addr(root) == at {
			return at
		}
	}
	return 0
}
