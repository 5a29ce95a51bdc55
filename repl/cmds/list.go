package cmds

import (
	"context"
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "list",
		Args: "[-rxd] [-o OFFSET] [-e END] [-s STRUCT [-l OFFSET]] [-h|-H] START",
		Help: "follow a linked list",
		Doc: `list shows the address of each structure in a linked list, and what -s asks of
it. OFFSET is that of the pointer, or list_head, in the structures: a number of
bytes, or struct.member, in front of which -o can be left out.

    list task_struct.parent ffff888003a40000
        START is a structure, and the member points to the next structure
    list -H modules -o module.list -s module.name,state
        START is a list_head, or hlist_head, that stands alone
    list -h init_task -o task_struct.tasks -s task_struct.pid,comm
        START is a structure whose member is one list_head among the others
    list -h ffff888004a12300 -O dentry.d_children -o dentry.d_sib
        START is a structure that has the head of a list of others

    -s STRUCT[.MEMBER,...]  show each as that structure; may come often
    -l OFFSET  of the pointer in the structures of -s, where -o is not given
    -r  backwards, by the prev of list_heads
    -e END     the list ends before this address; NULL and START end it anyway
    -x -d      numbers in hexadecimal, in decimal

A list that leads back to one of its nodes, or to what cannot be read, ends with
an error that names the node. (-B, which has crash find that with less memory,
is accepted.)`,
		Run:      runList,
		Complete: completeStruct,
	})
}

// listView is what list was asked for.
type listView struct {
	showing
	start  vmcore.Addr
	offset vmcore.Addr // of the pointer in the structures
	shown  vmcore.Addr // of the pointer in the structures that -s shows
	end    vmcore.Addr // 0: none was given
}

func runList(ctx context.Context, env *Env, args string) error {
	opts, rest, err := scattered("list", args, "o:e:s:S:l:O:hHrxdB")
	if err != nil {
		return err
	}
	v := &listView{showing: showing{env: env, radix: radixOf(opts)}}
	if err := v.parse(ctx, opts, rest); err != nil {
		return err
	}
	for node := range sound(ctx, env, v.nodes(opts)) {
		if err := v.node(node); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// parse reads the options and the words behind them: an offset that -o was left
// out for, and where the list starts.
func (v *listView) parse(ctx context.Context, opts flags, rest []string) (err error) {
	offset := opts.value('o')
	if len(rest) == 2 && !opts.has('o') {
		offset, rest = rest[0], rest[1:]
	}
	if len(rest) != 1 {
		return usage("list", "list wants the address where a list starts")
	}
	start, err := v.env.hexAddress(ctx, rest[0])
	if err != nil {
		return err
	}
	v.start = vmcore.Addr(start)
	if offset != "" {
		if v.offset, err = v.env.fieldOffset("list", offset); err != nil {
			return err
		}
	}
	if opts.has('l') {
		if v.shown, err = v.env.fieldOffset("list", opts.value('l')); err != nil {
			return err
		}
	}
	if opts.has('e') {
		end, err := v.env.hexAddress(ctx, opts.value('e'))
		if err != nil {
			return err
		}
		v.end = vmcore.Addr(end)
	}
	if opts.has('h') && opts.has('H') {
		return usage("list", "-h or -H, not both")
	}
	return v.parseSpec(opts)
}

// parseSpec reads the structure of -s, or -S, which is the same here.
func (s *showing) parseSpec(opts flags) (err error) {
	for _, letter := range []byte("sS") {
		if opts.has(letter) {
			s.spec, err = s.env.structSpec(opts.value(letter))
		}
	}
	return err
}

// nodes returns the addresses of the structures.
func (v *listView) nodes(opts flags) iter.Seq2[vmcore.Addr, error] {
	var back vmcore.Addr // offset of the pointer to follow in a link
	if opts.has('r') {
		back = vmcore.Addr(v.env.Kernel.Arch().Layout.WordSize)
	}
	switch {
	case opts.has('H'):
		return v.behindHead(v.start, back)
	case opts.has('O'):
		off, err := v.env.fieldOffset("list", opts.value('O'))
		if err != nil {
			return func(yield func(vmcore.Addr, error) bool) { yield(0, err) }
		}
		return v.behindHead(v.start+off, back)
	case opts.has('h'):
		return v.links(v.start+v.offset, v.start+v.offset, back)
	}
	// The structures themselves are what the pointers point to. The last may
	// point to itself, as the first task's parent does.
	ends, last := v.ends(v.start, 0), vmcore.Addr(0)
	return v.env.Kernel.Chain(v.start, v.offset+back, func(node vmcore.Addr) bool {
		again := node == last
		last = node
		return again || ends(node)
	})
}

// behindHead returns the structures on the list of a head that is none of them.
func (v *listView) behindHead(head, back vmcore.Addr) iter.Seq2[vmcore.Addr, error] {
	first, err := v.env.Kernel.Pointer(head + back)
	if err != nil {
		return func(yield func(vmcore.Addr, error) bool) { yield(0, err) }
	}
	if first == 0 || first == head {
		return func(func(vmcore.Addr, error) bool) { v.empty() }
	}
	return v.links(first, head, back)
}

// links returns the structures around the links from first on, up to head.
func (v *listView) links(first, head, back vmcore.Addr) iter.Seq2[vmcore.Addr, error] {
	return func(yield func(vmcore.Addr, error) bool) {
		for link, err := range v.env.Kernel.Chain(first, back, v.ends(head, v.offset)) {
			if err == nil {
				link -= v.offset
			}
			if !yield(link, err) {
				return
			}
		}
	}
}

// ends returns what tells the end of a list: its start where that comes again, if
// it is where the walk began, and the address of -e.
func (v *listView) ends(start, offset vmcore.Addr) func(vmcore.Addr) bool {
	begun := false
	return func(node vmcore.Addr) bool {
		again := node == start && begun
		begun = true
		return again || v.end != 0 && (node == v.end || node-offset == v.end)
	}
}

// empty says that a list is.
func (v *listView) empty() {
	if !v.env.JSON {
		v.env.Printf("(empty)\n")
	}
}

// node shows one structure.
func (v *listView) node(a vmcore.Addr) error {
	if v.env.JSON && v.spec.typ == nil {
		return v.env.Object(struct {
			Address string `json:"address"`
		}{a.String()})
	}
	if !v.env.JSON {
		if err := v.env.Printf("%x\n", uint64(a)); err != nil {
			return err
		}
	}
	if v.spec.typ == nil {
		return nil
	}
	return v.below(a - v.shown)
}

// below shows a structure below the line of its item. One that cannot be read is
// a problem.
func (s *showing) below(a vmcore.Addr) error {
	o := s.env.Kernel.At(a, s.spec.typ)
	if err := s.env.unreadable(o); err != nil {
		s.env.Problem(fmt.Errorf("%s at %v: %w", s.spec.name, a, err))
		return nil
	}
	return s.value(cpuValue{Value: o})
}
