package cgroup

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// OfTask returns the groups that a task (a struct task_struct) is in, one of each
// hierarchy.
func OfTask(task kernel.Value) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		k := task.Kernel()
		w, err := newWalk(k)
		if err != nil {
			yield(Group{}, err)
			return
		}
		t, err := k.Struct("cgrp_cset_link")
		if err != nil {
			yield(Group{}, err)
			return
		}
		head, err := task.Path("cgroups", "cgrp_links")
		if err != nil {
			yield(Group{}, err)
			return
		}
		a, _ := head.Addr()
		for link, err := range k.List(a, t, "cgrp_link") {
			var g Group
			if err == nil {
				g, err = w.linked(link)
			}
			if !yield(g, err) {
				return
			}
		}
	}
}

// linked returns the group of a struct cgrp_cset_link.
func (w *walk) linked(link kernel.Value) (Group, error) {
	r := kernel.Reader{Value: link}
	v := r.Target("cgrp")
	if r.Err != nil {
		return Group{}, r.Err
	}
	g, err := w.read(v)
	if err == nil {
		g.Path, err = pathOf(v)
	}
	if err != nil {
		return g, fmt.Errorf("control group at %v: %w", g.Addr, err)
	}
	r = kernel.Reader{Value: v}
	g.Level, g.Hierarchy = int(r.Int("level")), int(r.Int("root", "hierarchy_id"))
	return g, r.Err
}

// pathOf returns the path of a group from the root of its hierarchy, by the
// directories that it is seen as. Linux kernel commit 633488947ef6 ("kernfs: Use
// RCU to access kernfs_node::parent.") (in v6.15) renamed parent.
func pathOf(group kernel.Value) (string, error) {
	r := kernel.Reader{Value: group}
	node := r.Target("kn")
	var names []string
	for r.Err == nil {
		r = kernel.Reader{Value: node}
		member := "__parent"
		if !node.Has(member) {
			member = "parent"
		}
		parent := r.Pointer(member)
		if parent == 0 || r.Err != nil {
			break
		}
		if names = append(names, r.Text("name")); len(names) > maxDepth {
			return "", fmt.Errorf("kernfs_node at %v is below itself", parent)
		}
		node = r.Target(member)
	}
	slices.Reverse(names)
	return "/" + strings.Join(names, "/"), r.Err
}

// Members returns the threads of a group, without those in groups below.
func (g *Group) Members() iter.Seq2[kernel.Task, error] {
	return func(yield func(kernel.Task, error) bool) {
		k := g.value.Kernel()
		t, err := k.Struct("task_struct")
		if err != nil {
			yield(kernel.Task{}, err)
			return
		}
		seen := make(map[vmcore.Addr]bool)
		for set, err := range sets(g.value) {
			if err != nil {
				if !yield(kernel.Task{}, err) {
					return
				}
				continue
			}
			for _, list := range []string{"tasks", "mg_tasks", "dying_tasks"} {
				if !set.Has(list) {
					continue
				}
				head, err := set.Path(list)
				if err != nil {
					continue
				}
				a, _ := head.Addr()
				for v, err := range k.List(a, t, "cg_list") {
					var task kernel.Task
					if err == nil {
						at, _ := v.Addr()
						if seen[at] {
							continue
						}
						seen[at] = true
						task, err = k.TaskAt(at)
					}
					if !yield(task, err) {
						return
					}
				}
			}
		}
	}
}
