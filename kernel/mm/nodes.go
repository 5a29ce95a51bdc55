package mm

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Node is the memory of one NUMA node (struct pglist_data,
// include/linux/mmzone.h), all memory where there is no NUMA.
type Node struct {
	ID       int
	Addr     vmcore.Addr
	StartPFN uint64
	Spanned  uint64 // pages, with holes
	Present  uint64 // pages, without

	value kernel.Value
}

// Zone is a part of a node's memory (struct zone).
type Zone struct {
	Node     int
	Index    int // among the zones of the node
	Name     string
	Addr     vmcore.Addr
	StartPFN uint64
	Spanned  uint64
	Present  uint64
	Managed  uint64
	// Min, Low and High are the watermarks, in pages.
	Min, Low, High uint64

	value kernel.Value
}

// maxNodes bounds the nodes, far above any kernel's MAX_NUMNODES.
const maxNodes = 1 << 12

// Nodes yields the nodes that have memory.
func (m *Memory) Nodes() iter.Seq2[Node, error] {
	return func(yield func(Node, error) bool) {
		nodes, errs := m.nodes()
		for _, n := range nodes {
			if !yield(n, nil) {
				return
			}
		}
		for _, err := range errs {
			if !yield(Node{}, err) {
				return
			}
		}
	}
}

// readNodes reads the nodes.
func (m *Memory) readNodes() (nodes []Node, errs []error) {
	for v, err := range m.k.Nodes() {
		var n Node
		if err == nil {
			n, err = m.readNode(v)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		nodes = append(nodes, n)
	}
	return nodes, errs
}

func (m *Memory) readNode(v kernel.Value) (Node, error) {
	a, _ := v.Addr()
	n := Node{Addr: a, value: v}
	id, err := v.UintAt("node_id")
	if err != nil {
		return n, fmt.Errorf("node at %v: %w", a, err)
	}
	if n.ID = int(id); id >= maxNodes {
		return n, fmt.Errorf("node at %v is damaged: its number is %d", a, id)
	}
	return n, readAll(v, fmt.Sprintf("node %d", id), map[string]*uint64{
		"node_start_pfn": &n.StartPFN, "node_spanned_pages": &n.Spanned, "node_present_pages": &n.Present,
	})
}

// readAll reads numbers of a structure.
func readAll(v kernel.Value, what string, members map[string]*uint64) error {
	for path, to := range members {
		var err error
		if *to, err = v.UintAt(path); err != nil {
			return fmt.Errorf("%s: %s: %w", what, path, err)
		}
	}
	return nil
}

// Zones yields the zones of all nodes, those without memory, too.
func (m *Memory) Zones() iter.Seq2[Zone, error] {
	return func(yield func(Zone, error) bool) {
		for n, err := range m.Nodes() {
			if err != nil {
				if !yield(Zone{}, err) {
					return
				}
				continue
			}
			for z, err := range m.ZonesOf(n) {
				if !yield(z, err) {
					return
				}
			}
		}
	}
}

// ZonesOf yields the zones of a node, those without memory, too.
func (m *Memory) ZonesOf(n Node) iter.Seq2[Zone, error] {
	return func(yield func(Zone, error) bool) {
		array, err := n.value.Path("node_zones")
		if err != nil {
			yield(Zone{}, err)
			return
		}
		for i := range elements(array.Type()) {
			v, err := array.Index(int64(i))
			if err != nil {
				yield(Zone{}, err)
				return
			}
			z, err := readZone(v, n.ID, i)
			if !yield(z, err) {
				return
			}
		}
	}
}

func readZone(v kernel.Value, node, index int) (Zone, error) {
	a, _ := v.Addr()
	z := Zone{Node: node, Index: index, Addr: a, value: v}
	what := fmt.Sprintf("node %d, zone %d", node, index)
	var err error
	if z.Name, err = v.StringAt("name"); err != nil {
		return z, fmt.Errorf("%s: name: %w", what, err)
	}
	if err := readAll(v, what, map[string]*uint64{
		"zone_start_pfn": &z.StartPFN, "spanned_pages": &z.Spanned, "present_pages": &z.Present, "managed_pages": &z.Managed,
	}); err != nil {
		return z, err
	}
	marks, err := v.Path("_watermark")
	for i, to := range []*uint64{&z.Min, &z.Low, &z.High} {
		if err == nil {
			var e kernel.Value
			if e, err = marks.Index(int64(i)); err == nil {
				*to, err = e.Uint()
			}
		}
	}
	return z, err
}

// nodeOf returns the node of a page frame, 0 where none has it.
func (m *Memory) nodeOf(pfn uint64) int {
	nodes, _ := m.nodes()
	for _, n := range nodes {
		if pfn >= n.StartPFN && pfn-n.StartPFN < n.Spanned {
			return n.ID
		}
	}
	return 0
}

// nodeNumbers returns the numbers of the nodes.
func (m *Memory) nodeNumbers() ([]int, error) {
	nodes, errs := m.nodes()
	var numbers []int
	for _, n := range nodes {
		numbers = append(numbers, n.ID)
	}
	if len(numbers) == 0 && len(errs) > 0 {
		return nil, errs[0]
	}
	return numbers, nil
}

// elements returns the number of elements of an array, 0 of another type.
func elements(t btf.Type) int {
	if a, ok := btfsrc.Strip(t).(*btf.Array); ok && a.Nelems <= maxElements {
		return int(a.Nelems)
	}
	return 0
}

// maxElements bounds the arrays of structures that are walked.
const maxElements = 1 << 16
