package cmds

import (
	"context"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/fs"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "mount",
		Args: "[-f] [-i] [-n TASK] [NAME|ADDRESS]...",
		Help: "list the mounted file systems",
		Doc: `mount lists what is mounted: the addresses of the struct mount and of the struct
super_block, the type of the file system, its device, and the directory.

    mount                        everything in the namespace of the first task
    mount -n 165                 everything in the namespace of a task
    mount -f /tmp                and the files on it that tasks have open
    mount -i /home               and the inodes on it that are to be written
    mount /proc tmpfs            those with this directory, device or type
    mount ffff888003a40000       the mount, super block, root or vfsmount there,
                                 or the one that holds this dentry or inode`,
		Run: runMount,
	})
}

func runMount(ctx context.Context, env *Env, args string) error {
	opts, wanted, err := options("mount", args, "fin:")
	if err != nil {
		return err
	}
	var task kernel.Value
	if opts.has('n') {
		tasks, err := env.tasks(ctx, []string{opts.value('n')})
		if err != nil {
			return err
		}
		task = tasks[0].Value()
	}
	ns, err := fs.Namespace(env.Kernel, task)
	if err != nil {
		return err
	}
	chosen := env.mountWords(ctx, wanted)
	mounts := chooseMounts(fs.Mounts(ns), chosen)
	if opts.has('f') || opts.has('i') {
		err = env.showMountsFiles(ctx, mounts, opts)
	} else {
		err = writeList(ctx, env, mountHeader, mounts, func(m fs.Mount) any { return newMountObject(m) }, mountRow)
	}
	for _, w := range chosen {
		if err == nil && !w.found {
			err = &kernel.NotFoundError{What: "mount", Name: w.name}
		}
	}
	return err
}

// mountObject is a mount in JSON.
type mountObject struct {
	Source     string `json:"source"`
	Target     string `json:"target"`
	Type       string `json:"fstype"`
	Address    string `json:"address"`
	SuperBlock string `json:"super_block"`
	Root       string `json:"root"`
}

func newMountObject(m fs.Mount) mountObject {
	return mountObject{m.Source, m.Target, m.Type, m.Addr.String(), m.Super.String(), m.Root.String()}
}

var mountHeader = []string{"MOUNT", "SUPERBLK", "TYPE", "DEVNAME", "DIRNAME"}

func mountRow(m fs.Mount) []string {
	return []string{hexAddr(m.Addr), hexAddr(m.Super), m.Type, m.Source, m.Target}
}

// mountWord asks for mounts by name or address.
type mountWord struct {
	name  string
	addr  vmcore.Addr // 0 if it is no address
	super vmcore.Addr // of the dentry or inode there; 0 if there is none
	found bool
}

func (e *Env) mountWords(ctx context.Context, words []string) []*mountWord {
	var list []*mountWord
	for _, name := range words {
		w := &mountWord{name: name}
		if a, err := e.address(ctx, name); err == nil && a != 0 {
			w.addr, w.super = a, fs.SuperOf(e.Kernel, a)
		}
		list = append(list, w)
	}
	return list
}

func (w *mountWord) wants(m fs.Mount) bool {
	byName := m.Source == w.name || m.Target == w.name || m.Type == w.name
	return byName || w.addr != 0 && (m.Is(w.addr) || m.Super == w.super)
}

// chooseMounts keeps the mounts that some word asks for, all if there are no
// words.
func chooseMounts(mounts iter.Seq2[fs.Mount, error], words []*mountWord) iter.Seq2[fs.Mount, error] {
	return where(mounts, func(m fs.Mount) bool {
		wanted := len(words) == 0
		for _, w := range words {
			if w.wants(m) {
				wanted, w.found = true, true
			}
		}
		return wanted
	})
}
