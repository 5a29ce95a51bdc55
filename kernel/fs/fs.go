// Package fs reads the file systems of a dumped kernel: what is mounted where,
// the names of files, and which files tasks have open.
//
// It tells which pages of a file are in memory; page structures, and what tasks
// map, are of package kernel/mm. Tasks and containers come from package kernel below it; the commands
// mount, files and fuser are above it.
package fs

import (
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

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
