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
	Where string // who has a free object that was taken off its slab in advance, as [Memory.Taken] says
}

// Objects returns the objects of a slab, in order of address; taken is what
// [Memory.Taken] says of the cache. The error, a [*FreelistError], says that not
// all that are free are known.
func (m *Memory) Objects(c Cache, s Slab, taken map[vmcore.Addr]string) ([]Object, error) {
	list, err := m.follow(c, s, s.freelist)
	free := make(map[vmcore.Addr]bool)
	for _, a := range list {
		free[a] = true
	}
	objects := make([]Object, s.Objects)
	for i := range objects {
		o := Object{Addr: c.object(s, uint64(i)), Cache: c, Slab: s}
		o.Where = taken[o.Addr]
		o.Free = o.Where != "" || free[o.Addr]
		objects[i] = o
	}
	return objects, err
}

// Taken returns the free objects of a cache that were taken off their slabs in
// advance, and who has them: "cpu 0 cache", "cpu 0 sheaf".
func (m *Memory) Taken(c Cache) map[vmcore.Addr]string {
	taken := make(map[vmcore.Addr]string)
	add := func(p Part, err error) bool {
		for _, a := range p.Taken { // none with an error, which Parts tells
			taken[a] = p.taker()
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
		return fmt.Sprintf("cpu %d sheaf", p.CPU)
	}
	return fmt.Sprintf("node %d sheaf", p.Node)
}

// SlabsOf returns all slabs of a cache and where each is: "cpu", "cpu partial",
// "node partial", or "full" for those that no list has.
func (m *Memory) SlabsOf(c Cache) (slabs []Part, errs []error) {
	listed := make(map[vmcore.Addr]bool)
	for p, err := range m.Parts(c) {
		switch {
		case err != nil:
			errs = append(errs, err)
		case p.Where != "sheaf":
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
