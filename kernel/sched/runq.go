package sched

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// RunQueue is the run queue of a CPU (struct rq, kernel/sched/sched.h).
type RunQueue struct {
	CPU     int
	Addr    vmcore.Addr
	Current kernel.Task
	Clock   uint64      // nanoseconds, when the scheduler last looked
	RT      vmcore.Addr // the queue of real-time tasks: struct rt_prio_array
	CFS     vmcore.Addr // the tree of others: its rb_root

	k  *kernel.Kernel
	rq kernel.Value
}

// RunQueues returns the run queues of the CPUs that are online.
func RunQueues(k *kernel.Kernel) iter.Seq2[RunQueue, error] {
	return func(yield func(RunQueue, error) bool) {
		cpus, err := k.OnlineCPUs()
		if err != nil {
			yield(RunQueue{}, err)
			return
		}
		for _, cpu := range cpus {
			q, err := readRunQueue(k, cpu)
			if err != nil {
				err = fmt.Errorf("run queue of CPU %d: %w", cpu, err)
			}
			if !yield(q, err) {
				return
			}
		}
	}
}

func readRunQueue(k *kernel.Kernel, cpu int) (q RunQueue, err error) {
	rq, err := k.RunQueue(cpu)
	if err != nil {
		return q, err
	}
	r := kernel.Reader{Value: rq}
	q = RunQueue{CPU: cpu, Addr: addr(rq), Clock: r.Uint("clock"), RT: r.AddrOf("rt.active"), CFS: r.AddrOf("cfs.tasks_timeline"), k: k, rq: rq}
	if r.Err != nil {
		return q, r.Err
	}
	q.Current, err = k.Running(cpu)
	return q, err
}

// Queued is a task that waits to run.
type Queued struct {
	kernel.Task
	Priority int    // 0 to 99 for real-time tasks, 100 to 139 for others, below 0 for deadlines
	Depth    int    // how deep the group that it belongs to is nested
	Group    string // the last name of that group's control group; "" for the first group
}

// queued returns the task that an entity is a part of.
func (q *RunQueue) queued(entity vmcore.Addr, member string, depth int) (Queued, error) {
	t, err := q.k.Struct("task_struct")
	if err != nil {
		return Queued{}, err
	}
	within, err := q.k.At(0, t).Path(member)
	if err != nil {
		return Queued{}, err
	}
	return readQueued(q.k.At(entity-addr(within), t), depth)
}

// readQueued returns the task of a struct task_struct.
func readQueued(v kernel.Value, depth int) (Queued, error) {
	task, err := v.Task()
	if err != nil {
		return Queued{}, err
	}
	prio, err := v.Path("prio")
	if err != nil {
		return Queued{}, err
	}
	p, err := prio.Int()
	return Queued{Task: task, Priority: int(p), Depth: depth}, err
}

// maxGroups bounds how deep groups of tasks are nested.
const maxGroups = 32

// FairTasks returns the tasks of the fair scheduler that wait to run, those of
// groups where their group is.
func (q *RunQueue) FairTasks() iter.Seq2[Queued, error] {
	return func(yield func(Queued, error) bool) {
		cfs, err := q.rq.Path("cfs")
		if err != nil {
			yield(Queued{}, err)
			return
		}
		q.fair(cfs, 0, "", yield)
	}
}

// fair yields the tasks of a struct cfs_rq: those in its tree, and of the group
// that runs, if one does, those that do not. It reports whether to go on.
func (q *RunQueue) fair(cfs kernel.Value, depth int, name string, yield func(Queued, error) bool) bool {
	if depth == maxGroups {
		return yield(Queued{}, fmt.Errorf("groups of tasks on CPU %d are nested %d deep", q.CPU, depth))
	}
	entity, err := q.k.Struct("sched_entity")
	if err != nil {
		return yield(Queued{}, err)
	}
	r := kernel.Reader{Value: cfs}
	root, current := r.AddrOf("tasks_timeline"), r.Pointer("curr")
	if r.Err != nil {
		return yield(Queued{}, r.Err)
	}
	if current != 0 {
		if group, ok := q.group(q.k.At(current, entity)); ok && !q.fair(group, depth+1, groupName(group), yield) {
			return false
		}
	}
	for se, err := range q.k.RBTree(root, entity, "run_node") {
		if err != nil {
			if !yield(Queued{}, err) {
				return false
			}
			continue
		}
		if group, ok := q.group(se); ok {
			if !q.fair(group, depth+1, groupName(group), yield) {
				return false
			}
			continue
		}
		task, err := q.queued(addr(se), "se", depth)
		task.Group = name
		if !yield(task, err) {
			return false
		}
	}
	return true
}

