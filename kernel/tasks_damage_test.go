package kernel_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// changed is a memory with one word changed.
type changed struct {
	vmcore.Memory
	at vmcore.Addr
	to uint64
}

func (c *changed) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	n, err := c.Memory.ReadMemory(p, a)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], c.to)
	for i := range b {
		if off := c.at + vmcore.Addr(i) - a; off < vmcore.Addr(n) {
			p[off] = b[i]
		}
	}
	return n, err
}

// TestTasksDamaged breaks the map of PIDs and the lists of processes, one at a
// time: every task is found all the same.
func TestTasksDamaged(t *testing.T) {
	real := openDump(t, "vars-7.2-amd64")
	var want []int
	for task, err := range real.Tasks() {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, task.PID)
	}
	ns := variable(t, real, "init_pid_ns")
	idr, err := ns.Path("idr.idr_rt.xa_head")
	if err != nil {
		t.Fatal(err)
	}
	top, err := idr.Uint()
	if err != nil {
		t.Fatal(err)
	}
	head, _ := idr.Addr()
	slots := vmcore.Addr(top&^3) + 0x28 // of struct xa_node, as pahole shows it
	first, err := real.Pointer(slots)
	if err != nil {
		t.Fatal(err)
	}
	task, err := real.Task(8)
	if err != nil {
		t.Fatal(err)
	}
	link, err := task.Value().Path("tasks")
	if err != nil {
		t.Fatal(err)
	}
	node, _ := link.Addr()
	pid, err := task.Value().Path("thread_pid.tasks")
	if err != nil {
		t.Fatal(err)
	}
	pidTasks, _ := pid.Addr()
	for _, test := range []struct {
		name string
		at   vmcore.Addr
		to   uint64
		says string // "": nothing
	}{
		{"no map", head, 0x1002, "xarray at"},
		{"node astray", slots, uint64(first) + 0x10, "xarray at"},
		{"node twice", slots + 8, uint64(first), "it is slot 0 of node"},
		{"pid of no task", pidTasks, 0xdead000000000100, "list tasks: PID 8: no task at"},
		{"list of processes cut", node, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := kernel.New(kernel.Config{
				Arch: real.Arch(), Mem: &changed{real.Memory(), test.at, test.to}, Info: real.Info(), Symbols: real.Symbols(), Types: real.Types(),
			})
			var got []int
			var says []string
			for task, err := range k.Tasks() {
				if err != nil {
					says = append(says, err.Error())
					continue
				}
				got = append(got, task.PID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if test.says == "" && says != nil || test.says != "" && !slices.ContainsFunc(says, func(s string) bool { return strings.Contains(s, test.says) }) {
				t.Errorf("it says %q, want %q", says, test.says)
			}
		})
	}
}

func BenchmarkTasks(b *testing.B) {
	real := openDump(b, "vars-7.2-amd64")
	b.ReportAllocs()
	for b.Loop() {
		k := kernel.New(kernel.Config{Arch: real.Arch(), Mem: real.Memory(), Info: real.Info(), Symbols: real.Symbols(), Types: real.Types()})
		n := 0
		for task, err := range k.Tasks() {
			if err != nil {
				b.Fatal(err)
			}
			if _, err := task.State(); err != nil {
				b.Fatal(err)
			}
			if _, err := task.CPU(); err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(n), "tasks")
	}
}
