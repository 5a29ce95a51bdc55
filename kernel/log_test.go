package kernel

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"
)

// TestLog compares the logs of the dumps with what drgn reads.
func TestLog(t *testing.T) {
	for _, name := range []string{"vars-7.2-amd64", "crash-7.2-amd64", "debian-6.12-amd64"} {
		t.Run(name, func(t *testing.T) {
			k, err := Open(t.Context(), Options{Files: []string{"../testdata/dumps/" + name + ".kdump"}})
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			log, err := k.openLog()
			if err != nil {
				t.Fatal(err)
			}
			messages := slices.Collect(log.newestFirst(math.MaxUint64))
			if diff := cmp.Diff(messages[:3], slices.Collect(log.newestFirst(3))); diff != "" {
				t.Errorf("the newest three (-want +got):\n%s", diff)
			}
			slices.Reverse(messages)
			var got []string
			for _, m := range messages {
				got = append(got, strings.Split(m, "\n")...)
			}
			if diff := cmp.Diff(truthLog(t, name), got); diff != "" {
				t.Errorf("(-drgn +kdbg):\n%s", diff)
			}
		})
	}
}

// truthLog returns the lines of a log as drgn wrote it, without the times.
func truthLog(t *testing.T, name string) []string {
	f, err := os.Open("../testdata/dumps/" + name + ".tasks.json.xz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := xz.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var truth struct{ Log string }
	if err := json.NewDecoder(r).Decode(&truth); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(truth.Log) {
		_, text, stamped := strings.Cut(strings.TrimSuffix(line, "\n"), "] ")
		if !stamped { // the second line of a message
			text = strings.TrimSpace(line)
		}
		lines = append(lines, text)
	}
	return lines
}

// TestLastWords has the ends of logs, oldest line first.
func TestLastWords(t *testing.T) {
	for _, tc := range []struct{ log, want string }{
		{"Linux version 6.12\nsysrq: Trigger a crash\nKernel panic - not syncing: sysrq triggered crash\nCall Trace:", "sysrq triggered crash"},
		{"BUG: kernel NULL pointer dereference, address: 0000000000000000\nOops: 0002 [#1] SMP\n---[ end trace 0 ]---\nKernel panic - not syncing: Fatal exception",
			"Fatal exception: BUG: kernel NULL pointer dereference, address: 0000000000000000"},
		{"BUG: old\n---[ end trace 0 ]---\nBUG: new\nOops: 0000 [#2] SMP", "BUG: new"},
		{"Kernel panic - not syncing: Fatal exception in interrupt", "Fatal exception in interrupt"},
		{"Kernel panic - not syncing: first\nKernel panic - not syncing: second", "second"},
		{"all is well", ""},
		{"", ""},
	} {
		lines := strings.Split(tc.log, "\n")
		slices.Reverse(lines)
		if got := lastWords(slices.Values(lines)); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.log, got, tc.want)
		}
	}
}
