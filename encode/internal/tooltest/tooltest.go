// Package tooltest runs other programs for the tests of the encoder: compilers
// for input, and peers to compare with.
package tooltest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Run runs a program in dir and returns what it prints. Without the program the
// test is skipped, or fails where KDBG_REQUIRE_TOOLS is set.
func Run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		if os.Getenv("KDBG_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Compile compiles C into dir, with debugging information, and returns the
// object's name.
func Compile(t *testing.T, dir, name, source string, flags ...string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name+".c"), []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	Run(t, dir, "gcc", append(flags, "-g", "-c", "-o", name+".o", name+".c")...)
	return filepath.Join(dir, name+".o")
}
