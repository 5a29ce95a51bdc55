package cmds

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "tree",
		Args: "[-lpxd] [-t TYPE] [-r OFFSET] [-o OFFSET] [-s STRUCT] [-N] START",
		Help: "walk a red-black tree, radix tree, xarray or maple tree",
		Doc: `tree shows the address of each structure in a tree, and what -s asks of it.

    -t TYPE    rbtree (or rb; the default), radix (ra), xarray (x), maple (m)
    -r OFFSET  of the root in the structure that START is
    -o OFFSET  of the rb_node in the structures of an rbtree
    -s STRUCT[.MEMBER,...]  show each as that structure
    -l         an rbtree from left to right, not each node before its children
    -p         also where each is: its way from the root of an rbtree, its index
               in a radix tree or xarray, its range in a maple tree
    -N         START is a node, not a root; not for maple trees
    -x -d      numbers in hexadecimal, in decimal

OFFSET is a number of bytes, or struct.member.

    tree -o proc_dir_entry.subdir_node -r proc_dir_entry.subdir proc_root
    tree -t radix -r pid_namespace.idr init_pid_ns -s pid.level
    tree -t maple -p sparse_irqs

A node that is damaged or cannot be read is reported, and the walk goes on.`,
		Run:      runTree,
		Complete: completeStruct,
	})
}

// treeItem is what a tree has somewhere.
type treeItem struct {
	addr        vmcore.Addr
	first, last uint64 // its index, or range; 0 in a red-black tree
	path        string // in a red-black tree
}

// treeWalks are the kinds of trees by their names.
var treeWalks = map[string]func(v *treeView) iter.Seq2[treeItem, error]{
	"rbtree": (*treeView).rbtree, "rb": (*treeView).rbtree, "": (*treeView).rbtree,
	"radix": (*treeView).xarray, "ra": (*treeView).xarray,
	"xarray": (*treeView).xarray, "x": (*treeView).xarray,
	"maple": (*treeView).maple, "m": (*treeView).maple,
}

// treeView is what tree was asked for.
type treeView struct {
	showing
	opts   flags
	start  vmcore.Addr
	offset vmcore.Addr // of the node in the structures
}

func runTree(ctx context.Context, env *Env, args string) error {
	opts, rest, err := scattered("tree", args, "t:r:o:s:S:lpxdN")
	if err != nil {
		return err
	}
	walk, ok := treeWalks[opts.value('t')]
	switch {
	case !ok:
		return usage("tree", "no kind of tree %q", opts.value('t'))
	case len(rest) != 1:
		return usage("tree", "tree wants the address of a tree")
	}
	v := &treeView{opts: opts, showing: showing{env: env, radix: radixOf(opts)}}
	if err := v.parse(ctx, rest[0]); err != nil {
		return err
	}
	for item := range sound(ctx, env, walk(v)) {
		if err := v.item(item); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (v *treeView) parse(ctx context.Context, start string) error {
	a, err := v.env.hexAddress(ctx, start)
	if err != nil {
		return err
	}
	v.start = vmcore.Addr(a)
	if v.opts.has('r') {
		root, err := v.env.fieldOffset("tree", v.opts.value('r'))
		if err != nil {
			return err
		}
		v.start += root
	}
	if v.opts.has('o') {
		if v.offset, err = v.env.fieldOffset("tree", v.opts.value('o')); err != nil {
			return err
		}
	}
	return v.parseSpec(v.opts)
}

func (v *treeView) rbtree() iter.Seq2[treeItem, error] {
	nodes := v.env.Kernel.RBNodes
	if v.opts.has('N') {
		nodes = v.env.Kernel.RBNodesBelow
	}
	return func(yield func(treeItem, error) bool) {
		for n, err := range nodes(v.start, !v.opts.has('l')) {
			if !yield(treeItem{addr: n.Addr - v.offset, path: n.Path}, err) {
				return
			}
		}
	}
}

func (v *treeView) xarray() iter.Seq2[treeItem, error] {
	entries := v.env.Kernel.XArray
	if v.opts.has('N') {
		entries = v.env.Kernel.XArrayBelow
	}
	return func(yield func(treeItem, error) bool) {
		for e, err := range entries(v.start) {
			if !yield(treeItem{addr: e.Entry, first: e.Index, last: e.Index}, err) {
				return
			}
		}
	}
}

func (v *treeView) maple() iter.Seq2[treeItem, error] {
	return func(yield func(treeItem, error) bool) {
		if v.opts.has('N') {
			yield(treeItem{}, usage("tree", "-N is not for maple trees"))
			return
		}
		for r, err := range v.env.Kernel.MapleTree(v.start) {
			if !yield(treeItem{addr: r.Entry, first: r.First, last: r.Last}, err) {
				return
			}
		}
	}
}

// item shows one structure, or an entry that is none.
func (v *treeView) item(i treeItem) error {
	if v.env.JSON {
		return v.itemObject(i)
	}
	if err := v.env.Printf("%x\n", uint64(i.addr)); err != nil {
		return err
	}
	if v.opts.has('p') {
		if err := v.env.Printf("  %s\n", v.position(i)); err != nil {
			return err
		}
	}
	if v.spec.typ == nil {
		return nil
	}
	return v.below(i.addr)
}

// position says where an item is in its tree.
func (v *treeView) position(i treeItem) string {
	switch v.opts.value('t') {
	case "maple", "m":
		return fmt.Sprintf("range: %d-%d", i.first, i.last)
	case "radix", "ra", "xarray", "x":
		return fmt.Sprintf("index: %d", i.first)
	}
	text := "position: root"
	for _, way := range i.path {
		text += "/" + string(way)
	}
	return text
}

// treePlace is where an item is, in JSON.
type treePlace struct {
	First *uint64 `json:"first,omitempty"`
	Last  *uint64 `json:"last,omitempty"`
	Path  *string `json:"path,omitempty"`
}

// itemObject writes an item in JSON, which is that of the structure of -s with
// more keys.
func (v *treeView) itemObject(i treeItem) error {
	var place treePlace
	if kind := v.opts.value('t'); kind == "" || strings.HasPrefix(kind, "rb") {
		place.Path = &i.path
	} else {
		place.First, place.Last = &i.first, &i.last
	}
	if v.spec.typ == nil {
		return v.env.Object(struct {
			Address string `json:"address"`
			treePlace
		}{i.addr.String(), place})
	}
	o, err := v.object(cpuValue{Value: v.env.Kernel.At(i.addr, v.spec.typ)})
	if err != nil {
		v.env.Problem(fmt.Errorf("%s at %v: %w", v.spec.name, i.addr, err))
		return nil
	}
	return v.env.Object(struct {
		ValueObject
		treePlace
	}{o, place})
}
