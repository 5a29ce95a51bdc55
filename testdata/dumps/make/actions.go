package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// dump dumps the memory of a healthy guest from outside.
func dump(ctx context.Context, j *job) error {
	if err := need("makedumpfile"); err != nil {
		return err
	}
	fsys, err := j.system()
	if err != nil {
		return err
	}
	m, err := j.boot(ctx, "dump", fsys, "")
	if err != nil {
		return err
	}
	defer m.stop()
	if _, err := m.wait(ctx, "ready"); err != nil {
		return err
	}
	core := filepath.Join(m.dir, "guest.elf")
	if err := m.dumpMemory(core); err != nil {
		return err
	}
	m.stop()
	filtered := filepath.Join(m.dir, j.name+".kdump")
	if err := j.filter(ctx, core, filtered); err != nil {
		return err
	}
	return j.deliver(ctx, filtered, fmt.Sprintf("QEMU's dump-guest-memory, makedumpfile -d %d", j.kernel.level))
}

// crash lets a guest panic, and takes the dump that its second kernel saves.
func crash(ctx context.Context, j *job) error {
	// In MiB. The second kernel wants a piece of memory that the first one, which
	// lies anywhere, has not split.
	const room = 512
	reserved := max(128, j.kernel.memory)
	j.kernel.memory = 3 * reserved
	second, err := j.system()
	if err != nil {
		return err
	}
	if err := second.addProgram(j.sysroot, "makedumpfile"); err != nil {
		return err
	}
	nested := filepath.Join(j.work, "second.initramfs")
	if err := second.write(nested); err != nil {
		return err
	}
	defer os.Remove(nested)
	first, err := j.system()
	if err != nil {
		return err
	}
	if err := first.addProgram(j.sysroot, "kexec"); err != nil {
		return err
	}
	for name, as := range map[string]string{nested: "kexec/initramfs", j.kernel.image: "kexec/kernel"} {
		if err := first.file(name, as, modeFile); err != nil {
			return err
		}
	}
	disk := filepath.Join(j.work, j.name+".disk")
	if err := emptyDisk(disk, room<<20); err != nil {
		return err
	}
	defer os.Remove(disk)
	arguments := fmt.Sprintf("crashkernel=%dM LEVEL=%d", reserved, j.kernel.level)
	m, err := j.boot(ctx, "crash", first, arguments, "-drive", "format=raw,if=virtio,file="+disk)
	if err != nil {
		return err
	}
	defer m.stop()
	if _, err := m.wait(ctx, "ready"); err != nil {
		return err
	}
	saved, err := m.wait(ctx, "saved")
	if err != nil {
		return err
	}
	m.stop()
	filtered := filepath.Join(m.dir, j.name+".kdump")
	if err := cutFrom(disk, saved, filtered); err != nil {
		return err
	}
	return j.deliver(ctx, filtered, fmt.Sprintf("a panic by sysrq on CPU 1; a second kernel ran makedumpfile -d %d on /proc/vmcore", j.kernel.level))
}

// live runs kdbg in the guest. The transcript is what it leaves.
func live(ctx context.Context, j *job) error {
	fsys, err := j.system()
	if err != nil {
		return err
	}
	kdbg, err := j.kdbg(ctx)
	if err != nil {
		return err
	}
	if err := fsys.program("/", kdbg, "bin/kdbg"); err != nil {
		return err
	}
	m, err := j.boot(ctx, "live", fsys, "")
	if err != nil {
		return err
	}
	defer m.stop()
	if _, err := m.wait(ctx, "ready"); err != nil {
		return err
	}
	report, err := os.ReadFile(m.report)
	if err != nil {
		return err
	}
	transcript := strings.ReplaceAll(string(report), "\r", "")
	fmt.Print(transcript)
	return os.WriteFile(filepath.Join(j.out, j.name+".txt"), []byte(transcript), 0o644)
}

// system returns the initramfs that every guest has.
func (j *job) system() (initramfs, error) {
	fsys, err := newInitramfs()
	if err != nil {
		return nil, err
	}
	return fsys, fsys.addModules(j.kernel)
}

// kdbg builds the program as users get it: static.
func (o *options) kdbg(ctx context.Context) (string, error) {
	file := filepath.Join(o.work, "kdbg")
	c := command{env: []string{"CGO_ENABLED=0"}}
	return file, c.run(ctx, "go", "build", "-o", file, "github.com/kdbg/kdbg/cmd/kdbg")
}

func emptyDisk(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// cutFrom copies the first bytes of a disk to a file; size is a decimal number.
func cutFrom(disk, size, file string) error {
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return fmt.Errorf("size of the saved dump: %w", err)
	}
	from, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer from.Close()
	return writeFile(file, io.LimitReader(from, n))
}
