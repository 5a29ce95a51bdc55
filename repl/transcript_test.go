package repl

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
)

var update = flag.Bool("update", false, "rewrite the transcripts with what is printed now")

// openDump opens one of the dumps of the repository.
func openDump(t testing.TB, name string) *kernel.Kernel {
	t.Helper()
	return open(t, kernel.Options{Files: []string{dumpFile(name)}})
}

func dumpFile(name string) string { return "../testdata/dumps/" + name + ".kdump" }

func open(t testing.TB, o kernel.Options) *kernel.Kernel {
	t.Helper()
	k, err := kernel.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// TestTranscripts runs the sessions in testdata/DUMP/*.kdbg. A line is a command,
// and the lines behind it that begin with a tab are what it prints, errors
// included. Blank lines and comments may stand anywhere. Files named *_json.kdbg
// are sessions in JSON, those named *_untyped* without the table of variables.
func TestTranscripts(t *testing.T) {
	for _, dir := range glob(t, "testdata/*-*") {
		dump := filepath.Base(dir)
		t.Run(dump, func(t *testing.T) {
			for _, file := range glob(t, dir+"/*.kdbg") {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".kdbg"), func(t *testing.T) {
					// What one session has loaded is not to be seen in another.
					noTable := strings.Contains(filepath.Base(file), "_untyped")
					k := open(t, kernel.Options{Files: []string{dumpFile(dump)}, NoTable: noTable})
					testTranscript(t, k, file)
				})
			}
		})
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no such files: %v", pattern, err)
	}
	return names
}

func testTranscript(t *testing.T, k *kernel.Kernel, file string) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got, out bytes.Buffer
	s := New(k, &out, &out, &Options{JSON: strings.HasSuffix(file, "_json.kdbg")})
	for line := range strings.Lines(string(want)) {
		if strings.HasPrefix(line, "\t") {
			continue
		}
		got.WriteString(line)
		line = strings.TrimSuffix(line, "\n")
		if err := s.Exec(t.Context(), line); err != nil {
			s.Report(line, err)
		}
		s.Flush()
		for text := range strings.Lines(out.String()) {
			got.WriteString("\t" + text)
		}
		out.Reset()
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
