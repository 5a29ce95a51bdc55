package cmds

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/sched"
)

func init() {
	register(&Command{
		Name: "runq",
		Args: "[-t | -T | -m | -g] [-c CPUS]",
		Help: "show the run queues of the CPUs",
		Doc: `runq shows for each CPU that is online the task that runs and those that wait to:
real-time tasks, those of the fair scheduler, and, where there are any, those
with deadlines and those of a scheduler in BPF. In front of a task is its priority:
0 to 99 for real-time tasks, 100 to 139 for others, the lower the sooner.

    -t        the clocks of the queues, and of each task when it last ran
    -T        how far the clocks are behind the one that is ahead
    -m        for how long the tasks have been running
    -g        the control group of each task that waits, too
    -c CPUS   those of some CPUs, such as 0 or 0-3,8`,
		Run: runRunq,
	})
}

// queueObject is a run queue in JSON.
type queueObject struct {
	CPU      int            `json:"cpu"`
	Address  string         `json:"address"`
	Clock    uint64         `json:"clock_ns"`
	Current  taskObject     `json:"current"`
	RunTime  int64          `json:"running_ns"` // of the current task
	Realtime []queuedTask   `json:"rt"`
	Fair     []queuedTask   `json:"cfs"`
	Deadline []queuedTask   `json:"dl"`
	Ext      []queuedTask   `json:"ext"`
	queue    sched.RunQueue `json:"-"`
}

// queuedTask is a task that waits to run, in JSON.
type queuedTask struct {
	taskObject
	Priority int    `json:"priority"`
	Group    string `json:"group,omitempty"`

	task  kernel.Task
	depth int
}

func runRunq(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("runq", args, "tTmgc:")
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usage("runq", "runq takes options only")
	}
	queues, err := env.runQueues(ctx, opts.value('c'))
	if err != nil {
		return err
	}
	switch {
	case env.JSON:
		for _, q := range queues {
			if err := env.Object(q); err != nil {
				return err
			}
		}
		return nil
	case opts.has('T'):
		return env.queueLags(queues)
	}
	for i, q := range queues {
		switch {
		case opts.has('t'):
			err = env.queueClocks(q)
		case opts.has('m'):
			err = env.Printf(" CPU %d: [%s]  %s\n", q.CPU, daysText(time.Duration(q.RunTime)), shortTask(q.queue.Current))
		default:
			if i > 0 {
				err = env.Printf("\n")
			}
			if err == nil {
				err = env.showQueue(q, opts.has('g'))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// runQueues reads the run queues of CPUs, of all if list is empty.
func (e *Env) runQueues(ctx context.Context, list string) ([]queueObject, error) {
	online, err := e.Kernel.OnlineCPUs()
	if err != nil {
		return nil, err
	}
	chosen := online
	if list != "" {
		if chosen, err = parseCPUs("runq", list, online); err != nil {
			return nil, err
		}
	}
	wanted := make(map[int]bool)
	for _, cpu := range chosen {
		wanted[cpu] = true
	}
	var queues []queueObject
	for q := range sound(ctx, e, sched.RunQueues(e.Kernel)) {
		if wanted[q.CPU] {
			queues = append(queues, e.queueObject(q))
		}
	}
	return queues, ctx.Err()
}

func (e *Env) queueObject(q sched.RunQueue) queueObject {
	o := queueObject{CPU: q.CPU, Address: q.Addr.String(), Clock: q.Clock, Current: newTaskObject(q.Current), queue: q,
		Realtime: e.queuedTasks(q.RealTimeTasks(), q), Fair: e.queuedTasks(q.FairTasks(), q),
		Deadline: e.queuedTasks(q.DeadlineTasks(), q), Ext: e.queuedTasks(q.ExtTasks(), q)}
	if at, err := lastArrival(q.Current); err == nil {
		o.RunTime = int64(q.Clock - at)
	}
	return o
}

// queuedTasks reads the tasks of a queue, without the one that runs.
func (e *Env) queuedTasks(tasks iter.Seq2[sched.Queued, error], q sched.RunQueue) []queuedTask {
	all := []queuedTask{}
	for t, err := range tasks {
		switch {
		case err != nil:
			e.Problem(fmt.Errorf("run queue of CPU %d: %w", q.CPU, err))
		case t.Addr != q.Current.Addr:
			all = append(all, queuedTask{newTaskObject(t.Task), t.Priority, t.Group, t.Task, t.Depth})
		}
	}
	return all
}

// shortTask writes a task without its CPU.
func shortTask(t kernel.Task) string {
	return fmt.Sprintf("PID: %-6d TASK: %s  COMMAND: %s", t.PID, hexAddr(t.Addr), strconv.Quote(t.Comm))
}

// showQueue writes a queue as crash does; with groups, each task with its control
// group.
func (e *Env) showQueue(q queueObject, groups bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "CPU %d RUNQUEUE: %s\n  CURRENT: %s\n", q.CPU, hexAddr(q.queue.Addr), shortTask(q.queue.Current))
	for _, class := range []struct {
		title string
		tasks []queuedTask
		shown bool
	}{
		{"DL TREE:", q.Deadline, len(q.Deadline) > 0},
		{"RT PRIO_ARRAY: " + hexAddr(q.queue.RT), q.Realtime, true},
		{"CFS RB_ROOT: " + hexAddr(q.queue.CFS), q.Fair, true},
		{"EXT LIST:", q.Ext, len(q.Ext) > 0},
	} {
		if !class.shown {
			continue
		}
		fmt.Fprintf(&b, "  %s\n", class.title)
		for _, t := range class.tasks {
			fmt.Fprintf(&b, "     %*s[%3d] %s", 3*t.depth, "", t.Priority, shortTask(t.task))
			if groups && t.Group != "" {
				fmt.Fprintf(&b, "  GROUP: %s", strconv.Quote(t.Group))
			}
			b.WriteByte('\n')
		}
		if len(class.tasks) == 0 {
			fmt.Fprintf(&b, "     [no tasks queued]\n")
		}
	}
	return e.Printf("%s", b.String())
}

// queueClocks writes a queue's clock and when its tasks last ran.
func (e *Env) queueClocks(q queueObject) error {
	if err := e.Printf(" CPU %d: %d\n", q.CPU, q.Clock); err != nil {
		return err
	}
	tasks := []kernel.Task{q.queue.Current}
	for _, class := range [][]queuedTask{q.Deadline, q.Realtime, q.Fair, q.Ext} {
		for _, t := range class {
			tasks = append(tasks, t.task)
		}
	}
	for _, t := range tasks {
		at, err := lastArrival(t)
		if err != nil {
			e.Problem(err)
			continue
		}
		if err := e.Printf("        %011d  %s\n", at, shortTask(t)); err != nil {
			return err
		}
	}
	return nil
}

// queueLags writes how far the clocks of queues are behind the one that is ahead.
func (e *Env) queueLags(queues []queueObject) error {
	var latest uint64
	for _, q := range queues {
		latest = max(latest, q.Clock)
	}
	for _, q := range queues {
		if err := e.Printf("  CPU %d: %.2f secs\n", q.CPU, time.Duration(latest-q.Clock).Seconds()); err != nil {
			return err
		}
	}
	return nil
}
