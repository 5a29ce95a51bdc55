package mm

import (
	"fmt"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// readSlabs finds all slabs by their pages: no list has those whose objects are
// all in use.
func (m *Memory) readSlabs() map[vmcore.Addr][]Slab {
	index := make(map[vmcore.Addr][]Slab)
	for p, err := range m.Pages(0, ^uint64(0)) {
		if err != nil || p.Head != p.Addr || !m.isSlab(p) {
			continue
		}
		if s, err := m.SlabAt(p.Addr); err == nil {
			index[s.cache] = append(index[s.cache], s)
		}
	}
	return index
}

// isSlab reports whether a page belongs to a slab: by its type, or by its flag
// before Linux kernel commit 46df8e73a4a3 ("mm: free up PG_slab") (in v6.10).
func (m *Memory) isSlab(p Page) bool {
	l := m.page
	return l.slabType != nil && p.Type>>l.slabType.shift == l.slabType.value || p.Flags&l.slabFlag != 0
}

// slabsOf returns all slabs of a cache, in order of their page structures. It looks
// at every page of the machine once.
func (m *Memory) slabsOf(c Cache) []Slab { return m.slabIndex()[c.Addr] }

// Object is an object of a slab cache.
type Object struct {
	Addr  vmcore.Addr
	Cache Cache
	Slab  Slab
	Free  bool
	Where string // who has the object, as [Memory.Taken] says; "" for others
}

// Objects returns the objects of a slab, in order of address; taken is what
// [Memory.Taken] says of the cache. The error, a [*FreelistError], says that not
// all that are free are known.
func (m *Memory) Objects(c Cache, s Slab, taken map[vmcore.Addr]Taker) ([]Object, error) {
	list, err := m.follow(c, s, s.freelist)
	free := make(map[vmcore.Addr]bool)
	for _, a := range list {
		free[a] = true
	}
	objects := make([]Object, s.Objects)
	for i := range objects {
		o := Object{Addr: c.object(s, uint64(i)), Cache: c, Slab: s}
		taker, isTaken := taken[o.Addr]
		o.Where = taker.Name
		o.Free = free[o.Addr] || isTaken && !taker.Waits
		objects[i] = o
	}
	return objects, err
}

// Taker has objects that were taken off their slabs in advance.
type Taker struct {
	Name  string // such as "cpu 0 cache", "cpu 0 sheaf"
	Waits bool   // the objects are not free yet: the taker waits for their readers
}

// Taken returns the objects of a cache that were taken off their slabs in advance,
// and who has them.
func (m *Memory) Taken(c Cache) map[vmcore.Addr]Taker {
	taken := make(map[vmcore.Addr]Taker)
	add := func(p Part, err error) bool {
		for _, a := range p.Taken { // none with an error, which Parts tells
			taken[a] = Taker{p.taker(), p.Where == "rcu sheaf"}
		}
		return true
	}
	_ = m.cpuParts(c, add) && m.sheaves(c, add)
	return taken
}

// taker says who took objects off their slabs in advance.
func (p Part) taker() string {
	switch {
	case p.Where == "cpu":
		return fmt.Sprintf("cpu %d cache", p.CPU)
	case p.CPU >= 0:
		return fmt.Sprintf("cpu %d %s", p.CPU, p.Where)
	}
	return fmt.Sprintf("node %d %s", p.Node, p.Where)
}

// SlabsOf returns all slabs of a cache and where each is: "cpu", "cpu partial",
// "node partial", or "full" for those that no list has.
func (m *Memory) SlabsOf(c Cache) (slabs []Part, errs []error) {
	listed := make(map[vmcore.Addr]bool)
	for p, err := range m.Parts(c) {
		switch {
		case err != nil:
			errs = append(errs, err)
		case !p.isSheaf():
			listed[p.Slab.Addr] = true
			slabs = append(slabs, p)
		}
	}
	for _, s := range m.slabsOf(c) {
		if !listed[s.Addr] {
			slabs = append(slabs, Part{Where: "full", CPU: -1, Node: s.Node, Slab: s})
		}
	}
	return slabs, errs
}

// slabCovering returns the slab and cache whose memory covers an address of the
// kernel's map of all memory; ok is false where it is no slab's.
func (m *Memory) slabCovering(a vmcore.Addr) (c Cache, s Slab, ok bool, err error) {
	base, err := m.direct()
	if err != nil || a < base {
		return c, s, false, err
	}
	p, err := m.Page(uint64(a-base) >> m.pageShift)
	if err != nil {
		if kernel.ErrorKind(err) == kernel.KindNotFound {
			err = nil
		}
		return c, s, false, err
	}
	if p.Head != p.Addr {
		if p, err = m.PageAt(p.Head); err != nil {
			return c, s, false, err
		}
	}
	if !m.isSlab(p) {
		return c, s, false, nil
	}
	if s, err = m.SlabAt(p.Addr); err != nil {
		return c, s, false, err
	}
	c, err = m.CacheAt(s.cache)
	return c, s, err == nil, err
}

// ObjectAt returns the object of a slab cache that covers an address; ok is false
// where it is no slab's memory, or between objects.
func (m *Memory) ObjectAt(a vmcore.Addr) (o Object, ok bool, err error) {
	c, s, ok, err := m.slabCovering(a)
	if !ok || err != nil {
		return o, false, err
	}
	i := uint64(a-s.Start) / c.Size
	if a < s.Start || i >= s.Objects {
		return o, false, nil
	}
	objects, err := m.Objects(c, s, m.Taken(c))
	return objects[i], true, err
}

// CacheCovering returns the name of the slab cache whose memory covers an address,
// "" for none.
func (m *Memory) CacheCovering(a vmcore.Addr) string {
	c, _, ok, err := m.slabCovering(a)
	if !ok || err != nil {
		return ""
	}
	return c.Name
}
