package sched

import (
	"fmt"
	"iter"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/stack"
	"github.com/kdbg/kdbg/vmcore"
)

// Blocked is a task that sleeps without signals, or that waits for a lock.
type Blocked struct {
	Task     kernel.Task
	Lock     *Lock  // nil where it waits for something else, or the lock is not known
	Function string // where it waits, as the innermost function that is not the scheduler's
	// Owners are the tasks that hold what it waits for: that of its lock, that of
	// the lock which this one waits for, and so on.
	Owners   []kernel.Task
	Deadlock bool // the owners lead back to one of them
}

// maxOwners bounds a chain of tasks that wait for each other.
const maxOwners = 1000

// hung finds what tasks wait for.
type hung struct {
	k      *kernel.Kernel
	unwind *stack.Unwinder
	known  map[vmcore.Addr]Blocked // by the task's address; what find has answered
}

// BlockedTasks returns the tasks that sleep without signals and those that the
// kernel says wait for a lock, with who holds it. What cannot be read of one comes
// as an error before it.
func BlockedTasks(k *kernel.Kernel) iter.Seq2[Blocked, error] {
	return func(yield func(Blocked, error) bool) {
		unwind, err := stack.Of(k)
		if err != nil && !yield(Blocked{}, err) {
			return
		}
		h := &hung{k: k, unwind: unwind, known: make(map[vmcore.Addr]Blocked)}
		for t, err := range k.Tasks() {
			if err != nil {
				if !yield(Blocked{}, err) {
					return
				}
				continue
			}
			state, err := t.State()
			if err == nil && state != 'D' && h.stated(t).addr == 0 {
				continue
			}
			var b Blocked
			if err == nil {
				b, err = h.find(t)
			}
			if err != nil && !yield(Blocked{}, fmt.Errorf("task %d: %w", t.PID, err)) {
				return
			}
			h.chain(&b)
			if b.Task.Addr != 0 && !yield(b, nil) {
				return
			}
		}
	}
}

// chain follows the owners of locks from a task on.
func (h *hung) chain(b *Blocked) {
	met := map[vmcore.Addr]bool{b.Task.Addr: true}
	for lock := b.Lock; lock != nil && lock.Owner.Addr != 0 && len(b.Owners) < maxOwners; {
		b.Owners = append(b.Owners, lock.Owner)
		if met[lock.Owner.Addr] {
			b.Deadlock = true
			return
		}
		met[lock.Owner.Addr] = true
		next, err := h.find(lock.Owner)
		if err != nil {
			return
		}
		lock = next.Lock
	}
}

// find returns what a task waits for.
func (h *hung) find(t kernel.Task) (Blocked, error) {
	if b, ok := h.known[t.Addr]; ok {
		return b, nil
	}
	b := Blocked{Task: t}
	at := h.stated(t)
	var frames []stack.Frame
	if state, err := t.State(); h.unwind != nil && err == nil && state != 'R' {
		frames = h.unwind.Trace(t).Frames
		b.Function = h.waitsIn(frames)
	}
	if at.addr == 0 {
		at = h.onStack(t, frames)
	}
	if at.addr == 0 {
		h.known[t.Addr] = b
		return b, nil
	}
	lock, err := LockAt(h.k, at.kind, at.addr)
	b.Lock = &lock
	h.known[t.Addr] = b
	return b, err
}

// place is where a lock is.
type place struct {
	kind string
	addr vmcore.Addr
}

// blockerKinds are what the two low bits of task_struct's blocker mean.
var blockerKinds = [...]string{Mutex, Semaphore, RWSem, RWSem}

// stated returns the lock that a task says it waits for. Linux kernel commit
// e711faaafbe5 ("hung_task: replace blocker_mutex with encoded blocker") (in
// v6.16); blocked_on was of another type before there was proxy execution.
func (h *hung) stated(t kernel.Task) place {
	v := t.Value()
	if v.Has("blocker") {
		if word, err := v.UintAt("blocker"); err == nil && word != 0 {
			return place{blockerKinds[word&3], vmcore.Addr(word &^ 3)}
		}
	}
	if p, err := v.Path("blocked_on"); err == nil {
		target, _ := btfsrc.Strip(p.Type()).(*btf.Pointer)
		if a, err := p.Uint(); target != nil && err == nil && a != 0 && KindOf(target.Target) == Mutex {
			return place{Mutex, vmcore.Addr(a)}
		}
	}
	if p, err := v.Path("pi_blocked_on"); err == nil {
		if a, err := p.Uint(); err == nil && a != 0 {
			if a, err := p.UintAt("lock"); err == nil {
				return place{RTMutex, vmcore.Addr(a)}
			}
		}
	}
	return place{}
}

// schedulers are functions that are not why a task waits.
var schedulers = []string{"__schedule", "schedule", "preempt_schedule", "io_schedule", "__cond_resched"}

// waitsIn names the innermost function of a stack that is not the scheduler's.
func (h *hung) waitsIn(frames []stack.Frame) string {
	for _, f := range frames {
		name := h.unwind.Name(f).Symbol
		scheduler := false
		for _, s := range schedulers {
			scheduler = scheduler || name == s || strings.HasPrefix(name, s+"_")
		}
		if !scheduler {
			return name
		}
	}
	return ""
}

