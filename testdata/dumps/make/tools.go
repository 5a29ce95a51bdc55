package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages are Debian's, by the programs and files that they bring.
var packages = map[string]string{
	"busybox":            "busybox-static",
	"qemu-system-x86_64": "qemu-system-x86",
	"kexec":              "kexec-tools",
	"makedumpfile":       "makedumpfile",
	"drgn":               "python3-drgn",
	"dpkg":               "dpkg",
	"apt-get":            "apt",
	"bc":                 "bc",
	"bison":              "bison",
	"flex":               "flex",
	"gcc":                "gcc",
	"make":               "make",
	"depmod":             "kmod",
	"nice":               "coreutils",
	"patch":              "patch",
	"tar":                "tar",
	"xz":                 "xz-utils",
	libelf:               "libelf-dev",
	zlib:                 "zlib1g-dev",
}

// Headers of the libraries that a kernel's build tools link.
const (
	libelf = "/usr/include/gelf.h"
	zlib   = "/usr/include/zlib.h"
)

// need reports all programs, or files by their absolute paths, that are missing,
// and what would bring them.
func need(names ...string) error {
	var missing, bring []string
	for _, name := range names {
		_, err := exec.LookPath(name)
		if filepath.IsAbs(name) {
			_, err = os.Stat(name)
		}
		if err != nil {
			missing, bring = append(missing, name), append(bring, packages[name])
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("missing %s: apt-get install %s", strings.Join(missing, ", "), strings.Join(bring, " "))
}

// command is a program to run, in a folder, with additions to the environment.
type command struct {
	dir string
	env []string
}

// run runs a program. What it prints appears only if it fails.
func (c command) run(ctx context.Context, name string, args ...string) error {
	_, err := c.output(ctx, name, args...)
	return err
}

// output runs a program and returns what it prints to standard output.
func (c command) output(ctx context.Context, name string, args ...string) (string, error) {
	step("%s %s", name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	var out, all bytes.Buffer
	both := &tee{&out, &all}
	cmd.Stdout, cmd.Stderr = both, &all
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w\n%s", name, err, lastLines(all.String(), 40))
	}
	return out.String(), nil
}

// tee writes to two buffers.
type tee struct{ a, b *bytes.Buffer }

func (t *tee) Write(p []byte) (int, error) {
	t.a.Write(p)
	return t.b.Write(p)
}

// step tells a person who waits what is going on.
func step(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "== "+format+"\n", args...)
}

// lastLines returns the last n lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
