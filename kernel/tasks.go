package kernel

import (
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// taskCache remembers the tasks of a dump.
type taskCache struct {
	once sync.Once
	all  []Task
	errs []error
}

// allTasks returns what [Kernel.Tasks] does. A running kernel has others each time.
func (k *Kernel) allTasks() ([]Task, []error) {
	if k.dump != nil && k.dump.Format().Live {
		return k.readTasks()
	}
	k.tasks.once.Do(func() { k.tasks.all, k.tasks.errs = k.readTasks() })
	return k.tasks.all, k.tasks.errs
}

// maxTasks bounds the tasks that are looked at: as many PIDs as there are, of
// which each belongs to a task.
const maxTasks = maxPID

// Tasks returns every thread: the idle tasks of the CPUs that are online, then
// all others in order of PID. Where the kernel's map of PIDs is damaged, the
// lists of processes and of their threads fill in for it; what could not be read
// comes as errors at the end.
func (k *Kernel) Tasks() iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		tasks, errs := k.allTasks()
		for _, t := range tasks {
			if !yield(t, nil) {
				return
			}
		}
		for _, err := range errs {
			if !yield(Task{}, err) {
				return
			}
		}
	}
}

// readTasks reads all tasks.
func (k *Kernel) readTasks() ([]Task, []error) {
	w := taskWalk{seen: make(map[vmcore.Addr]bool)}
	w.all(k.idleTasks())
	idle := len(w.tasks)
	w.all(k.pidTasks())
	if len(w.errs) > 0 {
		w.all(k.listedTasks())
	}
	slices.SortFunc(w.tasks[idle:], byPID)
	return w.tasks, w.errs
}

// taskWalk collects tasks of several sources.
type taskWalk struct {
	tasks []Task
	errs  []error
	seen  map[vmcore.Addr]bool
}

// all adds the tasks of a source that are not known yet.
func (w *taskWalk) all(source iter.Seq2[Task, error]) {
	for t, err := range source {
		switch {
		case err != nil:
			if len(w.errs) < maxTaskErrors {
				w.errs = append(w.errs, err)
			}
		case len(w.tasks) >= maxTasks:
			w.errs = append(w.errs, fmt.Errorf("more than %d tasks", maxTasks))
			return
		case !w.seen[t.Addr]:
			w.seen[t.Addr] = true
			w.tasks = append(w.tasks, t)
		}
	}
}

// maxTaskErrors is how many problems of one dump's tasks are remembered.
const maxTaskErrors = 100

// idleTasks returns the tasks that run where the CPUs that are online have
// nothing to do.
func (k *Kernel) idleTasks() iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		cpus, err := k.OnlineCPUs()
		if err != nil {
			yield(Task{}, err)
			return
		}
		for _, cpu := range cpus {
			t, err := k.ofRunQueue(cpu, "idle")
			if err != nil {
				err = fmt.Errorf("idle task of CPU %d: %w", cpu, err)
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

// pidTasks returns the tasks that the first PID namespace maps PIDs to: each
// struct pid (include/linux/pid.h) has lists of the tasks that use it, the first
// of which is of the one thread whose PID it is. Linux kernel commit 95846ecf9dac
// ("pid: replace pid bitmap implementation with IDR API") (in v4.15) made an IDR
// of the map.
func (k *Kernel) pidTasks() iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		w, err := k.newPIDWalk()
		if err != nil {
			yield(Task{}, fmt.Errorf("list tasks: %w", err))
			return
		}
		for e, err := range k.IDR(w.idr) {
			var t Task
			if err == nil {
				if t, err = w.task(e); err == nil && t.Addr == 0 {
					continue
				}
			}
			if err != nil {
				err = fmt.Errorf("list tasks: %w", err)
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

// pidWalk is what finds the tasks of PIDs.
type pidWalk struct {
	k     *Kernel
	idr   vmcore.Addr
	typ   btf.Type    // struct task_struct
	tasks vmcore.Addr // offset of the lists in a struct pid
	links vmcore.Addr // and of their nodes in a task
}

func (k *Kernel) newPIDWalk() (*pidWalk, error) {
	ns, err := k.ObjectOf("init_pid_ns", "pid_namespace")
	if err != nil {
		return nil, err
	}
	idr, err := ns.Path("idr")
	if err != nil {
		return nil, err
	}
	pid, err := k.structType("pid")
	if err != nil {
		return nil, err
	}
	w := &pidWalk{k: k}
	w.idr, _ = idr.Addr()
	if w.typ, err = k.structType("task_struct"); err != nil {
		return nil, err
	}
	if w.tasks, err = k.offsetOf(pid, "tasks"); err != nil {
		return nil, err
	}
	// Linux kernel commit 2c4704756cab ("pids: Move the pgrp and session pid
	// pointers from task_struct to signal_struct") (in v4.19).
	w.links, err = k.offsetOf(w.typ, "pid_links")
	return w, err
}

// task returns the thread of a struct pid, the zero Task if it has ended and its
// PID names no more than a group or session of others.
func (w *pidWalk) task(e Entry) (Task, error) {
	node, err := w.k.Pointer(e.Entry + w.tasks)
	if err != nil {
		return Task{}, fmt.Errorf("PID %d, struct pid at %v: %w", e.Index, e.Entry, err)
	}
	if node == 0 {
		return Task{}, nil
	}
	t, err := w.k.At(node-w.links, w.typ).Task()
	switch {
	case err != nil:
		return Task{}, fmt.Errorf("PID %d: %w", e.Index, err)
	case uint64(t.PID) != e.Index:
		return Task{}, fmt.Errorf("PID %d: %w", e.Index, &TaskError{Addr: t.Addr, Msg: fmt.Sprintf("its pid is %d", t.PID)})
	}
	return t, nil
}

// listedTasks returns the tasks by the lists of processes and their threads.
func (k *Kernel) listedTasks() iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		first, err := k.ObjectOf("init_task", "task_struct")
		if err != nil {
			yield(Task{}, fmt.Errorf("list processes: %w", err))
			return
		}
		head, err := first.Path("tasks")
		if err != nil {
			yield(Task{}, fmt.Errorf("list processes: %w", err))
			return
		}
		a, _ := head.Addr()
		for v, err := range k.List(a, first.typ, "tasks") {
			var leader Task
			if err == nil {
				leader, err = v.Task()
			}
			if err != nil {
				err = fmt.Errorf("list processes: %w", err)
			}
			if !yield(leader, err) {
				return
			}
			if err != nil {
				continue
			}
			for t, err := range leader.Threads() {
				if err != nil {
					err = fmt.Errorf("list threads of process %d: %w", leader.PID, err)
				}
				if !yield(t, err) {
					return
				}
			}
		}
	}
}
