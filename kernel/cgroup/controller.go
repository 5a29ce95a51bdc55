package cgroup

import (
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// controllers returns the names of the kernel's controllers by index, from the
// array cgroup_subsys, which is as long as struct cgroup's.
func controllers(k *kernel.Kernel) ([]string, error) {
	group, err := k.Struct("cgroup")
	if err != nil {
		return nil, err
	}
	member, err := btfsrc.Find(group, "subsys")
	if err != nil {
		return nil, err
	}
	slots, ok := btfsrc.Strip(member.Type).(*btf.Array)
	if !ok || slots.Nelems > maxControllers {
		return nil, fmt.Errorf("the controllers of a control group are %s", btfsrc.TypeName(member.Type))
	}
	t, err := k.Struct("cgroup_subsys")
	if err != nil {
		return nil, err
	}
	all, err := k.Object("cgroup_subsys", &btf.Array{Index: slots.Index, Type: &btf.Pointer{Target: t}, Nelems: slots.Nelems})
	if err != nil {
		return nil, err
	}
	names := make([]string, slots.Nelems)
	for i := range names {
		p, err := all.Index(int64(i))
		if err != nil {
			return nil, err
		}
		if names[i], err = p.StringAt("name"); err != nil {
			return nil, fmt.Errorf("controller %d: %w", i, err)
		}
	}
	return names, nil
}

// maxControllers bounds the controllers; there are no more than the bits of
// cgroup_root's subsys_mask.
const maxControllers = 32

// readControllers finds the controllers that a group has of its own, and what
// those of memory and of PIDs count. They do not count for the root.
func (w *walk) readControllers(v kernel.Value, g *Group) error {
	slots, err := v.Path("subsys")
	if err != nil {
		return err
	}
	parent, err := v.UintAt("self", "parent")
	if err != nil {
		return err
	}
	for i, name := range w.controllers {
		p, err := slots.Index(int64(i))
		if err != nil {
			return err
		}
		css, err := p.Uint()
		if err != nil {
			return err
		}
		if css == 0 {
			continue
		}
		g.Controllers = append(g.Controllers, name)
		if parent == 0 {
			continue
		}
		switch name {
		case "memory":
			var pages uint64
			if pages, err = w.usage(css, "mem_cgroup", "memory", "usage"); err == nil {
				bytes := pages * w.k.PageSize()
				g.Memory = &bytes
			}
		case "pids":
			var count uint64
			if count, err = w.usage(css, "pids_cgroup", "counter"); err == nil {
				g.PIDs = &count
			}
		}
		if err != nil {
			return fmt.Errorf("controller %s: %w", name, err)
		}
	}
	return nil
}

// usage reads a number of the structure that a controller keeps for a group,
// which has the struct cgroup_subsys_state at css in it.
func (w *walk) usage(css uint64, structName string, members ...string) (uint64, error) {
	v, err := w.k.Container(vmcore.Addr(css), structName, "css")
	if err != nil {
		return 0, err
	}
	return v.UintAt(members...)
}
