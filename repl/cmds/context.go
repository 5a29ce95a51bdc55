package cmds

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/kdbg/kdbg/kernel"
)

// Context is the task that a session's commands are about where they are told no
// other.
type Context struct {
	kernel *kernel.Kernel
	task   kernel.Task
}

// NewContext returns the context of a new session. Nothing is read until it is
// asked for.
func NewContext(k *kernel.Kernel) *Context { return &Context{kernel: k} }

// Task returns the current task: at first the one that panicked, or, where none
// did, the one that runs on the first CPU.
func (c *Context) Task() (kernel.Task, error) {
	if c.task.Addr != 0 {
		return c.task, nil
	}
	t, err := c.panicTask()
	if errors.As(err, new(*noPanicError)) {
		var cpus []int
		if cpus, err = c.kernel.OnlineCPUs(); err == nil {
			t, err = c.kernel.Running(cpus[0])
		}
	}
	if err != nil {
		return kernel.Task{}, fmt.Errorf("current task: %w", err)
	}
	c.task = t
	return t, nil
}

// CPU returns the number of the CPU that the current task runs on, or ran on
// last.
func (c *Context) CPU() (int, error) {
	t, err := c.Task()
	if err != nil {
		return 0, err
	}
	return t.CPU()
}

// panicTask returns the task that panicked.
func (c *Context) panicTask() (kernel.Task, error) {
	cpu, ok := c.kernel.PanicCPU()
	if !ok {
		return kernel.Task{}, &noPanicError{}
	}
	return c.kernel.Running(cpu)
}

// noPanicError says that no task panicked.
type noPanicError struct{}

func (*noPanicError) Error() string { return "no task panicked" }

// Kind returns [kernel.KindNotFound].
func (*noPanicError) Kind() string { return kernel.KindNotFound }

// Hint says what there is instead.
func (*noPanicError) Hint() string { return "set -c CPU takes the task that runs on a CPU" }

// tasks returns the tasks that words stand for, the current task where there are
// none. A word is a PID; the address of a task; the name of tasks, or a regular
// expression for names; or an expression for a task or its address.
func (e *Env) tasks(ctx context.Context, words []string) ([]kernel.Task, error) {
	if len(words) == 0 {
		t, err := e.Context.Task()
		if err != nil {
			return nil, err
		}
		return []kernel.Task{t}, nil
	}
	var all []kernel.Task
	for _, word := range words {
		found, err := e.tasksOf(ctx, word)
		if err != nil {
			return nil, err
		}
		for _, t := range found {
			if !containsTask(all, t) {
				all = append(all, t)
			}
		}
	}
	return all, nil
}

// eachTask calls show for the tasks that words stand for, with a blank line
// between them.
func (e *Env) eachTask(ctx context.Context, words []string, show func(kernel.Task) error) error {
	tasks, err := e.tasks(ctx, words)
	if err != nil {
		return err
	}
	for i, t := range tasks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i > 0 {
			if err := e.blank(); err != nil {
				return err
			}
		}
		if err := show(t); err != nil {
			return err
		}
	}
	return nil
}

// tasksOf returns the tasks that one word stands for.
func (e *Env) tasksOf(ctx context.Context, word string) ([]kernel.Task, error) {
	one := func(t kernel.Task, err error) ([]kernel.Task, error) {
		if err != nil {
			return nil, err
		}
		return []kernel.Task{t}, nil
	}
	if pid, err := strconv.ParseUint(word, 10, 22); err == nil {
		if pid == 0 {
			return e.idleTasks()
		}
		return one(e.Kernel.Task(int(pid)))
	}
	if isAddress(word) {
		a, err := e.address(ctx, word)
		if err != nil {
			return nil, err
		}
		return one(e.Kernel.TaskAt(a))
	}
	if found := e.named(word); len(found) > 0 {
		return found, nil
	}
	a, err := e.address(ctx, word)
	switch kind := kernel.ErrorKind(err); {
	case err == nil:
	case kind == kernel.KindNotFound, kind == kernel.KindSyntax, isName(word):
		return nil, &noTaskError{word, kernel.Similar(word, slices.Values(e.Names.tasks()))}
	default:
		return nil, err
	}
	return one(e.Kernel.TaskAt(a))
}

// containsTask reports whether a task is among others.
func containsTask(tasks []kernel.Task, t kernel.Task) bool {
	return slices.ContainsFunc(tasks, func(other kernel.Task) bool { return other.Addr == t.Addr })
}

// isName reports whether a word is no more than a name: an expression would say
// more.
func isName(word string) bool {
	return !strings.ContainsFunc(word, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// named returns the tasks of a name, and where there is none, those whose names
// match it as a regular expression, if it looks like one.
func (e *Env) named(name string) []kernel.Task {
	var exact, matching []kernel.Task
	var re *regexp.Regexp
	if strings.ContainsAny(name, `.*+?[]()|^$`) {
		re, _ = regexp.Compile(name) // another error than that of a name says more
	}
	for t, err := range e.Kernel.Tasks() {
		switch {
		case err != nil:
		case t.Comm == name:
			exact = append(exact, t)
		case re != nil && re.MatchString(t.Comm):
			matching = append(matching, t)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return matching
}

// idleTasks returns the tasks with PID 0.
func (e *Env) idleTasks() ([]kernel.Task, error) {
	var idle []kernel.Task
	for t, err := range e.Kernel.Tasks() {
		if err == nil && t.IsIdle() {
			idle = append(idle, t)
		}
	}
	if len(idle) == 0 {
		_, err := e.Kernel.Task(0)
		return nil, err
	}
	return idle, nil
}

// noTaskError says that a word stands for no task.
type noTaskError struct {
	word    string
	similar []string // names of tasks that were perhaps meant
}

func (e *noTaskError) Error() string { return fmt.Sprintf("no task is called %q", e.word) }

// Kind returns [kernel.KindNotFound].
func (e *noTaskError) Kind() string { return kernel.KindNotFound }

// Hint says what a task may be named by.
func (e *noTaskError) Hint() string {
	if len(e.similar) > 0 {
		return "did you mean " + strings.Join(e.similar, ", ") + "?"
	}
	return "a task is a PID, the address of a task_struct, the name of a command or a regular expression; ps lists them"
}

// taskLine is the line above what a command says of a task.
func taskLine(t kernel.Task) string {
	cpu := "?"
	if n, err := t.CPU(); err == nil {
		cpu = strconv.Itoa(n)
	}
	return fmt.Sprintf("PID: %-8d TASK: %s  CPU: %-4s COMMAND: %s", t.PID, hexAddr(t.Addr), cpu, strconv.Quote(t.Comm))
}

// taskObject is a task in JSON; commands that say more of one embed it.
type taskObject struct {
	PID   int    `json:"pid"`
	TGID  int    `json:"tgid"`
	CPU   int    `json:"cpu"` // -1: it cannot be read
	Task  string `json:"task"`
	State string `json:"state"` // "?": it cannot be read
	Comm  string `json:"comm"`
}

func newTaskObject(t kernel.Task) taskObject {
	o := taskObject{PID: t.PID, TGID: t.TGID, CPU: -1, Task: t.Addr.String(), Comm: t.Comm}
	if cpu, err := t.CPU(); err == nil {
		o.CPU = cpu
	}
	state, _ := t.State()
	o.State = string(state)
	return o
}
