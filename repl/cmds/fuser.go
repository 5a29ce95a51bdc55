package cmds

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/fs"
)

func init() {
	register(&Command{
		Name: "fuser",
		Args: "PATH|ADDRESS",
		Help: "show which tasks use a file",
		Doc: `fuser lists the tasks that use a file, which is named by its path or by the
address of its inode, dentry or struct file, and what for: as their root or
current directory, open (fd), or mapped into their memory (mmap).

    fuser /dev/console
    fuser ffff888003b81234
    fuser socket:[4093]`,
		Run: runFuser,
	})
}

// fileUser is a task and how it uses a file.
type fileUser struct {
	kernel.Task
	fs.Use
}

// words names the uses in the order in which crash does.
func (u fileUser) words() []string {
	words := []string{}
	for _, use := range []struct {
		name string
		is   bool
	}{{"root", u.Root}, {"cwd", u.Current}, {"fd", u.Open}, {"mmap", u.Mapped}} {
		if use.is {
			words = append(words, use.name)
		}
	}
	return words
}

func runFuser(ctx context.Context, env *Env, args string) error {
	words, err := words(args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return usage("fuser", "fuser takes the path or the address of a file")
	}
	finder := fs.NewFinder(env.Memory, env.wantedFile(ctx, words[0]))
	found := false
	users := func(yield func(fileUser, error) bool) {
		for t, err := range env.Kernel.Tasks() {
			if err != nil {
				if !yield(fileUser{}, err) {
					return
				}
				continue
			}
			use, errs := finder.Use(t)
			for _, err := range errs {
				if !yield(fileUser{}, fmt.Errorf("task %d: %w", t.PID, err)) {
					return
				}
			}
			found = found || use.Any()
			if use.Any() && !yield(fileUser{t, use}, nil) {
				return
			}
		}
	}
	err = writeList(ctx, env, []string{">PID", "TASK", "COMM", "USAGE"}, users, func(u fileUser) any {
		return struct {
			taskObject
			Usage []string `json:"usage"`
		}{newTaskObject(u.Task), u.words()}
	}, func(u fileUser) []string {
		return []string{strconv.Itoa(u.PID), hexAddr(u.Addr), strconv.Quote(u.Comm), strings.Join(u.words(), " ")}
	})
	if err == nil && !found {
		return &kernel.NotFoundError{What: "task that uses", Name: words[0]}
	}
	return err
}

// wantedFile reads the name or address of a file that is looked for.
func (e *Env) wantedFile(ctx context.Context, word string) fs.Wanted {
	want := fs.Wanted{Name: word}
	if a, err := e.address(ctx, word); err == nil && word != "" {
		want.Addr = a
	}
	return want
}
