package encode

import (
	"bytes"
	"math/bits"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// baseStrings are the strings of a base, numbered in their order: names of its
// types that need not be interned, and by which tables are dense.
type baseStrings struct {
	blob    *rawbtf.Blob
	offsets []uint32 // by number; the empty string is number 0
	starts  []uint64 // bit set of offsets
	before  []uint32 // by word of starts: how many strings begin before it
}

func newBaseStrings(blob *rawbtf.Blob) *baseStrings {
	text := blob.Strings()
	s := &baseStrings{
		blob: blob, offsets: make([]uint32, 1, bytes.Count(text, []byte{0})+1),
		starts: make([]uint64, len(text)/64+1), before: make([]uint32, len(text)/64+1),
	}
	word := 0
	for at := 1; at < len(text); {
		end := bytes.IndexByte(text[at:], 0)
		if end < 0 {
			break // not ended by NUL
		}
		for ; word < at/64; word++ {
			s.before[word+1] = uint32(len(s.offsets) - 1)
		}
		s.starts[word] |= 1 << (at % 64)
		s.offsets = append(s.offsets, uint32(at))
		at += end + 1
	}
	for word++; word < len(s.before); word++ {
		s.before[word] = uint32(len(s.offsets) - 1)
	}
	return s
}

// number returns the number of the string that begins at an offset, 0 if none
// does.
func (s *baseStrings) number(off rawbtf.Str) uint32 {
	word := int(off / 64)
	if word >= len(s.starts) || s.starts[word]&(1<<(off%64)) == 0 {
		return 0
	}
	return s.before[word] + uint32(bits.OnesCount64(s.starts[word]&(2<<(off%64)-1)))
}

// offset returns the offset of a string.
func (s *baseStrings) offset(number uint32) rawbtf.Str { return rawbtf.Str(s.offsets[number]) }

func (s *baseStrings) Find(text []byte) (number uint32, ok bool) {
	off, ok := s.blob.Lookup(text)
	return s.number(off), ok
}

func (s *baseStrings) At(number uint32) []byte {
	if next := int(number) + 1; number != 0 && next < len(s.offsets) {
		return s.blob.Strings()[s.offsets[number] : s.offsets[next]-1]
	}
	return s.blob.NameBytes(s.offset(number))
}

func (s *baseStrings) Size() uint32 { return uint32(len(s.offsets)) }
