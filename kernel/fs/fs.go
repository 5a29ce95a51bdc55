// Package fs reads the file systems of a dumped kernel: what is mounted where,
// the names of files, and which files tasks have open.
//
// It does not own the pages of files or what tasks map: those are of package
// kernel/mm, which names files by this package. Tasks and containers come from
// package kernel below it; the commands mount, files and fuser are above it.
package fs

import (
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// containerOf returns the structure that holds, as its member, the object at a.
func containerOf(k *kernel.Kernel, a vmcore.Addr, structName, member string) (kernel.Value, error) {
	t, err := k.Struct(structName)
	if err != nil {
		return kernel.Value{}, err
	}
	m, err := k.At(0, t).Path(member)
	if err != nil {
		return kernel.Value{}, err
	}
	offset, _ := m.Addr()
	return k.At(a-offset, t), nil
}

// target returns the object that a pointer member points to, and its address.
func target(v kernel.Value, members ...string) (kernel.Value, vmcore.Addr, error) {
	p, err := v.Path(members...)
	if err != nil {
		return kernel.Value{}, 0, err
	}
	o, err := p.Deref()
	if err != nil {
		return kernel.Value{}, 0, err
	}
	a, _ := o.Addr()
	return o, a, nil
}
