package repl

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutput sends the output of commands to programs and files.
func TestOutput(t *testing.T) {
	dir := t.TempDir()
	file, link, dump := filepath.Join(dir, "out"), filepath.Join(dir, "link"), filepath.Join(dir, "vmcore")
	if err := errors.Join(os.WriteFile(dump, []byte("precious"), 0o600), os.Symlink("out", link)); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	s := New(emptyKernel(), &out, &errs, &Options{Host: true, Inputs: []string{dump}})
	for _, tc := range []struct {
		name, line string
		out, errs  string
		file       string // what the file holds then
	}{
		{name: "file", line: "print 1 > " + file, file: "$1 = 1\n"},
		{name: "over it", line: "print 2 > " + link, file: "$2 = 2\n"},
		{name: "behind it", line: "print 3 >> " + file, file: "$2 = 2\n$3 = 3\n"},
		{name: "an error leaves the file", line: "print 1/0 > " + file, file: "$2 = 2\n$3 = 3\n", errs: "error: division by zero"},
		{name: "the dump", line: "print 1 > " + dump, file: "$2 = 2\n$3 = 3\n", errs: "is the dump itself"},
		{name: "no folder", line: "print 1 > " + dir + "/no/such", file: "$2 = 2\n$3 = 3\n", errs: "no such file"},
		{name: "pipe", line: "print 4 | sed s/4/four/", out: "$four = 4\n", file: "$2 = 2\n$3 = 3\n"},
		{name: "a reader that leaves", line: "help print | head -n 1", out: "print [/FORMAT] EXPRESSION\n", file: "$2 = 2\n$3 = 3\n"},
		{name: "nothing found", line: "print 5 | grep x", file: "$2 = 2\n$3 = 3\n"},
		{name: "a program that fails", line: "print 6 | sh -c 'exit 3'", file: "$2 = 2\n$3 = 3\n", errs: "exit status 3"},
		{name: "no redirection", line: "print 1 > out.txt", file: "$2 = 2\n$3 = 3\n", errs: "hint: to write to a file, > ./out.txt\n"},
		{name: "device", line: "print 7 > /dev/null", file: "$2 = 2\n$3 = 3\n"},
	} {
		out.Reset()
		errs.Reset()
		failed, err := s.Run(t.Context(), Lines(tc.line))
		if err != nil || (failed > 0) != (tc.errs != "") || !strings.Contains(errs.String(), tc.errs) {
			t.Errorf("%s: %d failed, %v: %s", tc.name, failed, err, &errs)
		}
		if out.String() != tc.out {
			t.Errorf("%s: output %q, want %q", tc.name, &out, tc.out)
		}
		if b, _ := os.ReadFile(file); string(b) != tc.file {
			t.Errorf("%s: the file holds %q, want %q", tc.name, b, tc.file)
		}
	}
	if b, err := os.ReadFile(dump); err != nil || string(b) != "precious" {
		t.Errorf("the dump is now %q, %v", b, err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 3 {
		t.Errorf("in the folder are %v", left)
	}
}

// TestOutputInterrupted leaves the file as it was before the command.
func TestOutputInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.Chmod(file, 0o640)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := New(emptyKernel(), new(bytes.Buffer), new(bytes.Buffer), &Options{Host: true})
	if err := s.Exec(ctx, "help > "+file); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "old" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if err := s.Exec(t.Context(), "print 1 > "+file); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is %v, %v", info, err)
	}
}

// TestOutputRefused keeps a session from the host that was not given it.
func TestOutputRefused(t *testing.T) {
	s := New(emptyKernel(), new(bytes.Buffer), new(bytes.Buffer), nil)
	for _, line := range []string{"help | cat", "help > /dev/null"} {
		if err := s.Exec(t.Context(), line); err == nil || !strings.Contains(err.Error(), "runs no programs") {
			t.Errorf("%s: %v", line, err)
		}
	}
}
