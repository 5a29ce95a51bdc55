package stack

import (
	"fmt"
	"slices"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// area is memory that is used as a stack.
type area struct {
	name       string
	start, end vmcore.Addr
}

func (a area) contains(at vmcore.Addr) bool { return a.start <= at && at < a.end }

// walk is the memory that one trace may use: the task's stack first, then those
// of the CPU that ran it.
type walk struct {
	mem    vmcore.Memory
	layout vmcore.Layout
	task   vmcore.Addr // the task's struct task_struct
	areas  []area

	read    []window    // what has been read of each area
	entered []bool      // areas that the walk has been in
	in      int         // the area that it is in
	floor   vmcore.Addr // in that area, what is below belongs to frames before
}

// window is the upper part of an area.
type window struct {
	start vmcore.Addr
	data  []byte
	err   error // why data ends before the area does
}

// StackError says that a walk left the stacks, or went the wrong way.
type StackError struct {
	At  vmcore.Addr
	Msg string
}

func (e *StackError) Error() string { return fmt.Sprintf("%v %s", e.At, e.Msg) }

// Kind returns [kernel.KindUnmapped]: what is not on a stack is not read.
func (e *StackError) Kind() string { return kernel.KindUnmapped }

// area returns the number of the area that an address lies in, -1 for none.
func (w *walk) area(a vmcore.Addr) int {
	return slices.IndexFunc(w.areas, func(s area) bool { return s.contains(a) })
}

// name names the stack that an address lies in.
func (w *walk) name(a vmcore.Addr) string {
	if i := w.area(a); i >= 0 {
		return w.areas[i].name
	}
	return ""
}

// enter begins the walk at a stack pointer.
func (w *walk) enter(sp vmcore.Addr) {
	w.entered = make([]bool, len(w.areas))
	w.floor = sp
	if w.in = w.area(sp); w.in >= 0 {
		w.entered[w.in] = true
	}
}

// advance notes that a return address was found at a place. A stack is left for
// good, and on one stack the way is up.
func (w *walk) advance(at vmcore.Addr) error {
	i := w.area(at)
	switch {
	case i < 0:
		return &StackError{at, "is on none of the stacks"}
	case i == w.in && at < w.floor, i != w.in && w.entered[i]:
		return &StackError{at, "was passed before: the stack goes round"}
	}
	w.entered[i], w.in, w.floor = true, i, at+1
	return nil
}

// word reads a word of a stack.
func (w *walk) word(at vmcore.Addr) (uint64, error) {
	size := vmcore.Addr(w.layout.WordSize)
	i := w.area(at)
	switch {
	case i < 0 || !w.areas[i].contains(at+size-1):
		return 0, &StackError{at, "is on none of the stacks"}
	case at%size != 0:
		return 0, &StackError{at, "is no place for a word"}
	}
	if w.read == nil {
		w.read = make([]window, len(w.areas))
	}
	win := &w.read[i]
	if win.data == nil || at < win.start {
		win.load(w.mem, w.areas[i], at)
	}
	off := at - win.start
	if off+size > vmcore.Addr(len(win.data)) {
		return 0, win.err
	}
	return w.layout.Word(win.data[off:]), nil
}

// windowStep is how far below the address asked for a window begins at most, so
// that a walk that goes down a little does not read all again.
const windowStep = 512

// load reads an area from an address to its end.
func (win *window) load(mem vmcore.Memory, s area, at vmcore.Addr) {
	win.start = max(s.start, at&^(windowStep-1))
	win.data = make([]byte, s.end-win.start)
	n, err := mem.ReadMemory(win.data, win.start)
	win.data, win.err = win.data[:n], err
}

// scan returns every word that is an address of code, from an address up: on the
// stack that it lies on, and on the task's own if that is another.
func (w *walk) scan(code *code, from vmcore.Addr) []Frame {
	frames := w.scanArea(code, w.area(from), from)
	if w.area(from) != 0 {
		frames = append(frames, w.scanArea(code, 0, w.areas[0].start)...)
	}
	return frames
}

func (w *walk) scanArea(code *code, i int, from vmcore.Addr) []Frame {
	if i < 0 {
		return nil
	}
	size := vmcore.Addr(w.layout.WordSize)
	var frames []Frame
	for at := (from + size - 1) / size * size; at < w.areas[i].end; at += size {
		u, err := w.word(at)
		if err == nil && code.contains(vmcore.Addr(u)) {
			pc := vmcore.Addr(u)
			frames = append(frames, Frame{PC: pc, Exact: code.isStart(pc), At: at, Stack: w.areas[i].name, How: ByScan})
		}
	}
	return frames
}

// taskWalk returns a task as a value, and a walk over its stack.
func (u *Unwinder) taskWalk(task kernel.Task) (kernel.Value, *walk, error) {
	t, err := u.k.Struct("task_struct")
	if err != nil {
		return kernel.Value{}, nil, err
	}
	v := u.k.At(task.Addr, t)
	base, err := v.UintAt("stack")
	if err != nil {
		return v, nil, fmt.Errorf("stack of task %v: %w", task.Addr, err)
	}
	size := u.stackSize()
	if base == 0 || base%uint64(u.k.Arch().Layout.WordSize) != 0 || base+size < base {
		return v, nil, &NoStackError{Task: task, Stack: vmcore.Addr(base)}
	}
	return v, &walk{
		mem: u.k.Memory(), layout: u.k.Arch().Layout, task: task.Addr,
		areas: []area{{"task", vmcore.Addr(base), vmcore.Addr(base + size)}},
	}, nil
}

// NoStackError says that a task has no stack, as one that has ended.
type NoStackError struct {
	Task  kernel.Task
	Stack vmcore.Addr // what it says; not 0 where that cannot be
}

func (e *NoStackError) Error() string {
	if e.Stack == 0 {
		return fmt.Sprintf("task %v has no stack: it has ended", e.Task.Addr)
	}
	return fmt.Sprintf("task %v has a stack at %v, where none can be", e.Task.Addr, e.Stack)
}

// Kind returns [kernel.KindNotFound].
func (e *NoStackError) Kind() string { return kernel.KindNotFound }

// stackSize returns THREAD_SIZE, which is the size of the first task's stack:
// its bounds are named since Linux kernel commit 8f69cba096b5 ("x86: Rename
// __{start,end}_init_task to __{start,end}_init_stack") (in v6.10) by what they
// bound.
func (u *Unwinder) stackSize() uint64 {
	for _, bounds := range [][2]string{{"__start_init_stack", "__end_init_stack"}, {"__start_init_task", "__end_init_task"}} {
		start, end := u.k.Symbols().Lookup(bounds[0]), u.k.Symbols().Lookup(bounds[1])
		if len(start) == 1 && len(end) == 1 && end[0].Addr > start[0].Addr && end[0].Addr-start[0].Addr <= maxStack {
			return uint64(end[0].Addr - start[0].Addr)
		}
	}
	return usualStack
}

const (
	usualStack = 16 << 10  // x86-64 without KASAN (arch/x86/include/asm/page_64_types.h)
	maxStack   = 256 << 10 // with everything on that makes frames larger
)
