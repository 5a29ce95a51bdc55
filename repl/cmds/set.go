package cmds

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "set",
		Args: "[TASK | NAME [VALUE]]",
		Help: "show or change the current task, or settings",
		Doc: `set shows the current task, which other commands are about unless they are told
another. At first it is the one that panicked, or else the one that runs on the
first CPU.

    set 1                        the task with PID 1
    set ffff888003a40000         the task at an address
    set systemd                  the first task of that name
    set -c 1                     the task that runs on CPU 1
    set -p                       the task that panicked
    set -v                       list all settings
    set depth                    show a setting
    set depth 5                  change it
    set $NAME = EXPRESSION       keep a value for later, as print does`,
		Expr:     true,
		Run:      runSet,
		Complete: completeSet,
		Describe: describeSet,
	})
}

func runSet(ctx context.Context, env *Env, args string) error {
	if strings.HasPrefix(args, "$") && strings.Contains(args, "=") {
		_, err := env.eval(ctx, args)
		return err
	}
	opts, list, err := options("set", args, "c:pv")
	switch {
	case err != nil:
		return err
	case len(opts) > 1 || len(opts) == 1 && len(list) > 0:
		return usage("set", "one thing at a time")
	case opts.has('v'):
		return env.showSettings(settings)
	case opts.has('p'):
		t, err := env.Context.panicTask()
		return env.setTask(t, err)
	case opts.has('c'):
		cpu, err := strconv.Atoi(opts.value('c'))
		if err != nil {
			return usage("set", "-c wants the number of a CPU")
		}
		t, err := env.Kernel.Running(cpu)
		return env.setTask(t, err)
	case len(list) == 0:
		return env.showContext()
	case len(list) > 2:
		return usage("set", "too many words after set")
	}
	if d, err := findSetting(list[0]); err == nil {
		return env.setting(d, list[1:])
	} else if len(list) == 2 {
		return err
	}
	found, err := env.tasks(ctx, list)
	if err != nil {
		return err
	}
	return env.setTask(found[0], nil)
}

// setting shows or changes a setting.
func (e *Env) setting(d setting, value []string) error {
	if len(value) == 0 {
		return e.showSettings([]setting{d})
	}
	if err := d.set(e.Settings, value[0]); err != nil {
		return usage("set", "%v", err)
	}
	return nil
}

// setTask makes a task the current one and shows it.
func (e *Env) setTask(t kernel.Task, err error) error {
	if err != nil {
		return err
	}
	e.Context.task = t
	return e.showContext()
}

// showContext shows the current task.
func (e *Env) showContext() error {
	t, err := e.Context.Task()
	if err != nil {
		return err
	}
	if e.JSON {
		return e.Object(newTaskObject(t))
	}
	o := newTaskObject(t)
	state := taskStates[o.State]
	if t.Active() {
		state += " (ACTIVE)"
	}
	if cpu, ok := e.Kernel.PanicCPU(); ok && t.Active() && cpu == o.CPU {
		state += " (PANIC)"
	}
	return e.Printf("    PID: %d\nCOMMAND: %s\n   TASK: %s\n    CPU: %d\n  STATE: %s\n", t.PID, strconv.Quote(t.Comm), hexAddr(t.Addr), o.CPU, state)
}

// taskStates are the kernel's names of a task's states by their letters.
var taskStates = map[string]string{
	"R": "TASK_RUNNING", "S": "TASK_INTERRUPTIBLE", "D": "TASK_UNINTERRUPTIBLE", "I": "TASK_IDLE", "P": "TASK_PARKED",
	"T": "TASK_STOPPED", "t": "TASK_TRACED", "Z": "EXIT_ZOMBIE", "X": "EXIT_DEAD", "?": "(cannot be read)",
}

func findSetting(name string) (setting, error) {
	i := slices.IndexFunc(settings, func(d setting) bool { return d.name == name })
	if i >= 0 {
		return settings[i], nil
	}
	err := &UsageError{Msg: "no setting " + name, Do: "set -v lists the settings"}
	if near := kernel.Similar(name, slices.Values(settingNames())); len(near) > 0 {
		err.Do = "did you mean " + strings.Join(near, ", ") + "?"
	}
	return setting{}, err
}

func settingNames() []string {
	var names []string
	for _, d := range settings {
		names = append(names, d.name)
	}
	return names
}

func (e *Env) showSettings(list []setting) error {
	if e.JSON {
		for _, d := range list {
			err := e.Object(struct {
				Name  string `json:"name"`
				Value string `json:"value"`
				Help  string `json:"help"`
			}{d.name, d.get(e.Settings), d.help})
			if err != nil {
				return err
			}
		}
		return nil
	}
	var rows [][]string
	for _, d := range list {
		rows = append(rows, []string{d.name, d.get(e.Settings), d.help + " (" + d.values + ")"})
	}
	return writeTable(e.Out, nil, rows)
}

func completeSet(env *Env, args string) (int, []string) {
	name, value, more := strings.Cut(args, " ")
	if strings.HasPrefix(name, "$") && more {
		return completeExpr(env, args)
	}
	if !more {
		list := withPrefix(settingNames(), name)
		if name != "" {
			list = append(list, startingWith(env.Names.tasks(), name)...)
		}
		return 0, list
	}
	d, err := findSetting(name)
	if err != nil {
		return len(args), nil
	}
	list := strings.Split(d.values, " or ")
	list = slices.DeleteFunc(list, func(v string) bool { return strings.Contains(v, " ") })
	return len(args) - len(value), withPrefix(list, value)
}

func describeSet(env *Env, args string) string {
	if d, err := findSetting(args); err == nil {
		return d.get(env.Settings) + ": " + d.help
	}
	return ""
}
