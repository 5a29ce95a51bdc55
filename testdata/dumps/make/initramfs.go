package main

import (
	"bufio"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"sort"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// guest has the scripts that run in a guest: init, and one for each thing to do.
//
//go:embed guest
var guest embed.FS

// initramfs is the file system that a guest boots with: files by their path,
// without a leading slash.
type initramfs map[string]entry

type entry struct {
	mode uint32 // as stat's st_mode
	data []byte
}

// Modes of an entry, as in stat(2).
const (
	modeFolder  = 0o040755
	modeProgram = 0o100755
	modeFile    = 0o100644
	modeConsole = 0o020600
)

// newInitramfs returns a system of busybox and the scripts.
func newInitramfs() (initramfs, error) {
	fsys := initramfs{"dev/console": {mode: modeConsole}}
	for _, dir := range []string{"proc", "sys", "tmp", "mnt", "bin"} {
		fsys[dir] = entry{mode: modeFolder}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	if err := fsys.program("/", busybox, "bin/busybox"); err != nil {
		return nil, err
	}
	scripts, err := fs.Glob(guest, "guest/*")
	if err != nil {
		return nil, err
	}
	for _, name := range scripts {
		text, err := guest.ReadFile(name)
		if err != nil {
			return nil, err
		}
		fsys[path.Base(name)] = entry{modeProgram, text}
	}
	return fsys, nil
}

// file adds a copy of a file of this machine.
func (f initramfs) file(name, as string, mode uint32) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f[as] = entry{mode, data}
	return nil
}

// write writes the archive as the kernel wants it: cpio in the form "newc", as
// in Documentation/driver-api/early-userspace/buffer-format.rst.
func (f initramfs) write(name string) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	zip, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(zip)
	for i, name := range f.names() {
		writeEntry(w, i+1, name, f[name])
	}
	writeEntry(w, 0, "TRAILER!!!", entry{})
	if err := w.Flush(); err != nil {
		return err
	}
	return zip.Close()
}

// names returns the paths of all entries in order, each after the folder it is
// in. Folders that nobody added are.
func (f initramfs) names() []string {
	var names []string
	for name := range f {
		names = append(names, name)
	}
	for _, name := range names {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := f[dir]; !ok {
				f[dir] = entry{mode: modeFolder}
			}
		}
	}
	names = names[:0]
	for name := range f {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// writeEntry writes one entry. Errors of w are sticky.
func writeEntry(w io.Writer, inode int, name string, e entry) {
	major, minor := 0, 0
	if e.mode == modeConsole {
		major, minor = 5, 1
	}
	// magic, ino, mode, uid, gid, nlink, mtime, filesize, the device that holds
	// the file, the device that it is, namesize, check
	fmt.Fprintf(w, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		inode, e.mode, 0, 0, 1, 0, len(e.data), 0, 0, major, minor, len(name)+1, 0)
	const header = 110
	io.WriteString(w, name+"\x00"+zeros(header+len(name)+1))
	w.Write(e.data)
	io.WriteString(w, zeros(len(e.data)))
}

// zeros returns what fills n bytes up to a multiple of 4.
func zeros(n int) string { return strings.Repeat("\x00", -n&3) }
