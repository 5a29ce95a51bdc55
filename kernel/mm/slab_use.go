package mm

import (
	"errors"
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// CacheUse is how much of a slab cache is in use.
type CacheUse struct {
	Slabs   uint64
	Objects uint64
	InUse   uint64 // objects that someone has
}

// Use counts the objects of a slab cache. What could not be read is among the
// errors, and its objects count as in use.
func (m *Memory) Use(c Cache) (use CacheUse, errs []error) {
	var free uint64
	counted := false
	for n, err := range m.cacheNodes(c) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		slabs, err1 := n.value.UintAt("nr_slabs") // with SLUB_DEBUG
		objects, err2 := n.value.UintAt("total_objects")
		if err := errors.Join(err1, err2); err == nil {
			counted = true
			use.Slabs, use.Objects = use.Slabs+slabs, use.Objects+objects
		}
	}
	if !counted { // without SLUB_DEBUG only the pages tell
		for _, s := range m.slabsOf(c) {
			use.Slabs, use.Objects = use.Slabs+1, use.Objects+s.Objects
		}
	}
	for p, err := range m.Parts(c) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		free += p.free()
	}
	use.InUse = use.Objects - min(free, use.Objects)
	return use, errs
}

// Part is a place where a cache has free objects: a slab that a CPU allocates
// from, one on the list of a CPU or of a node, or a sheaf.
type Part struct {
	Where string // "cpu", "cpu partial", "node partial", "sheaf", "rcu sheaf"
	CPU   int    // -1: of no CPU
	Node  int    // -1: of no node
	Slab  Slab   // not of a sheaf

	// Taken are the free objects that were taken off the slab in advance: those on
	// the list of the CPU, or in the sheaf. Those of an "rcu sheaf" are not free
	// before all readers have done with them (kfree_rcu).
	Taken []vmcore.Addr
}

// isSheaf reports whether the part is a sheaf, whose objects are of any slab.
func (p Part) isSheaf() bool { return p.Where == "sheaf" || p.Where == "rcu sheaf" }

// free returns how many free objects the part has.
func (p Part) free() uint64 {
	switch p.Where {
	case "sheaf":
		return uint64(len(p.Taken))
	case "rcu sheaf":
		return 0
	}
	return p.Slab.free() + uint64(len(p.Taken))
}

// Parts yields the places where a cache has free objects.
func (m *Memory) Parts(c Cache) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		_ = m.cpuParts(c, yield) && m.nodeParts(c, yield) && m.sheaves(c, yield)
	}
}

// cpuParts yields the slabs that CPUs allocate from (struct kmem_cache_cpu).
// Kernels from v7.0 on have sheaves in their place.
func (m *Memory) cpuParts(c Cache, yield func(Part, error) bool) bool {
	if !c.value.Has("cpu_slab") {
		return true
	}
	cpus, err := m.k.PossibleCPUs()
	if err != nil {
		return yield(Part{}, err)
	}
	pointer, err := c.value.Path("cpu_slab")
	if err != nil {
		return yield(Part{}, err)
	}
	for _, cpu := range cpus {
		v, err := m.k.PerCPU(pointer, cpu)
		if err != nil {
			return yield(Part{}, err)
		}
		if !m.cpuSlab(c, v, cpu, yield) {
			return false
		}
	}
	return true
}

