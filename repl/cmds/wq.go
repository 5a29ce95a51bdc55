package cmds

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel/sched"
)

func init() {
	register(&Command{
		Name: "wq",
		Args: "[-b] | -q [NAME...]",
		Help: "show the workers, work and queues of the kernel",
		Doc: `wq shows the pools of threads that run work for the kernel: the CPU that a pool is
bound to, its threads with the work that they run, and the work that none has
taken yet. Work is an address, its function, and the queue that it was given to.

    -b          only the pools that have work
    -q [NAME]   the queues: how much of their work pools have taken, and work
                that waits for other work of the same queue`,
		Run: runWq,
	})
}

func runWq(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("wq", args, "bq")
	if err != nil {
		return err
	}
	if opts.has('q') {
		return env.showWorkQueues(ctx, rest)
	}
	if len(rest) > 0 {
		return usage("wq", "names are those of queues: wq -q %s", rest[0])
	}
	for p := range sound(ctx, env, sched.WorkerPools(env.Kernel)) {
		o := env.poolObject(p)
		if opts.has('b') && len(p.Pending) == 0 && !slices.ContainsFunc(p.Workers, func(w sched.Worker) bool { return w.Work.Addr != 0 }) {
			continue
		}
		var err error
		if env.JSON {
			err = env.Object(o)
		} else {
			err = env.showPool(p)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// poolObject is a pool of workers in JSON.
type poolObject struct {
	ID      int            `json:"id"`
	Address string         `json:"address"`
	CPU     *int           `json:"cpu"` // null: not bound to one
	Nice    int            `json:"nice"`
	Idle    int            `json:"idle"`
	Workers []workerObject `json:"workers"`
	Pending []workObject   `json:"pending"`
}

type workerObject struct {
	Address string      `json:"address"`
	PID     int         `json:"pid"`
	Task    string      `json:"task"`
	Comm    string      `json:"comm"`
	Rescuer bool        `json:"rescuer,omitempty"`
	Desc    string      `json:"desc,omitempty"`
	Work    *workObject `json:"work"` // null: idle
}

type workObject struct {
	Address  string `json:"address"`
	Function string `json:"function"`
	Symbol   string `json:"symbol"`
	Queue    string `json:"queue"`
}

func (e *Env) workObject(w sched.Work) workObject {
	return workObject{w.Addr.String(), w.Function.String(), e.Kernel.SymbolName(w.Function), w.Queue}
}

func (e *Env) poolObject(p sched.WorkerPool) poolObject {
	o := poolObject{ID: p.ID, Address: p.Addr.String(), Nice: p.Nice, Idle: p.Idle, Workers: []workerObject{}, Pending: e.workObjects(p.Pending)}
	if p.CPU >= 0 {
		o.CPU = &p.CPU
	}
	for _, w := range p.Workers {
		one := workerObject{Address: w.Addr.String(), PID: w.Task.PID, Task: w.Task.Addr.String(), Comm: w.Task.Comm, Rescuer: w.Rescuer, Desc: w.Desc}
		if w.Work.Addr != 0 {
			work := e.workObject(w.Work)
			one.Work = &work
		}
		o.Workers = append(o.Workers, one)
	}
	return o
}

func (e *Env) workObjects(work []sched.Work) []workObject {
	all := []workObject{}
	for _, w := range work {
		all = append(all, e.workObject(w))
	}
	return all
}

// workText writes a piece of work.
func (e *Env) workText(w sched.Work) string {
	text := hexAddr(w.Addr) + "  " + e.functionText(w.Function)
	if w.Queue != "" {
		text += "  of " + strconv.Quote(w.Queue)
	}
	return text
}

// showPool writes a pool with its workers and its work.
func (e *Env) showPool(p sched.WorkerPool) error {
	var b strings.Builder
	cpu := "unbound"
	if p.CPU >= 0 {
		cpu = "CPU " + strconv.Itoa(p.CPU)
	}
	fmt.Fprintf(&b, "POOL %d: %s  %s  NICE %d  WORKERS %d (%d idle)  PENDING %d\n",
		p.ID, hexAddr(p.Addr), cpu, p.Nice, len(p.Workers), p.Idle, len(p.Pending))
	for _, w := range p.Workers {
		what := "idle"
		if w.Work.Addr != 0 {
			what = e.workText(w.Work)
		}
		who := "soft interrupts"
		if w.Task.Addr != 0 {
			who = shortTask(w.Task)
		}
		fmt.Fprintf(&b, "  %s  %s\n", who, what)
	}
	for _, w := range p.Pending {
		fmt.Fprintf(&b, "  PENDING: %s\n", e.workText(w))
	}
	return e.Printf("%s", b.String())
}

// showWorkQueues writes the work queues, or those of some names.
func (e *Env) showWorkQueues(ctx context.Context, names []string) error {
	met := make(map[string]bool)
	wanted := where(sched.WorkQueues(e.Kernel), func(q sched.WorkQueue) bool {
		met[q.Name] = true
		return len(names) == 0 || slices.Contains(names, q.Name)
	})
	err := writeList(ctx, e, []string{"  WORKQUEUE", "NAME", ">FLAGS", ">ACTIVE", ">WAITING"}, wanted,
		func(q sched.WorkQueue) any {
			return struct {
				Name     string       `json:"name"`
				Address  string       `json:"address"`
				Flags    uint64       `json:"flags"`
				Active   int          `json:"active"`
				Inactive []workObject `json:"waiting"`
			}{q.Name, q.Addr.String(), q.Flags, q.Active, e.workObjects(q.Inactive)}
		},
		func(q sched.WorkQueue) []string {
			return []string{hexAddr(q.Addr), q.Name, fmt.Sprintf("%x", q.Flags), strconv.Itoa(q.Active), strconv.Itoa(len(q.Inactive))}
		})
	for _, name := range names {
		if err == nil && !met[name] {
			return usage("wq", "no work queue is called %s", name)
		}
	}
	return err
}
