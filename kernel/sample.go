package kernel

import (
	"context"
	"errors"

	"github.com/kdbg/kdbg/vmcore"
)

// Sample is how many structures of a kind could be read, of a few that every
// kernel has. It shows a filter that was too old for the kernel: makedumpfile
// 1.7.8 with -d 31 takes the slab pages of Linux 7.2 for free ones, and drops
// the tasks with them.
type Sample struct {
	Name     string // of the kind, such as "tasks"
	Readable int
	Excluded int
	Missing  int // in the file's index and not in the file
}

// sampled are the places where structures are looked for: the lists and the
// pointer variables of a kind.
var sampled = []struct {
	name     string
	lists    []sampledList
	pointers []string // variables that hold a pointer
}{
	{name: "tasks", lists: []sampledList{{"init_task", "task_struct", "tasks"}}},
	{name: "modules", lists: []sampledList{{"modules", "module", "list"}}},
	{name: "mounted file systems", lists: []sampledList{{"super_blocks", "super_block", "s_list"}}},
	{
		name:  "slab caches",
		lists: []sampledList{{"slab_caches", "kmem_cache", "list"}},
		pointers: []string{
			"task_struct_cachep", "mm_cachep", "vm_area_cachep", "signal_cachep", "sighand_cachep", "fs_cachep",
			"files_cachep", "names_cachep", "filp_cachep", "dentry_cache", "inode_cachep", "radix_tree_node_cachep",
		},
	},
	{
		name:     "other kernel objects",
		lists:    []sampledList{{"workqueues", "workqueue_struct", "list"}},
		pointers: []string{"kernel_kobj", "system_wq", "system_percpu_wq", "mnt_cache"},
	},
}

// sampledList is a list of structures: the variable that is its head, or that
// is one of the structures, the type and the member that links them.
type sampledList struct{ variable, typ, member string }

// maxSampled bounds how many structures of a list are looked at.
const maxSampled = 256

// Samples looks where structures of the kernel lie, as far as symbols and types
// lead to some. Kinds of which none was found are left out.
func (k *Kernel) Samples(ctx context.Context) []Sample {
	var all []Sample
	for _, kind := range sampled {
		s := Sample{Name: kind.name}
		for _, l := range kind.lists {
			k.sampleList(ctx, &s, l)
		}
		for _, name := range kind.pointers {
			if syms := dataSymbols(k.syms.Lookup(name)); len(syms) == 1 {
				if p, err := k.Pointer(syms[0].Addr); err == nil && p != 0 {
					s.count(k, p)
				}
			}
		}
		if s.Readable+s.Excluded+s.Missing > 0 {
			all = append(all, s)
		}
	}
	return all
}

// sampleList counts the structures of a list up to the first that cannot be
// read: where the next one lies is not known then.
func (k *Kernel) sampleList(ctx context.Context, s *Sample, l sampledList) {
	syms := dataSymbols(k.syms.Lookup(l.variable))
	t, err := k.structType(l.typ)
	if len(syms) != 1 || err != nil {
		return
	}
	head := syms[0].Addr
	if l.variable == "init_task" { // not a list_head but a task
		tasks, err := k.At(head, t).Field(l.member)
		if err != nil {
			return
		}
		head, _ = tasks.Addr()
	}
	n := 0
	for v, err := range k.List(head, t, l.member) {
		if n++; n > maxSampled || ctx.Err() != nil {
			return
		}
		if err != nil { // of the next structure, which cannot be read
			s.add(err)
			return
		}
		s.count(k, v.addr)
	}
}

// count looks at the structure at address a.
func (s *Sample) count(k *Kernel, a vmcore.Addr) {
	var b [1]byte
	_, err := k.mem.ReadMemory(b[:], a)
	s.add(err)
}

// add counts a structure by the error of reading it.
func (s *Sample) add(err error) {
	switch {
	case err == nil:
		s.Readable++
	case errors.Is(err, vmcore.ErrExcluded):
		s.Excluded++
	case errors.Is(err, vmcore.ErrMissing):
		s.Missing++
	}
}
