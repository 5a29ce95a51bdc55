// Package stack unwinds the kernel's stacks by what a dump itself holds: no
// debug information is needed.
//
// It owns the tables of unwind data in the kernel's memory (ORC), the stacks that
// a task or a CPU may be on, the registers that a walk begins with, and the two
// ways left where there is no unwind data: frame pointers, and looking for
// addresses of code on the stack. Every frame says how it was found. Tasks,
// registers and symbols come from package kernel below it; package cmds above it
// prints.
//
// What differs between architectures is a [machine]. x86-64 is the one there is.
//
// Stacks and tables are hostile input. A walk reads each return address from a
// higher place of a stack than the one before, and enters each stack once, so
// that it ends whatever they hold.
package stack

import (
	"errors"
	"fmt"
	"sync"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// How says how a frame was found.
type How string

const (
	ByRegisters    How = "registers"     // of the CPU, or what a sleeping task has saved
	ByORC          How = "orc"           // by the kernel's unwind data
	ByFramePointer How = "frame-pointer" // by the chain of frame pointers
	ByScan         How = "scan"          // an address of code lies on the stack: a guess
)

// Frame is one function that has not returned yet.
type Frame struct {
	PC    vmcore.Addr // where the function goes on
	Exact bool        // PC is an instruction that was interrupted, not the one behind a call
	At    vmcore.Addr // where on the stack PC was found; of the first frame the stack pointer
	Stack string      // "task", "IRQ", "NMI" and the like
	How   How
	// Registers are those at PC, where the CPU or an exception saved them.
	Registers *Registers
}

// Trace is a stack from the innermost frame to the outermost one of the kernel.
type Trace struct {
	Task   kernel.Task
	CPU    int // that ran the task; -1 where it slept
	Frames []Frame
	User   *Registers // of the program that entered the kernel, where one did
	Err    error      // why the trace ends early; nil where it is whole
}

// maxFrames bounds a trace. A stack of 16 KiB holds 2048 return addresses.
const maxFrames = 4096

// Unwinder unwinds the stacks of one kernel. It is safe for concurrent use.
type Unwinder struct {
	k       *kernel.Kernel
	code    *code
	machine machine
	cpus    func() map[vmcore.Addr]kernel.CPU // by the task that each ran
}

// A machine is what an architecture provides.
type machine interface {
	// asleep returns where a task that no CPU runs has left off, by what it has
	// saved on its stack.
	asleep(w *walk, task kernel.Value) (cursor, error)
	// awake returns where a CPU was.
	awake(cpu vmcore.CPU) (cursor, error)
	// areas returns the stacks of a CPU that do not belong to a task.
	areas(cpu int) []area
	// step goes on to the caller. Its last step returns errOutermost, or errUser
	// with the registers of the program.
	step(w *walk, c cursor) (cursor, error)
	// exceptions returns what may be saved registers in an area.
	exceptions(w *walk, s area) []*Registers
	// guesses reports whether there is no unwind data, so that a walk that fails
	// at once leaves nothing but looking at the stack.
	guesses() bool
}

var (
	errOutermost = errors.New("outermost frame")
	errUser      = errors.New("entered from a program")
)

// cursor is the place that a walk has come to.
type cursor struct {
	pc, sp, fp vmcore.Addr
	exact      bool
	at         vmcore.Addr // where pc was found
	how        How
	regs       *Registers // saved here; nil behind a call
	known      *Registers // the last that still hold here, for what unwind data asks of them
}

// Of returns the unwinder of a kernel, which reads nothing until it is used. A
// running kernel has another each time: what is remembered would be of the past.
func Of(k *kernel.Kernel) (*Unwinder, error) {
	if k.Arch().Name != "x86_64" {
		return nil, &UnsupportedError{k.Arch().Name}
	}
	if d := k.Dump(); d != nil && d.Format().Live {
		return newUnwinder(k), nil
	}
	return kernel.Derived(k, newUnwinder), nil
}

func newUnwinder(k *kernel.Kernel) *Unwinder {
	u := &Unwinder{k: k, code: newCode(k), cpus: runningTasks(k)}
	u.machine = newX86(k, u.code)
	return u
}

// Trace unwinds the stack of a task.
func (u *Unwinder) Trace(task kernel.Task) Trace {
	t := Trace{Task: task, CPU: -1}
	w, c, err := u.begin(&t)
	if errors.Is(err, errUser) {
		t.User = c.regs
		return t
	}
	if err != nil {
		t.Err = err
		return t
	}
	u.walk(&t, w, c)
	if t.Err != nil && len(t.Frames) <= 1 && u.machine.guesses() {
		t.Frames = w.scan(u.code, c.sp)
	}
	return t
}

// begin finds where a task has stopped: by the registers of the CPU that ran it,
// or by what it has saved itself.
func (u *Unwinder) begin(t *Trace) (*walk, cursor, error) {
	v, w, err := u.taskWalk(t.Task)
	if err != nil {
		return nil, cursor{}, err
	}
	cpu, running := u.cpus()[t.Task.Addr]
	if !running {
		if on, err := v.UintAt("on_cpu"); err == nil && on != 0 {
			return nil, cursor{}, &NoRegistersError{Task: t.Task}
		}
		c, err := u.machine.asleep(w, v)
		return w, c, err
	}
	t.CPU = cpu.Number
	w.areas = append(w.areas, u.machine.areas(cpu.Number)...)
	c, err := u.machine.awake(cpu.Registers)
	return w, c, err
}

// walk goes from frame to frame.
func (u *Unwinder) walk(t *Trace, w *walk, c cursor) {
	w.enter(c.sp)
	for len(t.Frames) < maxFrames {
		t.Frames = append(t.Frames, Frame{
			PC: c.pc, Exact: c.exact, At: c.at, Stack: w.name(c.at), How: c.how, Registers: c.regs,
		})
		next, err := u.machine.step(w, c)
		switch {
		case errors.Is(err, errUser):
			t.User = next.regs
			return
		case errors.Is(err, errOutermost):
			return
		case err == nil:
			err = w.advance(next.at)
		}
		if err != nil {
			t.Err = &BrokenError{Frame: len(t.Frames) - 1, Func: u.Name(t.Frames[len(t.Frames)-1]).String(), Err: err}
			return
		}
		c = next
	}
	t.Err = &BrokenError{Frame: maxFrames - 1, Err: errTooDeep}
}

var errTooDeep = errors.New("it is deeper than any stack")

// Scan returns what may be return addresses on the stack of a task: every
// address of code, from the stack pointer up, or all of the stack.
func (u *Unwinder) Scan(task kernel.Task, all bool) Trace {
	t := Trace{Task: task, CPU: -1}
	w, c, err := u.begin(&t)
	if w == nil || all || err != nil && !errors.Is(err, errUser) {
		if _, w, err = u.taskWalk(task); err != nil {
			t.Err = err
			return t
		}
		t.Frames = w.scan(u.code, w.areas[0].start)
		return t
	}
	if err == nil {
		t.Frames = w.scan(u.code, c.sp)
	}
	return t
}

// Exceptions returns what may be registers that exceptions have saved on the
// stack of a task, and on those of the CPU that runs it.
func (u *Unwinder) Exceptions(task kernel.Task) ([]*Registers, error) {
	_, w, err := u.taskWalk(task)
	if err != nil {
		return nil, err
	}
	if cpu, running := u.cpus()[task.Addr]; running {
		w.areas = append(w.areas, u.machine.areas(cpu.Number)...)
	}
	var found []*Registers
	for _, s := range w.areas {
		found = append(found, u.machine.exceptions(w, s)...)
	}
	return found, nil
}

// runningTasks returns the registers of the CPUs by the task that each ran.
func runningTasks(k *kernel.Kernel) func() map[vmcore.Addr]kernel.CPU {
	return sync.OnceValue(func() map[vmcore.Addr]kernel.CPU {
		cpus := make(map[vmcore.Addr]kernel.CPU)
		for _, c := range k.CPUs() {
			if c.Task.Addr != 0 {
				cpus[c.Task.Addr] = c
			}
		}
		return cpus
	})
}

// UnsupportedError says that kdbg cannot unwind the stacks of a machine yet.
type UnsupportedError struct{ Arch string }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("unwinding stacks of %s is not supported yet", e.Arch)
}

// Is reports whether target is [vmcore.ErrUnsupported].
func (e *UnsupportedError) Is(target error) bool { return target == vmcore.ErrUnsupported }

// NoRegistersError says that a CPU ran a task and the dump has no registers of
// it: it did not answer when the kernel stopped the others, or the kernel runs.
type NoRegistersError struct{ Task kernel.Task }

func (e *NoRegistersError) Error() string {
	return fmt.Sprintf("task %v was running, and the dump has no registers of its CPU", e.Task.Addr)
}

// Kind returns [kernel.KindUnsupported].
func (e *NoRegistersError) Kind() string { return kernel.KindUnsupported }

// Hint says what is left to do.
func (e *NoRegistersError) Hint() string { return "bt -T shows all addresses of code on its stack" }

// BrokenError says that a stack cannot be followed to its end.
type BrokenError struct {
	Frame int    // the last one that is known
	Func  string // that it is in
	Err   error
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("the stack cannot be followed from frame #%d %s: %v", e.Frame, e.Func, e.Err)
}

// Unwrap returns what is wrong.
func (e *BrokenError) Unwrap() error { return e.Err }

// Hint says what is left to do.
func (e *BrokenError) Hint() string { return "bt -t shows all addresses of code from there on" }
