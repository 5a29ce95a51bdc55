package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// dump dumps the memory of a healthy guest from outside.
func dump(ctx context.Context, j *job) error {
	fsys, err := j.system(ctx)
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

// live runs kdbg in the guest. The transcript is what it leaves.
func live(ctx context.Context, j *job) error {
	j.kernel.memory = max(256, j.kernel.memory) // the initramfs has a debugger in it
	fsys, err := j.system(ctx)
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
func (j *job) system(ctx context.Context) (initramfs, error) {
	fsys, err := newInitramfs()
	if err != nil {
		return nil, err
	}
	life, err := j.build(ctx, "testdata/dumps/make/life")
	if err != nil {
		return nil, err
	}
	if err := fsys.program("/", life, "bin/life"); err != nil {
		return nil, err
	}
	return fsys, fsys.addModules(j.kernel)
}

// kdbg builds the program as users get it: static.
func (o *options) kdbg(ctx context.Context) (string, error) { return o.build(ctx, "cmd/kdbg") }

// build builds a program of this module.
func (o *options) build(ctx context.Context, pkg string) (string, error) {
	file := filepath.Join(o.work, filepath.Base(pkg))
	c := command{env: []string{"CGO_ENABLED=0"}}
	return file, c.run(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", file, "github.com/kdbg/kdbg/"+pkg)
}
