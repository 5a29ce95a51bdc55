package kernel

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// TaskMemory is how much memory a task's program has, in bytes.
type TaskMemory struct {
	Virtual  uint64
	Resident uint64
}

// Counters of a program's pages that are in memory (enum of MM_FILEPAGES …,
// include/linux/mm_types_task.h), in rss_stat.
var residentCounters = [...]int64{0, 1, 3} // files, anonymous memory, shared memory; 2 is swapped out

// Memory returns how much memory the task's program has, 0 for a task without
// one.
func (t Task) Memory() (TaskMemory, error) {
	mm, ok, err := t.MM()
	if err != nil || !ok {
		return TaskMemory{}, err
	}
	k := t.value.k
	pages, err := mm.UintAt("total_vm")
	if err != nil {
		return TaskMemory{}, fmt.Errorf("memory of task %d: %w", t.PID, err)
	}
	var resident int64
	for _, i := range residentCounters {
		n, err := k.rss(mm, i)
		if err == nil {
			var own int64
			own, err = t.uncounted(i)
			n += own
		}
		if err != nil {
			return TaskMemory{}, fmt.Errorf("memory of task %d: %w", t.PID, err)
		}
		resident += n
	}
	size := k.PageSize()
	return TaskMemory{Virtual: pages * size, Resident: uint64(max(resident, 0)) * size}, nil
}

// rss returns a counter of a struct mm_struct's pages. Linux kernel commit
// f1a7941243c1 ("mm: convert mm's rss stats into percpu_counter") (in v6.2);
// before, each thread counted a few pages of its own beside it, which are left
// out here, as ps(1) leaves them out.
func (k *Kernel) rss(mm Value, i int64) (int64, error) {
	stat, err := mm.Field("rss_stat")
	if err != nil {
		return 0, err
	}
	if _, ok := btfsrc.Strip(stat.typ).(*btf.Array); ok {
		counter, err := stat.Index(i)
		if err != nil {
			return 0, err
		}
		return k.PerCPUCounter(counter)
	}
	counts, err := stat.Field("count")
	if err != nil {
		return 0, err
	}
	count, err := counts.Index(i)
	if err != nil {
		return 0, err
	}
	n, err := count.UintAt()
	return int64(n), err
}

// uncounted returns the pages that the threads of a task's process have counted
// and not added to the process yet, which they did up to Linux v6.2.
func (t Task) uncounted(i int64) (sum int64, err error) {
	if !t.value.Has("rss_stat.count") {
		return 0, nil
	}
	for thread, err := range t.Threads() {
		if err != nil {
			return sum, err
		}
		counts, err := thread.value.Path("rss_stat.count")
		if err != nil {
			return sum, err
		}
		count, err := counts.Index(i)
		if err != nil {
			return sum, err
		}
		n, err := count.Int()
		if err != nil {
			return sum, err
		}
		sum += n
	}
	return sum, nil
}

// PageSize returns the size of a page in bytes.
func (k *Kernel) PageSize() uint64 {
	if n := k.info.PageSize(); n != 0 {
		return uint64(n)
	}
	if k.dump != nil {
		return uint64(k.dump.PageSize())
	}
	return 4096
}

// MemorySize returns the bytes of the machine's memory that its nodes have.
func (k *Kernel) MemorySize() (uint64, error) {
	var pages uint64
	for v, err := range k.Nodes() {
		if err != nil {
			return 0, err
		}
		n, err := v.UintAt("node_present_pages")
		if err != nil {
			return 0, fmt.Errorf("memory of a node: %w", err)
		}
		pages += n
	}
	return pages * k.PageSize(), nil
}

// maxNUMANodes is above MAX_NUMNODES of every architecture.
const maxNUMANodes = 1 << 10

// Nodes yields the struct pglist_data of each node of memory. Without CONFIG_NUMA
// there is one.
func (k *Kernel) Nodes() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		t, err := k.Struct("pglist_data")
		if err != nil {
			yield(Value{}, err)
			return
		}
		syms := dataSymbols(k.syms.Lookup("node_data"))
		if len(syms) != 1 {
			v, err := k.Object("contig_page_data", t)
			yield(v, err)
			return
		}
		word := uint64(k.layout.WordSize)
		for i := range min(max(syms[0].Size/word, 1), maxNUMANodes) {
			p, err := k.Pointer(syms[0].Addr + vmcore.Addr(i*word))
			if p == 0 && err == nil {
				continue // nodes are numbered with gaps
			}
			if !yield(k.At(p, t), err) {
				return
			}
		}
	}
}
