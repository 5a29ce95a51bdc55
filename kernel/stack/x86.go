package stack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// x86 is the [machine] of x86-64. Its kernels have ORC tables
// (CONFIG_UNWINDER_ORC, Documentation/arch/x86/orc-unwinder.rst), or else frame
// pointers.
type x86 struct {
	k    *kernel.Kernel
	code *code
	orc  *orc
}

func newX86(k *kernel.Kernel, c *code) *x86 { return &x86{k: k, code: c, orc: newORC(k, c)} }

func (m *x86) guesses() bool { return m.orc.missing() != nil }

// The layout of what x86-64 saves on its stacks, which is a contract between C
// and assembly.
const (
	inactiveSize = 56 // struct inactive_task_frame, arch/x86/include/asm/switch_to.h
	inactiveBP   = 40
	inactivePC   = 48

	regsSize = 168 // struct pt_regs, arch/x86/include/asm/ptrace.h
	regsIP   = 128 // from here on, the CPU itself saves them
)

// regsNames are the members of struct pt_regs.
var regsNames = strings.Fields("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss")

// asleep reads the struct inactive_task_frame that __switch_to_asm pushes. What
// it returns to is in __schedule, or a new task's first instruction.
func (m *x86) asleep(w *walk, task kernel.Value) (cursor, error) {
	sp, err := task.UintAt("thread", "sp")
	if err != nil {
		return cursor{}, fmt.Errorf("stack pointer of task %v: %w", w.task, err)
	}
	base := vmcore.Addr(sp)
	fp, err := w.word(base + inactiveBP)
	if err != nil {
		return cursor{}, fmt.Errorf("thread.sp of task %v: %w", w.task, err)
	}
	pc, err := w.word(base + inactivePC)
	if err == nil && !m.code.contains(vmcore.Addr(pc)) {
		err = &NotCodeError{PC: vmcore.Addr(pc), At: base + inactivePC}
	}
	if err != nil {
		return cursor{}, fmt.Errorf("thread.sp of task %v: %w", w.task, err)
	}
	c := cursor{
		pc: vmcore.Addr(pc), sp: base + inactiveSize, fp: vmcore.Addr(fp),
		at: base + inactivePC, how: ByRegisters,
	}
	if s, off, ok := m.k.Resolve(c.pc); ok && off == 0 && strings.HasPrefix(s.Name, "ret_from_fork") {
		c.exact = true // a task that has never run
	}
	return c, nil
}

// awake begins at the registers of a CPU.
func (m *x86) awake(cpu vmcore.CPU) (cursor, error) { return m.begin(noted(cpu)) }

func (m *x86) begin(r *Registers) (cursor, error) {
	pc, hasPC := r.Get("rip")
	sp, hasSP := r.Get("rsp")
	fp, _ := r.Get("rbp")
	if !hasPC || !hasSP {
		return cursor{}, errNoPC
	}
	c := cursor{
		pc: vmcore.Addr(pc), sp: vmcore.Addr(sp), fp: vmcore.Addr(fp),
		at: vmcore.Addr(sp), exact: true, how: ByRegisters, regs: r, known: r,
	}
	if r.User() {
		return c, errUser
	}
	return c, nil
}

var errNoPC = fmt.Errorf("the registers in the dump lack rip and rsp: %w", vmcore.ErrNotFound)

// step goes to the caller as unwind_next_frame of arch/x86/kernel/unwind_orc.c
// does, and where there is no unwind data by the frame pointer.
func (m *x86) step(w *walk, c cursor) (cursor, error) {
	pc := c.pc
	if !c.exact {
		pc-- // the call may be the last instruction of its function
	}
	e, ok, err := m.orc.find(pc)
	switch {
	case err != nil:
		return cursor{}, err
	case !ok:
		return m.framePointer(w, c)
	case e.kind == orcEnd:
		return cursor{}, errOutermost
	case e.kind == orcUndefined:
		return m.byCall(w, c)
	}
	cfa, err := m.cfa(w, c, e)
	if err != nil {
		return cursor{}, err
	}
	next := cursor{how: ByORC, fp: c.fp, exact: e.signal}
	switch e.kind {
	case orcRegs:
		err = m.interrupted(w, &next, cfa)
		next.known = next.regs
	case orcRegsPartial:
		err = m.partial(w, &next, cfa-regsIP)
		next.known = c.known
	default:
		err = m.call(w, &next, cfa)
	}
	if err != nil {
		return next, err
	}
	return next, m.frameRegister(w, &next, c, e, cfa)
}

