package expr

import (
	"testing"

	"github.com/kdbg/kdbg/kernel"
)

// TestDumps evaluates expressions over real dumps.
func TestDumps(t *testing.T) {
	type test struct{ src, want string }
	for dump, tests := range map[string][]test{
		"vars-7.2-amd64": {
			{`init_task.comm`, `"swapper/0"`},
			{`init_task.comm == "swapper/0" && init_task.parent == init_task`, `1`},
			{`&init_task`, `0xffffffffb0c0aa00 <init_task>`},
			{`init_task + 1 == (struct task_struct *)((char *)&init_task + sizeof init_task)`, `1`},
			{`*(pid_t *)(0xffffffffb0c0aa00 + offsetof(struct task_struct, pid))`, `0`},
			{`container_of(init_task.tasks.next, struct task_struct, tasks)->comm`, `"init"`},
			{`runqueues:1.cpu + per_cpu(runqueues, 0).cpu`, `1`},
			{`per_cpu_ptr(&runqueues, 1)->cpu`, `1`},
			{`per_cpu_ptr(&runqueues.cpu + 0, 1) == &runqueues:1.cpu`, `1`},
			{`current_task:0->comm`, `"swapper/0"`},
			{`sizeof runqueues == sizeof(struct rq)`, `1`},
			{`schedule`, `{void schedule(void)} 0xffffffffb039ee70 <schedule>`},
			{`(unsigned long)schedule + 1 == schedule + 1`, `1`},
			{`PIDTYPE_SID`, `3`},
			{`PIDTYPE_MAX - PIDTYPE_TGID`, `3`},
			{`init_uts_ns.name.release[0..3]`, `"7.2"`},
			{`*(unsigned long *)&jiffies == jiffies_64`, `1`},
			{`(unsigned long)jiffies == jiffies_64`, `1`},
			{`modules.next->prev == &modules`, `1`},
			{`(u64)init_task.mm`, `0`},
		},
		"debian-6.12-amd64": {
			{`runqueues:0.cpu`, `0`},
			{`((struct task_struct *)&init_task)->comm`, `"swapper/0"`},
			{`((struct task_struct)init_task).comm`, `"swapper/0"`},
			{`pcpu_hot:0.current_task->pid >= 0`, `1`},
		},
	} {
		k, err := kernel.Open(t.Context(), kernel.Options{Files: []string{"../../testdata/dumps/" + dump + ".kdump"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range tests {
			v, err := evalString(t, k, nil, tc.src)
			got := ""
			if err == nil {
				got = v.String()
			}
			if got != tc.want {
				t.Errorf("%s: %s = %s (%v), want %s", dump, tc.src, got, err, tc.want)
			}
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
}
