package mm

import (
	"fmt"
	"iter"
	"math/bits"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Cache is a cache of objects of one kind (struct kmem_cache of SLUB, mm/slab.h).
type Cache struct {
	Addr       vmcore.Addr
	Name       string
	ObjectSize uint64 // bytes that a user of an object has
	Size       uint64 // bytes from one object to the next
	SlabSize   uint64 // bytes of a slab

	value   kernel.Value
	perSlab uint64 // objects
	link    uint64 // where in a free object the pointer to the next is
	leftPad uint64 // bytes in front of an object, with red zones
	random  uint64 // what those pointers are hidden with, CONFIG_SLAB_FREELIST_HARDENED
}

// slabTypes are the types that slab caches are made of.
type slabTypes struct {
	cache, slab btf.Type
	// What a slab is while it is in a list: the members of struct slab, which
	// Linux kernel commit d122019bf061 ("mm: Split slab into its own type") (in
	// v5.17) cut out of struct page.
	list string
}

func (m *Memory) findSlabTypes() (slabTypes, error) {
	var t slabTypes
	var err error
	if t.cache, err = m.k.Struct("kmem_cache"); err != nil {
		return t, err
	}
	if t.slab, err = m.k.Struct("slab"); err != nil {
		if t.slab, err = m.k.Struct("page"); err != nil {
			return t, err
		}
	}
	t.list = "slab_list"
	if _, err := btfsrc.Find(t.cache, "oo"); err != nil {
		return t, &UnsupportedError{What: "a slab allocator other than SLUB"}
	}
	return t, nil
}

// Caches yields the slab caches, the newest first.
func (m *Memory) Caches() iter.Seq2[Cache, error] {
	return func(yield func(Cache, error) bool) {
		list, errs := m.caches()
		for _, c := range list {
			if !yield(c, nil) {
				return
			}
		}
		for _, err := range errs {
			if !yield(Cache{}, err) {
				return
			}
		}
	}
}

// readCaches reads the list of slab caches.
func (m *Memory) readCaches() (list []Cache, errs []error) {
	t, err := m.slabTypes()
	if err != nil {
		return nil, []error{err}
	}
	head, err := m.k.ObjectOf("slab_caches", "list_head")
	if err != nil {
		return nil, []error{err}
	}
	a, _ := head.Addr()
	for v, err := range m.k.List(a, t.cache, "list") {
		var c Cache
		if err == nil {
			c, err = m.readCache(v)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("slab caches: %w", err))
			continue
		}
		list = append(list, c)
	}
	return list, errs
}

// The bounds of a cache: a slab has at most 2^10 pages (MAX_PAGE_ORDER), its
// objects are counted in 15 bits.
const (
	maxSlabOrder   = 10
	maxSlabObjects = 1<<15 - 1
)

func (m *Memory) readCache(v kernel.Value) (Cache, error) {
	a, _ := v.Addr()
	c := Cache{Addr: a, value: v}
	var oo uint64
	var err error
	for _, f := range []struct {
		to   *uint64
		path string
	}{
		{&c.ObjectSize, "object_size"}, {&c.Size, "size"}, {&c.link, "offset"}, {&oo, "oo.x"},
	} {
		if *f.to, err = v.UintAt(f.path); err != nil {
			return c, fmt.Errorf("slab cache at %v: %w", a, err)
		}
	}
	if c.Name, err = v.StringAt("name"); err != nil {
		c.Name = "?" // its name was freed with a module; the rest may be whole
	}
	c.leftPad, _ = v.UintAt("red_left_pad") // 0 without SLUB_DEBUG
	c.random, _ = v.UintAt("random")
	order := oo >> 16 // OO_SHIFT
	c.perSlab = oo & (1<<16 - 1)
	if order > maxSlabOrder || c.perSlab == 0 || c.perSlab > maxSlabObjects || c.Size == 0 || c.link >= c.Size ||
		c.Size*c.perSlab > m.PageSize()<<order {
		return c, fmt.Errorf("slab cache at %v is damaged: slabs of 2^%d pages with %d objects of %d bytes", a, order, c.perSlab, c.Size)
	}
	c.SlabSize = m.PageSize() << order
	return c, nil
}

// inHand returns a value with its bytes read, so that its members cost nothing
// more.
func inHand(v kernel.Value) (kernel.Value, error) {
	b, err := v.Bytes()
	if err != nil {
		return v, err
	}
	return v.Kernel().Immediate(v.Type(), b), nil
}

// CacheNamed returns the slab caches of a name.
func (m *Memory) CacheNamed(name string) []Cache {
	var found []Cache
	list, _ := m.caches()
	for _, c := range list {
		if c.Name == name {
			found = append(found, c)
		}
	}
	return found
}

// CacheAt returns the slab cache whose struct kmem_cache is at an address.
func (m *Memory) CacheAt(a vmcore.Addr) (Cache, error) {
	list, errs := m.caches()
	for _, c := range list {
		if c.Addr == a {
			return c, nil
		}
	}
	if len(errs) > 0 {
		return Cache{}, errs[0]
	}
	return Cache{}, &kernel.NotFoundError{What: "slab cache", Name: a.String()}
}