// NoDataError says that the kernel has no unwind data for a place in its code.
type NoDataError struct{ PC vmcore.Addr }

func (e *NoDataError) Error() string { return fmt.Sprintf("no unwind data for %v", e.PC) }

// Kind returns [kernel.KindNotFound].
func (e *NoDataError) Kind() string { return kernel.KindNotFound }

// cfa computes the stack pointer that the caller had before its call.
func (m *x86) cfa(w *walk, c cursor, e orcEntry) (vmcore.Addr, error) {
	offset := vmcore.Addr(int64(e.spOffset))
	switch e.sp {
	case regSP:
		return c.sp + offset, nil
	case regBP:
		return c.fp + offset, nil
	case regSPIndirect:
		sp, err := w.word(c.sp)
		return vmcore.Addr(sp) + offset, err
	case regBPIndirect:
		sp, err := w.word(c.fp + offset)
		return vmcore.Addr(sp), err
	}
	sp, ok := c.known.Get(e.sp.name())
	if !ok {
		return 0, fmt.Errorf("unwind data for %v asks for register %q, which is not known: %w", c.pc, e.sp.name(), vmcore.ErrNotFound)
	}
	return vmcore.Addr(sp), nil
}

// call finds the return address of a call.
func (m *x86) call(w *walk, next *cursor, cfa vmcore.Addr) error {
	next.sp, next.at = cfa, cfa-8
	pc, err := w.word(next.at)
	if err != nil {
		return err
	}
	next.pc = m.code.original(w, vmcore.Addr(pc), next.at)
	if !m.code.contains(next.pc) {
		return &NotCodeError{PC: next.pc, At: next.at}
	}
	return nil
}

// NotCodeError says that what should be a return address leads to no code.
type NotCodeError struct{ PC, At vmcore.Addr }

func (e *NotCodeError) Error() string {
	return fmt.Sprintf("the return address at %v is %v, where no code is", e.At, e.PC)
}

// Kind returns [kernel.KindUnmapped].
func (e *NotCodeError) Kind() string { return kernel.KindUnmapped }

// interrupted reads the registers that an exception saved at an address.
func (m *x86) interrupted(w *walk, next *cursor, at vmcore.Addr) error {
	return m.saved(w, next, at, 0)
}

// partial reads those that the CPU itself saves, of a struct pt_regs that is not
// complete yet.
func (m *x86) partial(w *walk, next *cursor, at vmcore.Addr) error {
	return m.saved(w, next, at, regsIP)
}

// saved reads the members of the struct pt_regs at an address, from one on.
func (m *x86) saved(w *walk, next *cursor, at, from vmcore.Addr) error {
	r := &Registers{At: at, names: regsNames[from/8:]}
	for off := from; off < regsSize; off += 8 {
		u, err := w.word(at + off)
		if err != nil {
			return err
		}
		r.values = append(r.values, u)
	}
	pc, _ := r.Get("rip")
	sp, _ := r.Get("rsp")
	next.pc, next.sp, next.at, next.regs = vmcore.Addr(pc), vmcore.Addr(sp), at+regsIP, r
	if r.User() {
		return errUser
	}
	next.pc = m.code.original(w, next.pc, next.sp-8)
	return nil
}

// frameRegister finds the caller's RBP.
func (m *x86) frameRegister(w *walk, next *cursor, c cursor, e orcEntry, cfa vmcore.Addr) error {
	at := vmcore.Addr(int64(e.bpOffset))
	switch e.bp {
	case regPrevSP:
		at += cfa
	case regBP:
		at += c.fp
	case regUndefined: // it has not been changed
		if fp, ok := next.known.Get("rbp"); ok {
			next.fp = vmcore.Addr(fp)
		}
		return nil
	default:
		return fmt.Errorf("unwind data for %v has no known way to find RBP: %w", c.pc, vmcore.ErrUnsupported)
	}
	fp, err := w.word(at)
	next.fp = vmcore.Addr(fp)
	return err
}

