// Package cgroup reads the control groups of a dumped kernel: the trees of
// groups, their controllers, their tasks, and the memory they use.
//
// Tasks are of package kernel. The command cgroup is above it.
package cgroup

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Group is a control group (struct cgroup, include/linux/cgroup-defs.h).
type Group struct {
	Addr        vmcore.Addr
	ID          uint64
	Hierarchy   int // 0 is that of version 2
	Path        string
	Level       int // below the root
	Tasks       int // threads in it, without those in groups below
	Controllers []string
	Memory      *uint64 // bytes that it and those below use; nil where nobody counts them
	PIDs        *uint64 // threads in it and those below; nil where nobody counts them
	Dying       bool    // it was removed and is not gone yet
	value       kernel.Value
}

// flagDying is CSS_DYING of enum cgroup_subsys_state's flags.
const flagDying = 1 << 4

// Groups returns the groups of all hierarchies, each followed by those below it.
// One of which something cannot be read comes with what can, and the error after
// it.
func Groups(k *kernel.Kernel) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		w, err := newWalk(k)
		if err != nil {
			yield(Group{}, err)
			return
		}
		w.yield = yield
		for root, err := range w.hierarchies() {
			if err != nil {
				yield(Group{}, fmt.Errorf("hierarchies of control groups: %w", err))
				return
			}
			r := kernel.Reader{Value: root}
			w.hierarchy = int(r.Int("hierarchy_id"))
			top, err := root.Path("cgrp")
			if err == nil {
				err = r.Err
			}
			if err != nil {
				yield(Group{}, err)
				return
			}
			if !w.visit(top, "/", 0) {
				return
			}
		}
	}
}

// walk is a walk over the trees of groups.
type walk struct {
	k           *kernel.Kernel
	controllers []string // by index; "" where there is none
	hierarchy   int
	seen        map[vmcore.Addr]bool
	yield       func(Group, error) bool
}

func newWalk(k *kernel.Kernel) (*walk, error) {
	names, err := controllers(k)
	return &walk{k: k, controllers: names, seen: make(map[vmcore.Addr]bool)}, err
}

// hierarchies walks the struct cgroup_roots.
func (w *walk) hierarchies() iter.Seq2[kernel.Value, error] {
	return func(yield func(kernel.Value, error) bool) {
		t, err := w.k.Struct("cgroup_root")
		if err != nil {
			yield(kernel.Value{}, err)
			return
		}
		head, err := w.k.ObjectOf("cgroup_roots", "list_head")
		if err != nil {
			yield(kernel.Value{}, err)
			return
		}
		a, _ := head.Addr()
		w.k.List(a, t, "root_list")(yield)
	}
}

const (
	maxGroups = 1 << 22
	maxDepth  = 4096 // names of 255 bytes at most, one below the other
)

// visit yields a group and those below it, and reports whether to go on.
func (w *walk) visit(v kernel.Value, path string, level int) bool {
	a, _ := v.Addr()
	if w.seen[a] || len(w.seen) == maxGroups || level > maxDepth {
		return w.yield(Group{}, fmt.Errorf("control group at %v is below itself", a))
	}
	w.seen[a] = true
	g, err := w.read(v)
	g.Path, g.Level, g.Hierarchy = path, level, w.hierarchy
	if !w.yield(g, nil) || err != nil && !w.yield(Group{}, fmt.Errorf("control group at %v: %w", a, err)) {
		return false
	}
	children, err := v.Path("self", "children")
	if err != nil {
		return w.yield(Group{}, err)
	}
	head, _ := children.Addr()
	for child, err := range w.k.List(head, v.Type(), "self.sibling") {
		var name string
		if err == nil {
			name, err = child.StringAt("kn", "name")
		}
		if err != nil {
			if !w.yield(Group{}, fmt.Errorf("below control group %s: %w", path, err)) {
				return false
			}
			name = "<" + kernel.ErrorKind(err) + ">"
			if child.Type() == nil {
				continue
			}
		}
		if !w.visit(child, join(path, name), level+1) {
			return false
		}
	}
	return true
}

// join appends a name to a path.
func join(path, name string) string {
	if path == "/" {
		return path + name
	}
	return path + "/" + name
}

// read reads a struct cgroup, but for its place.
func (w *walk) read(v kernel.Value) (Group, error) {
	r := kernel.Reader{Value: v}
	g := Group{Dying: r.Uint("self", "flags")&flagDying != 0, value: v}
	g.Addr, _ = v.Addr()
	if r.Uint("kn") != 0 {
		g.ID = r.Uint("kn", "id")
	}
	tasks, err := w.countTasks(v)
	g.Tasks = tasks
	if r.Err == nil {
		r.Err = err
	}
	if err := w.readControllers(v, &g); r.Err == nil {
		r.Err = err
	}
	return g, r.Err
}

// countTasks adds up the tasks of the sets that belong to a group (struct
// css_set).
func (w *walk) countTasks(v kernel.Value) (int, error) {
	sum := 0
	for set, err := range sets(v) {
		if err != nil {
			return sum, err
		}
		n, err := set.UintAt("nr_tasks")
		if err != nil {
			return sum, err
		}
		sum += int(n)
	}
	return sum, nil
}

// sets walks the sets of tasks that belong to a group.
func sets(group kernel.Value) iter.Seq2[kernel.Value, error] {
	return func(yield func(kernel.Value, error) bool) {
		k := group.Kernel()
		t, err := k.Struct("cgrp_cset_link")
		if err != nil {
			yield(kernel.Value{}, err)
			return
		}
		head, err := group.Path("cset_links")
		if err != nil {
			yield(kernel.Value{}, err)
			return
		}
		a, _ := head.Addr()
		for link, err := range k.List(a, t, "cset_link") {
			r := kernel.Reader{Value: link, Err: err}
			var set kernel.Value
			if err == nil {
				set = r.Target("cset")
			}
			if !yield(set, r.Err) {
				return
			}
		}
	}
}
