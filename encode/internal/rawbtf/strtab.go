package rawbtf

import (
	"bytes"
	"hash/maphash"
)

// seed is shared, so that a string is hashed once for a base and its split.
var seed = maphash.MakeSeed()

// strtab finds strings in a string section. It keeps no copy of them: slots
// hold offsets. maphash is seeded anew in every process; that decides only where
// a slot lies, never which offset a string has.
type strtab struct {
	slots []uint32 // offset+1, 0 when free; a power of two
	used  int
}

// find returns the offset of s in sec.
func (t *strtab) find(sec, s []byte, hash uint64) (off uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; t.slots[i] != 0; i = (i + 1) & mask {
		off := t.slots[i] - 1
		if rest := sec[off:]; len(rest) > len(s) && rest[len(s)] == 0 && bytes.Equal(rest[:len(s)], s) {
			return off, true
		}
	}
	return 0, false
}

// add enters the string at off, which find did not find.
func (t *strtab) add(sec []byte, off uint32, hash uint64) {
	if 2*(t.used+1) > len(t.slots) {
		old := t.slots
		t.slots = make([]uint32, max(1024, 2*len(old)))
		for _, slot := range old {
			if slot != 0 {
				t.place(slot, maphash.Bytes(seed, cstring(sec[slot-1:])))
			}
		}
	}
	t.place(off+1, hash)
	t.used++
}

func (t *strtab) place(slot uint32, hash uint64) {
	mask := uint64(len(t.slots) - 1)
	i := hash & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = slot
}

// cstring returns b up to its first NUL.
func cstring(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}
