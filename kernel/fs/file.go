package fs

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// File is a file that a task has open, or one of the directories that it is in.
type File struct {
	FD     int         // -1 for one that has no number
	Addr   vmcore.Addr // of its struct file; 0 for a directory
	Inode  vmcore.Addr // 0 where there is none
	Type   string      // "REG", "DIR", "CHR", "BLK", "FIFO", "SOCK", "LNK" or "UNKN"
	Flags  uint64      // it was opened with
	Offset int64       // where the next read or write is
	Super  vmcore.Addr // of the struct super_block that the inode belongs to
	Path
	inode kernel.Value
}

// Cache returns the address of the struct address_space with the file's pages,
// and how many of them are in memory; zeros where that cannot be read.
func (f *File) Cache() (mapping vmcore.Addr, pages uint64) {
	if f.Inode == 0 {
		return 0, 0
	}
	r := kernel.Reader{Value: f.inode}
	return r.Pointer("i_mapping"), r.Uint("i_mapping", "nrpages")
}

// Directories are where the paths of a task begin.
type Directories struct {
	Root, Current File
}

// DirectoriesOf returns the directories of a task (a struct task_struct); ok is
// false for a task that has exited.
func DirectoriesOf(task kernel.Value) (d Directories, ok bool, err error) {
	_, a, err := target(task, "fs")
	if err != nil || a == 0 {
		return d, false, err
	}
	if d.Root, err = directory(task, "root"); err != nil {
		return d, true, err
	}
	d.Current, err = directory(task, "pwd")
	return d, true, err
}

func directory(task kernel.Value, member string) (File, error) {
	f := File{FD: -1}
	path, err := task.Path("fs", member)
	if err == nil {
		f.Path, err = PathOf(path)
	}
	if err == nil {
		err = f.readInode(path, "dentry", "d_inode")
	}
	return f, err
}

const (
	// maxFiles bounds the table of a task's files; fs.nr_open is 2^20 at first.
	maxFiles = 1 << 26
	// maxBroken is how many broken files in a row end the walk over a table:
	// behind them is something else.
	maxBroken = 64
)

// Files returns the files that a task (a struct task_struct) has open, by number
// (struct fdtable, include/linux/fdtable.h). A file of which something cannot be
// read comes with what can, and the error after it. A task that has exited has
// no files.
func Files(task kernel.Value) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		files, at, err := target(task, "files")
		if err != nil || at == 0 {
			if err != nil {
				yield(File{}, err)
			}
			return
		}
		broken := 0
		for fd, err := range openFiles(files) {
			var f File
			if err == nil {
				f, err = fileAt(files, fd)
				if f.Addr != 0 && !yield(f, nil) {
					return
				}
			}
			if err == nil {
				broken = 0
				continue
			}
			if broken++; !yield(File{}, err) || broken == maxBroken {
				return
			}
		}
	}
}

// openFiles returns the numbers of the files that are open, from the bitmap.
func openFiles(files kernel.Value) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		fail := func(err error) { yield(0, fmt.Errorf("table of files: %w", err)) }
		r := kernel.Reader{Value: files}
		size, bitmap := r.Uint("fdt", "max_fds"), r.Pointer("fdt", "open_fds")
		if r.Err == nil && size > maxFiles {
			r.Err = fmt.Errorf("it has %d places", size)
		}
		if r.Err != nil {
			fail(r.Err)
			return
		}
		layout := files.Kernel().Arch().Layout
		var buf [512]byte
		for done := uint64(0); done < size; done += 8 * uint64(len(buf)) {
			// The kernel makes the bitmap of whole words.
			word := uint64(layout.WordSize)
			bytes := min((size-done+8*word-1)/(8*word)*word, uint64(len(buf)))
			b := buf[:bytes]
			if _, err := files.Kernel().Memory().ReadMemory(b, bitmap+vmcore.Addr(done/8)); err != nil {
				fail(err)
				return
			}
			for at := uint64(0); at < bytes; at += word {
				for bits, fd := layout.Word(b[at:]), done+8*at; bits != 0; bits, fd = bits>>1, fd+1 {
					if bits&1 != 0 && !yield(int(fd), nil) {
						return
					}
				}
			}
		}
	}
}

// fileAt reads the file of a number. A number may be taken before its file is
// there, and has address 0 then.
func fileAt(files kernel.Value, fd int) (File, error) {
	table, err := files.Path("fdt", "fd")
	if err != nil {
		return File{}, err
	}
	place, err := table.Index(int64(fd))
	if err != nil {
		return File{}, err
	}
	v, err := place.Deref()
	if err != nil {
		return File{}, fmt.Errorf("file %d: %w", fd, err)
	}
	if a, _ := v.Addr(); a == 0 {
		return File{}, nil
	}
	f, err := readFile(v)
	f.FD = fd
	if err != nil {
		err = fmt.Errorf("file %d at %v: %w", fd, f.Addr, err)
	}
	return f, err
}

// readFile reads a struct file.
func readFile(v kernel.Value) (File, error) {
	r := kernel.Reader{Value: v}
	f := File{Flags: r.Uint("f_flags"), Offset: r.Int("f_pos"), Type: "UNKN"}
	f.Addr, _ = v.Addr()
	path, err := v.Path("f_path")
	if err == nil {
		f.Path, err = PathOf(path)
	}
	if r.Err == nil {
		r.Err = err
	}
	if err := f.readInode(v, "f_inode"); r.Err == nil {
		r.Err = err
	}
	return f, r.Err
}

// fileTypes name the four upper bits of i_mode (include/uapi/linux/stat.h).
var fileTypes = map[uint64]string{
	0o01: "FIFO", 0o02: "CHR", 0o04: "DIR", 0o06: "BLK", 0o10: "REG", 0o12: "LNK", 0o14: "SOCK",
}

// readInode reads the inode that members of v lead to.
func (f *File) readInode(v kernel.Value, members ...string) error {
	f.Type = "UNKN"
	inode, at, err := target(v, members...)
	if err != nil || at == 0 {
		return err
	}
	return f.setInode(inode)
}

// setInode reads a struct inode.
func (f *File) setInode(inode kernel.Value) error {
	f.Inode, _ = inode.Addr()
	f.inode = inode
	r := kernel.Reader{Value: inode}
	if name, ok := fileTypes[r.Uint("i_mode")>>12]; ok {
		f.Type = name
	}
	f.Super = r.Pointer("i_sb")
	return r.Err
}
