package cmds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "foreach",
		Args: "[TASK | kernel | user | gleader | active | STATE]... COMMAND [OPTION...]",
		Help: "run a command for tasks, one after the other",
		Doc: `foreach runs a command for each task as if it were the current one, and shows what
it prints as it comes. The command may be ` + strings.Join(foreachCommands, ", ") + `.

Which tasks, all of them without:
    PID, address, name    as for ps; 'REGEXP' for names
    kernel, user          the kernel's own threads, those of programs
    gleader               first threads of processes
    active                those that run on a CPU
    RU IN UN ST ZO TR DE PA ID ...  those in a state, as ps shows it

A command that fails for one task goes on with the next.

    foreach bt
    foreach UN bt -s
    foreach user files -c
    foreach nginx vm`,
		Run: runForeach,
	})
}

// foreachCommands are the commands that are about one task.
var foreachCommands = []string{"bt", "vm", "task", "files", "net", "set", "ps", "sig", "vtop"}

// selection is which tasks foreach runs a command for.
type selection struct {
	words  []string // that name tasks
	states []string // letters
	kernel bool
	user   bool
	leader bool
	active bool
}

func runForeach(ctx context.Context, env *Env, args string) error {
	chosen, command, rest, err := parseForeach(args)
	if err != nil {
		return err
	}
	c := Lookup(command)
	if c == nil {
		return Unknown(command)
	}
	if command == "bt" {
		if opts, _, err := options("bt", rest, stackOptions); err == nil && (opts.has('a') || opts.has('c') || opts.has('p')) {
			return usage("foreach", "bt -a, -c and -p choose tasks themselves; foreach active bt is for those that run")
		}
	}
	tasks, err := env.choose(ctx, chosen)
	if err != nil {
		return err
	}
	current := *env.Context
	defer func() { *env.Context = current }()
	for i, t := range tasks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i > 0 {
			if err := env.blank(); err != nil {
				return err
			}
		}
		env.Context.task = t
		line := rest
		if command == "ps" { // which lists all tasks where it is given none
			line = strings.TrimSpace(rest + " " + t.Addr.String())
		}
		if err := c.Run(ctx, env, line); err != nil {
			var usage *UsageError
			if errors.As(err, &usage) || ctx.Err() != nil {
				return err
			}
			env.Problem(fmt.Errorf("task %d, %s: %w", t.PID, t.Comm, err))
		}
	}
	return nil
}

// parseForeach splits the words in front of a command from it, and from what
// follows it.
func parseForeach(args string) (s selection, command, rest string, err error) {
	for args != "" {
		word, after := cutWord(args)
		if slices.Contains(foreachCommands, word) {
			return s, word, after, nil
		}
		plain, err := words(word)
		if err != nil {
			return s, "", "", err
		}
		s.add(plain[0])
		args = after
	}
	return s, "", "", usage("foreach", "foreach wants one of these commands: %s", strings.Join(foreachCommands, ", "))
}

// cutWord cuts the first word off a line; quotes keep blanks in it.
func cutWord(line string) (word, rest string) {
	quote := byte(0)
	for i := range len(line) {
		switch c := line[i]; {
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		case quote == 0 && (c == ' ' || c == '\t'):
			return line[:i], strings.TrimSpace(line[i:])
		}
	}
	return line, ""
}

// add adds a word to the selection.
func (s *selection) add(word string) {
	switch word {
	case "kernel":
		s.kernel = true
	case "user":
		s.user = true
	case "gleader":
		s.leader = true
	case "active":
		s.active = true
	default:
		for letter, short := range shortStates {
			if word == short {
				s.states = append(s.states, letter)
				return
			}
		}
		s.words = append(s.words, word)
	}
}

// choose returns the tasks of a selection.
func (e *Env) choose(ctx context.Context, s selection) ([]kernel.Task, error) {
	var tasks []kernel.Task
	if len(s.words) > 0 {
		var err error
		if tasks, err = e.tasks(ctx, s.words); err != nil {
			return nil, err
		}
	} else {
		tasks = slices.Collect(sound(ctx, e, e.Kernel.Tasks()))
	}
	return slices.DeleteFunc(tasks, func(t kernel.Task) bool { return !s.has(t) }), nil
}

// has reports whether a task has the properties that are asked for.
func (s *selection) has(t kernel.Task) bool {
	state, _ := t.State()
	return !(s.kernel && !t.IsKernel() || s.user && t.IsKernel() || s.leader && !t.Leader() || s.active && !t.Active() ||
		s.states != nil && !slices.Contains(s.states, string(state)))
}
