package cmds

import (
	"context"
	"fmt"
	"strconv"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/fs"
	"github.com/kdbg/kdbg/kernel/mm"
)

func init() {
	register(&Command{
		Name: "files",
		Args: "[-c] [-R NAME|ADDRESS] [TASK]... | -d DENTRY | -p INODE",
		Help: "show the files that tasks have open",
		Doc: `files shows the root and current directory of a task, and the files that it has
open: number, addresses of the struct file, dentry and inode, type, and path.

    files                        of the current task
    files 1 sshd                 of other tasks
    files -c 1                   how many pages of each file are in memory
    files -R /dev/console 1      those with this path, or with this address as
                                 their file, dentry or inode
    files -d ffff888003a40000    the file of a dentry
    files -p ffff888003b81234    the pages of an inode that are in memory

What has no name in a directory is named by what it is, such as socket:[4093]
or anon_inode:[eventpoll]. A deleted file says so.`,
		Run: runFiles,
	})
}

func runFiles(ctx context.Context, env *Env, args string) error {
	opts, words, err := options("files", args, "cd:p:R:")
	if err != nil {
		return err
	}
	if (opts.has('d') || opts.has('p')) && (len(words) > 0 || len(opts) > 1) {
		return usage("files", "-d and -p take an address, and nothing else")
	}
	if opts.has('d') {
		return env.showDentry(ctx, opts.value('d'))
	}
	if opts.has('p') {
		return env.showInodePages(ctx, opts.value('p'))
	}
	show := fileList{env: env, pages: opts.has('c'), all: !opts.has('R')}
	if opts.has('R') {
		show.want = env.wantedFile(ctx, opts.value('R'))
	}
	return env.eachTask(ctx, words, show.task)
}

// fileList is how files shows those of a task.
type fileList struct {
	env   *Env
	pages bool // show how many are in memory, not where the objects are
	all   bool
	want  fs.Wanted // if not all are
}

// fileObject is an open file in JSON.
type fileObject struct {
	FD     int     `json:"fd"`
	File   string  `json:"file"`
	Dentry string  `json:"dentry"`
	Inode  string  `json:"inode"`
	Type   string  `json:"type"`
	Path   string  `json:"path"`
	Flags  uint64  `json:"flags"`
	Offset int64   `json:"offset"`
	Pages  *uint64 `json:"pages,omitempty"`
}

// task shows the files of one task.
func (l *fileList) task(t kernel.Task) error {
	env := l.env
	problem := func(err error) { env.Problem(fmt.Errorf("task %d: %w", t.PID, err)) }
	dirs, ok, err := fs.DirectoriesOf(t.Value())
	if err != nil {
		problem(err)
	}
	var files []fs.File
	for f, err := range fs.Files(t.Value()) {
		if err != nil {
			problem(err)
		} else if l.all || l.want.Is(f) {
			files = append(files, f)
		}
	}
	if !l.all && len(files) == 0 && !l.want.Is(dirs.Root) && !l.want.Is(dirs.Current) {
		return nil
	}
	if env.JSON {
		return l.object(t, dirs, files)
	}
	if err := env.Printf("%s\n", taskLine(t)); err != nil {
		return err
	}
	if ok {
		if err := env.Printf("ROOT: %s    CWD: %s\n", dirs.Root.Name, dirs.Current.Name); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return env.Printf("No open files\n")
	}
	header := []string{">FD", "FILE", "DENTRY", "INODE", "TYPE", "PATH"}
	if l.pages {
		header = []string{">FD", "INODE", "I_MAPPING", ">NRPAGES", "TYPE", "PATH"}
	}
	var rows [][]string
	for _, f := range files {
		row := []string{strconv.Itoa(f.FD), hexAddr(f.Addr), hexAddr(f.Dentry), hexAddr(f.Inode), f.Type, f.Name}
		if l.pages {
			mapping, pages := f.Cache()
			row = []string{row[0], hexAddr(f.Inode), hexAddr(mapping), strconv.FormatUint(pages, 10), f.Type, f.Name}
		}
		rows = append(rows, row)
	}
	return writeTable(env.Out, header, rows)
}

func (l *fileList) object(t kernel.Task, dirs fs.Directories, files []fs.File) error {
	o := struct {
		taskObject
		Root  string       `json:"root"`
		CWD   string       `json:"cwd"`
		Files []fileObject `json:"files"`
	}{newTaskObject(t), dirs.Root.Name, dirs.Current.Name, []fileObject{}}
	for _, f := range files {
		fo := fileObject{
			FD: f.FD, File: f.Addr.String(), Dentry: f.Dentry.String(), Inode: f.Inode.String(),
			Type: f.Type, Path: f.Name, Flags: f.Flags, Offset: f.Offset,
		}
		if l.pages {
			_, pages := f.Cache()
			fo.Pages = &pages
		}
		o.Files = append(o.Files, fo)
	}
	return l.env.Object(o)
}

// showDentry writes the file of a struct dentry.
func (e *Env) showDentry(ctx context.Context, word string) error {
	a, err := e.address(ctx, word)
	if err != nil {
		return err
	}
	f, err := fs.DentryAt(e.Kernel, a)
	if err != nil {
		return err
	}
	if e.JSON {
		return e.Object(struct {
			Dentry string `json:"dentry"`
			Inode  string `json:"inode"`
			Super  string `json:"super_block"`
			Type   string `json:"type"`
			Path   string `json:"path"`
		}{f.Dentry.String(), f.Inode.String(), f.Super.String(), f.Type, f.Name})
	}
	return writeTable(e.Out, []string{"DENTRY", "INODE", "SUPERBLK", "TYPE", "PATH"},
		[][]string{{hexAddr(f.Dentry), hexAddr(f.Inode), hexAddr(f.Super), f.Type, f.Name}})
}

// showInodePages writes the pages of an inode that are in memory.
func (e *Env) showInodePages(ctx context.Context, word string) error {
	a, err := e.address(ctx, word)
	if err != nil {
		return err
	}
	pages := func(yield func(mm.Page, error) bool) {
		for p, err := range fs.Pages(e.Kernel, a) {
			var page mm.Page
			if err == nil {
				page, err = e.Memory.PageAt(p.Addr)
			}
			if !yield(page, err) {
				return
			}
		}
	}
	if !e.JSON {
		number, err := fs.PageCount(e.Kernel, a)
		if err != nil {
			return err
		}
		if err := writeTable(e.Out, []string{"INODE", ">NRPAGES"}, [][]string{{hexAddr(a), strconv.FormatUint(number, 10)}}); err != nil {
			return err
		}
		if err := e.blank(); err != nil {
			return err
		}
	}
	return writeList(ctx, e, pageHeader, pages, func(p mm.Page) any { return e.pageObject(p) }, e.pageRow)
}