// group returns the queue of a group; ok is false for the entity of a task.
func (q *RunQueue) group(se kernel.Value) (cfs kernel.Value, ok bool) {
	if !se.Has("my_q") { // without CONFIG_FAIR_GROUP_SCHED
		return kernel.Value{}, false
	}
	p, err := se.UintAt("my_q")
	if err != nil || p == 0 {
		return kernel.Value{}, false
	}
	cfs, err = structAt(q.k, "cfs_rq", vmcore.Addr(p))
	return cfs, err == nil
}

// groupName names the control group of a struct cfs_rq.
func groupName(cfs kernel.Value) string {
	name, err := cfs.StringAt("tg.css.cgroup.kn.name")
	if err != nil {
		return "?"
	}
	return name
}

// RealTimeTasks returns the real-time tasks that wait to run, the most urgent
// first. The one that runs is among them.
func (q *RunQueue) RealTimeTasks() iter.Seq2[Queued, error] {
	return func(yield func(Queued, error) bool) {
		queues, err := q.rq.Path("rt.active.queue")
		if err == nil {
			q.realTime(queues, 0, yield)
			return
		}
		yield(Queued{}, err)
	}
}

// realTime yields the tasks on the lists of a struct rt_prio_array, and reports
// whether to go on.
func (q *RunQueue) realTime(queues kernel.Value, depth int, yield func(Queued, error) bool) bool {
	if depth == maxGroups {
		return yield(Queued{}, fmt.Errorf("groups of real-time tasks on CPU %d are nested %d deep", q.CPU, depth))
	}
	entity, err := q.k.Struct("sched_rt_entity")
	if err != nil {
		return yield(Queued{}, err)
	}
	a, ok := btfsrc.Strip(queues.Type()).(*btf.Array)
	if !ok {
		return yield(Queued{}, fmt.Errorf("%s is no array of queues", queues.TypeName()))
	}
	for i := range min(a.Nelems, 1024) {
		head, err := queues.Index(int64(i))
		if err != nil {
			return yield(Queued{}, err)
		}
		for e, err := range q.k.List(addr(head), entity, "run_list") {
			var task Queued
			if err == nil && e.Has("my_q") { // with CONFIG_RT_GROUP_SCHED
				var p uint64
				if p, err = e.UintAt("my_q"); err == nil && p != 0 {
					group, err := e.Path("my_q.active.queue")
					if err == nil && !q.realTime(group, depth+1, yield) {
						return false
					}
					continue
				}
			}
			if err == nil {
				task, err = q.queued(addr(e), "rt", depth)
			}
			if !yield(task, err) {
				return false
			}
		}
	}
	return true
}

// DeadlineTasks returns the tasks with deadlines that wait to run, the next
// deadline first. Entities that serve other tasks are left out: Linux kernel
// commit 63ba8422f876 ("sched/deadline: Introduce deadline servers") (in v6.8).
func (q *RunQueue) DeadlineTasks() iter.Seq2[Queued, error] {
	return func(yield func(Queued, error) bool) {
		entity, err := q.k.Struct("sched_dl_entity")
		if err != nil {
			yield(Queued{}, err)
			return
		}
		root, err := q.rq.Path("dl.root")
		if err != nil {
			yield(Queued{}, err)
			return
		}
		for e, err := range q.k.RBTree(addr(root), entity, "rb_node") {
			var task Queued
			if err == nil {
				if e.Has("dl_server") {
					if server, err := e.UintAt("dl_server"); err == nil && server != 0 {
						continue
					}
				}
				task, err = q.queued(addr(e), "dl", 0)
			}
			if !yield(task, err) {
				return
			}
		}
	}
}

// ExtTasks returns the tasks of a scheduler in BPF (CONFIG_SCHED_CLASS_EXT) that
// can run on the CPU.
func (q *RunQueue) ExtTasks() iter.Seq2[Queued, error] {
	return func(yield func(Queued, error) bool) {
		if !q.rq.Has("scx.runnable_list") {
			return
		}
		head, err := q.rq.Path("scx.runnable_list")
		if err != nil {
			yield(Queued{}, err)
			return
		}
		t, err := q.k.Struct("task_struct")
		if err != nil {
			yield(Queued{}, err)
			return
		}
		for v, err := range q.k.List(addr(head), t, "scx.runnable_node") {
			var task Queued
			if err == nil {
				task, err = readQueued(v, 0)
			}
			if !yield(task, err) {
				return
			}
		}
	}
}
