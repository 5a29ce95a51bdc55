package sched_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/sched"
	"github.com/kdbg/kdbg/kernel/stack"
	"github.com/kdbg/kdbg/vmcore"
)

func openDump(t testing.TB, name string) *kernel.Kernel {
	k, err := kernel.Open(t.Context(), kernel.Options{Files: []string{"../../testdata/dumps/" + name + ".kdump"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// staged is a dump's memory with some bytes changed.
type staged struct {
	vmcore.Memory
	bytes map[vmcore.Addr]byte
}

func (s *staged) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	n, err := s.Memory.ReadMemory(p, a)
	for at, b := range s.bytes {
		if off := at - a; off < vmcore.Addr(n) {
			p[off] = b
		}
	}
	return n, err
}

// stage is a dump in which tasks are made to wait for locks.
type stage struct {
	*testing.T
	real  *kernel.Kernel
	bytes map[vmcore.Addr]byte
}

func newStage(t *testing.T, dump string) *stage {
	return &stage{t, openDump(t, dump), make(map[vmcore.Addr]byte)}
}

// kernel returns the dump as it has been changed.
func (s *stage) kernel() *kernel.Kernel {
	return kernel.New(kernel.Config{
		Arch: s.real.Arch(), Mem: &staged{s.real.Memory(), s.bytes}, Info: s.real.Info(), Symbols: s.real.Symbols(), Types: s.real.Types(),
	})
}

func (s *stage) task(pid int) kernel.Task {
	s.Helper()
	t, err := s.real.Task(pid)
	if err != nil {
		s.Fatal(err)
	}
	return t
}

// object returns a structure of the kernel at an address.
func (s *stage) object(name string, a vmcore.Addr) kernel.Value {
	s.Helper()
	t, err := s.real.Struct(name)
	if err != nil {
		s.Fatal(err)
	}
	return s.real.At(a, t)
}

// set changes a member of an object.
func (s *stage) set(v kernel.Value, member string, to uint64) {
	s.Helper()
	m, err := v.Path(member)
	if err != nil {
		s.Fatal(err)
	}
	a, _ := m.Addr()
	size, err := m.Size()
	if err != nil {
		s.Fatal(err)
	}
	s.put(a, to, int(size))
}

// put changes a number in memory.
func (s *stage) put(a vmcore.Addr, to uint64, size int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], to)
	for i := range size {
		s.bytes[a+vmcore.Addr(i)] = b[i]
	}
}

// words changes words in memory.
func (s *stage) words(a vmcore.Addr, words ...uint64) {
	for i, w := range words {
		s.put(a+8*vmcore.Addr(i), w, 8)
	}
}

// symbol returns the address of a symbol.
func (s *stage) symbol(name string) vmcore.Addr {
	s.Helper()
	found := s.real.Symbols().Lookup(name)
	if len(found) == 0 {
		s.Fatalf("no symbol %s", name)
	}
	return found[0].Addr
}

// on puts a waiter of a task on the list of a mutex that another holds.
func (s *stage) on(lock vmcore.Addr, owner, waits kernel.Task, waiter vmcore.Addr) {
	s.Helper()
	m, w := s.object("mutex", lock), s.object("mutex_waiter", waiter)
	s.set(m, "owner", uint64(owner.Addr)|1)
	s.set(w, "task", uint64(waits.Addr))
	head := waiter // a ring of its own
	if m.Has("wait_list") {
		list, _ := m.Field("wait_list")
		head, _ = list.Addr()
		s.set(m, "wait_list.next", uint64(waiter))
		s.set(m, "wait_list.prev", uint64(waiter))
	} else {
		s.set(m, "first_waiter", uint64(waiter))
	}
	s.set(w, "list.next", uint64(head))
	s.set(w, "list.prev", uint64(head))
	s.set(waits.Value(), "__state", 2) // TASK_UNINTERRUPTIBLE
}

// blocked writes what hangs.
func blocked(t *testing.T, k *kernel.Kernel) []string {
	var all []string
	for b, err := range sched.BlockedTasks(k) {
		if err != nil {
			t.Error(err)
			continue
		}
		line := fmt.Sprintf("%d in %s", b.Task.PID, b.Function)
		if b.Lock != nil {
			line += fmt.Sprintf(" for %s <%s> of", b.Lock.Kind, k.SymbolName(b.Lock.Addr))
			for _, o := range b.Owners {
				line += fmt.Sprint(" ", o.PID)
			}
			line += fmt.Sprintf(", %d wait", len(b.Lock.Waiters))
		}
		if b.Deadlock {
			line += ", deadlock"
		}
		all = append(all, line)
	}
	return all
}

// TestBlockedByStatement lets two tasks wait for mutexes that the other holds, and
// a third for one of them; the kernel says for which by blocked_on.
func TestBlockedByStatement(t *testing.T) {
	s := newStage(t, "vars-7.2-amd64")
	a, b, c := s.task(2), s.task(59), s.task(69)
	rtnl, cgroups, modules := s.symbol("rtnl_mutex"), s.symbol("cgroup_mutex"), s.symbol("module_mutex")
	free := s.symbol("log_wait") // room that no list leads to
	s.on(rtnl, a, b, free)
	s.set(b.Value(), "blocked_on", uint64(rtnl))
	if got, want := blocked(t, s.kernel()), []string{"59 in do_nanosleep for mutex <rtnl_mutex> of 2, 1 wait"}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	s.on(cgroups, b, a, free+64)
	s.set(a.Value(), "blocked_on", uint64(cgroups))
	s.on(modules, b, c, free+128)
	s.set(c.Value(), "blocked_on", uint64(modules))
	want := []string{
		"2 in kthreadd for mutex <cgroup_mutex> of 59 2, 1 wait, deadlock",
		"59 in do_nanosleep for mutex <rtnl_mutex> of 2 59, 1 wait, deadlock",
		"69 in do_nanosleep for mutex <module_mutex> of 59 2 59, 1 wait, deadlock",
	}
	if got := blocked(t, s.kernel()); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

// TestBlockedByStack finds the mutex that a task waits for by what lies on its
// stack, where its kernel does not say.
func TestBlockedByStack(t *testing.T) {
	s := newStage(t, "debian-6.12-amd64")
	owner, waits := s.task(165), s.task(189)
	unwind, err := stack.Of(s.real)
	if err != nil {
		t.Fatal(err)
	}
	frames := unwind.Trace(waits).Frames
	s.words(frames[2].At, uint64(s.symbol("__mutex_lock.constprop.0"))+0x100) // in place of do_nanosleep
	s.on(s.symbol("rtnl_mutex"), owner, waits, frames[2].At+64)
	want := []string{"189 in __mutex_lock.constprop.0 for mutex <rtnl_mutex> of 165, 1 wait"}
	if got := blocked(t, s.kernel()); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

// TestReadLock reads locks in all states.
func TestReadLock(t *testing.T) {
	s := newStage(t, "vars-7.2-amd64")
	a, b := s.task(1), s.task(59)
	at := s.symbol("log_wait")
	zero := func() {
		clear(s.bytes)
		s.words(at, make([]uint64, 32)...)
	}
	for _, test := range []struct {
		name, kind string
		members    map[string]uint64
		want       string
	}{
		{"mutex free", "mutex", nil, "mutex held=false owner=0"},
		{"mutex held", "mutex", map[string]uint64{"owner": uint64(a.Addr) | 3}, "mutex held=true owner=1"},
		{"mutex damaged", "mutex", map[string]uint64{"owner": 0x1230}, "mutex held=true owner=0: mutex at ADDR: its owner: no task at 0x1230"},
		{"rwsem free", "rw_semaphore", map[string]uint64{"owner": uint64(a.Addr) | 1}, "rwsem held=false owner=0"},
		{"rwsem writer", "rw_semaphore", map[string]uint64{"count": 1, "owner": uint64(a.Addr)}, "rwsem held=true owner=1"},
		{"rwsem readers", "rw_semaphore", map[string]uint64{"count": 0x302, "owner": uint64(b.Addr) | 1}, "rwsem held=true owner=59 readers=3"},
		{"spinlock free", "raw_spinlock", nil, "spinlock held=false owner=0"},
		{"spinlock held", "raw_spinlock", map[string]uint64{"raw_lock.val": 2<<18 | 1}, "spinlock held=true owner=0 cpu=1"},
		{"semaphore", "semaphore", map[string]uint64{"count": 3}, "semaphore held=false owner=0 count=3"},
		{"rtmutex", "rt_mutex_base", map[string]uint64{"owner": uint64(b.Addr) | 1}, "rtmutex held=true owner=59"},
		{"no lock", "task_struct", nil, " held=false owner=0: struct task_struct is no lock"},
	} {
		zero()
		v := s.object(test.kind, at)
		for member, to := range test.members {
			s.set(v, member, to)
		}
		k := s.kernel()
		l, err := sched.ReadLock(k.At(at, v.Type()))
		got := fmt.Sprintf("%s held=%v owner=%d", l.Kind, l.Held, l.Owner.PID)
		if l.Readers != 0 {
			got += fmt.Sprintf(" readers=%d", l.Readers)
		}
		if l.Count != 0 {
			got += fmt.Sprintf(" count=%d", l.Count)
		}
		if l.CPU >= 0 {
			got += fmt.Sprintf(" cpu=%d", l.CPU)
		}
		if err != nil {
			got += ": " + strings.ReplaceAll(err.Error(), at.String(), "ADDR")
		}
		if !strings.HasPrefix(got, test.want) || err == nil && got != test.want {
			t.Errorf("%s: got  %s\nwant %s", test.name, got, test.want)
		}
	}
}
