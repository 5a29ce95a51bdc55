package fs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/fs"
	"github.com/kdbg/kdbg/kernel/kerneltest"
	"github.com/kdbg/kdbg/vmcore"
)

// layouts are the structures that this package asks for.
var layouts = []string{
	"qstr name:char*",
	"hlist_bl_node next:long pprev:long",
	"list_head next:long prev:long",
	"file_system_type name:char*",
	"super_block s_type:file_system_type* s_root:dentry*",
	"address_space nrpages:long",
	"inode i_mode:long i_ino:long i_sb:super_block* i_private:long i_mapping:address_space*",
	"dentry_operations d_dname:long",
	"dentry d_parent:dentry* d_name:qstr d_inode:inode* d_hash:hlist_bl_node d_op:dentry_operations* d_sb:super_block*",
	"vfsmount mnt_root:dentry* mnt_sb:super_block*",
	"mount mnt_parent:mount* mnt_mountpoint:dentry* mnt:vfsmount mnt_devname:char* mnt_list:list_head",
	"path mnt:vfsmount* dentry:dentry*",
	"file f_path:path f_inode:inode* f_flags:long f_pos:long",
	"fdtable max_fds:long fd:file** open_fds:long",
	"files_struct fdt:fdtable*",
	"fs_struct root:path pwd:path",
	"mnt_namespace list:list_head",
	"nsproxy mnt_ns:mnt_namespace*",
	"task_struct files:files_struct* fs:fs_struct* nsproxy:nsproxy*",
}

// Functions that make up names: one that this package knows, and one that it does
// not.
const (
	pipeName = kerneltest.Text + 0x100
	newName  = kerneltest.Text + 0x200
)

// world is a memory with files in it.
type world struct{ *kerneltest.World }

func newWorld(t testing.TB) *world {
	return &world{kerneltest.New(t, layouts,
		kallsymstest.Symbol{Addr: pipeName, Type: 't', Name: "pipefs_dname.llvm.1"},
		kallsymstest.Symbol{Addr: newName, Type: 't', Name: "newfs_dname"},
	)}
}

// inode makes an inode of a mode and number.
func (w *world) inode(mode, number uint64) uint64 { return w.Object(mode, number, 0, 0, 0) }

// dentry makes a dentry below parent; it is a root if parent is 0.
func (w *world) dentry(parent uint64, name string, inode uint64) uint64 {
	at := w.Object(parent, w.Text(name), inode, 0, 1, 0, 0)
	if parent == 0 {
		w.Put(at, at)
	}
	return at
}

// mount makes a mount of a root on a dentry of another mount; it is mounted
// nowhere if that is 0.
func (w *world) mount(on, mountpoint, root uint64, source, fstype string) uint64 {
	super := w.Object(w.Object(w.Text(fstype)), root)
	at := w.Object(on, mountpoint, root, super, w.Text(source), 0, 0)
	if on == 0 {
		w.Put(at, at)
	}
	return at
}

// path makes a struct path and returns it.
func (w *world) path(mount, dentry uint64) kernel.Value {
	return w.Value("path", w.Object(mount+16, dentry))
}

func TestPathOf(t *testing.T) {
	w := newWorld(t)
	root := w.dentry(0, "/", 0)
	mnt := w.dentry(root, "mnt", 0)
	usr := w.dentry(root, "usr", 0)
	file := w.dentry(usr, "a\nb", 0)
	top := w.mount(0, 0, root, "rootfs", "rootfs")
	diskRoot := w.dentry(0, "/", 0)
	disk := w.mount(top, mnt, diskRoot, "/dev/vda", "ext4")
	below := w.dentry(diskRoot, "below", 0)
	overRoot := w.dentry(0, "/", 0)
	over := w.mount(disk, diskRoot, overRoot, "over", "tmpfs") // mounted on the root of another

	deleted := w.dentry(usr, "gone", 0)
	w.Put(deleted+32, 0)
	loop := w.dentry(usr, "loop", 0)
	w.Put(loop, w.dentry(loop, "pool", 0))
	lost := w.dentry(uint64(kerneltest.Excluded), "lost", 0)
	wild := w.dentry(0xdead000000000100, "wild", 0)
	pipe := w.dentry(usr, "", w.inode(0o010600, 4711))
	w.Put(pipe+40, w.Object(uint64(pipeName)))
	other := w.dentry(usr, "", w.inode(0o010600, 1))
	w.Put(other+40, w.Object(uint64(newName)), w.Object(w.Object(w.Text("newfs"))))
	mountLoop := w.mount(0, mnt, diskRoot, "loop", "loop")
	w.Put(mountLoop, disk)
	w.Put(mountLoop+8, diskRoot)

	for _, tc := range []struct {
		what          string
		mount, dentry uint64
		want          string
		err           string // part of it
	}{
		{"the root", top, root, "/", ""},
		{"a file", top, file, "/usr/a\nb", ""},
		{"a file of a mount", disk, below, "/mnt/below", ""},
		{"the root of a mount", disk, diskRoot, "/mnt", ""},
		{"a mount on a mount", over, overRoot, "/mnt", ""},
		{"a deleted file", top, deleted, "/usr/gone (deleted)", ""},
		{"a pipe", top, pipe, "pipe:[4711]", ""},
		{"an unknown maker of names", top, other, "[newfs]", ""},
		{"no dentry", top, 0, "", ""},
		{"directories in a circle", top, loop, "pool/loop", "does not end"},
		{"an excluded directory", top, lost, "<excluded>/lost", "excluded"},
		{"a poisoned directory", top, wild, "<unmapped>/wild", "not mapped"},
		{"a mount that leads nowhere", uint64(kerneltest.Excluded) - 16, below, "<excluded>", "excluded"},
	} {
		p, err := fs.PathOf(w.path(tc.mount, tc.dentry))
		if err == nil != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: error %v, want %q", tc.what, err, tc.err)
		}
		if p.Name != tc.want && !(tc.err == "does not end" && strings.HasSuffix(p.Name, tc.want)) {
			t.Errorf("%s: %q, want %q", tc.what, p.Name, tc.want)
		}
		if len(p.Name) > 256 {
			t.Errorf("%s: a name of %d bytes", tc.what, len(p.Name))
		}
	}
}

