package mm

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// IPC is what all System V objects have (struct kern_ipc_perm, include/linux/ipc.h).
type IPC struct {
	Addr vmcore.Addr // of the object
	Key  uint32
	ID   int
	UID  uint32
	Mode uint64 // permissions, and for shared memory flags above them

	value kernel.Value
}

// Common returns what an object has in common with the others.
func (c IPC) Common() IPC { return c }

// SharedMemory is a segment of System V shared memory (struct shmid_kernel).
type SharedMemory struct {
	IPC
	Bytes    uint64
	Attached uint64 // tasks that have it
	Resident uint64 // pages in memory
	Swapped  uint64 // pages swapped out
	Inode    vmcore.Addr
}

// Flags of a segment's mode (include/linux/shm.h).
const (
	shmDestroyed = 0o1000
	shmLocked    = 0o2000
)

// Status returns what is special about the segment: "dest" when it goes with the
// last task that has it, "locked".
func (s SharedMemory) Status() string {
	status := ""
	if s.Mode&shmDestroyed != 0 {
		status = "dest"
	}
	if s.Mode&shmLocked != 0 {
		if status != "" {
			status += " "
		}
		status += "locked"
	}
	return status
}

// Semaphores is an array of System V semaphores (struct sem_array).
type Semaphores struct {
	IPC
	Count uint64
}

// Queue is a System V message queue (struct msg_queue).
type Queue struct {
	IPC
	Bytes    uint64
	Messages uint64
}

// The namespaces of System V objects in ipc_namespace.ids (ipc/util.h).
const (
	ipcSemaphores = iota
	ipcQueues
	ipcSharedMemory
)

// SharedMemory yields the segments that a task sees.
func (m *Memory) SharedMemory(t kernel.Task) iter.Seq2[SharedMemory, error] {
	return ipcObjects(m, t, ipcSharedMemory, "shmid_kernel", "shm_perm", func(c IPC) (SharedMemory, error) {
		s := SharedMemory{IPC: c}
		err := readAll(c.value, "shared memory", map[string]*uint64{"shm_segsz": &s.Bytes, "shm_nattch": &s.Attached})
		if err == nil {
			m.readShared(&s)
		}
		return s, err
	})
}

// readShared adds what is known of a segment's pages, which are those of a file.
func (m *Memory) readShared(s *SharedMemory) {
	inode, err := s.value.Path("shm_file", "f_inode")
	if err != nil {
		return
	}
	a, err := inode.Uint()
	if err != nil {
		return
	}
	s.Inode = vmcore.Addr(a)
	s.Resident, _ = inode.UintAt("i_mapping", "nrpages")
	if info, err := m.k.Struct("shmem_inode_info"); err == nil { // without CONFIG_SHMEM nothing is swapped
		if off, err := m.k.At(0, info).Path("vfs_inode"); err == nil {
			at, _ := off.Addr()
			s.Swapped, _ = m.k.At(s.Inode-at, info).UintAt("swapped")
		}
	}
}

// Semaphores yields the arrays of semaphores that a task sees.
func (m *Memory) Semaphores(t kernel.Task) iter.Seq2[Semaphores, error] {
	return ipcObjects(m, t, ipcSemaphores, "sem_array", "sem_perm", func(c IPC) (Semaphores, error) {
		n, err := c.value.UintAt("sem_nsems")
		return Semaphores{c, n}, err
	})
}

// Queues yields the message queues that a task sees.
func (m *Memory) Queues(t kernel.Task) iter.Seq2[Queue, error] {
	return ipcObjects(m, t, ipcQueues, "msg_queue", "q_perm", func(c IPC) (Queue, error) {
		q := Queue{IPC: c}
		return q, readAll(c.value, "message queue", map[string]*uint64{"q_cbytes": &q.Bytes, "q_qnum": &q.Messages})
	})
}

// ipcObjects yields the objects of one kind in a task's namespace: structures of a
// type, which the namespace knows by their member with the permissions.
func ipcObjects[T any](m *Memory, t kernel.Task, kind int64, typ, member string, read func(IPC) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		s, err := m.k.Struct(typ)
		if err != nil {
			if m.k.NoTypes() != nil {
				yield(none, err)
			}
			return // without CONFIG_SYSVIPC there are no objects
		}
		idr, err := ipcMap(t, kind)
		if err != nil {
			yield(none, err)
			return
		}
		link, err := m.k.At(0, s).Path(member)
		if err != nil {
			yield(none, err)
			return
		}
		offset, _ := link.Addr()
		for e, err := range m.k.IDR(idr) {
			object := none
			if err == nil {
				var c IPC
				if c, err = readIPC(m.k.At(e.Entry-offset, s), member); err == nil {
					object, err = read(c)
				}
				if err != nil {
					err = fmt.Errorf("%s at %v: %w", typ, e.Entry-offset, err)
				}
			}
			if !yield(object, err) {
				return
			}
		}
	}
}

// ipcMap returns the map from numbers to objects of one kind that a task sees.
func ipcMap(t kernel.Task, kind int64) (vmcore.Addr, error) {
	ids, err := t.Value().Path("nsproxy", "ipc_ns", "ids")
	if err != nil {
		return 0, err
	}
	if ids, err = ids.Index(kind); err != nil {
		return 0, err
	}
	idr, err := ids.Path("ipcs_idr")
	a, _ := idr.Addr()
	return a, err
}

func readIPC(v kernel.Value, member string) (IPC, error) {
	a, _ := v.Addr()
	c := IPC{Addr: a, value: v}
	perm, err := v.Path(member)
	if err != nil {
		return c, err
	}
	var key, id, uid uint64
	err = readAll(perm, member, map[string]*uint64{"key": &key, "id": &id, "uid": &uid, "mode": &c.Mode})
	c.Key, c.ID, c.UID = uint32(key), int(int32(id)), uint32(uid)
	return c, err
}
