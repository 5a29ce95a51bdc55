package cmds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/stack"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "bt",
		Args: "[-a | -c CPUS | -g | -p] [-fFsdetT] [TASK...]",
		Help: "show the kernel stack of tasks",
		Doc: `bt shows the functions of the kernel that a task is in, the innermost first:
where on the stack the return address lies, the function, and the return
address. The registers that an exception or a system call saved stand where it
came. Tasks are named as in ps; without a name it is the current task.

    -a        the tasks that run on CPUs
    -c CPUS   those that run on some, such as 0 or 0-3,8
    -g        all threads of each task's process
    -p        the task that panicked
    -s        add the offset in the function; -d writes it in decimal
    -f        show the words of the stack that belong to each frame;
              -F writes those that point to a symbol by its name
    -e        look for registers that exceptions have saved on the stack
    -t        show every address of code on the stack, from the stack pointer
              up, whether or not a function will return there
    -T        the same for all of the stack

Stacks are followed by the unwind data that the kernel carries for its own use
(ORC), so that each frame is one. Frames found in another way say so: those of
compiled BPF programs by frame pointers, and guesses by what lies on the stack.
Inlined functions do not appear. Lines of source (-l) are not known to a dump.`,
		Run: runBT,
	})
}

// stackView is what bt was asked for.
type stackView struct {
	env     *Env
	unwind  *stack.Unwinder
	offsets bool
	decimal bool
	words   bool // of each frame
	symbols bool // in place of words
	scan    bool // of the stack from the stack pointer
	all     bool // or of all of it
}

const stackOptions = "ac:gpfFsxdetTl"