// cpuSlab yields the slabs of one CPU.
func (m *Memory) cpuSlab(c Cache, v kernel.Value, cpu int, yield func(Part, error) bool) bool {
	fail := func(err error) bool {
		return yield(Part{}, fmt.Errorf("cache %s, CPU %d: %w", c.Name, cpu, err))
	}
	member := "slab"
	if !v.Has(member) {
		member = "page" // before v5.17
	}
	at, err := v.UintAt(member)
	if err != nil {
		return fail(err)
	}
	if at != 0 {
		s, err := m.slabOf(c, vmcore.Addr(at))
		if err != nil {
			return fail(err)
		}
		list, err := v.UintAt("freelist")
		if err != nil {
			return fail(err)
		}
		taken, err := m.follow(c, s, vmcore.Addr(list))
		if err != nil && !fail(err) || !yield(Part{Where: "cpu", CPU: cpu, Node: -1, Slab: s, Taken: taken}, nil) {
			return false
		}
	}
	if !v.Has("partial") {
		return true
	}
	next, err := v.UintAt("partial")
	for seen := make(map[uint64]bool); err == nil && next != 0; {
		if seen[next] {
			return fail(fmt.Errorf("its list of slabs leads back to %#x", next))
		}
		seen[next] = true
		s, err := m.slabOf(c, vmcore.Addr(next))
		if err != nil {
			return fail(err)
		}
		if !yield(Part{Where: "cpu partial", CPU: cpu, Node: -1, Slab: s}, nil) {
			return false
		}
		next = uint64(s.next)
	}
	if err != nil {
		return fail(err)
	}
	return true
}

// slabOf reads a slab that must be of a cache.
func (m *Memory) slabOf(c Cache, a vmcore.Addr) (Slab, error) {
	s, err := m.SlabAt(a)
	if err == nil && s.cache != c.Addr {
		err = fmt.Errorf("slab at %v belongs to the cache at %v", a, s.cache)
	}
	return s, err
}

// cacheNode is what a cache has on a node (struct kmem_cache_node).
type cacheNode struct {
	number int
	value  kernel.Value
	barn   vmcore.Addr // of full sheaves; 0: none
}

// cacheNodes yields the nodes of a cache. Kernels from v7.0 on have their
// pointers in per_node, with that to a barn of sheaves.
func (m *Memory) cacheNodes(c Cache) iter.Seq2[cacheNode, error] {
	return func(yield func(cacheNode, error) bool) {
		nodes, err := m.nodeNumbers()
		if err != nil {
			yield(cacheNode{}, err)
			return
		}
		for _, n := range nodes {
			x, err := m.cacheNode(c, n)
			if err == nil && x.value.Type() == nil {
				continue // the node has no memory
			}
			if !yield(x, err) {
				return
			}
		}
	}
}

func (m *Memory) cacheNode(c Cache, n int) (cacheNode, error) {
	x := cacheNode{number: n}
	path := "node"
	if c.value.Has("per_node") {
		path = "per_node"
	}
	array, err := c.value.Path(path)
	if err != nil {
		return x, err
	}
	e, err := array.Index(int64(n))
	if err != nil {
		return x, err
	}
	if path == "per_node" {
		barn, err := e.UintAt("barn")
		if err != nil {
			return x, err
		}
		x.barn = vmcore.Addr(barn)
		if e, err = e.Path("node"); err != nil {
			return x, err
		}
	}
	if u, err := e.Uint(); err != nil || u == 0 {
		return x, err
	}
	x.value, err = e.Deref()
	return x, err
}

// nodeParts yields the slabs with free objects that nodes keep on their lists.
func (m *Memory) nodeParts(c Cache, yield func(Part, error) bool) bool {
	t, err := m.slabTypes()
	if err != nil {
		return yield(Part{}, err)
	}
	for n, err := range m.cacheNodes(c) {
		if err != nil {
			if !yield(Part{}, err) {
				return false
			}
			continue
		}
		head, err := n.value.Path("partial")
		if err != nil {
			return yield(Part{}, err)
		}
		a, _ := head.Addr()
		for v, err := range m.k.List(a, t.slab, t.list) {
			var s Slab
			if err == nil {
				at, _ := v.Addr()
				s, err = m.slabOf(c, at)
			}
			if err != nil {
				err = fmt.Errorf("cache %s, node %d: %w", c.Name, n.number, err)
			}
			if !yield(Part{Where: "node partial", CPU: -1, Node: n.number, Slab: s}, err) {
				return false
			}
		}
	}
	return true
}

