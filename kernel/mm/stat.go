package mm

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
)

// Counter is a statistic of the kernel's memory management.
type Counter struct {
	Name  string // of its enumerator, such as "NR_FREE_PAGES"
	Value int64
}

// ZoneCounters returns the pages that all zones count (enum zone_stat_item).
func (m *Memory) ZoneCounters() ([]Counter, error) {
	return m.globalCounters("vm_zone_stat", "zone_stat_item", "NR_VM_ZONE_STAT_ITEMS")
}

// NodeCounters returns what all nodes count (enum node_stat_item), in pages for
// the most part.
func (m *Memory) NodeCounters() ([]Counter, error) {
	return m.globalCounters("vm_node_stat", "node_stat_item", "NR_VM_NODE_STAT_ITEMS")
}

// Events returns how often things happened (enum vm_event_item), on all CPUs.
func (m *Memory) Events() ([]Counter, error) {
	counters, err := m.counters("vm_event_item", "NR_VM_EVENT_ITEMS")
	if err != nil {
		return nil, err
	}
	v, err := m.k.ObjectOf("vm_event_states", "vm_event_state")
	if err != nil {
		return nil, err
	}
	cpus, err := m.k.OnlineCPUs()
	if err != nil {
		return nil, err
	}
	for _, cpu := range cpus {
		mine, err := m.k.PerCPU(v, cpu)
		if err != nil {
			return nil, err
		}
		array, err := mine.Path("event")
		if err != nil {
			return nil, err
		}
		if err := addCounters(counters, array); err != nil {
			return nil, fmt.Errorf("events of CPU %d: %w", cpu, err)
		}
	}
	return counters, nil
}

// Counters returns the pages that a zone counts.
func (m *Memory) Counters(z Zone) ([]Counter, error) {
	counters, err := m.counters("zone_stat_item", "NR_VM_ZONE_STAT_ITEMS")
	if err != nil {
		return nil, err
	}
	array, err := z.value.Path("vm_stat")
	if err != nil {
		return nil, err
	}
	return counters, addCounters(counters, array)
}

func (m *Memory) globalCounters(variable, enum, end string) ([]Counter, error) {
	counters, err := m.counters(enum, end)
	if err != nil {
		return nil, err
	}
	array, err := m.k.Object(variable, &btf.Array{
		Index: m.k.BasicType("unsigned int"), Type: m.k.BasicType("long"), Nelems: uint32(len(counters)), // of atomic_long_t
	})
	if err != nil {
		return nil, err
	}
	return counters, addCounters(counters, array)
}

// counters returns the names of counters by their enumerators. Of several with
// one value, such as NR_LRU_BASE and NR_INACTIVE_ANON, the last says what is
// counted.
func (m *Memory) counters(enum, end string) ([]Counter, error) {
	e, err := m.k.Enum(enum)
	if err != nil {
		return nil, err
	}
	var counters []Counter
	for _, v := range e.Values {
		switch {
		case v.Name == end:
			return counters, nil
		case v.Value == uint64(len(counters)):
			counters = append(counters, Counter{Name: v.Name})
		case v.Value < uint64(len(counters)) && !strings.HasPrefix(v.Name, "__"): // __MIGRATE_TYPE_END = MIGRATE_CMA
			counters[v.Value].Name = v.Name
		}
	}
	return nil, &kernel.NotFoundError{What: "enumerator", Name: end, In: "enum " + enum}
}

// addCounters adds the elements of an array to counters.
func addCounters(counters []Counter, array kernel.Value) error {
	for i := range counters {
		e, err := array.Index(int64(i))
		if err != nil {
			return err
		}
		u, err := e.UintAt()
		if err != nil {
			return err
		}
		counters[i].Value += int64(u)
	}
	return nil
}

// value returns the counter of a name, 0 where the kernel has none.
func value(counters []Counter, name string) uint64 {
	for _, c := range counters {
		if c.Name == name {
			return uint64(max(c.Value, 0)) // CPUs count ahead
		}
	}
	return 0
}
