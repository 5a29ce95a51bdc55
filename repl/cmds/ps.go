package cmds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "ps",
		Args: "[-kuGA] [-y POLICY] [-s] [-p|-c|-t|-l|-m|-a|-g|-r|-S] [-C CPUS] [TASK...]",
		Help: "list tasks",
		Doc: `ps lists the tasks that it is given, or all: PID, PID of the parent, CPU, address
of the task_struct, state, percent of memory, size of the address space and of
what is in memory in KiB, name. > marks the tasks that run; names of the kernel's
own threads are in brackets. A task is a PID, an address, a name, or a regular
expression for names.

Which tasks:
    -k         threads of the kernel        -u         of programs
    -G         first threads of processes   -A         that run on a CPU
    -y POLICY  of a scheduling policy: normal, fifo, rr, batch, idle, deadline,
               ext, or numbers, with commas

What is shown of them:
    -s  the stack pointer in place of the address; -H leaves the header out
    -p  the line of parents           -c  the children
    -g  the threads of the process    -S  how many are in each state
    -t  when they started, and the time that they ran
    -l  the last to run first, with the scheduler's clock then
    -m  the same, with the time since; -C CPUS lists CPU by CPU
    -a  the arguments and environment of programs, where the dump has them
    -r  the limits on what they may use

States are RU running or ready, IN sleeping, UN sleeping without signals, ID idle
thread of the kernel, ST stopped, TR traced, PA parked, ZO zombie, DE dead.`,
		Run: runPS,
	})
}

// psView is what ps was asked for.
type psView struct {
	env    *Env
	opts   flags
	active map[int]kernel.Task // by CPU
	memory uint64              // bytes of the machine's, for percentages
}

func runPS(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("ps", args, "kuGAy:spctlmagrSHC:")
	if err != nil {
		return err
	}
	v := &psView{env: env, opts: opts, active: make(map[int]kernel.Task)}
	tasks, err := v.selected(ctx, rest)
	if err != nil {
		return err
	}
	switch {
	case opts.has('S'):
		return v.summary(tasks)
	case opts.has('l'), opts.has('m'):
		return v.byLastRun(ctx, tasks)
	case opts.has('p'), opts.has('c'), opts.has('g'), opts.has('t'), opts.has('a'), opts.has('r'):
		return v.each(ctx, tasks)
	}
	return v.list(ctx, tasks)
}

// selected returns the tasks that words and options choose.
func (v *psView) selected(ctx context.Context, words []string) ([]kernel.Task, error) {
	if err := v.findActive(); err != nil {
		v.env.Problem(err)
	}
	var tasks []kernel.Task
	if len(words) > 0 {
		var err error
		if tasks, err = v.env.tasks(ctx, words); err != nil {
			return nil, err
		}
	} else {
		tasks = slices.Collect(sound(ctx, v.env, v.env.Kernel.Tasks()))
	}
	policies, err := parsePolicies(v.opts.value('y'))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(tasks, func(t kernel.Task) bool {
		policy, policyErr := t.Value().UintAt("policy")
		return v.opts.has('k') && !t.IsKernel() || v.opts.has('u') && t.IsKernel() || v.opts.has('G') && !t.Leader() ||
			v.opts.has('A') && !v.isActive(t) ||
			policies != nil && (policyErr != nil || !slices.Contains(policies, policy))
	}), nil
}

// findActive notes what runs on each CPU.
func (v *psView) findActive() error {
	cpus, err := v.env.Kernel.OnlineCPUs()
	if err != nil {
		return err
	}
	for _, cpu := range cpus {
		t, err := v.env.Kernel.Running(cpu)
		if err != nil {
			v.env.Problem(err)
			continue
		}
		v.active[cpu] = t
	}
	return nil
}

func (v *psView) isActive(t kernel.Task) bool {
	for _, running := range v.active {
		if running.Addr == t.Addr {
			return true
		}
	}
	return false
}

// schedPolicies are the scheduling policies by number
// (include/uapi/linux/sched.h).
var schedPolicies = []string{"NORMAL", "FIFO", "RR", "BATCH", "ISO", "IDLE", "DEADLINE", "EXT"}