// sheaves yields the sheaves of a cache: arrays of free objects that each CPU
// has, and that nodes keep full ones of in a barn. Linux kernel commit
// 2d517aa09bbc ("slab: add opt-in caching layer of percpu sheaves") (in v6.18).
func (m *Memory) sheaves(c Cache, yield func(Part, error) bool) bool {
	if capacity, err := c.value.UintAt("sheaf_capacity"); err != nil || capacity == 0 {
		return true
	}
	pointer, err := c.value.Path("cpu_sheaves")
	if err != nil {
		return yield(Part{}, err)
	}
	cpus, err := m.k.PossibleCPUs()
	if err != nil {
		return yield(Part{}, err)
	}
	for _, cpu := range cpus {
		v, err := m.k.PerCPU(pointer, cpu)
		if err != nil {
			return yield(Part{}, err)
		}
		for _, member := range []string{"main", "spare", "rcu_free"} {
			where := "sheaf"
			if member == "rcu_free" {
				where = "rcu sheaf"
			}
			sheaf, err := v.Path(member)
			if err != nil {
				continue
			}
			objects, err := sheafObjects(sheaf)
			if err != nil {
				err = fmt.Errorf("cache %s, CPU %d, sheaf %s: %w", c.Name, cpu, member, err)
			}
			if (err != nil || len(objects) > 0) && !yield(Part{Where: where, CPU: cpu, Node: -1, Taken: objects}, err) {
				return false
			}
		}
	}
	return m.barns(c, yield)
}

// barns yields the full sheaves that nodes keep (struct node_barn).
func (m *Memory) barns(c Cache, yield func(Part, error) bool) bool {
	barn, err := m.k.Struct("node_barn")
	if err != nil {
		return true
	}
	sheaf, err := m.k.Struct("slab_sheaf")
	if err != nil {
		return yield(Part{}, err)
	}
	for n, err := range m.cacheNodes(c) {
		if err != nil {
			continue // nodeParts told it
		}
		if n.barn == 0 && n.value.Has("barn") { // v6.18 and v6.19
			u, _ := n.value.UintAt("barn")
			n.barn = vmcore.Addr(u)
		}
		if n.barn == 0 {
			continue
		}
		head, err := m.k.At(n.barn, barn).Path("sheaves_full")
		if err != nil {
			return yield(Part{}, err)
		}
		a, _ := head.Addr()
		for v, err := range m.k.List(a, sheaf, "barn_list") {
			var objects []vmcore.Addr
			if err == nil {
				objects, err = sheafObjects(v)
			}
			if err != nil {
				err = fmt.Errorf("cache %s, node %d, barn: %w", c.Name, n.number, err)
			}
			if !yield(Part{Where: "sheaf", CPU: -1, Node: n.number, Taken: objects}, err) {
				return false
			}
		}
	}
	return true
}

// maxSheaf bounds the objects of a sheaf: no capacity that the kernel chooses
// comes near it.
const maxSheaf = 1 << 12

// sheafObjects returns the objects of a sheaf, given itself or a pointer to it.
func sheafObjects(v kernel.Value) ([]vmcore.Addr, error) {
	if _, isRef := v.Addr(); isRef {
		if u, err := v.Uint(); err == nil && u == 0 {
			return nil, nil
		}
	}
	size, err := v.UintAt("size")
	if err != nil {
		return nil, err
	}
	if size > maxSheaf {
		return nil, fmt.Errorf("it has %d objects", size)
	}
	array, err := v.Path("objects")
	if err != nil {
		return nil, err
	}
	var objects []vmcore.Addr
	for i := range int64(size) {
		e, err := array.Index(i)
		if err != nil {
			return objects, err
		}
		u, err := e.Uint()
		if err != nil {
			return objects, err
		}
		objects = append(objects, vmcore.Addr(u))
	}
	return objects, nil
}
