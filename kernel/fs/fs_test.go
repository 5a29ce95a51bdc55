package fs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/fs"
	"github.com/kdbg/kdbg/vmcore"
)

// world is a memory with files in it. Objects are as far apart as they need.
type world struct {
	memory
	k    *kernel.Kernel
	next vmcore.Addr
}

func newWorld(t testing.TB) *world {
	w := &world{memory: memory{}, next: base}
	w.k = newKernel(t, w.memory)
	return w
}

// object puts the words of an object and returns where it is.
func (w *world) object(words ...uint64) uint64 {
	at := w.next
	w.next += 0x200
	w.put(at, words...)
	return uint64(at)
}

func (w *world) name(s string) uint64 {
	at := w.next
	w.next += 0x200
	return w.text(at, s)
}

// inode makes an inode of a mode and number.
func (w *world) inode(mode, number uint64) uint64 { return w.object(mode, number, 0, 0, 0) }

// dentry makes a dentry below parent; it is a root if parent is 0.
func (w *world) dentry(parent uint64, name string, inode uint64) uint64 {
	at := w.object(parent, w.name(name), inode, 0, 1, 0, 0)
	if parent == 0 {
		w.put(vmcore.Addr(at), at)
	}
	return at
}

// mount makes a mount of a root on a dentry of another mount; it is mounted
// nowhere if that is 0.
func (w *world) mount(on, mountpoint, root uint64, source, fstype string) uint64 {
	super := w.object(w.object(w.name(fstype)), root)
	at := w.object(on, mountpoint, root, super, w.name(source), 0, 0)
	if on == 0 {
		w.put(vmcore.Addr(at), at)
	}
	return at
}

// path makes a struct path and returns it.
func (w *world) path(t testing.TB, mount, dentry uint64) kernel.Value {
	return w.value(t, "path", w.object(mount+16, dentry))
}

func (w *world) value(t testing.TB, structName string, at uint64) kernel.Value {
	t.Helper()
	typ, err := w.k.Struct(structName)
	if err != nil {
		t.Fatal(err)
	}
	return w.k.At(vmcore.Addr(at), typ)
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
	w.put(vmcore.Addr(deleted)+32, 0)
	loop := w.dentry(usr, "loop", 0)
	w.put(vmcore.Addr(loop), w.dentry(loop, "pool", 0))
	lost := w.dentry(uint64(excluded), "lost", 0)
	wild := w.dentry(0xdead000000000100, "wild", 0)
	pipe := w.dentry(usr, "", w.inode(0o010600, 4711))
	w.put(vmcore.Addr(pipe)+40, w.object(uint64(pipeName)))
	other := w.dentry(usr, "", w.inode(0o010600, 1))
	w.put(vmcore.Addr(other)+40, w.object(uint64(newName)), w.object(w.object(w.name("newfs"))))
	mountLoop := w.mount(0, mnt, diskRoot, "loop", "loop")
	w.put(vmcore.Addr(mountLoop), disk)
	w.put(vmcore.Addr(mountLoop)+8, diskRoot)

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
		{"a mount that leads nowhere", uint64(excluded) - 16, below, "<excluded>", "excluded"},
	} {
		p, err := fs.PathOf(w.path(t, tc.mount, tc.dentry))
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
func (w *world) task(t testing.TB, maxFDs uint64, open map[uint64]uint64) kernel.Value {
	bitmap, table := w.next, w.next+0x2000
	w.next += 0x10000
	for fd, file := range open {
		w.memory[bitmap+vmcore.Addr(fd/64*8)] |= 1 << (fd % 64)
		w.put(table+8*vmcore.Addr(fd), file)
	}
	fdt := w.object(maxFDs, uint64(table), uint64(bitmap))
	return w.value(t, "task_struct", w.object(w.object(fdt), 0, 0))
}

func TestFiles(t *testing.T) {
	w := newWorld(t)
	root := w.dentry(0, "/", 0)
	top := w.mount(0, 0, root, "rootfs", "rootfs")
	inode := w.inode(0o100644, 1)
	file := w.object(top+16, w.dentry(root, "x", inode), inode, 2, 77)
	lost := w.object(top+16, w.dentry(root, "y", inode), uint64(excluded), 0, 0)
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
		for f, err := range fs.Files(w.task(t, tc.max, tc.open)) {
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
	if _, ok, err := fs.DirectoriesOf(w.value(t, "task_struct", w.object(0, 0, 0))); ok || err != nil {
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
	w.put(vmcore.Addr(nameless)+32, uint64(excluded))
	ns := w.object(0, 0)
	link := func(nodes ...uint64) { // each points to the next
		for i := range len(nodes) - 1 {
			w.put(vmcore.Addr(nodes[i]), nodes[i+1])
		}
	}
	link(ns, top+40, procfs+40, nameless+40, ns)
	if got, want := mounts(t, w, ns), "none / rootfs, proc /proc proc, <excluded> /proc proc, error"; got != want {
		t.Errorf("mounts: %s\nwant %s", got, want)
	}
	link(ns, top+40, procfs+40, top+40)
	if got := mounts(t, w, ns); !strings.HasSuffix(got, "error") || len(got) > 1000 {
		t.Errorf("a list that goes in circles: %s", got)
	}
}

// mounts lists the mounts of a namespace.
func mounts(t *testing.T, w *world, ns uint64) string {
	var got []string
	for m, err := range fs.Mounts(w.value(t, "mnt_namespace", ns)) {
		if err != nil {
			got = append(got, "error")
			continue
		}
		got = append(got, m.Source+" "+m.Target+" "+m.Type)
	}
	return strings.Join(got, ", ")
}
