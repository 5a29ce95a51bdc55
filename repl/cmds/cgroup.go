package cmds

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/cgroup"
)

func init() {
	register(&Command{
		Name: "cgroup",
		Args: "[-p TASK | -t GROUP | PATH]",
		Help: "show control groups",
		Doc: `cgroup lists the control groups of all hierarchies as trees: the address of the
struct cgroup, how many threads are in it, how much memory it and those below it
use, its controllers, and its path. 0 is the hierarchy of version 2.

    cgroup                           all groups
    cgroup /system.slice             those at and below a path
    cgroup -p 165                    the groups that a task is in
    cgroup -t /system.slice/cron     the threads in a group, named by its path
    cgroup -t ffff888003a40000       or by its address

A group that was removed and is not gone yet is marked as dying.`,
		Run: runCgroup,
	})
}

func runCgroup(ctx context.Context, env *Env, args string) error {
	opts, words, err := options("cgroup", args, "p:t:")
	switch {
	case err != nil:
		return err
	case len(words) > 1 || len(words)+len(opts) > 1:
		return usage("cgroup", "one thing at a time")
	case opts.has('t'):
		return env.showGroupTasks(ctx, opts.value('t'))
	}
	groups := cgroup.Groups(env.Kernel)
	if opts.has('p') {
		tasks, err := env.tasks(ctx, []string{opts.value('p')})
		if err != nil {
			return err
		}
		groups = cgroup.OfTask(tasks[0].Value())
	}
	found := len(words) == 0
	if !found {
		path := words[0]
		groups = where(groups, func(g cgroup.Group) bool {
			inside := g.Path == path || strings.HasPrefix(g.Path, strings.TrimSuffix(path, "/")+"/")
			found = found || inside
			return inside
		})
	}
	header := []string{"CGROUP", ">HIER", ">TASKS", ">MEMORY", "CONTROLLERS", "PATH"}
	err = writeList(ctx, env, header, groups, func(g cgroup.Group) any { return newGroupObject(g) }, groupRow)
	if err == nil && !found {
		return &kernel.NotFoundError{What: "control group", Name: words[0]}
	}
	return err
}

// groupObject is a control group in JSON.
type groupObject struct {
	Address     string   `json:"address"`
	ID          uint64   `json:"id"`
	Hierarchy   int      `json:"hierarchy"`
	Path        string   `json:"path"`
	Level       int      `json:"level"`
	Tasks       int      `json:"tasks"`
	Controllers []string `json:"controllers"`
	Memory      *uint64  `json:"memory,omitempty"`
	PIDs        *uint64  `json:"pids,omitempty"`
	Dying       bool     `json:"dying"`
}

func newGroupObject(g cgroup.Group) groupObject {
	o := groupObject{g.Addr.String(), g.ID, g.Hierarchy, g.Path, g.Level, g.Tasks, g.Controllers, g.Memory, g.PIDs, g.Dying}
	if o.Controllers == nil {
		o.Controllers = []string{}
	}
	return o
}

func groupRow(g cgroup.Group) []string {
	memory, path := "", g.Path
	if g.Memory != nil {
		memory = strconv.FormatUint(*g.Memory>>10, 10) + " KiB"
	}
	if g.Dying {
		path += " (dying)"
	}
	return []string{hexAddr(g.Addr), strconv.Itoa(g.Hierarchy), strconv.Itoa(g.Tasks), memory, strings.Join(g.Controllers, ","), path}
}

// showGroupTasks writes the threads of a group.
func (e *Env) showGroupTasks(ctx context.Context, word string) error {
	address, addressErr := e.address(ctx, word)
	for g := range sound(ctx, e, cgroup.Groups(e.Kernel)) {
		if g.Path != word && (addressErr != nil || g.Addr != address) {
			continue
		}
		header := []string{">PID", "TASK", "COMM"}
		return writeList(ctx, e, header, g.Members(), func(t kernel.Task) any { return newTaskObject(t) }, func(t kernel.Task) []string {
			return []string{strconv.Itoa(t.PID), hexAddr(t.Addr), fmt.Sprintf("%q", t.Comm)}
		})
	}
	return cmp.Or(ctx.Err(), error(&kernel.NotFoundError{What: "control group", Name: word}))
}
