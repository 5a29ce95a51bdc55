package vmcore

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"sort"
)

// A span is a run of addresses, physical or virtual, in one state. Its last
// address is part of it, so that a span can reach to the end of the addresses.
type span struct {
	first, last uint64
	off         int64 // offset in the file of the byte at first; Excluded: unused
	state       PageState
}

// after returns the part of s behind address a.
func (s span) after(a uint64) (rest span, ok bool) {
	if s.last <= a {
		return span{}, false
	}
	if s.first <= a {
		s.off += int64(a - s.first + 1)
		s.first = a + 1
	}
	return s, true
}

// spans is an address space kept in a file: disjoint spans in ascending order.
// It is immutable.
type spans struct {
	file fileAt
	all  []span
}

// newSpans makes spans that may overlap disjoint. Where they do, bytes of the
// file win over bytes that should be there, and those over excluded ones: a
// vmcore lists the kernel's text once by itself and once as part of RAM.
func newSpans(file fileAt, overlapping []span) spans {
	if disjoint(overlapping) {
		return spans{file: file, all: overlapping}
	}
	var all []span
	for _, state := range []PageState{Present, Missing, Excluded} {
		var layer []span
		for _, s := range overlapping {
			if s.state == state {
				layer = append(layer, s)
			}
		}
		slices.SortStableFunc(layer, func(a, b span) int { return cmp.Compare(a.first, b.first) })
		all = underlay(all, layer)
	}
	return spans{file: file, all: all}
}

// disjoint reports whether spans are in ascending order and none overlaps.
func disjoint(all []span) bool {
	for i := 1; i < len(all); i++ {
		if all[i].first <= all[i-1].last {
			return false
		}
	}
	return true
}

// underlay adds to the disjoint spans of top those parts of bottom that top
// leaves free. Both are in ascending order; bottom's may overlap each other.
func underlay(top, bottom []span) []span {
	out := make([]span, 0, len(top)+len(bottom))
	for _, s := range bottom {
		rest := true
		if n := len(out); n > 0 {
			s, rest = s.after(out[n-1].last)
		}
		for rest && len(top) > 0 && top[0].first <= s.last {
			if t := top[0]; s.first < t.first {
				free := s
				free.last = t.first - 1
				out = append(out, free)
			}
			s, rest = s.after(top[0].last)
			out = append(out, top[0])
			top = top[1:]
		}
		if rest {
			out = append(out, s)
		}
	}
	return append(out, top...)
}

// read is [store.read] for an address of either kind.
func (m spans) read(p []byte, a uint64) (int, PageState, error) {
	i := sort.Search(len(m.all), func(i int) bool { return m.all[i].last >= a })
	if i == len(m.all) {
		return len(p), Unmapped, nil
	}
	s := m.all[i]
	if a < s.first {
		return clampLen(p, s.first-a), Unmapped, nil
	}
	n := len(p)
	if s.last-a < uint64(n) {
		n = int(s.last - a + 1)
	}
	switch s.state {
	case Present:
		return m.readFile(p[:n], s.off+int64(a-s.first))
	case Missing:
		return n, Missing, m.truncated(s, a)
	}
	return n, s.state, nil
}

// readFile reads bytes that the headers promise. Even so the file may be cut
// while it is read, or be a /proc/kcore that refuses.
func (m spans) readFile(p []byte, off int64) (int, PageState, error) {
	n, err := m.file.r.ReadAt(p, off)
	if n > 0 || err == nil {
		return n, Present, nil
	}
	if err == io.EOF {
		err = ErrTruncated
	}
	return len(p), Missing, &FormatError{File: m.file.name, Off: off, Msg: "unreadable", Err: err}
}

func (m spans) truncated(s span, a uint64) error {
	return &FormatError{
		File: m.file.name,
		Off:  s.off + int64(a-s.first),
		Msg:  fmt.Sprintf("file ends at %#x, header wants %#x", m.file.size, uint64(s.off)+(s.last-s.first+1)),
		Err:  ErrTruncated,
	}
}

// ranges yields the runs of readable addresses, neighbours joined.
func (m spans) ranges() iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for i := 0; i < len(m.all); {
			s := m.all[i]
			for i++; i < len(m.all) && s.state == Present && m.all[i].state == Present && m.all[i].first == s.last+1; i++ {
				s.last = m.all[i].last
			}
			if s.state == Present && !yield(Range{Start: PhysAddr(s.first), End: PhysAddr(upTo(s.last))}) {
				return
			}
		}
	}
}

func (m spans) usage() Usage {
	var u Usage
	for _, s := range m.all {
		size := s.last - s.first + 1
		switch s.state {
		case Present:
			u.Present += size
		case Excluded:
			u.Excluded += size
		case Missing:
			u.Missing += size
		}
	}
	return u
}

// upTo returns the address after last; the very last address stands for itself.
func upTo(last uint64) uint64 {
	if last == math.MaxUint64 {
		return last
	}
	return last + 1
}

// clampLen returns len(p) or n, whichever is less.
func clampLen(p []byte, n uint64) int {
	if n < uint64(len(p)) {
		return int(n)
	}
	return len(p)
}
