package kernel_test

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"

	"github.com/kdbg/kdbg/vmcore"
)

// taskTruth is what drgn read of a task through DWARF.
type taskTruth struct {
	PID   int    `json:"pid"`
	TGID  int    `json:"tgid"`
	Comm  string `json:"comm"`
	State string `json:"state"`
	CPU   int    `json:"cpu"`
	Task  string `json:"task"`
}

// readTaskTruth returns the tasks that drgn saw in a dump, other than idle ones.
func readTaskTruth(t testing.TB, name string) []taskTruth {
	f, err := os.Open("../testdata/dumps/" + name + ".tasks.json.xz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	var truth struct{ Tasks []taskTruth }
	if err := json.NewDecoder(r).Decode(&truth); err != nil {
		t.Fatal(err)
	}
	return truth.Tasks
}

// TestTasksMatchDWARF compares the tasks of the real dumps with what drgn read
// through DWARF.
func TestTasksMatchDWARF(t *testing.T) {
	for _, dump := range []string{"vars-7.2-amd64", "crash-7.2-amd64", "debian-6.12-amd64"} {
		t.Run(dump, func(t *testing.T) {
			k := openDump(t, dump)
			var got []taskTruth
			for task, err := range k.Tasks() {
				if err != nil {
					t.Error(err)
					continue
				}
				cpu, err := task.CPU()
				if err != nil {
					t.Error(err)
				}
				state, err := task.State()
				if err != nil {
					t.Error(err)
				}
				if at, err := k.TaskAt(task.Addr); err != nil || at.PID != task.PID {
					t.Errorf("TaskAt(%v) = %+v, %v", task.Addr, at, err)
				}
				if task.IsIdle() {
					continue
				}
				if by, err := k.Task(task.PID); err != nil || by.Addr != task.Addr {
					t.Errorf("Task(%d) = %+v, %v", task.PID, by, err)
				}
				got = append(got, taskTruth{task.PID, task.TGID, task.Comm, string(state), cpu, task.Addr.String()})
			}
			if diff := cmp.Diff(readTaskTruth(t, dump), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTaskAt asks for tasks at addresses that have none.
func TestTaskAt(t *testing.T) {
	k := openDump(t, "vars-7.2-amd64")
	init, err := k.Task(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []vmcore.Addr{0, init.Addr + 8, init.Addr - 64, 0xffff_0000_0000_0000} {
		if task, err := k.TaskAt(a); err == nil {
			t.Errorf("there is a task at %v: %+v", a, task)
		}
	}
	if _, err := k.Task(3 << 20); err == nil || err.Error() != "no task has the PID 3145728" {
		t.Errorf("Task(%d): %v", 3<<20, err)
	}
}