// parsePolicies reads names and numbers of policies with commas between.
func parsePolicies(list string) ([]uint64, error) {
	if list == "" {
		return nil, nil
	}
	var policies []uint64
	for word := range strings.SplitSeq(list, ",") {
		n := slices.Index(schedPolicies, strings.ToUpper(word))
		if n < 0 {
			var err error
			if n, err = strconv.Atoi(word); err != nil || n < 0 || n >= len(schedPolicies) {
				return nil, usage("ps", "no scheduling policy %s: they are %s", word, strings.Join(schedPolicies, ", "))
			}
		}
		policies = append(policies, uint64(n))
	}
	return policies, nil
}

// psObject is a task of ps in JSON.
type psObject struct {
	taskObject
	PPID    int    `json:"ppid"`
	Active  bool   `json:"active"`
	Virtual uint64 `json:"vsz_kib"`
	RSS     uint64 `json:"rss_kib"`
}

// object reads what ps shows of a task. What cannot be read is a problem, and
// the rest is shown.
func (v *psView) object(t kernel.Task) psObject {
	o := psObject{taskObject: newTaskObject(t), Active: v.isActive(t)}
	if o.CPU < 0 || o.State == "?" {
		v.env.Problem(fmt.Errorf("task %d: its CPU or state cannot be read", t.PID))
	}
	parent, err := t.Parent()
	if err != nil {
		v.env.Problem(fmt.Errorf("parent of task %d: %w", t.PID, err))
	}
	o.PPID = parent.PID
	m, err := t.Memory()
	if err != nil {
		v.env.Problem(err)
	}
	o.Virtual, o.RSS = m.Virtual>>10, m.Resident>>10
	return o
}