// byCall goes to the caller of a function that the kernel made no unwind data
// for, as there is none for __crash_kexec, in which each panic ends. It takes the
// first word on the stack that lies behind a call of that very function.
func (m *x86) byCall(w *walk, c cursor) (cursor, error) {
	fn, _, ok := m.k.Resolve(c.pc)
	i := w.area(c.sp)
	if !ok || i < 0 {
		return cursor{}, &NoDataError{c.pc}
	}
	for at := c.sp; at < w.areas[i].end; at += 8 {
		pc, err := w.word(at)
		if err != nil {
			return cursor{}, err
		}
		if m.code.contains(vmcore.Addr(pc)) && m.callee(vmcore.Addr(pc)) == fn.Addr {
			next := cursor{pc: vmcore.Addr(pc), sp: at + 8, fp: c.fp, at: at, how: ByScan}
			if c.fp == at-8 { // it has a frame pointer, which leads to its caller's
				var fp uint64
				fp, err = w.word(c.fp)
				next.fp = vmcore.Addr(fp)
			}
			return next, err
		}
	}
	return cursor{}, &NoDataError{c.pc}
}

// callee returns the function that the direct call in front of an address calls,
// 0 where there is no such call.
func (m *x86) callee(pc vmcore.Addr) vmcore.Addr {
	var b [5]byte
	if _, err := m.k.Memory().ReadMemory(b[:], pc-5); err != nil || b[0] != 0xe8 {
		return 0
	}
	return pc + vmcore.Addr(int64(int32(binary.LittleEndian.Uint32(b[1:]))))
}

// framePointer goes to the caller by RBP, which points to the caller's RBP and
// the return address behind it. An RBP that is odd leads to a struct pt_regs
// instead (ENCODE_FRAME_POINTER, arch/x86/include/asm/frame.h).
func (m *x86) framePointer(w *walk, c cursor) (cursor, error) {
	next := cursor{how: ByFramePointer}
	if c.fp&1 != 0 {
		if err := m.interrupted(w, &next, c.fp-1); err != nil {
			return next, err
		}
		fp, _ := next.regs.Get("rbp")
		next.fp, next.exact, next.known = vmcore.Addr(fp), true, next.regs
		return next, nil
	}
	if m.orc.missing() != nil && (c.fp == 0 || c.fp == w.areas[0].end-regsSize-16) {
		return next, errOutermost
	}
	fp, err := w.word(c.fp)
	if err == nil {
		err = m.call(w, &next, c.fp+16)
	}
	if err != nil {
		return next, fmt.Errorf("%w, and RBP is not a frame pointer: %w", &NoDataError{c.pc}, err)
	}
	next.fp = vmcore.Addr(fp)
	return next, nil
}

// The flags and segments by which saved registers are recognised
// (arch/x86/include/asm/segment.h).
const (
	flagsFixed = 0x00000002 // is set
	flagsZero  = 0xffc08028 // are not

	kernelCS = 0x10
	kernelSS = 0x18
	userSS   = 0x2b
)

// plausible reports whether what lies at an address of a stack may be a struct
// pt_regs.
func (m *x86) plausible(w *walk, at vmcore.Addr) bool {
	var v [5]uint64 // what the CPU saves: rip cs eflags rsp ss
	for i := range v {
		u, err := w.word(at + regsIP + vmcore.Addr(8*i))
		if err != nil {
			return false
		}
		v[i] = u
	}
	pc, cs, flags, sp, ss := vmcore.Addr(v[0]), v[1], v[2], v[3], v[4]
	if flags&flagsFixed == 0 || flags&flagsZero != 0 || flags>>32 != 0 {
		return false
	}
	switch {
	case cs == kernelCS && (ss == kernelSS || ss == 0):
		return m.code.contains(pc) && w.area(vmcore.Addr(sp)) >= 0
	case cs&3 == 3 && ss == userSS:
		return v[0] < 1<<56 && sp < 1<<56
	}
	return false
}

// exceptions returns what may be a struct pt_regs on an area of the stack.
func (m *x86) exceptions(w *walk, s area) []*Registers {
	var found []*Registers
	for at := s.start; at+regsSize <= s.end; at += 8 {
		var c cursor
		if m.plausible(w, at) {
			if err := m.interrupted(w, &c, at); err == nil || errors.Is(err, errUser) {
				found = append(found, c.regs)
			}
		}
	}
	return found
}
