package sched_test

import (
	"fmt"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/sched"
	"github.com/kdbg/kdbg/vmcore"
)

// addr returns where a member of an object is.
func (s *stage) addr(v kernel.Value, member string) vmcore.Addr {
	s.Helper()
	m, err := v.Path(member)
	if err != nil {
		s.Fatal(err)
	}
	a, _ := m.Addr()
	return a
}

// tree makes a red-black tree of two nodes, the first at its top and the second
// on its right.
func (s *stage) tree(root, first, second vmcore.Addr) {
	s.words(root, uint64(first))
	s.words(first, 1, uint64(second), 0)
	s.words(second, uint64(first), 0, 0)
}

// ring makes a list of a head and one node.
func (s *stage) ring(head, node vmcore.Addr) {
	s.words(head, uint64(node), uint64(node))
	s.words(node, uint64(head), uint64(head))
}

func queued(tasks iter.Seq2[sched.Queued, error]) string {
	var text string
	for q, err := range tasks {
		if err != nil {
			text += "[" + err.Error() + "] "
		} else {
			text += fmt.Sprintf("%d/%d ", q.PID, q.Depth)
		}
	}
	return text
}

// TestRunQueueTasks queues tasks of every scheduler on CPU 0.
func TestRunQueueTasks(t *testing.T) {
	for _, dump := range []string{"vars-7.2-amd64", "debian-6.12-amd64"} {
		t.Run(dump, func(t *testing.T) {
			s := newStage(t, dump)
			rq, err := s.real.RunQueue(0)
			if err != nil {
				t.Fatal(err)
			}
			at := func(pid int, member string) vmcore.Addr { return s.addr(s.task(pid).Value(), member) }
			s.tree(s.addr(rq, "cfs.tasks_timeline"), at(2, "se.run_node"), at(1, "se.run_node"))
			s.ring(s.addr(rq, "rt.active.queue")+16*7, at(3, "rt.run_list"))
			s.tree(s.addr(rq, "dl.root"), at(4, "dl.rb_node"), at(5, "dl.rb_node"))
			var got []string
			for q, err := range sched.RunQueues(s.kernel()) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprint(q.CPU, " cfs ", queued(q.FairTasks()), "rt ", queued(q.RealTimeTasks()), "dl ", queued(q.DeadlineTasks())))
			}
			if diff := cmp.Diff([]string{"0 cfs 2/0 1/0 rt 3/0 dl 4/0 5/0 ", "1 cfs rt dl "}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRunQueueDamaged leads the tree of a run queue back to itself, and a list of
// real-time tasks astray.
func TestRunQueueDamaged(t *testing.T) {
	s := newStage(t, "vars-7.2-amd64")
	rq, err := s.real.RunQueue(0)
	if err != nil {
		t.Fatal(err)
	}
	node := s.addr(s.task(2).Value(), "se.run_node")
	s.tree(s.addr(rq, "cfs.tasks_timeline"), node, node)
	s.words(s.addr(rq, "rt.active.queue"), 0x6b6b6b6b6b6b6b6b)
	for q, err := range sched.RunQueues(s.kernel()) {
		if err != nil {
			t.Fatal(err)
		}
		if q.CPU != 0 {
			continue
		}
		head := s.addr(rq, "rt.active.queue")
		want := fmt.Sprintf("[rbtree at %v is damaged: node %v: its parent is %v, not 0x0] ", q.CFS, node, node)
		if got := queued(q.FairTasks()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		want = fmt.Sprintf("[list at %v is damaged: node %v: its next node is POISON_FREE, of memory that was freed] ", head, head)
		if got := queued(q.RealTimeTasks()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestWorkPending gives work to a pool that none of its workers has taken.
func TestWorkPending(t *testing.T) {
	s := newStage(t, "vars-7.2-amd64")
	var pool sched.WorkerPool
	for p, err := range sched.WorkerPools(s.real) {
		if err != nil {
			t.Fatal(err)
		}
		if p.ID == 2 {
			pool = p
		}
	}
	var queue kernel.Value
	for q, err := range sched.WorkQueues(s.real) {
		if err != nil {
			t.Fatal(err)
		}
		if q.Name == "mm_percpu_wq" {
			queue = s.object("workqueue_struct", q.Addr)
		}
	}
	part, err := queue.UintAt("pwqs.next")
	if err != nil {
		t.Fatal(err)
	}
	pwq := part - uint64(s.addr(s.object("pool_workqueue", 0), "pwqs_node"))
	work := s.object("work_struct", s.symbol("log_wait"))
	s.set(work, "func", uint64(s.symbol("schedule")))
	s.set(work, "data", pwq|5)
	s.ring(s.addr(s.object("worker_pool", pool.Addr), "worklist"), s.addr(work, "entry"))
	k := s.kernel()
	for p, err := range sched.WorkerPools(k) {
		if err != nil {
			t.Error(err)
		}
		if p.ID != pool.ID {
			continue
		}
		if len(p.Pending) != 1 || p.Pending[0].Queue != "mm_percpu_wq" || k.SymbolName(p.Pending[0].Function) != "schedule" {
			t.Errorf("pending %+v", p.Pending)
		}
		if len(p.Workers) != len(pool.Workers) {
			t.Errorf("%d workers, want %d", len(p.Workers), len(pool.Workers))
		}
	}
}