// list writes a line for each task as it is read.
func (v *psView) list(ctx context.Context, tasks []kernel.Task) error {
	var err error
	if v.memory, err = v.env.Kernel.MemorySize(); err != nil {
		v.env.Problem(err)
	}
	if !v.env.JSON && !v.opts.has('H') {
		column := "TASK"
		if v.opts.has('s') {
			column = "KSTACKP"
		}
		if err := v.env.Printf("      PID    PPID  CPU       %-11s ST  %%MEM      VSZ      RSS  COMM\n", column); err != nil {
			return err
		}
	}
	for _, t := range tasks {
		if err := ctx.Err(); err != nil {
			return err
		}
		o := v.object(t)
		if v.env.JSON {
			err = v.env.Object(o)
		} else {
			err = v.line(t, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// line writes a task as crash does.
func (v *psView) line(t kernel.Task, o psObject) error {
	mark := ' '
	if o.Active {
		mark = '>'
	}
	at := hexAddr(t.Addr)
	if v.opts.has('s') {
		sp, err := t.Value().UintAt("thread.sp")
		if err != nil {
			v.env.Problem(err)
		}
		at = strconv.FormatUint(sp, 16)
	}
	comm := t.Comm
	if t.IsKernel() {
		comm = "[" + comm + "]"
	}
	percent := 0.0
	if v.memory > 0 {
		percent = float64(o.RSS) * 1024 * 100 / float64(v.memory)
	}
	return v.env.Printf("%c%8d %7d %3d  %16s  %2s %5.1f %8d %8d  %s\n",
		mark, t.PID, o.PPID, o.CPU, at, shortStates[o.State], percent, o.Virtual, o.RSS, comm)
}

// shortStates are crash's words for a task's states by their letters.
var shortStates = map[string]string{
	"R": "RU", "S": "IN", "D": "UN", "I": "ID", "P": "PA", "T": "ST", "t": "TR", "Z": "ZO", "X": "DE", "?": "??",
}

// summary counts the tasks in each state.
func (v *psView) summary(tasks []kernel.Task) error {
	count := make(map[string]int)
	var order []string
	for _, t := range tasks {
		state, err := t.State()
		if err != nil {
			v.env.Problem(err)
		}
		if count[string(state)]++; count[string(state)] == 1 {
			order = append(order, string(state))
		}
	}
	for _, state := range order {
		var err error
		if v.env.JSON {
			err = v.env.Object(struct {
				State string `json:"state"`
				Tasks int    `json:"tasks"`
			}{state, count[state]})
		} else {
			err = v.env.Printf("  %s: %d\n", shortStates[state], count[state])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lastRun is a task and the scheduler's clock when it last began to run, and the
// time since, which is -1 where the clock of its CPU cannot be read.
type lastRun struct {
	task  kernel.Task
	cpu   int
	at    uint64
	since time.Duration
}

// byLastRun writes tasks by when they last ran, the latest first: all of them, or
// with -C each CPU's.
func (v *psView) byLastRun(ctx context.Context, tasks []kernel.Task) error {
	var all []lastRun
	clocks := make(map[int]uint64)
	for _, t := range tasks {
		r, err := v.lastRun(t, clocks)
		if err != nil {
			v.env.Problem(fmt.Errorf("task %d: %w", t.PID, err))
			continue
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b lastRun) int { return cmp.Compare(b.at, a.at) })
	if !v.opts.has('C') {
		return v.runs(ctx, all)
	}
	cpus, err := v.env.Kernel.OnlineCPUs()
	if err == nil {
		cpus, err = parseCPUs("ps", v.opts.value('C'), cpus)
	}
	if err != nil {
		return err
	}
	for i, cpu := range cpus {
		if !v.env.JSON {
			if i > 0 {
				v.env.Printf("\n")
			}
			v.env.Printf("CPU: %d\n", cpu)
		}
		own := slices.DeleteFunc(slices.Clone(all), func(r lastRun) bool { return r.cpu != cpu })
		if err := v.runs(ctx, own); err != nil {
			return err
		}
	}
	return nil
}

// lastRun reads when a task last began to run. clocks remembers those of CPUs.
func (v *psView) lastRun(t kernel.Task, clocks map[int]uint64) (lastRun, error) {
	at, err := lastArrival(t)
	if err != nil {
		return lastRun{}, err
	}
	cpu, err := t.CPU()
	if err != nil {
		return lastRun{}, err
	}
	if _, ok := clocks[cpu]; !ok {
		rq, err := v.env.Kernel.RunQueue(cpu)
		if err == nil {
			clocks[cpu], err = rq.UintAt("clock")
		}
		if err != nil {
			return lastRun{}, err
		}
	}
	return lastRun{t, cpu, at, time.Duration(clocks[cpu] - at)}, nil
}

// lastArrival returns the scheduler's clock when a task last began to run, or,
// without CONFIG_SCHED_INFO, when the scheduler last looked at it.
func lastArrival(t kernel.Task) (uint64, error) {
	when := "sched_info.last_arrival"
	if !t.Value().Has(when) {
		when = "se.exec_start"
	}
	return t.Value().UintAt(when)
}

// runs writes tasks with when they last ran.
func (v *psView) runs(ctx context.Context, all []lastRun) error {
	width := 0
	for _, r := range all {
		width = max(width, len(strconv.FormatUint(r.at, 10)))
	}
	for _, r := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		o := newTaskObject(r.task)
		if v.env.JSON {
			err := v.env.Object(struct {
				taskObject
				LastRun uint64 `json:"last_run_ns"`
				Since   int64  `json:"since_ns"`
			}{o, r.at, int64(r.since)})
			if err != nil {
				return err
			}
			continue
		}
		when := fmt.Sprintf("%*d", width, r.at)
		if v.opts.has('m') {
			when = daysText(r.since)
		}
		if err := v.env.Printf("[%s] [%s]  %s\n", when, shortStates[o.State], taskLine(r.task)); err != nil {
			return err
		}
	}
	return nil
}

// daysText writes a duration as days, hours, minutes, seconds, milliseconds.
func daysText(d time.Duration) string {
	return fmt.Sprintf("%d %02d:%02d:%02d.%03d", d/(24*time.Hour), d/time.Hour%24, d/time.Minute%60, d/time.Second%60, d/time.Millisecond%1000)
}
