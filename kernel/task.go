package kernel

import (
	"cmp"
	"fmt"
	"iter"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// Task is a thread of the kernel or of a program (struct task_struct,
// include/linux/sched.h). What is asked of every task is in hand, the rest is
// read by its methods and by [Task.Value].
type Task struct {
	Addr vmcore.Addr // of its struct task_struct; 0 where nothing is known of it
	PID  int
	TGID int // PID of the process that it is a thread of
	Comm string

	value Value
}

// Value returns the task's struct task_struct. It is absent for the zero Task.
func (t Task) Value() Value { return t.value }

// IsIdle reports whether the task is one that runs where a CPU has nothing to do.
func (t Task) IsIdle() bool { return t.Addr != 0 && t.PID == 0 }

// flags of task_struct that this package asks for (include/linux/sched.h).
const pfKernelThread = 0x00200000

// IsKernel reports whether the task is a thread of the kernel, which has no
// memory of a program.
func (t Task) IsKernel() bool {
	flags, err := t.value.UintAt("flags")
	return err == nil && flags&pfKernelThread != 0 || t.IsIdle()
}

// Leader reports whether the task is the first thread of its process.
func (t Task) Leader() bool { return t.PID == t.TGID }

// CPU returns the number of the CPU that the task runs on, or ran on last. Linux
// kernel commit bcf9033e5449 ("sched: move CPU field back into thread_info if
// THREAD_INFO_IN_TASK=y") (in v5.16).
func (t Task) CPU() (int, error) {
	path := "thread_info.cpu"
	if !t.value.Has(path) {
		path = "cpu"
	}
	n, err := t.value.UintAt(path)
	if err == nil && n >= maxCPUs {
		err = fmt.Errorf("task at %v: no CPU %d", t.Addr, n)
	}
	return int(n), err
}

// Active reports whether the task runs on a CPU.
func (t Task) Active() bool {
	cpu, err := t.CPU()
	if err != nil {
		return false
	}
	running, err := t.value.k.Running(cpu)
	return err == nil && running.Addr == t.Addr
}

// Parent returns the task that waits for this one's end: that of another thread
// group, or of a debugger.
func (t Task) Parent() (Task, error) { return t.follow("parent") }

// GroupLeader returns the first thread of the task's process.
func (t Task) GroupLeader() (Task, error) { return t.follow("group_leader") }

// follow returns the task that a member points to.
func (t Task) follow(member string) (Task, error) {
	p, err := t.value.Path(member)
	if err != nil {
		return Task{}, err
	}
	if p, err = p.Deref(); err != nil {
		return Task{}, err
	}
	return p.Task()
}

// MM returns the struct mm_struct of the task's memory; ok is false for a task
// that has none, as those of the kernel.
func (t Task) MM() (mm Value, ok bool, err error) {
	p, err := t.value.Path("mm")
	if err != nil {
		return Value{}, false, err
	}
	u, err := p.Uint()
	if err != nil || u == 0 {
		return Value{}, false, err
	}
	mm, err = p.Deref()
	return mm, err == nil, err
}

// TaskState is the state of a task by its letter, as ps(1) has it.
type TaskState byte

// States of a task, bits of its __state and exit_state (include/linux/sched.h).
const (
	taskUninterruptible = 0x0002
	taskReported        = 0x007f // those that have a letter
	taskNoLoad          = 0x0400
	taskRTLockWait      = 0x1000 // Linux kernel commit 5f220be21418 ("sched/wakeup: Prepare for RT sleeping spin/rwlocks") (in v5.15)
	taskFrozen          = 0x8000 // Linux kernel commit f5d39b020809 ("freezer,sched: Rewrite core freezer logic") (in v6.1)
	taskIdle            = taskUninterruptible | taskNoLoad
)

// stateLetters are the letters of no bit and of bits 0 to 6.
const stateLetters = "RSDTtXZP"

// State returns the state of a task: R runs or is ready to, S sleeps, D sleeps
// and takes no signals, I does and does not count as load, T is stopped, t
// traced, P parked, Z a zombie, X dead. Linux kernel commit 2f064a59a11f
// ("sched: Change task_struct::state") (in v5.14).
func (t Task) State() (TaskState, error) {
	member := "__state"
	if !t.value.Has(member) {
		member = "state"
	}
	state, err := t.value.UintAt(member)
	if err != nil {
		return '?', err
	}
	exit, err := t.value.UintAt("exit_state")
	if err != nil {
		return '?', err
	}
	all := state | exit
	switch {
	case all&taskIdle == taskIdle:
		return 'I', nil
	case all&taskReported == 0 && all&(taskRTLockWait|taskFrozen) != 0:
		return 'D', nil
	}
	return TaskState(stateLetters[bits.Len64(all&taskReported)]), nil
}

// Threads returns the threads of the task's process, the first one first. Linux
// kernel commit 8e1f385104ac ("kill task_struct->thread_group") (in v6.7) left
// this list alone, which is older.
func (t Task) Threads() iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		head, err := t.value.Path("signal", "thread_head")
		if err != nil {
			yield(Task{}, err)
			return
		}
		a, _ := head.Addr()
		for v, err := range t.value.k.List(a, t.value.typ, "thread_node") {
			var thread Task
			if err == nil {
				thread, err = v.Task()
			}
			if !yield(thread, err) {
				return
			}
		}
	}
}

// Children returns the first threads of the processes that the task started, in
// the order of their start.
func (t Task) Children() iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		head, err := t.value.Path("children")
		if err != nil {
			yield(Task{}, err)
			return
		}
		a, _ := head.Addr()
		for v, err := range t.value.k.List(a, t.value.typ, "sibling") {
			var child Task
			if err == nil {
				child, err = v.Task()
			}
			if !yield(child, err) {
				return
			}
		}
	}
}

