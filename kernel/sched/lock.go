package sched

import (
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Kinds of locks.
const (
	Mutex       = "mutex"
	RWSem       = "rwsem"
	PerCPURWSem = "percpu_rwsem"
	Semaphore   = "semaphore"
	RTMutex     = "rtmutex"
	Spinlock    = "spinlock"
)

// lockTypes are the structures of locks by their names.
var lockTypes = map[string]string{
	"mutex": Mutex, "rw_semaphore": RWSem, "percpu_rw_semaphore": PerCPURWSem, "semaphore": Semaphore, "rt_mutex": RTMutex, "rt_mutex_base": RTMutex,
	"spinlock": Spinlock, "raw_spinlock": Spinlock, "qspinlock": Spinlock,
}

// structOf is the structure that a lock of a kind is where only its address is
// known.
var structOf = map[string]string{
	Mutex: "mutex", RWSem: "rw_semaphore", PerCPURWSem: "percpu_rw_semaphore", Semaphore: "semaphore", RTMutex: "rt_mutex_base", Spinlock: "spinlock",
}

// Lock is a lock of the kernel, with who holds it and who waits for it.
type Lock struct {
	Kind    string
	Addr    vmcore.Addr
	Held    bool
	Owner   kernel.Task // the zero Task where the lock does not say
	Readers int         // of a rwsem that hold it; Owner is then the last of them to come
	Count   int         // of a semaphore: how many more may take it
	Waiters []LockWaiter
	CPU     int // of a spinlock: the last CPU in the queue for it; -1: none
}

// LockWaiter is a task that waits for a lock.
type LockWaiter struct {
	kernel.Task
	Mode string // "read" or "write" for a rwsem
}

// maxWaiters bounds the tasks that wait for one lock.
const maxWaiters = 1 << 16

// KindOf returns what kind of lock a type is, "" for another type.
func KindOf(t btf.Type) string {
	if s, ok := btfsrc.Strip(t).(*btf.Struct); ok {
		return lockTypes[s.Name]
	}
	return ""
}

// LockAt returns the lock of a kind at an address.
func LockAt(k *kernel.Kernel, kind string, a vmcore.Addr) (Lock, error) {
	v, err := structAt(k, structOf[kind], a)
	if err != nil {
		return Lock{}, err
	}
	return ReadLock(v)
}

// ReadLock reads a lock: what v is decides of which kind.
func ReadLock(v kernel.Value) (l Lock, err error) {
	l = Lock{Kind: KindOf(v.Type()), Addr: addr(v), CPU: -1}
	switch l.Kind {
	case Mutex:
		err = l.mutex(v)
	case RWSem:
		err = l.rwsem(v)
	case PerCPURWSem:
		err = l.perCPURWSem(v)
	case Semaphore:
		err = l.semaphore(v)
	case RTMutex:
		err = l.rtMutex(v)
	case Spinlock:
		err = l.spinlock(v)
	default:
		return l, &kernel.TypeError{Msg: v.TypeName() + " is no lock", Do: "locks are struct mutex, rw_semaphore, percpu_rw_semaphore, semaphore, rt_mutex and spinlock"}
	}
	if err != nil {
		err = fmt.Errorf("%s at %v: %w", l.Kind, l.Addr, err)
	}
	return l, err
}

// owner notes the task that holds the lock by its address, of which the low bits
// may mean something else.
func (l *Lock) owner(k *kernel.Kernel, word, flags uint64) error {
	a := vmcore.Addr(word &^ flags)
	if a == 0 {
		return nil
	}
	l.Held = true
	t, err := k.TaskAt(a)
	if err != nil {
		return fmt.Errorf("its owner: %w", err)
	}
	l.Owner = t
	return nil
}

// mutex reads a struct mutex, whose owner has three flags
// (kernel/locking/mutex.h). With CONFIG_PREEMPT_RT it is an rt_mutex.
func (l *Lock) mutex(v kernel.Value) error {
	if v.Has("rtmutex") {
		inner, err := v.Field("rtmutex")
		if err != nil {
			return err
		}
		return l.rtMutex(inner)
	}
	word, err := v.UintAt("owner")
	if err != nil {
		return err
	}
	err = l.owner(v.Kernel(), word, 7)
	return firstError(err, l.waiters(v, "mutex_waiter", nil))
}

// rwsem reads a struct rw_semaphore: bit 0 of its count is a writer, the bits
// from 8 on are the number of readers (kernel/locking/rwsem.c).
func (l *Lock) rwsem(v kernel.Value) error {
	if v.Has("rwbase") { // with CONFIG_PREEMPT_RT
		inner, err := v.Path("rwbase.rtmutex")
		if err != nil {
			return err
		}
		return l.rtMutex(inner)
	}
	count, err := v.UintAt("count")
	if err != nil {
		return err
	}
	word, err := v.UintAt("owner")
	if err != nil {
		return err
	}
	writer := count&1 != 0
	if !writer {
		l.Readers = int(int64(count&^(1<<63)) >> 8)
	}
	if writer || l.Readers > 0 { // who held it last stays there otherwise
		err = l.owner(v.Kernel(), word, 3)
		l.Held = true
	}
	return firstError(err, l.waiters(v, "rwsem_waiter", func(w kernel.Value) string {
		if mode, err := w.UintAt("type"); err == nil && mode == 0 { // RWSEM_WAITING_FOR_WRITE
			return "write"
		}
		return "read"
	}))
}

// perCPURWSem reads a struct percpu_rw_semaphore (include/linux/percpu-rwsem.h):
// block says that a writer holds it or waits for the last readers, as the one that
// freezes a file system does. It does not say which task that is.
func (l *Lock) perCPURWSem(v kernel.Value) error {
	r := kernel.Reader{Value: v}
	block, waiters := r.Uint("block"), r.AddrOf("waiters")
	if r.Err != nil {
		return r.Err
	}
	l.Held = block != 0
	for w, err := range Waiters(v.Kernel(), waiters) {
		if err != nil || len(l.Waiters) == maxWaiters {
			return err
		}
		mode := "write"
		if w.Flags&percpuReader != 0 {
			mode = "read"
		}
		l.Waiters = append(l.Waiters, LockWaiter{w.Task, mode})
	}
	return nil
}

// percpuReader is WQ_FLAG_CUSTOM (include/linux/wait.h), which marks those that
// wait for a percpu_rwsem to read. It was 8, and is 4 since v6.7, which has no
// WQ_FLAG_BOOKMARK; neither means anything else here.
const percpuReader = 0x08 | 0x04

// semaphore reads a struct semaphore.
func (l *Lock) semaphore(v kernel.Value) error {
	count, err := v.UintAt("count")
	if err != nil {
		return err
	}
	l.Count, l.Held = int(count), count == 0
	if v.Has("last_holder") { // with CONFIG_DETECT_HUNG_TASK_BLOCKER
		if word, readErr := v.UintAt("last_holder"); readErr == nil && l.Held {
			err = l.owner(v.Kernel(), word, 0)
		}
	}
	return firstError(err, l.waiters(v, "semaphore_waiter", nil))
}

// waiters reads the tasks on a lock's list. Kernels newer than v6.12 have a ring
// of them without a head, and a pointer to the first.
func (l *Lock) waiters(v kernel.Value, structName string, mode func(kernel.Value) string) error {
	k := v.Kernel()
	t, err := k.Struct(structName)
	if err != nil {
		return err
	}
	if !v.Has("first_waiter") {
		head, err := v.Field("wait_list")
		if err != nil {
			return err
		}
		return l.list(k, addr(head), t, mode)
	}
	first, err := v.UintAt("first_waiter")
	if err != nil || first == 0 {
		return err
	}
	w := k.At(vmcore.Addr(first), t)
	if err := l.waiter(w, mode); err != nil {
		return err
	}
	head, err := w.Field("list")
	if err != nil {
		return err
	}
	return l.list(k, addr(head), t, mode)
}

func (l *Lock) list(k *kernel.Kernel, head vmcore.Addr, t btf.Type, mode func(kernel.Value) string) error {
	for w, err := range k.List(head, t, "list") {
		if err == nil {
			err = l.waiter(w, mode)
		}
		if err != nil || len(l.Waiters) == maxWaiters {
			return err
		}
	}
	return nil
}

// waiter adds the task of a waiter.
func (l *Lock) waiter(w kernel.Value, mode func(kernel.Value) string) error {
	p, err := w.Path("task")
	if err != nil {
		return err
	}
	if p, err = p.Deref(); err != nil {
		return err
	}
	t, err := p.Task()
	if err != nil {
		return fmt.Errorf("a task that waits: %w", err)
	}
	one := LockWaiter{Task: t}
	if mode != nil {
		one.Mode = mode(w)
	}
	l.Waiters = append(l.Waiters, one)
	return nil
}

// rtMutex reads a struct rt_mutex_base, or the rt_mutex around it. Linux kernel
// commit 830e6acc8a1c ("locking/rtmutex: Split out the inner parts of 'struct
// rtmutex'") (in v5.15).
func (l *Lock) rtMutex(v kernel.Value) error {
	l.Kind = RTMutex
	if v.Has("rtmutex") {
		inner, err := v.Field("rtmutex")
		if err != nil {
			return err
		}
		v = inner
	}
	k := v.Kernel()
	r := kernel.Reader{Value: v}
	word, root := r.Uint("owner"), r.AddrOf("waiters")
	if r.Err != nil {
		return r.Err
	}
	err := l.owner(k, word, 1)
	t, typeErr := k.Struct("rt_mutex_waiter")
	if typeErr != nil {
		return firstError(err, typeErr)
	}
	node := "tree.entry"
	if !k.At(0, t).Has(node) {
		node = "tree_entry"
	}
	for w, walkErr := range k.RBTree(root, t, node) {
		if walkErr == nil {
			walkErr = l.waiter(w, nil)
		}
		if walkErr != nil || len(l.Waiters) == maxWaiters {
			return firstError(err, walkErr)
		}
	}
	return err
}

// spinlock reads the word of a queued spinlock (include/asm-generic/qspinlock_types.h):
// a byte that says that it is held, one that says that a CPU waits, and from bit
// 18 on the last CPU in the queue, plus 1.
func (l *Lock) spinlock(v kernel.Value) error {
	for _, path := range []string{"rlock.raw_lock.val", "raw_lock.val", "val"} {
		if !v.Has(path) {
			continue
		}
		word, err := v.UintAt(path)
		if err != nil {
			return err
		}
		l.Held = word&0xff != 0
		l.CPU = int(word>>18&0x3fff) - 1
		return l.debugOwner(v)
	}
	if v.Has("lock") { // with CONFIG_PREEMPT_RT
		inner, err := v.Field("lock")
		if err != nil {
			return err
		}
		return l.rtMutex(inner)
	}
	return fmt.Errorf("%s is no queued spinlock: %w", v.TypeName(), vmcore.ErrUnsupported)
}

// debugOwner notes who holds a spinlock where it says so (CONFIG_DEBUG_SPINLOCK).
func (l *Lock) debugOwner(v kernel.Value) error {
	for _, path := range []string{"rlock.owner", "owner"} {
		if !v.Has(path) || !l.Held {
			continue
		}
		word, err := v.UintAt(path)
		if err != nil || word == ^uint64(0) { // SPINLOCK_OWNER_INIT
			return err
		}
		return l.owner(v.Kernel(), word, 0)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
