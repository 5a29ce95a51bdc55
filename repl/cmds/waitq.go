package cmds

import (
	"context"
	"strings"

	"github.com/kdbg/kdbg/kernel/sched"
)

func init() {
	register(&Command{
		Name: "waitq",
		Args: "ADDRESS|EXPRESSION | STRUCT.MEMBER ADDRESS",
		Help: "show the tasks that wait on a wait queue",
		Doc: `waitq shows the tasks on a wait queue, a wait_queue_head_t. What waits and is no
task, such as an epoll instance, is shown by the function that wakes it.

    waitq kauditd_wait                                   a variable
    waitq &init_task.signal->wait_chldexit               an expression
    waitq signal_struct.wait_chldexit ffff888003a40000   a member of a structure`,
		Run:      runWaitq,
		Complete: completeSymbol,
	})
}

func runWaitq(ctx context.Context, env *Env, args string) error {
	if args == "" {
		return usage("waitq", "waitq wants a wait queue")
	}
	src := args
	if name, at, ok := strings.Cut(args, " "); ok && strings.Count(name, ".") == 1 {
		a, err := env.address(ctx, strings.TrimSpace(at))
		if err != nil {
			return err
		}
		typ, member, _ := strings.Cut(name, ".")
		src = "&((struct " + typ + " *)" + a.String() + ")->" + member
	}
	a, err := env.address(ctx, src)
	if err != nil {
		return err
	}
	for w := range sound(ctx, env, sched.Waiters(env.Kernel, a)) {
		var err error
		switch {
		case env.JSON:
			err = env.Object(waiterObject(env, w))
		case w.Task.Addr != 0:
			err = env.Printf("%s\n", taskLine(w.Task))
		default:
			err = env.Printf("ENTRY: %s  WOKEN BY: %s\n", hexAddr(w.Addr), env.functionText(w.Function))
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// waiterObject describes what waits in JSON.
func waiterObject(e *Env, w sched.Waiter) any {
	o := struct {
		Address   string      `json:"address"`
		Function  string      `json:"function"`
		Symbol    string      `json:"symbol"`
		Exclusive bool        `json:"exclusive"`
		Task      *taskObject `json:"task"` // null: no task
	}{Address: w.Addr.String(), Function: w.Function.String(), Symbol: e.Kernel.SymbolName(w.Function), Exclusive: w.Exclusive()}
	if w.Task.Addr != 0 {
		t := newTaskObject(w.Task)
		o.Task = &t
	}
	return o
}
