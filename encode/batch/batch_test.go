package batch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/encode"
	"github.com/kdbg/kdbg/encode/inspect"
	"github.com/kdbg/kdbg/encode/internal/tooltest"
)

func all() encode.Options {
	o := encode.Options{Vars: encode.VarsBuiltin, Features: encode.DefaultFeatures()}
	return o
}

const common = "struct list { struct list *next; int value; };\n"

// TestModules encodes modules side by side: each gets what it gets alone.
func TestModules(t *testing.T) {
	dir := t.TempDir()
	base := tooltest.Compile(t, dir, "vmlinux", common+"struct list head;")
	if results, err := Run(t.Context(), []string{base}, &Options{Encode: all(), Verify: true}); err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	names := []string{"a", "b", "c", "d", "e"}
	var files []string
	for _, n := range names {
		files = append(files, tooltest.Compile(t, dir, n, common+"struct "+n+"_mine { struct list l; } "+n+";"))
	}
	alone := map[string][]byte{}
	for _, f := range files {
		out := f + ".btf"
		results, err := Run(t.Context(), []string{f}, &Options{Encode: all(), BaseFile: base, Output: out, Verify: true})
		if err != nil || results[0].Err != nil || !results[0].Written {
			t.Fatal(err, results)
		}
		alone[f], _ = os.ReadFile(out)
	}

	last, failed := 0.0, filepath.Join(dir, "none.o")
	files = append(files, failed)
	o := &Options{Encode: all(), BaseFile: base, Progress: func(done float64) {
		if done < last || done > 1 {
			t.Errorf("progress went from %v to %v", last, done)
		}
		last = done
	}}
	o.Encode.Jobs = 3
	results, err := Run(t.Context(), files, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.File != files[i] || (r.Err != nil) != (r.File == failed) {
			t.Errorf("result %d is of %s: %v", i, r.File, r.Err)
		}
		if r.File == failed {
			continue
		}
		if same, err := inspect.Diff(io.Discard, r.File, r.File+".btf", 0, &inspect.Options{Base: base}); err != nil || !same {
			t.Errorf("%s: not what it is alone: %v", r.File, err)
		}
		if r.Size != len(alone[r.File]) || r.Stats.Variables != 1 {
			t.Errorf("%s: %+v", r.File, r)
		}
	}
	var stats strings.Builder
	WriteStats(&stats, results)
	if n := strings.Count(stats.String(), "\n"); n != 1+len(names) {
		t.Errorf("statistics:\n%s", stats.String())
	}
}

// TestOutput writes to what is a file and to what is none.
func TestOutput(t *testing.T) {
	dir := t.TempDir()
	file := tooltest.Compile(t, dir, "k", common+"struct list head;")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.btf")
	for _, test := range []struct {
		out  string
		mode os.FileMode
	}{{out, 0o640}, {out, 0o600}, {"/dev/null", 0o640}} {
		results, err := Run(t.Context(), []string{file}, &Options{Encode: all(), Output: test.out, Mode: test.mode})
		if err != nil || results[0].Err != nil {
			t.Fatalf("%s: %v %v", test.out, err, results)
		}
		info, err := os.Stat(test.out)
		if err != nil {
			t.Fatal(err)
		}
		if test.out == out && info.Mode() != test.mode {
			t.Errorf("%s has mode %v, want %v", test.out, info.Mode(), test.mode)
		}
		if test.out != out && info.Mode().IsRegular() {
			t.Errorf("%s has become a file", test.out)
		}
	}
	if now, _ := os.ReadFile(file); !bytes.Equal(now, before) {
		t.Error("the file has changed")
	}
}

func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	file := tooltest.Compile(t, dir, "k", common+"struct list head;")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results, err := Run(ctx, []string{file}, nil)
	if err != nil || !errors.Is(results[0].Err, context.Canceled) {
		t.Errorf("%v %v", err, results)
	}
	if _, err := inspect.Diff(io.Discard, file, file, 0, nil); err == nil {
		t.Error("BTF was written")
	}
}
