package cmds

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/sched"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "lock",
		Args: "[-t KIND] [ADDRESS|EXPRESSION]",
		Help: "show who holds a lock and who waits, or all tasks that hang",
		Doc: `lock shows a mutex, rwsem, percpu_rwsem, semaphore, rtmutex or spinlock: the task
that holds it and those that wait. An expression says by its type which it is; of an address,
-t KIND says it, or it is a mutex.

    lock rtnl_mutex
    lock &((struct inode *)0xffff888003a40000)->i_rwsem
    lock -t rwsem ffff888003a40000

Without a lock it shows the tasks that sleep without signals (UN), as a hung
machine has them: the lock that each waits for, the task that holds that one, what
that task waits for, and so on. A ring of tasks that wait for each other is a
DEADLOCK. Which lock it is, the kernel says itself (CONFIG_DETECT_HUNG_TASK_BLOCKER,
and for mutexes in newer kernels), or it is found by the task's stack.`,
		Run:      runLock,
		Complete: completeSymbol,
	})
}

func runLock(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("lock", args, "t:")
	if err != nil {
		return err
	}
	src := strings.Join(rest, " ")
	if src == "" {
		return env.blockedTasks(ctx)
	}
	l, err := env.lockOf(ctx, src, opts.value('t'))
	if l.Kind == "" {
		return err
	}
	if err != nil {
		env.Problem(err) // and what could be read
	}
	if env.JSON {
		return env.Object(env.lockObject(l))
	}
	return env.showLock(l)
}

// lockOf reads the lock that an expression stands for.
func (e *Env) lockOf(ctx context.Context, src, kind string) (sched.Lock, error) {
	if kind == "" {
		v, err := e.eval(ctx, src)
		if err == nil {
			if p, derefErr := v.Deref(); derefErr == nil {
				v = p
			}
			if l, err := sched.ReadLock(v); l.Kind != "" || !isNumber(v) {
				return l, err
			}
		}
		kind = sched.Mutex
	}
	a, err := e.address(ctx, src)
	if err != nil {
		return sched.Lock{}, err
	}
	switch kind {
	case sched.Mutex, sched.RWSem, sched.PerCPURWSem, sched.Semaphore, sched.RTMutex, sched.Spinlock:
		return sched.LockAt(e.Kernel, kind, a)
	}
	return sched.Lock{}, usage("lock", "no kind of locks is called %s: there are mutex, rwsem, percpu_rwsem, semaphore, rtmutex, spinlock", kind)
}

// isNumber reports whether a value is a number, of which the type says nothing
// about what is there.
func isNumber(v kernel.Value) bool {
	_, err := v.Uint()
	return err == nil
}

// lockObject is a lock in JSON.
type lockObject struct {
	Kind    string       `json:"kind"`
	Address string       `json:"address"`
	Symbol  string       `json:"symbol"`
	Held    bool         `json:"held"`
	Owner   *taskObject  `json:"owner"` // null: nobody, or the lock does not say
	Readers int          `json:"readers,omitempty"`
	CPU     *int         `json:"last_waiting_cpu,omitempty"`
	Waiters []lockWaiter `json:"waiters"`
}

type lockWaiter struct {
	taskObject
	Mode string `json:"mode,omitempty"`
}

func (e *Env) lockObject(l sched.Lock) lockObject {
	o := lockObject{Kind: l.Kind, Address: l.Addr.String(), Symbol: e.dataName(l.Addr), Held: l.Held, Readers: l.Readers, Waiters: []lockWaiter{}}
	if l.Owner.Addr != 0 {
		owner := newTaskObject(l.Owner)
		o.Owner = &owner
	}
	if l.CPU >= 0 {
		o.CPU = &l.CPU
	}
	for _, w := range l.Waiters {
		o.Waiters = append(o.Waiters, lockWaiter{newTaskObject(w.Task), w.Mode})
	}
	return o
}

// dataName names the variable that an address is in, "" for memory that was
// allocated.
func (e *Env) dataName(a vmcore.Addr) string { return e.Kernel.SymbolName(a) }

// lockText writes a lock and how it is held.
func (e *Env) lockText(l sched.Lock) string {
	text := l.Kind + " " + hexAddr(l.Addr)
	if name := e.dataName(l.Addr); name != "" {
		text += " <" + name + ">"
	}
	return text
}

// holderText says who holds a lock.
func holderText(l sched.Lock) string {
	switch {
	case l.Readers > 0:
		text := fmt.Sprintf("held by %d readers", l.Readers)
		if l.Readers == 1 {
			text = "held by 1 reader"
		}
		if l.Owner.Addr != 0 {
			text += ", the last to come " + shortTask(l.Owner)
		}
		return text
	case l.Owner.Addr != 0:
		return "held by " + shortTask(l.Owner)
	case l.Held:
		return "held; it does not say by whom"
	}
	return "not held"
}

// showLock writes a lock with those that wait for it.
func (e *Env) showLock(l sched.Lock) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", e.lockText(l), holderText(l))
	if l.Kind == sched.Semaphore {
		fmt.Fprintf(&b, "  COUNT: %d\n", l.Count)
	}
	if l.CPU >= 0 {
		fmt.Fprintf(&b, "  QUEUE: ends with CPU %d\n", l.CPU)
	}
	for _, w := range l.Waiters {
		fmt.Fprintf(&b, "  WAITS: %s", shortTask(w.Task))
		if w.Mode != "" {
			fmt.Fprintf(&b, "  (to %s)", w.Mode)
		}
		b.WriteByte('\n')
	}
	return e.Printf("%s", b.String())
}

// blockedObject is a task that hangs, in JSON.
type blockedObject struct {
	taskObject
	Function string       `json:"waits_in"`
	Lock     *lockObject  `json:"lock"` // null: none that is known
	Owners   []taskObject `json:"owners"`
	Deadlock bool         `json:"deadlock"`
}

// blockedTasks writes the tasks that hang.
func (e *Env) blockedTasks(ctx context.Context) error {
	for b := range sound(ctx, e, sched.BlockedTasks(e.Kernel)) {
		var err error
		if e.JSON {
			err = e.Object(e.blockedObject(b))
		} else {
			err = e.Printf("%s", e.blockedText(b))
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (e *Env) blockedObject(b sched.Blocked) blockedObject {
	o := blockedObject{taskObject: newTaskObject(b.Task), Function: b.Function, Owners: []taskObject{}, Deadlock: b.Deadlock}
	if b.Lock != nil {
		l := e.lockObject(*b.Lock)
		o.Lock = &l
	}
	for _, t := range b.Owners {
		o.Owners = append(o.Owners, newTaskObject(t))
	}
	return o
}

// blockedText writes a task that hangs.
func (e *Env) blockedText(b sched.Blocked) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n  IN: %s\n", taskLine(b.Task), b.Function)
	if b.Lock == nil {
		return out.String()
	}
	fmt.Fprintf(&out, "  FOR: %s, %s\n", e.lockText(*b.Lock), holderText(*b.Lock))
	for i, t := range b.Owners {
		if i > 0 {
			fmt.Fprintf(&out, "  WHICH WAITS FOR: %s\n", shortTask(t))
		}
	}
	if b.Deadlock {
		fmt.Fprintf(&out, "  DEADLOCK: %s\n", pidChain(b))
	}
	return out.String()
}

// pidChain writes a chain of tasks that wait for each other.
func pidChain(b sched.Blocked) string {
	pids := []string{strconv.Itoa(b.Task.PID)}
	for _, t := range b.Owners {
		pids = append(pids, strconv.Itoa(t.PID))
	}
	return strings.Join(pids, " waits for ")
}