func runBT(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("bt", args, stackOptions)
	if err != nil {
		return err
	}
	if opts.has('l') {
		return &UnsupportedError{Msg: "lines of source are not known: a dump has no debug information"}
	}
	tasks, err := env.stackTasks(ctx, opts, rest)
	if err != nil {
		return err
	}
	v := stackView{env: env, offsets: opts.has('s') || opts.has('x') || opts.has('d'), decimal: opts.has('d'),
		words: opts.has('f') || opts.has('F'), symbols: opts.has('F'), scan: opts.has('t') || opts.has('T'), all: opts.has('T')}
	if v.unwind, err = stack.Of(env.Kernel); err != nil {
		return err
	}
	for i, t := range tasks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i > 0 {
			if err := env.blank(); err != nil {
				return err
			}
		}
		if opts.has('e') {
			err = v.exceptions(t)
		} else {
			err = v.show(v.trace(t))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stackTasks returns the tasks that options and words stand for.
func (e *Env) stackTasks(ctx context.Context, opts flags, words []string) ([]kernel.Task, error) {
	switch {
	case opts.has('a'), opts.has('c'):
		return e.runningTasks(opts)
	case opts.has('p'):
		t, err := e.Context.panicTask()
		return []kernel.Task{t}, err
	}
	tasks, err := e.tasks(ctx, words)
	if err != nil || !opts.has('g') {
		return tasks, err
	}
	var group []kernel.Task
	for _, t := range tasks {
		for thread, err := range t.Threads() {
			if err != nil {
				e.Problem(err)
			} else if !slices.ContainsFunc(group, func(t kernel.Task) bool { return t.Addr == thread.Addr }) {
				group = append(group, thread)
			}
		}
	}
	return group, nil
}

// runningTasks returns the tasks that run on the CPUs of -c, or on all. A kernel
// that panics and starts no other takes the CPUs that it stops for offline; the
// dump has registers of them.
func (e *Env) runningTasks(opts flags) ([]kernel.Task, error) {
	cpus, err := e.Kernel.OnlineCPUs()
	if err != nil {
		return nil, err
	}
	for _, cpu := range e.Kernel.CPUs() {
		if cpu.Task.Addr != 0 {
			cpus = append(cpus, cpu.Number)
		}
	}
	slices.Sort(cpus)
	cpus = slices.Compact(cpus)
	if opts.has('c') {
		if cpus, err = parseCPUs("bt", opts.value('c'), cpus); err != nil {
			return nil, err
		}
	}
	var tasks []kernel.Task
	for _, cpu := range cpus {
		t, err := e.Kernel.Running(cpu)
		if err != nil {
			e.Problem(fmt.Errorf("CPU %d: %w", cpu, err))
			continue
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// trace unwinds or scans the stack of a task.
func (v *stackView) trace(t kernel.Task) stack.Trace {
	if v.scan {
		return v.unwind.Scan(t, v.all)
	}
	return v.unwind.Trace(t)
}

// show writes a trace.
func (v *stackView) show(t stack.Trace) error {
	if v.env.JSON {
		return v.showObject(t)
	}
	if err := v.env.Printf("%s\n", taskLine(t.Task)); err != nil {
		return err
	}
	var b strings.Builder
	for i, f := range t.Frames {
		if i > 0 && f.Stack != t.Frames[i-1].Stack {
			fmt.Fprintf(&b, "--- <%s stack> ---\n", t.Frames[i-1].Stack)
		}
		if f.Registers != nil {
			fmt.Fprintf(&b, "    [exception RIP: %v]\n", v.unwind.Name(f))
			writeRegisters(&b, f.Registers)
		}
		v.frame(&b, i, f)
		if v.words {
			v.frameWords(&b, t.Frames[i:])
		}
	}
	if t.User != nil {
		writeRegisters(&b, t.User)
	}
	if why := whyNoFrames(t.Err); why != "" {
		fmt.Fprintf(&b, "    (%s)\n", why)
	}
	if err := v.env.Printf("%s", b.String()); err != nil {
		return err
	}
	if t.Err != nil && whyNoFrames(t.Err) == "" {
		v.env.Problem(t.Err)
	}
	return nil
}

// whyNoFrames says why a task has no stack to show where nothing is wrong with
// that, "" otherwise.
func whyNoFrames(err error) string {
	var running *stack.NoRegistersError
	var ended *stack.NoStackError
	switch {
	case errors.As(err, &running):
		return "running; the dump has no registers of its CPU"
	case errors.As(err, &ended) && ended.Stack == 0:
		return "no stack: it has ended"
	}
	return ""
}

// frame writes one line.
func (v *stackView) frame(b *strings.Builder, i int, f stack.Frame) {
	name := v.unwind.Name(f)
	switch {
	case !v.offsets:
		name.Offset = 0
	case v.decimal && name.Symbol != "":
		name.Symbol += "+" + strconv.FormatUint(name.Offset, 10)
		name.Offset = 0
	}
	if name.Symbol == "" {
		name.Symbol = "(unknown)"
	}
	fmt.Fprintf(b, "%3s [%s] %v at %s", "#"+strconv.Itoa(i), hexAddr(f.At), name, hexAddr(f.PC))
	switch {
	case f.How == stack.ByFramePointer:
		b.WriteString(" (by frame pointer)")
	case f.How == stack.ByScan && !v.scan:
		b.WriteString(" (by scan)")
	}
	b.WriteByte('\n')
}

// maxFrameWords bounds what is shown of one frame.
const maxFrameWords = 4096

// frameWords writes the words from the first frame's return address up to the
// next one's.
func (v *stackView) frameWords(b *strings.Builder, frames []stack.Frame) {
	if len(frames) < 2 || frames[0].Stack != frames[1].Stack {
		return
	}
	layout := v.env.Kernel.Arch().Layout
	size := vmcore.Addr(layout.WordSize)
	n := min((frames[1].At-frames[0].At)/size, maxFrameWords)
	data := make([]byte, n*size)
	got, _ := v.env.Kernel.Memory().ReadMemory(data, frames[0].At)
	for i := 0; i+int(size) <= got; i += int(size) {
		if i%16 == 0 {
			fmt.Fprintf(b, "    %s:", hexAddr(frames[0].At+vmcore.Addr(i)))
		}
		word := layout.Word(data[i:])
		text := fmt.Sprintf("%0*x", 2*size, word)
		if name := v.env.Kernel.SymbolName(vmcore.Addr(word)); v.symbols && name != "" {
			text = fmt.Sprintf("%-*s", 2*size, name)
		}
		b.WriteString(" " + text)
		if i%16 == 8 || i+2*int(size) > got {
			b.WriteByte('\n')
		}
	}
}

// exceptions shows what may be saved registers on the stack of a task.
func (v *stackView) exceptions(t kernel.Task) error {
	found, err := v.unwind.Exceptions(t)
	if err != nil {
		v.env.Problem(err)
	}
	if v.env.JSON {
		o := struct {
			taskObject
			Exceptions []savedObject `json:"exceptions"`
		}{newTaskObject(t), []savedObject{}}
		for _, r := range found {
			o.Exceptions = append(o.Exceptions, savedObject{r.At.String(), registerObject(r.All())})
		}
		return v.env.Object(o)
	}
	var b strings.Builder
	b.WriteString(taskLine(t) + "\n")
	for _, r := range found {
		mode := "KERNEL"
		if r.User() {
			mode = "USER"
		}
		fmt.Fprintf(&b, "  %s-MODE EXCEPTION FRAME AT: %s\n", mode, hexAddr(r.At))
		writeRegisters(&b, r)
	}
	return v.env.Printf("%s", b.String())
}

// savedObject is what an exception has saved, in JSON.
type savedObject struct {
	At        string         `json:"at"`
	Registers registerObject `json:"registers"`
}

// registerRows are the registers of x86-64 as they are commonly set out.
var registerRows = []string{
	"rip rsp eflags", "rax rbx rcx", "rdx rsi rdi", "rbp r8 r9", "r10 r11 r12", "r13 r14 r15", "orig_rax cs ss",
}

// writeRegisters writes registers, those that are there.
func writeRegisters(b *strings.Builder, r *stack.Registers) {
	for _, row := range registerRows {
		var cells []string
		for name := range strings.FieldsSeq(row) {
			value, ok := r.Get(name)
			if !ok {
				continue
			}
			title, width := strings.ToUpper(name), 16
			switch name {
			case "eflags":
				title, width = "RFLAGS", 8
			case "cs", "ss":
				width = 4
			case "r8", "r9":
				title = " " + title
			}
			cells = append(cells, fmt.Sprintf("%s: %0*x", title, width, value))
		}
		if len(cells) > 0 {
			fmt.Fprintf(b, "    %s\n", strings.Join(cells, "  "))
		}
	}
}

// frameObject is a frame in JSON.
type frameObject struct {
	PC        string         `json:"pc"`
	Symbol    *string        `json:"symbol"`
	Offset    uint64         `json:"offset"`
	Module    *string        `json:"module"`
	How       stack.How      `json:"how"`
	At        string         `json:"at"`
	Stack     string         `json:"stack"`
	Registers registerObject `json:"registers,omitzero"`
}

func newFrameObject(u *stack.Unwinder, f stack.Frame) frameObject {
	o := frameObject{PC: f.PC.String(), How: f.How, At: f.At.String(), Stack: f.Stack}
	name := u.Name(f)
	if name.Symbol != "" {
		o.Symbol, o.Offset = &name.Symbol, name.Offset
	}
	if name.Module != "" {
		o.Module = &name.Module
	}
	if f.Registers != nil {
		o.Registers = registerObject(f.Registers.All())
	}
	return o
}

// traceObject is the stack of a task in JSON.
type traceObject struct {
	taskObject
	Frames []frameObject  `json:"frames"`
	User   registerObject `json:"user,omitzero"` // what the program had when it entered the kernel
	Error  *traceError    `json:"error,omitempty"`
}

// traceError says why a trace ends early.
type traceError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// showObject writes a trace as JSON.
func (v *stackView) showObject(t stack.Trace) error {
	o := traceObject{taskObject: newTaskObject(t.Task), Frames: []frameObject{}}
	for _, f := range t.Frames {
		o.Frames = append(o.Frames, newFrameObject(v.unwind, f))
	}
	if t.User != nil {
		o.User = registerObject(t.User.All())
	}
	if t.Err != nil {
		o.Error = &traceError{kernel.ErrorKind(t.Err), t.Err.Error(), kernel.Hint(t.Err)}
	}
	return v.env.Object(o)
}
