package stack

import (
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// original returns the return address that tracing has replaced by one of its
// own at a place on the stack; any other is returned as it is.
func (c *code) original(w *walk, pc, at vmcore.Addr) vmcore.Addr {
	s, _, ok := c.k.Resolve(pc)
	if !ok {
		return pc
	}
	var find func(kernel.Value, vmcore.Addr) (vmcore.Addr, bool)
	switch s.Name {
	case "return_to_handler":
		find = c.graphed
	case "arch_rethook_trampoline", "kretprobe_trampoline", "__kretprobe_trampoline":
		find = c.hooked
	default:
		return pc
	}
	typ, err := c.k.Struct("task_struct")
	if err != nil {
		return pc
	}
	if found, ok := find(c.k.At(w.task, typ), at); ok {
		return found
	}
	return pc
}

// maxHooks bounds the hooked functions that a task can be in.
const maxHooks = 1 << 12

// hooked finds a return address that a kretprobe has replaced. Linux kernel
// commit 54ecbe6f1ed5 ("rethook: Add a generic return hook") (in v5.18) keeps it
// in struct rethook_node, before that it was in struct kretprobe_instance.
func (c *code) hooked(task kernel.Value, at vmcore.Addr) (vmcore.Addr, bool) {
	for _, h := range [...]struct{ list, node, frame string }{
		{"rethooks", "rethook_node", "frame"}, {"kretprobe_instances", "kretprobe_instance", "fp"},
	} {
		typ, err := c.k.Struct(h.node)
		next, listErr := task.UintAt(h.list, "first")
		if err != nil || listErr != nil {
			continue
		}
		link, err := c.k.At(0, typ).Field("llist")
		if err != nil {
			continue
		}
		off, _ := link.Addr()
		for n := 0; err == nil && next != 0 && n < maxHooks; n++ {
			node := c.k.At(vmcore.Addr(next)-off, typ)
			if frame, err := node.UintAt(h.frame); err == nil && vmcore.Addr(frame) == at {
				ret, err := node.UintAt("ret_addr")
				return vmcore.Addr(ret), err == nil
			}
			next, err = node.UintAt("llist", "next")
		}
	}
	return 0, false
}

// maxShadow bounds the stack of return addresses that the function graph tracer
// keeps for a task: a page, or 50 entries (kernel/trace/fgraph.c).
const maxShadow = 4096

// graphed finds a return address that the function graph tracer has replaced: in
// the struct ftrace_ret_stack whose retp is the place. Linux kernel commit
// 7aa1eaef9f42 ("function_graph: Allow multiple users to attach to function
// graph") (in v6.11) put other words between these, so that all are looked at.
func (c *code) graphed(task kernel.Value, at vmcore.Addr) (vmcore.Addr, bool) {
	typ, err := c.k.Struct("ftrace_ret_stack")
	if err != nil {
		return 0, false
	}
	ret, err := c.k.At(0, typ).Field("ret")
	retp, retpErr := c.k.At(0, typ).Field("retp")
	base, baseErr := task.UintAt("ret_stack")
	if err != nil || retpErr != nil || baseErr != nil || base == 0 {
		return 0, false
	}
	retAt, _ := ret.Addr()
	retpAt, _ := retp.Addr()
	b := make([]byte, maxShadow)
	n, _ := c.k.Memory().ReadMemory(b, vmcore.Addr(base))
	word := c.k.Arch().Layout.Word
	for off := int(retpAt - retAt); off+8 <= n; off += 8 {
		if vmcore.Addr(word(b[off:])) == at {
			return vmcore.Addr(word(b[off-int(retpAt-retAt):])), true
		}
	}
	return 0, false
}
