package sched

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// WorkerPool is a pool of threads that run work (struct worker_pool,
// kernel/workqueue.c).
type WorkerPool struct {
	ID      int
	Addr    vmcore.Addr
	CPU     int // -1: not bound to one
	Nice    int
	Idle    int // workers with nothing to do
	Workers []Worker
	Pending []Work // that no worker has taken yet, the oldest first
}

// Worker is a thread of a pool (struct worker, kernel/workqueue_internal.h).
type Worker struct {
	Addr    vmcore.Addr
	Task    kernel.Task // the zero Task for one that runs work in soft interrupts
	Work    Work        // that it runs; Addr is 0 if it runs none
	Desc    string      // what it says that it does
	Rescuer bool        // it helps out where memory is short
}

// Work is a piece of work (struct work_struct).
type Work struct {
	Addr     vmcore.Addr
	Function vmcore.Addr
	Queue    string // the work queue it was given to
}

// Bounds on what a pool says of itself.
const (
	maxWorkers = 1 << 16
	maxWork    = 1 << 20
)

// WorkerPools returns the pools, by ID. What is broken of one comes as errors
// before it.
func WorkerPools(k *kernel.Kernel) iter.Seq2[WorkerPool, error] {
	return func(yield func(WorkerPool, error) bool) {
		idr, err := k.ObjectOf("worker_pool_idr", "idr")
		if err != nil {
			yield(WorkerPool{}, err)
			return
		}
		t, err := k.Struct("worker_pool")
		if err != nil {
			yield(WorkerPool{}, err)
			return
		}
		for e, err := range k.IDR(addr(idr)) {
			if err != nil {
				if !yield(WorkerPool{}, fmt.Errorf("pools of workers: %w", err)) {
					return
				}
				continue
			}
			broken := func(err error) bool { return yield(WorkerPool{}, fmt.Errorf("pool %d of workers: %w", e.Index, err)) }
			p, ok := readPool(k.At(e.Entry, t), broken)
			if !ok || !yield(p, nil) {
				return
			}
		}
	}
}

// readPool reads a pool with its workers and its work; ok is false where broken,
// which is told what cannot be read, says to stop.
func readPool(v kernel.Value, broken func(error) bool) (p WorkerPool, ok bool) {
	k := v.Kernel()
	r := kernel.Reader{Value: v}
	p = WorkerPool{Addr: addr(v), ID: int(r.Int("id")), CPU: int(r.Int("cpu")), Nice: int(r.Int("attrs.nice")), Idle: int(r.Int("nr_idle"))}
	if r.Err != nil && !broken(r.Err) {
		return p, false
	}
	worker, err := k.Struct("worker")
	if err != nil {
		return p, broken(err)
	}
	for w, err := range k.List(r.AddrOf("workers"), worker, "node") {
		var one Worker
		if err == nil {
			one, err = readWorker(w)
		}
		if err != nil {
			if !broken(err) {
				return p, false
			}
			continue
		}
		if p.Workers = append(p.Workers, one); len(p.Workers) == maxWorkers {
			return p, broken(fmt.Errorf("more than %d workers", maxWorkers))
		}
	}
	p.Pending, ok = readWork(k, r.AddrOf("worklist"), broken)
	return p, ok
}

// readWorker reads a worker with the work that it runs. One that runs work in
// soft interrupts has no task: Linux kernel commit 4cb1ef64609f ("workqueue:
// Implement BH workqueues to eventually replace tasklets") (in v6.9).
func readWorker(v kernel.Value) (w Worker, err error) {
	r := kernel.Reader{Value: v}
	w = Worker{Addr: addr(v), Work: Work{Addr: r.Pointer("current_work"), Function: r.Pointer("current_func")}, Desc: r.Text("desc")}
	if w.Work.Addr != 0 {
		w.Work.Queue = r.Text("current_pwq.wq.name")
	}
	w.Rescuer = r.Pointer("rescue_wq") != 0
	if r.Err != nil {
		return w, r.Err
	}
	if r.Pointer("task") == 0 {
		return w, r.Err
	}
	task, err := v.Path("task")
	if err == nil {
		task, err = task.Deref()
	}
	if err == nil {
		w.Task, err = task.Task()
	}
	if err != nil {
		err = fmt.Errorf("worker at %v: %w", w.Addr, err)
	}
	return w, err
}