// slowPath is a function in which a task waits for a lock, by how its name
// begins, and what the task keeps on its stack meanwhile: a structure that is
// linked by a node to a list of the lock.
type slowPath struct {
	prefix, kind       string
	waiter, node, task string // the structure, and the members for the list and the task
	list               string // of the lock
}

var slowPaths = []slowPath{
	{"__mutex_lock", Mutex, "mutex_waiter", "list", "task", "wait_list"},
	{"__ww_mutex_lock", Mutex, "mutex_waiter", "list", "task", "wait_list"},
	{"rwsem_down_read", RWSem, "rwsem_waiter", "list", "task", "wait_list"},
	{"rwsem_down_write", RWSem, "rwsem_waiter", "list", "task", "wait_list"},
	{"percpu_rwsem_wait", PerCPURWSem, "wait_queue_entry", "entry", "private", "waiters.head"},
	{"__down", Semaphore, "semaphore_waiter", "list", "task", "wait_list"},
	{"___down", Semaphore, "semaphore_waiter", "list", "task", "wait_list"},
}

// onStack finds the lock of a task that is in one of the slow paths.
func (h *hung) onStack(t kernel.Task, frames []stack.Frame) place {
	for _, f := range frames {
		name := h.unwind.Name(f).Symbol
		for _, path := range slowPaths {
			if strings.HasPrefix(name, path.prefix) {
				if a := h.search(t, frames[0].At, path); a != 0 {
					return place{path.kind, a}
				}
			}
		}
	}
	return place{}
}

// search looks on a task's stack for what it waits with, which is on the list of
// the lock: a structure whose list leads back to it and whose task is t. The lock
// is where the list leads to that is none of those; where it has no list but
// points to the first, it is what points there, from a word on the stack.
func (h *hung) search(t kernel.Task, sp vmcore.Addr, path slowPath) vmcore.Addr {
	waiter, err := h.k.Struct(path.waiter)
	if err != nil {
		return 0
	}
	lock, err := structAt(h.k, structOf[path.kind], 0)
	if err != nil {
		return 0
	}
	r := kernel.Reader{Value: h.k.At(0, waiter)}
	task, node := r.AddrOf(path.task), r.AddrOf(path.node)
	if r.Err != nil {
		return 0
	}
	words := h.stackWords(t, sp)
	size := vmcore.Addr(h.k.Arch().Layout.WordSize)
	for i, w := range words {
		at := sp + vmcore.Addr(i)*size - task + node
		if vmcore.Addr(w) != t.Addr || !h.linked(at) {
			continue
		}
		ring := h.ring(at, task-node)
		if list, err := lock.Path(path.list); err == nil {
			if ring.head != 0 {
				return ring.head - addr(list)
			}
			continue
		}
		first, err := lock.Path("first_waiter")
		if err != nil {
			return 0
		}
		for _, p := range words {
			a := vmcore.Addr(p)
			if q, err := h.k.Pointer(a + addr(first)); err == nil && ring.waiters[q+node] {
				return a
			}
		}
	}
	return 0
}

// stackWords reads a task's stack from an address on.
func (h *hung) stackWords(t kernel.Task, sp vmcore.Addr) []uint64 {
	base, err := t.Value().UintAt("stack")
	size := h.unwind.TaskStackSize()
	if err != nil || sp < vmcore.Addr(base) || uint64(sp)-base >= size {
		return nil
	}
	b := make([]byte, base+size-uint64(sp))
	n, _ := h.k.Memory().ReadMemory(b, sp)
	layout := h.k.Arch().Layout
	var words []uint64
	for at := 0; at+layout.WordSize <= n; at += layout.WordSize {
		words = append(words, layout.Word(b[at:]))
	}
	return words
}

// linked reports whether a list_head is at an address: its neighbours lead back.
func (h *hung) linked(a vmcore.Addr) bool {
	word := vmcore.Addr(h.k.Arch().Layout.WordSize)
	next, err := h.k.Pointer(a)
	if err != nil {
		return false
	}
	prev, err := h.k.Pointer(next + word)
	return err == nil && prev == a
}

// waiterRing are the nodes of a list that tasks wait with, and the one that is
// the head of the list, if it has one.
type waiterRing struct {
	waiters map[vmcore.Addr]bool
	head    vmcore.Addr
}

// ring follows the list that a waiter is on; task is how far behind its node a
// waiter has its task.
func (h *hung) ring(first, task vmcore.Addr) waiterRing {
	r := waiterRing{waiters: map[vmcore.Addr]bool{first: true}}
	for at := first; len(r.waiters) < maxWaiters; {
		next, err := h.k.Pointer(at)
		if err != nil || next == first || r.waiters[next] {
			return r
		}
		if p, err := h.k.Pointer(next + task); err == nil {
			if _, err := h.k.TaskAt(p); err == nil && h.onStackOf(p, next) {
				r.waiters[next] = true
				at = next
				continue
			}
		}
		r.head = next
		return r
	}
	return r
}

// onStackOf reports whether an address is on the stack of a task.
func (h *hung) onStackOf(task, a vmcore.Addr) bool {
	t, err := structAt(h.k, "task_struct", task)
	if err != nil {
		return false
	}
	base, err := t.UintAt("stack")
	return err == nil && uint64(a)-base < h.unwind.TaskStackSize()
}
