package dwarf

import (
	"bytes"
	"cmp"
	"debug/elf"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// section is a debugging section ready to be read: decompressed and relocated,
// and in one piece. An ET_REL file has a .debug_info or .debug_types of its own
// for each type unit, in a section group: these are joined in their order.
type section struct {
	name   string
	data   []byte
	offset uint64 // of data in the mapped file; 0 if they are a copy
	sites  []site // where relocations put addresses, ascending
}

// site is an address in a debugging section of an ET_REL file.
type site struct {
	off     uint64
	section int // of the symbol that the address is relative to
}

// sectionOf returns the ELF section that the address at off is relative to, or
// 0 if no relocation says so.
func (s *section) sectionOf(off uint64) int {
	i, found := slices.BinarySearchFunc(s.sites, off, func(s site, off uint64) int { return cmp.Compare(s.off, off) })
	if !found {
		return 0
	}
	return s.sites[i].section
}

// lazySection is a section that is loaded when first used.
type lazySection struct {
	once   sync.Once
	loaded atomic.Pointer[section]
	err    error
}

func (l *lazySection) load(f *File, name string) (*section, error) {
	l.once.Do(func() {
		s, err := f.loadSection(name)
		l.err = err
		l.loaded.Store(&s)
	})
	return l.loaded.Load(), l.err
}

// release gives back the pages of s that hold the bytes from begin to end, if
// they are mapped from the file. The kernel maps what it has of a file around a
// fault, in windows of 64 KiB, so whole windows are released: the part of one
// that belongs to others is mapped again when they read it.
func (s *section) release(f *File, begin, end uint64) {
	const window = 64 << 10
	if s == nil || s.offset == 0 || begin >= end {
		return
	}
	begin = (s.offset + begin) &^ (window - 1)
	end = min((s.offset+end+window-1)&^(window-1), uint64(len(f.data)))
	release(f.data[begin:end])
}

// loadSections loads what every walk needs, side by side since each may be
// compressed.
func (f *File) loadSections() error {
	var group sync.WaitGroup
	wanted := []struct {
		name    string
		section *section
		err     error
	}{
		{name: "info", section: &f.info}, {name: "types", section: &f.types}, {name: "abbrev", section: &f.abbrev},
		{name: "str", section: &f.str}, {name: "line_str", section: &f.lineStr},
		{name: "str_offsets", section: &f.strOffsets}, {name: "addr", section: &f.addr},
	}
	for i := range wanted {
		w := &wanted[i]
		group.Go(func() { *w.section, w.err = f.loadSection(w.name) })
	}
	group.Wait()
	for _, w := range wanted {
		if w.err != nil {
			return w.err
		}
	}
	// What follows the last NUL is not a string: a reference there is an error.
	f.str.data = f.str.data[:bytes.LastIndexByte(f.str.data, 0)+1]
	f.lineStr.data = f.lineStr.data[:bytes.LastIndexByte(f.lineStr.data, 0)+1]
	return nil
}

// loadSection returns the debugging section of that name without its ".debug_"
// or ".zdebug_", empty if there is none.
func (f *File) loadSection(name string) (section, error) {
	s := section{name: ".debug_" + name}
	parts := 0
	for i := range f.sections {
		part := &f.sections[i]
		if !part.isDebug(name) {
			continue
		}
		data, err := part.Data()
		if err != nil {
			return s, err
		}
		if data, err = f.relocate(&s, part, data, uint64(len(s.data))); err != nil {
			return s, err
		}
		switch parts++; parts {
		case 1:
			s.data, s.offset = data, part.mappedAt(data)
		case 2:
			s.offset = 0
			s.data = slices.Concat(s.data, data) // the first part may be the file's
		default:
			s.data = append(s.data, data...)
		}
	}
	return s, nil
}

// isDebug reports whether s is the debugging section of that name.
func (s *Section) isDebug(name string) bool {
	rest, ok := strings.CutPrefix(s.Name, ".debug_")
	if !ok {
		rest, ok = strings.CutPrefix(s.Name, ".zdebug_")
	}
	return ok && rest == name && s.Type != elf.SHT_NOBITS
}

// mappedAt returns the offset of data in the mapped file, 0 if they are a copy.
func (s *Section) mappedAt(data []byte) uint64 {
	if s.file.mapped == nil || len(data) == 0 || s.Offset >= uint64(len(s.file.data)) || &data[0] != &s.file.data[s.Offset] {
		return 0
	}
	return s.Offset
}