// Slab is memory that a cache cuts into objects.
type Slab struct {
	Addr    vmcore.Addr // of the struct slab, which is its first page's structure
	Start   vmcore.Addr // of its memory
	Node    int
	Objects uint64
	InUse   uint64 // as the slab itself counts: with those that CPUs keep for themselves

	cache    vmcore.Addr
	freelist vmcore.Addr
	next     vmcore.Addr // in the list of a CPU
}

// SlabAt returns the slab whose structure is at an address.
func (m *Memory) SlabAt(a vmcore.Addr) (Slab, error) {
	t, err := m.slabTypes()
	if err != nil {
		return Slab{}, err
	}
	return m.readSlab(m.k.At(a, t.slab))
}

func (m *Memory) readSlab(v kernel.Value) (Slab, error) {
	a, _ := v.Addr()
	s := Slab{Addr: a}
	pfn, ok := m.pfnOf(a)
	if !ok {
		return s, fmt.Errorf("slab at %v: it is no page structure", a)
	}
	v, err := inHand(v)
	if err != nil {
		return s, fmt.Errorf("slab at %v: %w", a, err)
	}
	for _, f := range []struct {
		to     func(uint64)
		member string
	}{
		{func(u uint64) { s.cache = vmcore.Addr(u) }, "slab_cache"},
		{func(u uint64) { s.freelist = vmcore.Addr(u) }, "freelist"},
		{func(u uint64) { s.Objects = u }, "objects"},
		{func(u uint64) { s.InUse = u }, "inuse"},
	} {
		u, err := v.UintAt(f.member)
		if err != nil {
			return s, fmt.Errorf("slab at %v: %w", a, err)
		}
		f.to(u)
	}
	if next, err := v.UintAt("next"); err == nil { // with SLUB_CPU_PARTIAL
		s.next = vmcore.Addr(next)
	}
	s.Node = m.nodeOf(pfn)
	s.Start, err = m.Virt(vmcore.PhysAddr(pfn << m.pageShift))
	if err == nil && (s.Objects == 0 || s.InUse > s.Objects) {
		err = fmt.Errorf("slab at %v is damaged: %d of %d objects are in use", a, s.InUse, s.Objects)
	}
	return s, err
}

// free returns how many objects the slab itself has to give.
func (s Slab) free() uint64 { return s.Objects - s.InUse }

// follow returns the free objects on a list, which begins at an address.
func (m *Memory) follow(c Cache, s Slab, at vmcore.Addr) (free []vmcore.Addr, err error) {
	for at != 0 {
		if !c.holds(s, at) {
			return free, &FreelistError{Cache: c, Slab: s, At: at, Msg: "no object of the slab"}
		}
		if uint64(len(free)) == s.Objects {
			return free, &FreelistError{Cache: c, Slab: s, At: at, Msg: "the list does not end"}
		}
		free = append(free, at)
		link := at + vmcore.Addr(c.link)
		next, err := m.k.Pointer(link)
		if err != nil {
			return free, &FreelistError{Cache: c, Slab: s, At: at, Msg: "its link cannot be read", Err: err}
		}
		at = c.reveal(next, link)
	}
	return free, nil
}

// reveal decodes a pointer to the next free object, which lies at an address.
// Linux kernel commit 1ad53d9fa3f6 ("slub: improve bit diffusion for freelist ptr
// obfuscation") (in v5.7) swaps the bytes of the address. Without hardening, random
// is not there and so 0.
func (c Cache) reveal(p, at vmcore.Addr) vmcore.Addr {
	if c.random == 0 {
		return p
	}
	return p ^ vmcore.Addr(c.random) ^ vmcore.Addr(bits.ReverseBytes64(uint64(at)))
}

// holds reports whether an object of the slab begins at an address.
func (c Cache) holds(s Slab, at vmcore.Addr) bool {
	first := s.Start + vmcore.Addr(c.leftPad)
	return at >= first && uint64(at-first)%c.Size == 0 && uint64(at-first)/c.Size < s.Objects
}

// object returns object i of a slab.
func (c Cache) object(s Slab, i uint64) vmcore.Addr {
	return s.Start + vmcore.Addr(c.leftPad+i*c.Size)
}

// FreelistError says that the free objects of a slab are not linked as they
// should be: something wrote to an object that was free.
type FreelistError struct {
	Cache Cache
	Slab  Slab
	At    vmcore.Addr // where the list went wrong
	Msg   string
	Err   error
}

func (e *FreelistError) Error() string {
	text := fmt.Sprintf("cache %s, slab at %v: free list is damaged at %v: %s", e.Cache.Name, e.Slab.Addr, e.At, e.Msg)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what lies beneath.
func (e *FreelistError) Unwrap() error { return e.Err }
