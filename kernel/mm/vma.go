package mm

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// VMA is a run of a program's addresses with one kind of memory behind it (struct
// vm_area_struct, include/linux/mm_types.h).
type VMA struct {
	Addr       vmcore.Addr // of the structure
	Start, End vmcore.Addr
	Flags      uint64
	Offset     uint64       // in the file, in bytes
	File       vmcore.Addr  // a struct file; 0 for anonymous memory
	value      kernel.Value // the structure
}

// Value returns the struct vm_area_struct.
func (v VMA) Value() kernel.Value { return v.value }

// VMAs yields the runs of addresses of a struct mm_struct, ascending. They are in a
// maple tree since Linux kernel commit 763ecb035029 ("mm: remove the vma linked
// list") (in v6.1), on a list before.
func (m *Memory) VMAs(mm kernel.Value) iter.Seq2[VMA, error] {
	if mm.Has("mm_mt") {
		return m.treeVMAs(mm)
	}
	return m.listVMAs(mm)
}

func (m *Memory) treeVMAs(mm kernel.Value) iter.Seq2[VMA, error] {
	return func(yield func(VMA, error) bool) {
		t, err := m.k.Struct("vm_area_struct")
		if err != nil {
			yield(VMA{}, err)
			return
		}
		tree, err := mm.Path("mm_mt")
		if err != nil {
			yield(VMA{}, err)
			return
		}
		a, _ := tree.Addr()
		for e, err := range m.k.MapleTree(a) {
			var v VMA
			if err == nil {
				v, err = m.readVMA(m.k.At(e.Entry, t))
			}
			if err == nil && (uint64(v.Start) != e.First || uint64(v.End-1) != e.Last) {
				err := fmt.Errorf("VMA at %v is damaged: it is from %v to %v, its place in the tree from %#x to %#x", v.Addr, v.Start, v.End, e.First, e.Last+1)
				if !yield(VMA{}, err) {
					return
				}
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// maxVMAs bounds the list of a program's memory, far above vm.max_map_count's
// usual 65,530.
const maxVMAs = 1 << 20

func (m *Memory) listVMAs(mm kernel.Value) iter.Seq2[VMA, error] {
	return func(yield func(VMA, error) bool) {
		next, err := mm.Path("mmap")
		if err != nil {
			yield(VMA{}, err)
			return
		}
		var last vmcore.Addr
		for range maxVMAs {
			a, err := next.Uint()
			if err != nil || a == 0 {
				if err != nil {
					yield(VMA{}, fmt.Errorf("list of VMAs: %w", err))
				}
				return
			}
			s, err := next.Deref()
			if err != nil {
				yield(VMA{}, err)
				return
			}
			v, err := m.readVMA(s)
			if err == nil && v.Start < last { // the list goes up, so that it ends
				err = fmt.Errorf("list of VMAs is damaged: the one at %v lies below the one before", v.Addr)
			}
			if !yield(v, err) || err != nil {
				return
			}
			last = v.End
			if next, err = s.Path("vm_next"); err != nil {
				yield(VMA{}, err)
				return
			}
		}
	}
}

func (m *Memory) readVMA(s kernel.Value) (VMA, error) {
	a, _ := s.Addr()
	v := VMA{Addr: a, value: s}
	var start, end, file, page uint64
	err := readAll(s.Snapshot(), fmt.Sprintf("VMA at %v", a), map[string]*uint64{
		"vm_start": &start, "vm_end": &end, "vm_flags": &v.Flags, "vm_file": &file, "vm_pgoff": &page,
	})
	v.Start, v.End, v.File, v.Offset = vmcore.Addr(start), vmcore.Addr(end), vmcore.Addr(file), page<<m.pageShift
	if err == nil && v.End <= v.Start {
		err = fmt.Errorf("VMA at %v is damaged: from %v to %v", a, v.Start, v.End)
	}
	return v, err
}

// Contents yields what a program's VMA has behind it, in order of address and
// without gaps: runs of pages in memory; pages that are elsewhere, whose Err says
// where; and runs of pages that were never touched, with [ErrUntouched].
func (m *Memory) Contents(space *paging.Space, v VMA) iter.Seq2[paging.Mapping, error] {
	return func(yield func(paging.Mapping, error) bool) {
		at := v.Start
		untouched := func(end vmcore.Addr) bool {
			if at >= end {
				return true
			}
			return yield(paging.Mapping{Virt: at, Size: uint64(end - at), Err: ErrUntouched}, nil)
		}
		for run, err := range space.Mappings(v.Start, v.End-1) {
			if err != nil {
				if !yield(run, err) {
					return
				}
				continue
			}
			if !untouched(run.Virt) || !yield(run, nil) {
				return
			}
			at = run.Virt + vmcore.Addr(run.Size)
		}
		untouched(v.End)
	}
}

// ErrUntouched says that a program has an address and no page for it yet.
var ErrUntouched = errors.New("not mapped")

// VMAFlags returns the names of the flags of a VMA. Kernels from v6.19 on have them
// in an enum; before they were macros (include/linux/mm.h), of which those are
// here that have meant the same since v5.10.
func (m *Memory) VMAFlags(flags uint64) []string {
	names := vmaFlags[:]
	if e, _, ok := m.k.Types().Enumerator("VMA_READ_BIT"); ok {
		names = make([]string, 64)
		for _, v := range e.Values {
			name, isBit := strings.CutPrefix(strings.TrimSuffix(v.Name, "_BIT"), "VMA_")
			if isBit && v.Value < 64 && names[v.Value] == "" {
				names[v.Value] = name
			}
		}
	}
	var set []string
	for bit := range 64 {
		if flags>>bit&1 == 0 {
			continue
		}
		if bit < len(names) && names[bit] != "" {
			set = append(set, names[bit])
		} else {
			set = append(set, fmt.Sprintf("%#x", uint64(1)<<bit))
		}
	}
	return set
}

var vmaFlags = [...]string{
	"READ", "WRITE", "EXEC", "SHARED", "MAYREAD", "MAYWRITE", "MAYEXEC", "MAYSHARE",
	"GROWSDOWN", "UFFD_MISSING", "PFNMAP", "", "UFFD_WP", "LOCKED", "IO", "SEQ_READ",
	"RAND_READ", "DONTCOPY", "DONTEXPAND", "LOCKONFAULT", "ACCOUNT", "NORESERVE", "HUGETLB", "SYNC",
	"ARCH_1", "WIPEONFORK", "DONTDUMP", "SOFTDIRTY", "MIXEDMAP", "HUGEPAGE", "NOHUGEPAGE", "MERGEABLE",
}
