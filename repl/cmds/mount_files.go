package cmds

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/kdbg/kdbg/kernel/fs"
	"github.com/kdbg/kdbg/vmcore"
)

// mountFiles is a mount with files that are on it, in JSON.
type mountFiles struct {
	mountObject
	Open  []mountFile `json:"open,omitempty"`
	Dirty []mountFile `json:"dirty,omitempty"`
}

// mountFile is a file on a mount.
type mountFile struct {
	Dentry string `json:"dentry"`
	Inode  string `json:"inode"`
	Type   string `json:"type"`
	Path   string `json:"path"`
}

// showMountsFiles writes mounts, and behind each the files on it that tasks have
// open, with -f, and the inodes that are to be written, with -i.
func (e *Env) showMountsFiles(ctx context.Context, mounts iter.Seq2[fs.Mount, error], opts flags) error {
	var open map[vmcore.Addr][]fs.File
	if opts.has('f') {
		var err error
		if open, err = e.openFiles(ctx); err != nil {
			return err
		}
	}
	first := true
	for m := range sound(ctx, e, mounts) {
		if !first {
			if err := e.blank(); err != nil {
				return err
			}
		}
		first = false
		var dirty []fs.File
		if opts.has('i') {
			dirty = slices.Collect(sound(ctx, e, m.DirtyInodes()))
		}
		if err := e.showMountFiles(m, open[m.Super], dirty); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// openFiles returns the files that tasks have open by the super block that they
// are of, each once.
func (e *Env) openFiles(ctx context.Context) (map[vmcore.Addr][]fs.File, error) {
	open := make(map[vmcore.Addr][]fs.File)
	seen := make(map[vmcore.Addr]bool) // by dentry
	for t := range sound(ctx, e, e.Kernel.Tasks()) {
		for f, err := range fs.Files(t.Value()) {
			if err != nil {
				e.Problem(fmt.Errorf("task %d: %w", t.PID, err))
			} else if !seen[f.Dentry] {
				seen[f.Dentry] = true
				open[f.Super] = append(open[f.Super], f)
			}
		}
	}
	return open, ctx.Err()
}

func (e *Env) showMountFiles(m fs.Mount, open, dirty []fs.File) error {
	if e.JSON {
		return e.Object(mountFiles{newMountObject(m), mountFilesOf(open), mountFilesOf(dirty)})
	}
	if err := writeTable(e.Out, mountHeader, [][]string{mountRow(m)}); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		files []fs.File
	}{{"OPEN FILES", open}, {"DIRTY INODES", dirty}} {
		if len(part.files) == 0 {
			continue
		}
		if err := e.Printf("%s\n", part.title); err != nil {
			return err
		}
		var rows [][]string
		for _, f := range part.files {
			rows = append(rows, []string{hexAddr(f.Dentry), hexAddr(f.Inode), f.Type, f.Name})
		}
		if err := writeTable(e.Out, []string{"DENTRY", "INODE", "TYPE", "PATH"}, rows); err != nil {
			return err
		}
	}
	return nil
}

func mountFilesOf(files []fs.File) []mountFile {
	var list []mountFile
	for _, f := range files {
		list = append(list, mountFile{f.Dentry.String(), f.Inode.String(), f.Type, f.Name})
	}
	return list
}
