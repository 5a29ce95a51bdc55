package sched

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Waiter is what waits on a wait queue (struct wait_queue_entry,
// include/linux/wait.h).
type Waiter struct {
	Addr     vmcore.Addr
	Task     kernel.Task // the zero Task if it is no task that waits
	Function vmcore.Addr // that wakes it
	Flags    uint64
}

// Exclusive reports whether the waiter is one of those that are woken one at a
// time (WQ_FLAG_EXCLUSIVE).
func (w Waiter) Exclusive() bool { return w.Flags&1 != 0 }

// Waiters returns what waits on the wait_queue_head at an address. Linux kernel
// commit 2055da97389a ("sched/wait: Disambiguate wq_entry->task_list and
// wq_head->task_list naming") (in v4.13).
func Waiters(k *kernel.Kernel, a vmcore.Addr) iter.Seq2[Waiter, error] {
	return func(yield func(Waiter, error) bool) {
		head, err := structAt(k, "wait_queue_head", a)
		if err == nil {
			head, err = head.Path("head")
		}
		if err != nil {
			yield(Waiter{}, err)
			return
		}
		entry, err := k.Struct("wait_queue_entry")
		if err != nil {
			yield(Waiter{}, err)
			return
		}
		for v, err := range k.List(addr(head), entry, "entry") {
			if err != nil {
				if !yield(Waiter{}, fmt.Errorf("wait queue: %w", err)) {
					return
				}
				continue
			}
			r := kernel.Reader{Value: v}
			w := Waiter{Addr: addr(v), Function: r.Pointer("func"), Flags: r.Uint("flags")}
			// private is what the function makes of it: for most, a task.
			if private := r.Pointer("private"); private != 0 {
				w.Task, _ = k.TaskAt(private)
			}
			if !yield(w, r.Err) {
				return
			}
		}
	}
}
