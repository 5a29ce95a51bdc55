package cmds

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/kdbg/kdbg/kernel"
)

// each writes what ps shows of one task after the other: its parents, children,
// threads, times or limits.
func (v *psView) each(ctx context.Context, tasks []kernel.Task) error {
	for i, t := range tasks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if v.opts.has('g') && !t.Leader() {
			leader, err := t.GroupLeader()
			if err != nil {
				v.env.Problem(err)
				continue
			}
			if containsTask(tasks[:i], leader) {
				continue
			}
			t = leader
		}
		var err error
		switch {
		case v.opts.has('p'):
			err = v.parents(t)
		case v.opts.has('c'):
			err = v.family(t, "children", "(no children)", t.Children())
		case v.opts.has('g'):
			err = v.family(t, "threads", "(no threads)", t.Threads())
		case v.opts.has('t'):
			err = v.times(t)
		case v.opts.has('a'):
			err = v.arguments(t)
		default:
			err = v.limits(t)
		}
		if err == nil && !v.env.JSON {
			err = v.env.Printf("\n")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxParents bounds a line of parents, which a damaged dump may close to a ring.
const maxParents = 1000

// parents writes the line of a task's parents, the first one first.
func (v *psView) parents(t kernel.Task) error {
	line := []kernel.Task{t}
	for len(line) < maxParents {
		parent, err := line[0].Parent()
		if err != nil {
			v.env.Problem(fmt.Errorf("parent of task %d: %w", line[0].PID, err))
			break
		}
		if containsTask(line, parent) {
			if parent.Addr != line[0].Addr { // the first task of all is its own parent
				v.env.Problem(fmt.Errorf("the parents of task %d lead back to task %d", t.PID, parent.PID))
			}
			break
		}
		line = append([]kernel.Task{parent}, line...)
	}
	if v.env.JSON {
		return v.related(t, "parents", line[:len(line)-1])
	}
	for i, t := range line {
		if err := v.env.Printf("%*s%s\n", i, "", taskLine(t)); err != nil {
			return err
		}
	}
	return nil
}

// family writes a task and those that belong to it.
func (v *psView) family(t kernel.Task, what, none string, others func(func(kernel.Task, error) bool)) error {
	var found []kernel.Task
	for other, err := range others {
		switch {
		case err != nil:
			v.env.Problem(fmt.Errorf("%s of task %d: %w", what, t.PID, err))
		case other.Addr != t.Addr:
			found = append(found, other)
		}
	}
	if v.env.JSON {
		return v.related(t, what, found)
	}
	if err := v.env.Printf("%s\n", taskLine(t)); err != nil {
		return err
	}
	if len(found) == 0 {
		return v.env.Printf("  %s\n", none)
	}
	for _, other := range found {
		if err := v.env.Printf("  %s\n", taskLine(other)); err != nil {
			return err
		}
	}
	return nil
}

// related writes a task with others in JSON.
func (v *psView) related(t kernel.Task, what string, others []kernel.Task) error {
	o := struct {
		taskObject
		Parents  *[]taskObject `json:"parents,omitempty"`
		Children *[]taskObject `json:"children,omitempty"`
		Threads  *[]taskObject `json:"threads,omitempty"`
	}{taskObject: newTaskObject(t)}
	list := make([]taskObject, len(others))
	for i, other := range others {
		list[i] = newTaskObject(other)
	}
	switch what {
	case "parents":
		o.Parents = &list
	case "children":
		o.Children = &list
	case "threads":
		o.Threads = &list
	}
	return v.env.Object(o)
}

// times writes when a task started and how long it ran.
func (v *psView) times(t kernel.Task) error {
	r := kernel.Reader{Value: t.Value()}
	start, user, system := r.Uint("start_time"), r.Uint("utime"), r.Uint("stime")
	if r.Err != nil {
		v.env.Problem(fmt.Errorf("times of task %d: %w", t.PID, r.Err))
	}
	now, err := v.env.Kernel.Monotonic()
	if err != nil {
		v.env.Problem(err)
	}
	ran := max(now-time.Duration(start), 0)
	if v.env.JSON {
		return v.env.Object(struct {
			taskObject
			Run    int64  `json:"run_ns"`
			Start  uint64 `json:"start_ns"`
			User   uint64 `json:"utime_ns"`
			System uint64 `json:"stime_ns"`
		}{newTaskObject(t), int64(ran), start, user, system})
	}
	return v.env.Printf("%s\n    RUN TIME: %s\n  START TIME: %d\n       UTIME: %d\n       STIME: %d\n",
		taskLine(t), clockText(ran), start, user, system)
}

// arguments writes what a program was started with. The words lie on its stack,
// which dumps often leave out.
func (v *psView) arguments(t kernel.Task) error {
	if t.IsKernel() {
		return v.showArguments(t, []string{}, []string{}, "(no user stack)")
	}
	arguments, err := v.userWords(t, "arg_start", "arg_end")
	if err == nil {
		var environment []string
		if environment, err = v.userWords(t, "env_start", "env_end"); err == nil {
			return v.showArguments(t, arguments, environment, "")
		}
	}
	v.env.Problem(fmt.Errorf("arguments of task %d, %s: %w", t.PID, t.Comm, err))
	if v.env.JSON {
		return nil
	}
	return v.showArguments(t, nil, nil, "(cannot be read)")
}

// showArguments writes the words of a task's program, or why it has none.
func (v *psView) showArguments(t kernel.Task, arguments, environment []string, none string) error {
	if v.env.JSON {
		return v.env.Object(struct {
			taskObject
			Arguments   []string `json:"arguments"`
			Environment []string `json:"environment"`
		}{newTaskObject(t), arguments, environment})
	}
	if none != "" {
		return v.env.Printf("%s\n%s\n", taskLine(t), none)
	}
	return v.env.Printf("%s\nARG: %s\nENV: %s\n", taskLine(t), strings.Join(arguments, " "), strings.Join(environment, "\n     "))
}

// maxArguments bounds the words that are read of a program; the kernel takes up
// to a quarter of its stack.
const maxArguments = 2 << 20

// userWords reads the words that end in NUL between two addresses of a program.
func (v *psView) userWords(t kernel.Task, from, to string) ([]string, error) {
	r := kernel.Reader{Value: t.Value()}
	start, end := r.Pointer("mm", from), r.Pointer("mm", to)
	if r.Err != nil || start >= end {
		return []string{}, r.Err
	}
	if end-start > maxArguments {
		return nil, fmt.Errorf("they take %d bytes", end-start)
	}
	space, err := v.env.Memory.TaskSpace(t)
	if err != nil {
		return nil, err
	}
	b := make([]byte, end-start)
	if _, err := space.ReadMemory(b, start); err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"), nil
}

// clockText writes a duration as hours, minutes and seconds, with days in front
// where there are any.
func clockText(d time.Duration) string {
	var days string
	if d >= 24*time.Hour {
		days = fmt.Sprintf("%d days, ", d/(24*time.Hour))
	}
	return fmt.Sprintf("%s%02d:%02d:%02d", days, d/time.Hour%24, d/time.Minute%60, d/time.Second%60)
}

// limitNames are the limits of a process by number (RLIMIT_CPU …,
// include/uapi/asm-generic/resource.h).
var limitNames = strings.Fields("CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME")

// limitObject is a limit in JSON; nil is unlimited.
type limitObject struct {
	Current *uint64 `json:"current"`
	Maximum *uint64 `json:"maximum"`
}

// limits writes what the task's process may use.
func (v *psView) limits(t kernel.Task) error {
	limits := make(map[string]limitObject)
	rows := [][]string{}
	for i, name := range limitNames {
		var l limitObject
		var texts [2]string
		for j, member := range []string{"rlim_cur", "rlim_max"} {
			n, err := v.limit(t, int64(i), member)
			if err != nil {
				v.env.Problem(fmt.Errorf("limits of task %d: %w", t.PID, err))
				return nil
			}
			texts[j] = "(unlimited)"
			if n == math.MaxUint64 {
				continue
			}
			texts[j] = fmt.Sprint(n)
			if j == 0 {
				l.Current = &n
			} else {
				l.Maximum = &n
			}
		}
		limits[strings.ToLower(name)] = l
		rows = append(rows, []string{name, texts[0], texts[1]})
	}
	if v.env.JSON {
		return v.env.Object(struct {
			taskObject
			Limits map[string]limitObject `json:"limits"`
		}{newTaskObject(t), limits})
	}
	if err := v.env.Printf("%s\n", taskLine(t)); err != nil {
		return err
	}
	return writeTable(v.env.Out, []string{">RLIMIT", ">CURRENT", ">MAXIMUM"}, rows)
}

// limit reads a number of a process's limits.
func (v *psView) limit(t kernel.Task, i int64, member string) (uint64, error) {
	all, err := t.Value().Path("signal.rlim")
	if err != nil {
		return 0, err
	}
	one, err := all.Index(i)
	if err != nil {
		return 0, err
	}
	return one.UintAt(member)
}
