package cmds

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "task",
		Args: "[-x|-d] [-R MEMBER[,MEMBER...]] [TASK...]",
		Help: "show the task_struct of tasks",
		Doc: `task shows the struct task_struct, and with it the struct thread_info, of the
current task or of others, which are named as in ps.

    -R MEMBERS  only some members; a member of a member is signal.nr_threads,
                and pointers are followed
    -x, -d      integers in hexadecimal or in decimal`,
		Run: runTask,
	})
}

func runTask(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("task", args, "xdR:")
	if err != nil {
		return err
	}
	var members []string
	if list := opts.value('R'); list != "" {
		members = strings.Split(list, ",")
	}
	if len(rest) > 1 && rest[len(rest)-2] == "-R" { // crash takes it behind the task, too
		members, rest = strings.Split(rest[len(rest)-1], ","), rest[:len(rest)-2]
	}
	format := env.Settings.formatOptions(radixOf(opts))
	return env.eachTask(ctx, rest, func(t kernel.Task) error { return env.showTask(t, members, format) })
}

// showTask writes a task's structure, or some members of it.
func (e *Env) showTask(t kernel.Task, members []string, opts *kernel.FormatOptions) error {
	if e.JSON {
		return e.taskJSON(t, members)
	}
	if err := e.Printf("%s\n", taskLine(t)); err != nil {
		return err
	}
	if len(members) == 0 {
		if err := e.Printf("struct task_struct "); err != nil {
			return err
		}
		if err := t.Value().Format(e.Out, opts); err != nil {
			return err
		}
		return e.Printf("\n")
	}
	for _, name := range members {
		v, err := t.Value().Path(name)
		if err != nil {
			return err
		}
		var text strings.Builder
		if err := v.Format(&text, opts); err != nil {
			return err
		}
		if err := e.Printf("  %s = %s,\n", name, strings.ReplaceAll(text.String(), "\n", "\n  ")); err != nil {
			return err
		}
	}
	return nil
}

// taskJSON writes a task with the value of its structure, or of some members.
func (e *Env) taskJSON(t kernel.Task, members []string) error {
	o := struct {
		taskObject
		Value   json.RawMessage            `json:"value,omitempty"`
		Members map[string]json.RawMessage `json:"members,omitempty"`
	}{taskObject: newTaskObject(t)}
	if len(members) == 0 {
		o.Value = t.Value().AppendJSON(nil)
		return e.Object(o)
	}
	o.Members = make(map[string]json.RawMessage)
	for _, name := range members {
		v, err := t.Value().Path(name)
		if err != nil {
			return err
		}
		o.Members[name] = v.AppendJSON(nil)
	}
	return e.Object(o)
}
