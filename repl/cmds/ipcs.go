package cmds

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
)

func init() {
	register(&Command{
		Name: "ipcs",
		Args: "[-m] [-s] [-q] [-M] [-n TASK] [ID|ADDRESS]...",
		Help: "list System V shared memory, semaphores and message queues",
		Doc: `ipcs shows the System V objects that the current task sees: all of them, or only
those with the numbers or the addresses that it is given.

    -m       shared memory          -M  and how much of it is in memory
    -s       arrays of semaphores
    -q       message queues
    -n TASK  in the namespace of another task, named as in ps

    ipcs
    ipcs -M -n postgres`,
		Run: runIpcs,
	})
}

// ipcsView is what ipcs was asked for.
type ipcsView struct {
	env   *Env
	task  kernel.Task
	words []string
	pages bool // of shared memory
}

func runIpcs(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("ipcs", args, "msqMn:")
	if err != nil {
		return err
	}
	var names []string
	if opts.has('n') {
		names = []string{opts.value('n')}
	}
	tasks, err := env.tasks(ctx, names)
	if err != nil {
		return err
	}
	v := &ipcsView{env, tasks[0], rest, opts.has('M')}
	all := !opts.has('m') && !opts.has('M') && !opts.has('s') && !opts.has('q')
	shown := false
	for _, part := range []struct {
		wanted bool
		show   func(context.Context) error
	}{
		{all || opts.has('m') || opts.has('M'), v.sharedMemory},
		{all || opts.has('s'), v.semaphores},
		{all || opts.has('q'), v.queues},
	} {
		if !part.wanted {
			continue
		}
		if shown {
			if err := env.blank(); err != nil {
				return err
			}
		}
		shown = true
		if err := part.show(ctx); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether an object is one of those asked for.
func (v *ipcsView) has(c mm.IPC) bool {
	for _, word := range v.words {
		if word == strconv.Itoa(c.ID) {
			return true
		}
		if u, ok := hexNumber(word); ok && u == uint64(c.Addr) {
			return true
		}
	}
	return len(v.words) == 0
}

// ipcObject is what all System V objects have, in JSON.
type ipcObject struct {
	Kind    string `json:"kind"` // "shm", "sem", "msg"
	Address string `json:"address"`
	Key     string `json:"key"`
	ID      int    `json:"id"`
	UID     uint32 `json:"uid"`
	Mode    string `json:"mode"` // octal
}

func newIPCObject(kind string, c mm.IPC) ipcObject {
	return ipcObject{kind, c.Addr.String(), fmt.Sprintf("0x%08x", c.Key), c.ID, c.UID, fmt.Sprintf("%o", c.Mode&0o777)}
}

// ipcRow begins the row of an object with what all have.
func ipcRow(c mm.IPC, more ...string) []string {
	return append([]string{hexAddr(c.Addr), fmt.Sprintf("%08x", c.Key), strconv.Itoa(c.ID), fmt.Sprint(c.UID), fmt.Sprintf("%o", c.Mode&0o777)}, more...)
}

// showIPC shows the objects of a kind, or says that there are none.
func showIPC[T interface{ Common() mm.IPC }](ctx context.Context, v *ipcsView, header []string, walk iter.Seq2[T, error], object func(T) any, row func(T) []string) error {
	found := false
	wanted := where(walk, func(o T) bool {
		has := v.has(o.Common())
		found = found || has
		return has
	})
	if err := writeList(ctx, v.env, header, wanted, object, row); err != nil || found || v.env.JSON {
		return err
	}
	return v.env.Printf("%s: (none allocated)\n", header[0])
}

func (v *ipcsView) sharedMemory(ctx context.Context) error {
	header := []string{"SHMID_KERNEL", "KEY", "SHMID", "UID", "PERMS", ">BYTES", ">NATTCH", "STATUS"}
	if v.pages {
		header = append(header, "PAGES/RESIDENT/SWAPPED", "INODE")
	}
	return showIPC(ctx, v, header, v.env.Memory.SharedMemory(v.task),
		func(s mm.SharedMemory) any {
			return struct {
				ipcObject
				Bytes    uint64 `json:"bytes"`
				Attached uint64 `json:"attached"`
				Status   string `json:"status,omitempty"`
				Resident uint64 `json:"resident"` // pages
				Swapped  uint64 `json:"swapped"`
				Inode    string `json:"inode"`
			}{newIPCObject("shm", s.IPC), s.Bytes, s.Attached, s.Status(), s.Resident, s.Swapped, s.Inode.String()}
		},
		func(s mm.SharedMemory) []string {
			row := ipcRow(s.IPC, fmt.Sprint(s.Bytes), fmt.Sprint(s.Attached), s.Status())
			if v.pages {
				size := v.env.Memory.PageSize()
				row = append(row, fmt.Sprintf("%d/%d/%d", (s.Bytes+size-1)/size, s.Resident, s.Swapped), hexAddr(s.Inode))
			}
			return row
		})
}

func (v *ipcsView) semaphores(ctx context.Context) error {
	header := []string{"SEM_ARRAY", "KEY", "SEMID", "UID", "PERMS", ">NSEMS"}
	return showIPC(ctx, v, header, v.env.Memory.Semaphores(v.task),
		func(s mm.Semaphores) any {
			return struct {
				ipcObject
				Semaphores uint64 `json:"semaphores"`
			}{newIPCObject("sem", s.IPC), s.Count}
		},
		func(s mm.Semaphores) []string { return ipcRow(s.IPC, fmt.Sprint(s.Count)) })
}

func (v *ipcsView) queues(ctx context.Context) error {
	header := []string{"MSG_QUEUE", "KEY", "MSQID", "UID", "PERMS", ">USED-BYTES", ">MESSAGES"}
	return showIPC(ctx, v, header, v.env.Memory.Queues(v.task),
		func(q mm.Queue) any {
			return struct {
				ipcObject
				Bytes    uint64 `json:"bytes"`
				Messages uint64 `json:"messages"`
			}{newIPCObject("msg", q.IPC), q.Bytes, q.Messages}
		},
		func(q mm.Queue) []string { return ipcRow(q.IPC, fmt.Sprint(q.Bytes), fmt.Sprint(q.Messages)) })
}
