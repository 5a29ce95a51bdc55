package encode

import (
	"bytes"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// nameCache interns names by their identity in the file, which spares most of
// them a look at their bytes. Each worker has its own.
type nameCache struct {
	file   *dwarf.File
	types  *dedup.Table
	prefix []byte // names that begin like this are cut to it
	slots  []nameSlot
	short  []shortSlot
	used   int
}

type nameSlot struct {
	ref  dwarf.StringRef
	name dedup.Name
}

// shortSlot is a string of up to 7 bytes, as a number. Compilers put strings of
// up to 3 bytes into the entry itself, where they have no identity.
type shortSlot struct {
	text uint64
	name dedup.Name
}

const (
	minNames   = 1 << 14
	shortNames = 1 << 10
)

func newNameCache(f *dwarf.File, t *dedup.Table, prefix string) nameCache {
	return nameCache{file: f, types: t, prefix: []byte(prefix), slots: make([]nameSlot, minNames), short: make([]shortSlot, shortNames)}
}

// name interns the string s of an entry in the unit [start, end).
func (c *nameCache) name(s dwarf.StringRef, start, end dwarf.Ref) dedup.Name {
	if inline := uint64(s) - 1<<56; inline-uint64(start) < uint64(end-start) {
		return c.inline(c.file.String(s))
	}
	mask := uint64(len(c.slots) - 1)
	i := (uint64(s) * 0x9e3779b97f4a7c15) >> 20 & mask
	for ; c.slots[i].ref != 0; i = (i + 1) & mask {
		if c.slots[i].ref == s {
			return c.slots[i].name
		}
	}
	n := c.intern(c.file.String(s))
	c.slots[i] = nameSlot{s, n}
	if c.used++; 2*c.used > len(c.slots) {
		c.grow()
	}
	return n
}

func (c *nameCache) inline(text []byte) dedup.Name {
	if len(text) == 0 || len(text) > 7 {
		return c.intern(text)
	}
	key := uint64(0)
	for _, b := range text {
		key = key<<8 | uint64(b)
	}
	slot := &c.short[key*0x9e3779b97f4a7c15>>32&(shortNames-1)]
	if slot.text != key {
		*slot = shortSlot{key, c.intern(text)}
	}
	return slot.name
}

func (c *nameCache) intern(text []byte) dedup.Name {
	if len(c.prefix) > 0 && bytes.HasPrefix(text, c.prefix) {
		text = c.prefix
	}
	return c.types.Intern(text)
}

func (c *nameCache) grow() {
	old := c.slots
	c.slots = make([]nameSlot, 2*len(old))
	mask := uint64(len(c.slots) - 1)
	for _, slot := range old {
		if slot.ref == 0 {
			continue
		}
		i := (uint64(slot.ref) * 0x9e3779b97f4a7c15) >> 20 & mask
		for c.slots[i].ref != 0 {
			i = (i + 1) & mask
		}
		c.slots[i] = slot
	}
}