// task makes a task with open files: numbers and struct files.
func (w *world) task(maxFDs uint64, open map[uint64]uint64) kernel.Value {
	bitmap, table := w.Room(0x2000), w.Room(0x2000)
	for fd, file := range open {
		w.Memory[vmcore.Addr(bitmap+fd/64*8)] |= 1 << (fd % 64)
		w.Put(table+8*fd, file)
	}
	fdt := w.Object(maxFDs, table, bitmap)
	return w.Value("task_struct", w.Object(w.Object(fdt), 0, 0))
}

func TestFiles(t *testing.T) {
	w := newWorld(t)
	root := w.dentry(0, "/", 0)
	top := w.mount(0, 0, root, "rootfs", "rootfs")
	inode := w.inode(0o100644, 1)
	file := w.Object(top+16, w.dentry(root, "x", inode), inode, 2, 77)
	lost := w.Object(top+16, w.dentry(root, "y", inode), uint64(kerneltest.Excluded), 0, 0)
	broken := map[uint64]uint64{}
	for fd := range uint64(1000) {
		broken[fd] = 8 // what a freed table might hold
	}
	for _, tc := range []struct {
		what string
		max  uint64
		open map[uint64]uint64
		want string
	}{
		{"none", 64, nil, ""},
		{"two words of the bitmap", 256, map[uint64]uint64{0: file, 63: file, 64: file, 255: file},
			"0 REG /x 77, 63 REG /x 77, 64 REG /x 77, 255 REG /x 77"},
		{"beyond the table", 64, map[uint64]uint64{64: file}, ""},
		{"a number that is taken first", 64, map[uint64]uint64{3: 0, 4: file}, "4 REG /x 77"},
		{"a broken one between others", 64, map[uint64]uint64{1: 0xdead000000000000, 2: file},
			"1 UNKN  0, error, 2 REG /x 77"},
		{"an inode that was left out", 64, map[uint64]uint64{1: lost, 2: file}, "1 UNKN /y 0, error, 2 REG /x 77"},
		{"a table of garbage", 1000, broken, strings.TrimSuffix(strings.Repeat("# UNKN  0, error, ", 64), ", ")},
		{"an endless table", 1 << 40, nil, "error"},
	} {
		var got []string
		for f, err := range fs.Files(w.task(tc.max, tc.open)) {
			if err != nil {
				got = append(got, "error")
				continue
			}
			number := fmt.Sprint(f.FD)
			if tc.what == "a table of garbage" {
				number = "#"
			}
			got = append(got, fmt.Sprintf("%s %s %s %d", number, f.Type, f.Name, f.Offset))
		}
		if text := strings.Join(got, ", "); text != tc.want {
			t.Errorf("%s: %s\nwant %s", tc.what, text, tc.want)
		}
	}
	if _, ok, err := fs.DirectoriesOf(w.Value("task_struct", w.Object(0, 0, 0))); ok || err != nil {
		t.Errorf("a task that has exited has directories: %v, %v", ok, err)
	}
}

// Mounts of kernels before v6.8 are on a list.
func TestMounts(t *testing.T) {
	w := newWorld(t)
	root := w.dentry(0, "/", 0)
	proc := w.dentry(root, "proc", 0)
	top := w.mount(0, 0, root, "none", "rootfs")
	procfs := w.mount(top, proc, w.dentry(0, "/", 0), "proc", "proc")
	nameless := w.mount(top, proc, w.dentry(0, "/", 0), "", "proc")
	w.Put(nameless+32, uint64(kerneltest.Excluded))
	ns := w.Object(0, 0)
	w.List(ns, top+40, procfs+40, nameless+40)
	if got, want := mounts(t, w, ns), "none / rootfs, proc /proc proc, <excluded> /proc proc, error"; got != want {
		t.Errorf("mounts: %s\nwant %s", got, want)
	}
	w.Put(procfs+40, top+40)
	if got, want := mounts(t, w, ns), "none / rootfs, proc /proc proc, error, <excluded> /proc proc, error"; got != want {
		t.Errorf("a list that goes in circles: %s\nwant %s", got, want)
	}
}

// mounts lists the mounts of a namespace.
func mounts(t *testing.T, w *world, ns uint64) string {
	var got []string
	for m, err := range fs.Mounts(w.Value("mnt_namespace", ns)) {
		if err != nil {
			got = append(got, "error")
			continue
		}
		got = append(got, m.Source+" "+m.Target+" "+m.Type)
	}
	return strings.Join(got, ", ")
}
