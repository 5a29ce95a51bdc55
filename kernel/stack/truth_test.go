package stack

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// truth is what drgn read of a dump through DWARF: the tasks and their stacks.
type truth struct {
	Tasks []struct {
		PID   int
		Comm  string
		Task  string
		Stack [][2]string // address, function
	}
}

func readTruth(t testing.TB, name string) truth {
	f, err := os.Open("../../testdata/dumps/" + name + ".tasks.json.xz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	var all truth
	if err := json.NewDecoder(r).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

func openDump(t testing.TB, name string) *kernel.Kernel {
	k, err := kernel.Open(t.Context(), kernel.Options{Files: []string{"../../testdata/dumps/" + name + ".kdump"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

var dumps = []string{"vars-7.2-amd64", "crash-7.2-amd64", "debian-6.12-amd64"}

// TestTracesMatchDWARF compares the stack of every task of the real dumps, frame
// by frame, with what drgn made of it with the debug information of the kernel.
func TestTracesMatchDWARF(t *testing.T) {
	for _, dump := range dumps {
		t.Run(dump, func(t *testing.T) {
			u, err := Of(openDump(t, dump))
			if err != nil {
				t.Fatal(err)
			}
			frames := 0
			for _, want := range readTruth(t, dump).Tasks {
				addr, _ := strconv.ParseUint(want.Task, 0, 64)
				got := u.Trace(kernel.Task{Addr: vmcore.Addr(addr)})
				if got.Err != nil {
					t.Errorf("%d %s: %v", want.PID, want.Comm, got.Err)
				}
				var text []string
				for _, f := range got.Frames {
					name := strings.TrimSuffix(u.Name(f).Symbol, "_after_hwframe") // a symbol inside of another
					text = append(text, f.PC.String()+" "+name)
				}
				var wantText []string
				for _, f := range want.Stack {
					wantText = append(wantText, f[0]+" "+f[1])
				}
				if !slices.Equal(text, wantText) {
					t.Errorf("%d %s: got %q\nwant %q", want.PID, want.Comm, text, wantText)
				}
				frames += len(text)
			}
			if frames < 200 {
				t.Errorf("%d frames in all", frames)
			}
		})
	}
}

// BenchmarkAllTraces unwinds the stacks of all tasks of a dump, of which nothing
// is remembered but decompressed pages.
func BenchmarkAllTraces(b *testing.B) {
	k := openDump(b, "debian-6.12-amd64")
	tasks := readTruth(b, "debian-6.12-amd64").Tasks
	b.ReportAllocs()
	for b.Loop() {
		u := newUnwinder(k)
		for _, task := range tasks {
			addr, _ := strconv.ParseUint(task.Task, 0, 64)
			if got := u.Trace(kernel.Task{Addr: vmcore.Addr(addr)}); got.Err != nil {
				b.Fatal(got.Err)
			}
		}
	}
}

// BenchmarkRunning unwinds the stack of the task that a CPU runs.
func BenchmarkRunning(b *testing.B) {
	k := openDump(b, "crash-7.2-amd64")
	b.ReportAllocs()
	for b.Loop() {
		u := newUnwinder(k)
		for task := range u.cpus() {
			if got := u.Trace(kernel.Task{Addr: task}); got.Err != nil {
				b.Fatal(got.Err)
			}
		}
	}
}

// TestAreas finds the stacks of each CPU in the real dumps.
func TestAreas(t *testing.T) {
	for _, dump := range dumps {
		k := openDump(t, dump)
		m := newUnwinder(k).machine
		seen := make(map[vmcore.Addr]bool)
		for cpu := range 2 {
			var names []string
			for _, a := range m.areas(cpu) {
				names = append(names, fmt.Sprintf("%s:%dK", a.name, (a.end-a.start)>>10))
				// Those of #VC are mapped in guests of SEV-ES only.
				if _, err := k.Pointer(a.end - 8); err != nil && !strings.HasPrefix(a.name, "VC") || seen[a.start] {
					t.Errorf("%s: CPU %d, %s stack at %v: %v", dump, cpu, a.name, a.start, err)
				}
				seen[a.start] = true
			}
			const want = "IRQ:16K DF:8K NMI:8K DB:8K MCE:8K VC:8K VC2:8K entry:4K"
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%s: CPU %d has stacks %s, want %s", dump, cpu, got, want)
			}
		}
	}
}
