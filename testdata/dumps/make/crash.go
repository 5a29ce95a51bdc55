package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// diskSize is that of the disk that a dump is saved to; nothing is written to
// the rest of it.
const diskSize = 512 << 20

// crash lets a guest panic, and takes the dump that its second kernel saves.
func crash(ctx context.Context, j *job) error {
	// The second kernel wants a piece of memory that the first one, which lies
	// anywhere, has not split.
	reserved := max(128, j.kernel.memory)
	j.kernel.memory = 3 * reserved
	fsys, err := j.crashSystem(ctx)
	if err != nil {
		return err
	}
	disk := filepath.Join(j.work, j.name+".disk")
	if err := emptyDisk(disk); err != nil {
		return err
	}
	defer os.Remove(disk)
	arguments := fmt.Sprintf("crashkernel=%dM LEVEL=%d", reserved, j.kernel.level)
	m, err := j.boot(ctx, "crash", fsys, arguments, "-drive", "format=raw,if=virtio,file="+disk)
	if err != nil {
		return err
	}
	defer m.stop()
	if _, err := m.wait(ctx, "ready"); err != nil {
		return err
	}
	size, err := m.wait(ctx, "saved")
	if err != nil {
		return err
	}
	m.stop()
	dump := filepath.Join(m.dir, j.name+".kdump")
	if err := cutFrom(disk, size, dump); err != nil {
		return err
	}
	return j.deliver(ctx, dump, fmt.Sprintf("a panic by sysrq on CPU 1; a second kernel ran makedumpfile -d %d on /proc/vmcore", j.kernel.level))
}

// crashSystem returns the initramfs of a guest that will crash. It has the
// kernel once more, with an initramfs for its second life.
func (j *job) crashSystem(ctx context.Context) (initramfs, error) {
	second, err := j.system(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.addProgram(second, "makedumpfile"); err != nil {
		return nil, err
	}
	nested := filepath.Join(j.work, "second.initramfs")
	if err := second.write(nested); err != nil {
		return nil, err
	}
	defer os.Remove(nested)
	first, err := j.system(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.addProgram(first, "kexec"); err != nil {
		return nil, err
	}
	if err := first.file(nested, "kexec/initramfs", modeFile); err != nil {
		return nil, err
	}
	return first, first.file(j.kernel.image, "kexec/kernel", modeFile)
}

// emptyDisk makes a disk full of zeros.
func emptyDisk(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := f.Truncate(diskSize); err != nil {
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
