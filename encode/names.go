package encode

import (
	"bytes"
	"math/bits"
	"sync/atomic"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// nameCache interns names by their identity in the file, which spares most of
// them a look at their bytes. All workers share it.
type nameCache struct {
	file   *dwarf.File
	table  *dedup.Table
	prefix []byte          // names that begin like this are cut to it
	slots  []atomic.Uint64 // identity and name; a power of two
}

const (
	nameBits   = 24 // of a slot; the rest is identity
	offsetBits = 36 // of an identity; the rest is the section
	nameProbe  = 8
	// slotShift is the bytes of a string section for which there is a slot. Strings
	// of one unit lie side by side, and so do their slots.
	slotShift      = 3
	minNames       = 1 << 14
	maxNames       = 1 << 22
	fibonacci      = 0x9e3779b97f4a7c15 // spreads identities over slots
	shortNames     = 1 << 10
	maxShort       = 7
	stringRefSpace = 56 // the bits of a StringRef above its offset
)

func newNameCache(f *dwarf.File, t *dedup.Table, prefix string) *nameCache {
	n := min(max(f.StringsSize()>>slotShift, minNames), maxNames)
	return &nameCache{file: f, table: t, prefix: []byte(prefix), slots: make([]atomic.Uint64, 1<<bits.Len64(n-1))}
}

// name returns the name of the string s.
func (c *nameCache) name(s dwarf.StringRef) dedup.Name {
	offset, space := uint64(s)&(1<<stringRefSpace-1), uint64(s)>>stringRefSpace
	key := space<<offsetBits | offset
	if offset >= 1<<offsetBits || key >= 1<<(64-nameBits) {
		return c.intern(c.file.String(s))
	}
	at := offset >> slotShift
	var slot *atomic.Uint64
	for i := range uint64(nameProbe) {
		slot = &c.slots[(at+i)&uint64(len(c.slots)-1)]
		switch v := slot.Load(); {
		case v>>nameBits == key:
			return dedup.Name(v & (1<<nameBits - 1))
		case v != 0:
			continue
		}
		n := c.intern(c.file.String(s))
		if n < 1<<nameBits {
			slot.CompareAndSwap(0, key<<nameBits|uint64(n)) // else another name took it
		}
		return n
	}
	return c.intern(c.file.String(s))
}

func (c *nameCache) intern(text []byte) dedup.Name {
	if len(c.prefix) > 0 && bytes.HasPrefix(text, c.prefix) {
		text = c.prefix
	}
	return c.table.Intern(text)
}

// shortCache interns strings that compilers put into an entry itself, since they
// are no longer than a reference to them: there they have no identity. Each
// worker has its own.
type shortCache [shortNames]struct {
	text uint64
	name dedup.Name
}

func (c *shortCache) name(text []byte, names *nameCache) dedup.Name {
	if len(text) == 0 || len(text) > maxShort {
		return names.intern(text)
	}
	key := uint64(0)
	for _, b := range text {
		key = key<<8 | uint64(b)
	}
	slot := &c[key*fibonacci>>32%shortNames]
	if slot.text != key {
		slot.text, slot.name = key, names.intern(text)
	}
	return slot.name
}

// name interns a name.
func (w *worker) name(s dwarf.StringRef) dedup.Name {
	if s == 0 {
		return 0
	}
	if w.inUnit(s) {
		return w.short.name(w.core.file.String(s), w.core.names)
	}
	return w.core.names.name(s)
}

// inUnit reports whether a string is in the unit, not in a section of strings:
// its identity is then where it is.
func (w *worker) inUnit(s dwarf.StringRef) bool {
	return uint64(s)-1<<stringRefSpace-uint64(w.start) < uint64(w.end-w.start)
}

// elementName names a member or enumerator, of which there are too many to look
// each of them up. The strings of one section have deferred names.
func (w *worker) elementName(s dwarf.StringRef) dedup.Name {
	if s == 0 || w.inUnit(s) {
		return w.name(s)
	}
	space, offset := uint64(s)>>stringRefSpace, uint64(s)&(1<<stringRefSpace-1)
	if w.space == 0 {
		w.space = space
	}
	if space != w.space || offset >= 1<<31 {
		return w.name(s)
	}
	return dedup.Deferred(uint32(offset))
}

// deferredNames are the names that elementName deferred.
type deferredNames struct{ *worker }

func (d deferredNames) ref(offset uint32) dwarf.StringRef {
	return dwarf.StringRef(d.space<<stringRefSpace | uint64(offset))
}

func (d deferredNames) Intern(offset uint32) dedup.Name { return d.core.names.name(d.ref(offset)) }

func (d deferredNames) Is(offset uint32, n dedup.Name) bool {
	c := d.core.names
	if len(c.prefix) > 0 {
		return d.Intern(offset) == n
	}
	return c.file.StringIs(d.ref(offset), c.table.Bytes(n))
}
