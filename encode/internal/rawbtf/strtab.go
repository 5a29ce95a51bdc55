package rawbtf

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// seed is shared, so that a string is hashed once for a base and its split.
var seed = maphash.MakeSeed()

// strtab finds strings in a string section. It keeps no copy of them: a slot
// holds the offset, and so much of the hash that other strings are rarely looked
// at. maphash is seeded anew in every process; that decides only where a slot
// lies, never which offset a string has.
type strtab struct {
	slots []slot // a power of two
	used  int
}

type slot struct {
	hash uint32 // the low half
	next uint32 // offset+1, 0 when free
}

// newStrtab returns a strtab with room for n strings.
func newStrtab(n int) strtab {
	return strtab{slots: make([]slot, 1<<bits.Len(uint(2*n)))}
}

// find returns the offset of s in sec.
func (t *strtab) find(sec, s []byte, hash uint64) (off uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint32(len(t.slots) - 1)
	for i := uint32(hash) & mask; t.slots[i].next != 0; i = (i + 1) & mask {
		if t.slots[i].hash != uint32(hash) {
			continue
		}
		off := t.slots[i].next - 1
		if rest := sec[off:]; len(rest) > len(s) && rest[len(s)] == 0 && bytes.Equal(rest[:len(s)], s) {
			return off, true
		}
	}
	return 0, false
}

// add enters the string at off, which find did not find.
func (t *strtab) add(off uint32, hash uint64) {
	if 2*(t.used+1) > len(t.slots) {
		old := t.slots
		t.slots = make([]slot, max(1024, 2*len(old)))
		for _, s := range old {
			if s.next != 0 {
				t.place(s)
			}
		}
	}
	t.place(slot{uint32(hash), off + 1})
	t.used++
}

func (t *strtab) place(s slot) {
	mask := uint32(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].next != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

// cstring returns b up to its first NUL.
func cstring(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}
