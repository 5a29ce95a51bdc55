package mm

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// Area is memory that was allocated by vmalloc, or maps a device (struct
// vmap_area, include/linux/vmalloc.h).
type Area struct {
	Addr       vmcore.Addr // of the vmap_area
	VM         vmcore.Addr // of its vm_struct; 0 for one of vm_map_ram
	Start, End vmcore.Addr
	Caller     vmcore.Addr // the code that asked for it; 0: not known
}

// Vmalloc returns the vmalloc areas in order of address. Those that a broken list
// lost are missing, and why is among the errors.
func (m *Memory) Vmalloc() ([]Area, []error) { return m.areas() }

func (m *Memory) readAreas() (areas []Area, errs []error) {
	t, err := m.k.Struct("vmap_area")
	if err != nil {
		return nil, []error{err}
	}
	for head, err := range m.areaLists() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for v, err := range m.k.List(head, t, "list") {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			a, _ := v.Addr()
			x := Area{Addr: a}
			var start, end, vm uint64
			err = readAll(v, fmt.Sprintf("vmalloc area at %v", a), map[string]*uint64{"va_start": &start, "va_end": &end, "vm": &vm})
			x.Start, x.End, x.VM = vmcore.Addr(start), vmcore.Addr(end), vmcore.Addr(vm)
			if err == nil && x.End <= x.Start {
				err = fmt.Errorf("vmalloc area at %v is damaged: from %v to %v", a, x.Start, x.End)
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if x.VM != 0 {
				caller, _ := v.UintAt("vm", "caller")
				x.Caller = vmcore.Addr(caller)
			}
			areas = append(areas, x)
		}
	}
	slices.SortFunc(areas, func(a, b Area) int { return cmp.Compare(a.Start, b.Start) })
	return areas, errs
}

// maxAreaNodes bounds the nodes that vmalloc areas are spread over: the kernel
// has at most 128 (vmap_init_nodes, mm/vmalloc.c).
const maxAreaNodes = 1 << 12

// areaLists yields the heads of the lists of areas: those of nodes since Linux
// kernel commit d093602919ad ("mm: vmalloc: remove global vmap_area_root rb-tree")
// (in v6.9), one list before.
func (m *Memory) areaLists() iter.Seq2[vmcore.Addr, error] {
	return func(yield func(vmcore.Addr, error) bool) {
		t, err := m.k.Struct("vmap_node")
		if err != nil {
			head, err := m.k.ObjectOf("vmap_area_list", "list_head")
			a, _ := head.Addr()
			yield(a, err)
			return
		}
		nodes, err := m.k.Object("vmap_nodes", &btf.Pointer{Target: t})
		if err != nil {
			yield(0, err)
			return
		}
		count, err := m.k.Object("nr_vmap_nodes", m.k.BasicType("unsigned int"))
		if err != nil {
			yield(0, err)
			return
		}
		n, err := count.Uint()
		if err == nil && n > maxAreaNodes {
			err = fmt.Errorf("nr_vmap_nodes is %d", n)
		}
		if err != nil {
			yield(0, err)
			return
		}
		for i := range int64(n) {
			v, err := nodes.Index(i)
			if err == nil {
				v, err = v.Path("busy.head")
			}
			a, _ := v.Addr()
			if !yield(a, err) {
				return
			}
		}
	}
}

// AreaAt returns the vmalloc area that covers an address.
func (m *Memory) AreaAt(a vmcore.Addr) (Area, bool) {
	areas, _ := m.areas()
	i, found := slices.BinarySearchFunc(areas, a, func(x Area, a vmcore.Addr) int {
		if x.End <= a {
			return -1
		}
		if x.Start > a {
			return 1
		}
		return 0
	})
	if !found {
		return Area{}, false
	}
	return areas[i], true
}
