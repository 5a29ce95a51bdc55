package mm

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// scanTexts finds texts that begin in the first end bytes of b.
func (s *searcher) scanTexts(j *job, b []byte, a, end uint64) {
	first := len(j.hits)
	for index, text := range s.Texts {
		for off := 0; ; off++ {
			i := bytes.Index(b[off:], text)
			if off += i; i < 0 || uint64(off) >= end {
				break
			}
			j.hits = append(j.hits, Hit{Addr: a + uint64(off), Index: index})
		}
	}
	if len(s.Texts) > 1 {
		sortHits(j.hits[first:])
	}
}

// scanValues finds numbers in b, which begins at a multiple of their width.
func (s *searcher) scanValues(j *job, b []byte, a uint64) {
	if len(s.Values) == 1 && s.Mask == 0 && s.Width == 8 {
		s.scanWord(j, b, a)
		return
	}
	for off := 0; off+s.Width <= len(b); off += s.Width {
		have := s.number(b[off:])
		for index, want := range s.Values {
			if (have^want)&^s.Mask == 0 {
				j.hits = append(j.hits, Hit{a + uint64(off), index, have})
				break
			}
		}
	}
}

// scanWord is scanValues for one value of 8 bytes, as most searches are for: the
// value is turned into the byte order of the dump and not each word out of it.
func (s *searcher) scanWord(j *job, b []byte, a uint64) {
	want := s.Values[0]
	raw := want
	if s.layout.BigEndian {
		raw = bits.ReverseBytes64(want)
	}
	for off := 0; off+8 <= len(b); off += 8 {
		if binary.LittleEndian.Uint64(b[off:]) == raw {
			j.hits = append(j.hits, Hit{Addr: a + uint64(off), Value: want})
		}
	}
}

// number decodes a number of the query's width.
func (s *searcher) number(b []byte) uint64 {
	switch s.Width {
	case 2:
		return uint64(s.layout.Uint16(b))
	case 4:
		return uint64(s.layout.Uint32(b))
	}
	return s.layout.Uint64(b)
}