// readWork reads a list of work.
func readWork(k *kernel.Kernel, head vmcore.Addr, broken func(error) bool) (all []Work, ok bool) {
	t, err := k.Struct("work_struct")
	if err != nil {
		return nil, broken(err)
	}
	for v, err := range k.List(head, t, "entry") {
		var w Work
		if err == nil {
			r := kernel.Reader{Value: v}
			w = Work{Addr: addr(v), Function: r.Pointer("func")}
			w.Queue, err = queueOf(k, r.Uint("data"))
			if r.Err != nil {
				err = r.Err
			}
		}
		if err != nil {
			if !broken(err) {
				return all, false
			}
			continue
		}
		if all = append(all, w); len(all) == maxWork {
			return all, broken(fmt.Errorf("more than %d pieces of work", maxWork))
		}
	}
	return all, true
}

// WORK_STRUCT_PWQ of a work's data says that the high bits point to the struct
// pool_workqueue of its queue, which is aligned to 256 bytes
// (include/linux/workqueue.h).
const (
	workHasQueue  = 1 << 2
	workQueueMask = 1<<8 - 1
)

// queueOf names the queue that a work was given to by its data.
func queueOf(k *kernel.Kernel, data uint64) (string, error) {
	if data&workHasQueue == 0 {
		return "", nil
	}
	pwq, err := structAt(k, "pool_workqueue", vmcore.Addr(data&^workQueueMask))
	if err != nil {
		return "", err
	}
	return pwq.StringAt("wq.name")
}

// WorkQueue is a queue that work is given to (struct workqueue_struct).
type WorkQueue struct {
	Addr     vmcore.Addr
	Name     string
	Flags    uint64
	Active   int    // pieces of work that pools have taken
	Inactive []Work // that wait for others of the queue
}

// WorkQueues returns the work queues, the newest last.
func WorkQueues(k *kernel.Kernel) iter.Seq2[WorkQueue, error] {
	return func(yield func(WorkQueue, error) bool) {
		head, err := k.ObjectOf("workqueues", "list_head")
		if err != nil {
			yield(WorkQueue{}, err)
			return
		}
		t, err := k.Struct("workqueue_struct")
		if err != nil {
			yield(WorkQueue{}, err)
			return
		}
		for v, err := range k.List(addr(head), t, "list") {
			if err != nil {
				if !yield(WorkQueue{}, fmt.Errorf("work queues: %w", err)) {
					return
				}
				continue
			}
			q, ok := readWorkQueue(v, func(err error) bool { return yield(WorkQueue{}, fmt.Errorf("work queue at %v: %w", addr(v), err)) })
			if !ok || !yield(q, nil) {
				return
			}
		}
	}
}

// readWorkQueue reads a work queue. The work that waits is on the lists of its
// parts for pools: Linux kernel commit f97a4a1a3f87 ("workqueue: Rename
// "delayed" (delayed by active management) to "inactive"") (in v5.15).
func readWorkQueue(v kernel.Value, broken func(error) bool) (q WorkQueue, ok bool) {
	k := v.Kernel()
	r := kernel.Reader{Value: v}
	q = WorkQueue{Addr: addr(v), Name: r.Text("name"), Flags: r.Uint("flags")}
	if r.Err != nil && !broken(r.Err) {
		return q, false
	}
	part, err := k.Struct("pool_workqueue")
	if err != nil {
		return q, broken(err)
	}
	waiting := "inactive_works"
	if !k.At(0, part).Has(waiting) {
		waiting = "delayed_works"
	}
	for p, err := range k.List(r.AddrOf("pwqs"), part, "pwqs_node") {
		if err != nil {
			if !broken(err) {
				return q, false
			}
			continue
		}
		pr := kernel.Reader{Value: p}
		q.Active += int(pr.Int("nr_active"))
		head := pr.AddrOf(waiting)
		if pr.Err != nil {
			if !broken(pr.Err) {
				return q, false
			}
			continue
		}
		work, ok := readWork(k, head, broken)
		if q.Inactive = append(q.Inactive, work...); !ok {
			return q, false
		}
	}
	return q, true
}