// TaskError says that what should be a task is none.
type TaskError struct {
	Addr vmcore.Addr
	Msg  string
	Err  error
}

func (e *TaskError) Error() string {
	text := fmt.Sprintf("no task at %v: %s", e.Addr, e.Msg)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what lies beneath.
func (e *TaskError) Unwrap() error { return e.Err }

// Is reports whether target is [vmcore.ErrNotFound].
func (e *TaskError) Is(target error) bool { return target == vmcore.ErrNotFound && e.Err == nil }

// Hint says how to find tasks.
func (e *TaskError) Hint() string { return "ps lists the tasks" }

// maxPID is above every PID (PID_MAX_LIMIT, include/linux/threads.h).
const maxPID = 4 << 20

// Task returns the task whose struct task_struct v is.
func (v Value) Task() (Task, error) {
	t := Task{Addr: v.addr, value: v}
	broken := func(msg string, err error) (Task, error) { return Task{}, &TaskError{v.addr, msg, err} }
	pid, err := v.UintAt("pid")
	if err != nil {
		return broken("its pid cannot be read", err)
	}
	tgid, err := v.UintAt("tgid")
	if err != nil {
		return broken("its tgid cannot be read", err)
	}
	if pid >= maxPID || tgid >= maxPID {
		return broken(fmt.Sprintf("its pid is %d and its tgid %d", int32(pid), int32(tgid)), nil)
	}
	t.PID, t.TGID = int(pid), int(tgid)
	comm, err := v.Field("comm")
	if err == nil {
		t.Comm, err = comm.CString(64) // TASK_COMM_LEN is 16
	}
	if err != nil {
		return broken("its name cannot be read", err)
	}
	return t, nil
}

// TaskAt returns the task whose struct task_struct is at an address, a
// [*TaskError] where none is: that it is one shows by the list of its process,
// which it is on.
func (k *Kernel) TaskAt(a vmcore.Addr) (Task, error) {
	typ, err := k.structType("task_struct")
	if err != nil {
		return Task{}, err
	}
	t, err := k.At(a, typ).Task()
	if err != nil {
		return Task{}, err
	}
	node, err := t.value.Field("thread_node")
	if err != nil {
		return Task{}, err
	}
	at, _ := node.Addr()
	next, err := k.Pointer(at)
	if err == nil && next != at && poison(next) == "" {
		prev, err := k.Pointer(next + vmcore.Addr(k.layout.WordSize))
		if err == nil && prev == at {
			return t, nil
		}
	}
	if t.IsIdle() && next == at || k.isIdle(a) { // idle tasks of CPUs beyond the first are on no list
		return t, nil
	}
	if err != nil {
		return Task{}, &TaskError{a, "it is on no list of threads", err}
	}
	return Task{}, &TaskError{Addr: a, Msg: "it is on no list of threads"}
}

// isIdle reports whether an idle task is at an address.
func (k *Kernel) isIdle(a vmcore.Addr) bool {
	for t, err := range k.idleTasks() {
		if err == nil && t.Addr == a {
			return true
		}
	}
	return false
}

// Task returns the task that has a PID, and the idle task of the first CPU for
// 0.
func (k *Kernel) Task(pid int) (Task, error) {
	tasks, errs := k.allTasks()
	i := slices.IndexFunc(tasks, func(t Task) bool { return t.PID == pid })
	switch {
	case i >= 0:
		return tasks[i], nil
	case len(errs) > 0:
		return Task{}, fmt.Errorf("no task with PID %d was found: %w", pid, errs[0])
	}
	return Task{}, &NoTaskError{PID: pid}
}

// NoTaskError says that there is no task with a PID.
type NoTaskError struct{ PID int }

func (e *NoTaskError) Error() string { return fmt.Sprintf("no task has the PID %d", e.PID) }

// Kind returns [KindNotFound].
func (e *NoTaskError) Kind() string { return KindNotFound }

// Hint says how to find tasks.
func (e *NoTaskError) Hint() string { return "ps lists the tasks" }

// running returns the task that runs on a CPU, the zero Task where that is not
// known.
func (k *Kernel) running(cpu int) Task {
	t, _ := k.Running(cpu)
	return t
}

// Running returns the task that runs on a CPU.
func (k *Kernel) Running(cpu int) (Task, error) { return k.ofRunQueue(cpu, "curr") }

// ofRunQueue returns the task that a member of a CPU's struct rq points to.
func (k *Kernel) ofRunQueue(cpu int, member string) (Task, error) {
	rq, err := k.RunQueue(cpu)
	if err != nil {
		return Task{}, err
	}
	p, err := rq.Path(member)
	if err != nil {
		return Task{}, err
	}
	if p, err = p.Deref(); err != nil {
		return Task{}, fmt.Errorf("run queue of CPU %d: %w", cpu, err)
	}
	return p.Task()
}

// RunQueue returns the struct rq of a CPU (kernel/sched/sched.h).
func (k *Kernel) RunQueue(cpu int) (Value, error) {
	queues, err := k.ObjectOf("runqueues", "rq")
	if err != nil || !queues.PerCPU() {
		return queues, err
	}
	return k.PerCPU(queues, cpu)
}

// pointerTo returns the type of pointers to t.
func pointerTo(t btf.Type) btf.Type { return &btf.Pointer{Target: t} }

// byPID orders tasks for [Kernel.Tasks].
func byPID(a, b Task) int { return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.Addr, b.Addr)) }
