package main

import (
	"context"
	"embed"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// truths are the scripts that write down what drgn reads in a dump, and what
// their files are called behind the name of the dump.
//
//go:embed truth
var truths embed.FS

var truthFiles = [][2]string{{"vars.py", ".truth.jsonl"}, {"tasks.py", ".tasks.json"}}

// deliver copies a dump to where it belongs, with the truth about it and a line
// in the README.
func (j *job) deliver(ctx context.Context, dump, how string) error {
	if err := copyFile(dump, filepath.Join(j.out, j.name+".kdump")); err != nil {
		return err
	}
	if j.truth {
		if err := j.writeTruth(ctx, dump); err != nil {
			return err
		}
	}
	return addRow(filepath.Join(j.out, "README.md"), row{dump: j.name + ".kdump", kernel: j.kernel.about, made: how})
}

// writeTruth lets drgn read the dump through the kernel's DWARF.
func (j *job) writeTruth(ctx context.Context, dump string) error {
	for _, t := range truthFiles {
		text, err := truths.ReadFile("truth/" + t[0])
		if err != nil {
			return err
		}
		script := filepath.Join(filepath.Dir(dump), t[0])
		if err := os.WriteFile(script, text, 0o644); err != nil {
			return err
		}
		file := strings.TrimSuffix(dump, ".kdump") + t[1]
		said, err := command{}.output(ctx, "drgn", "-q", "-c", dump, "-s", j.kernel.vmlinux, script, file)
		if err != nil {
			return err
		}
		step("drgn: %s", strings.TrimSpace(said))
		if err := (command{}).run(ctx, "xz", "-9", "-e", "-f", file); err != nil {
			return err
		}
		if err := copyFile(file+".xz", filepath.Join(j.out, j.name+t[1]+".xz")); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return writeFile(to, in)
}

// writeFile writes all of r to a new file.
func writeFile(name string, r io.Reader) (err error) {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := out.Close(); err == nil {
			err = closeErr
		}
	}()
	_, err = io.Copy(out, r)
	return err
}
