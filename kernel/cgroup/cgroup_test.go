package cgroup_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel/cgroup"
	"github.com/kdbg/kdbg/kernel/kerneltest"
)

// layouts are the structures that this package asks for, as before v6.15.
var layouts = []string{
	"list_head next:long prev:long",
	"kernfs_node parent:kernfs_node* name:char* id:long",
	"cgroup_subsys_state flags:long sibling:list_head children:list_head parent:cgroup_subsys_state*",
	"cgroup_subsys name:char*",
	"css_set nr_tasks:int cgrp_links:list_head",
	"cgroup self:cgroup_subsys_state level:int kn:kernfs_node* subsys:cgroup_subsys_state*[2] root:cgroup_root* cset_links:list_head",
	"cgroup_root hierarchy_id:int root_list:list_head cgrp:cgroup",
	"cgrp_cset_link cgrp:cgroup* cset:css_set* cset_link:list_head cgrp_link:list_head",
	"page_counter usage:long",
	"mem_cgroup css:cgroup_subsys_state memory:page_counter",
	"pids_cgroup css:cgroup_subsys_state counter:long",
	"task_struct cgroups:css_set*",
}

const (
	roots       = kerneltest.Data + 0x100
	controllers = kerneltest.Data + 0x200
)

// Offsets in the structures above.
const (
	cssSize  = 48
	children = 24
	parent   = 40
	kn       = cssSize + 8
	subsys   = kn + 8
	links    = subsys + 24
)

// group makes a group with a name, and returns it.
func group(w *kerneltest.World, name string) uint64 {
	at := w.Room(0x200)
	node := w.Object(0, w.Text(name), 7)
	w.Put(at, 2, 0, 0, at+children, at+children, 0, 0, node)
	w.Put(at+links, at+links, at+links)
	return at
}

// below links groups below another.
func below(w *kerneltest.World, above uint64, groups ...uint64) {
	var nodes []uint64
	for _, g := range groups {
		w.Put(g+parent, above)
		nodes = append(nodes, g+8)
	}
	w.List(above+children, nodes...)
}

func TestGroups(t *testing.T) {
	w := kerneltest.New(t, layouts,
		kallsymstest.Symbol{Addr: roots, Type: 'D', Name: "cgroup_roots"},
		kallsymstest.Symbol{Addr: controllers, Type: 'D', Name: "cgroup_subsys"},
	)
	w.Put(uint64(controllers), w.Object(w.Text("memory")), w.Object(w.Text("pids")))
	const rootGroup = 24 // offset of cgrp in a cgroup_root
	root := w.Room(0x400)
	top := root + rootGroup
	w.Put(top, 2, 0, 0, top+children, top+children, 0, 0, w.Object(0, w.Text(""), 1))
	w.Put(top+links, top+links, top+links)
	w.Put(root+8, uint64(roots), uint64(roots))
	w.Put(uint64(roots), root+8, root+8)

	a, b, c := group(w, "a"), group(w, "b"), group(w, "c")
	below(w, top, a, b)
	below(w, a, c)
	w.Put(c+subsys, w.Object(0, 0, 0, 0, 0, 0, 256), w.Object(0, 0, 0, 0, 0, 0, 5)) // pages, tasks
	w.Put(b, 16)                                                                    // dying
	set := w.Object(3)
	w.List(c+links, w.Object(c, set, 0, 0)+16)

	list := func() string {
		var got []string
		for g, err := range cgroup.Groups(w.Kernel) {
			if err != nil {
				got = append(got, "error")
				continue
			}
			text := fmt.Sprint(g.Path, " ", g.Level, " ", g.Tasks, " ", g.Controllers)
			if g.Memory != nil && g.PIDs != nil {
				text += fmt.Sprint(" ", *g.Memory, " ", *g.PIDs)
			}
			if g.Dying {
				text += " dying"
			}
			got = append(got, text)
		}
		return strings.Join(got, ", ")
	}
	whole := "/ 0 0 [], /a 1 0 [], /a/c 2 3 [memory pids] 1048576 5, /b 1 0 [] dying"
	if got := list(); got != whole {
		t.Errorf("%s\nwant %s", got, whole)
	}
	below(w, c, a) // which is above it
	if got := list(); !strings.Contains(got, "error") || len(got) > 1000 {
		t.Errorf("groups below themselves: %s", got)
	}
	below(w, c)
	below(w, top, a, b)
	w.Put(c+kn, uint64(kerneltest.Excluded))
	if got, want := list(), "/ 0 0 [], /a 1 0 [], error, /a/<excluded> 2 3 [memory pids] 1048576 5, error, /b 1 0 [] dying"; got != want {
		t.Errorf("a name that was left out: %s\nwant %s", got, want)
	}
}
