package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// machine is a guest that runs.
type machine struct {
	dir     string // for its files
	console string // file: what the kernel says
	report  string // file: what the scripts say
	cmd     *exec.Cmd
	exited  chan error
}

// guestTime bounds how long a guest takes for anything, on a slow machine that
// emulates every instruction.
const guestTime = 15 * time.Minute

// boot starts a guest that boots the kernel and runs a script. Arguments are
// for the kernel's command line, extra ones for QEMU.
//
// The guest has no cmpxchg16b: QEMU 7.2 leaves garbage in the flags behind it,
// and an interrupt that comes right then never returns. Its clock is the HPET: on
// a busy machine the emulated TSC leaps, and the kernel may wait forever when it
// switches to it; and it panics where it finds that no interrupts of the timer
// come in time, unless told not to check. A panic without a second kernel
// restarts the guest, which ends it.
func (j *job) boot(ctx context.Context, script string, fsys initramfs, arguments string, extra ...string) (*machine, error) {
	dir := filepath.Join(j.work, "guest-"+j.name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	m := &machine{dir: dir, console: filepath.Join(dir, "console"), report: filepath.Join(dir, "report"), exited: make(chan error, 1)}
	initrd := filepath.Join(dir, "initramfs")
	if err := fsys.write(initrd); err != nil {
		return nil, err
	}
	m.cmd = exec.CommandContext(ctx, "qemu-system-x86_64", append([]string{
		"-machine", "q35,accel=tcg", "-cpu", j.kernel.cpu + ",-cx16", "-smp", "2", "-m", strconv.Itoa(j.kernel.memory),
		"-display", "none", "-no-reboot", "-device", "vmcoreinfo",
		"-serial", "file:console", "-serial", "file:report", "-qmp", "unix:qmp,server=on,wait=off",
		"-kernel", j.kernel.image, "-initrd", "initramfs",
		"-append", strings.TrimSpace("console=ttyS0 clocksource=hpet no_timer_check panic=1 ACTION=" + script + " " + arguments),
	}, extra...)...)
	m.cmd.Dir, m.cmd.Stderr = dir, os.Stderr
	step("%s, script %s", strings.Join(m.cmd.Args, " "), script)
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { m.exited <- m.cmd.Wait() }()
	return m, nil
}

// wait waits until the guest reports a word, and returns what follows it.
func (m *machine) wait(ctx context.Context, word string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, guestTime)
	defer cancel()
	var exited bool
	for {
		if rest, found := m.reported(word); found {
			return rest, nil
		}
		if why, found := m.reported("failed:"); found {
			return "", fmt.Errorf("the guest: %s", why)
		}
		if exited {
			return "", fmt.Errorf("the guest has ended and never reported %q; the last of its console:\n%s", word, m.lastOfConsole())
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the guest did not report %q: %w; the last of its console:\n%s", word, ctx.Err(), m.lastOfConsole())
		case <-m.exited:
			exited = true // and has perhaps reported before
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// reported looks for a line that begins with "kdbg: " and a word.
func (m *machine) reported(word string) (rest string, found bool) {
	text, err := os.ReadFile(m.report)
	if err != nil {
		return "", false // not there yet
	}
	for line := range strings.Lines(string(text)) {
		whole := strings.HasSuffix(line, "\n")
		if rest, found := strings.CutPrefix(strings.TrimSpace(line), "kdbg: "+word); found && whole {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

func (m *machine) lastOfConsole() string {
	text, err := os.ReadFile(m.console)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text), 30)
}

// stop ends the guest.
func (m *machine) stop() {
	m.cmd.Process.Kill() // it may have ended
	select {
	case <-m.exited:
	case <-time.After(10 * time.Second):
	}
}
