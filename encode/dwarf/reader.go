package dwarf

import (
	"bytes"
	"fmt"
)

// Reader walks the entries of a unit, parents before children. Its zero value
// is ready for Reset; it is reused from unit to unit, by one goroutine.
//
//	for r.Reset(u); r.Next(); {
//		switch r.Entry.Tag { … }
//	}
//	if err := r.Err(); err != nil { … }
type Reader struct {
	// Entry is the current entry, overwritten by Next, Seek and SkipChildren.
	Entry Entry
	// Depth is the number of parents of Entry: 0 for the first entry of a unit.
	Depth int

	file  *File
	unit  *Unit
	table abbrevs
	data  []byte // the section up to the end of the unit
	// Of the unit, for exec: its size, what its references and its strings are
	// relative to, and the length of the strings.
	size, unitBase, stringBase, strings uint64
	off                                 uint64 // of what follows Entry
	next                                int    // depth there; below 0 at the end
	err                                 error
}

// Reset starts at the first entry of a unit. Errors are reported by Err.
func (r *Reader) Reset(u *Unit) {
	if _, err := u.readRoot(); err != nil {
		r.fail(err)
		return
	}
	r.reset(u)
	if !r.table.fits(u) {
		if err := r.table.compile(u); err != nil {
			r.fail(err)
		}
	}
}

func (r *Reader) reset(u *Unit) {
	r.unit, r.file, r.Entry.unit = u, u.file, u
	r.data, r.off = u.sec.data[:u.end], u.body
	r.size, r.unitBase = u.Size(), uint64(u.Offset)
	r.strings, r.stringBase = uint64(len(u.file.str.data)), uint64(makeStringRef(u.file.strings(inStr), 0))
	r.Depth, r.next, r.err = 0, 0, nil
}

// readRoot reads the given slots of the first entry of u, whose abbreviation has
// the given code and goes on at abbrev.
func (r *Reader) readRoot(u *Unit, slots slotSet, code, abbrev uint64) error {
	r.reset(u)
	if err := r.table.compileAt(u, slots, code, abbrev); err != nil {
		return err
	}
	if !r.Next() {
		if r.err == nil {
			r.errorf(u.body, "unit without entries")
		}
		return r.err
	}
	return nil
}

// Seek reads the entry at ref, of this or another unit of the file that Reset
// was given a unit of, and reports whether there is one. Next continues with
// its children at depth 1.
func (r *Reader) Seek(ref Ref) bool {
	u := r.unit
	if u == nil || ref < u.Offset || ref >= u.End {
		if u != nil {
			u = u.main.UnitOf(ref)
		}
		if u == nil {
			return false
		}
		if r.Reset(u); r.err != nil {
			return false
		}
	}
	if ref.Offset() < u.body {
		return false
	}
	r.off, r.next, r.err = ref.Offset(), 0, nil
	return r.Next()
}

// Err returns the error that ended a walk, nil at the end of a unit.
func (r *Reader) Err() error { return r.err }

func (r *Reader) fail(err error) {
	r.err, r.next = err, -1
}

func (r *Reader) errorf(off uint64, format string, args ...any) bool {
	r.fail(r.file.errorf(r.unit.sec.name, off, "%s", fmt.Sprintf(format, args...)))
	return false
}

// Next reads the next entry, and reports false at the end or after an error.
func (r *Reader) Next() bool {
	data, off := r.data, r.off
	for r.next >= 0 && off < uint64(len(data)) {
		start := off
		code := uint64(data[off])
		off++
		if code >= 0x80 {
			var n uint64
			if code, n = uleb(data, start); n == 0 {
				return r.errorf(start, "unexpected end of an abbreviation code")
			}
			off = start + n
		}
		if code == 0 {
			r.next-- // end of the children of a parent
			continue
		}
		var a *abbrev
		if code-1 < uint64(r.table.inOrder) {
			a = &r.table.list[code-1]
		} else if a = r.table.lookup(code); a == nil {
			return r.errorf(start, "unknown abbreviation %d", code)
		}
		e := &r.Entry
		e.Offset, e.Tag, e.HasChildren, e.has = r.unit.refBase|Ref(start), a.tag, a.children, a.flags
		off, ok := r.exec(r.table.ops[a.first:a.first+a.n], off)
		if !ok {
			return false
		}
		if off += uint64(a.tail); off > uint64(len(data)) {
			return r.errorf(start, "entry ends beyond the unit")
		}
		r.off, r.Depth = off, r.next
		if a.children {
			r.next++
		}
		return true
	}
	r.next = -1
	return false
}

// SkipChildren makes Next go on behind the children of the current entry. It
// jumps where the entry says where, and reads them otherwise, which overwrites
// the entry.
func (r *Reader) SkipChildren() {
	if !r.Entry.HasChildren || r.next <= r.Depth {
		return
	}
	depth := r.Depth
	if sibling := r.Entry.Sibling(); sibling != 0 {
		if sibling <= r.Entry.Offset || sibling.Offset() < r.off || sibling > r.unit.End {
			r.errorf(r.Entry.Offset.Offset(), "sibling at %#x is not behind the entry", sibling.Offset())
			return
		}
		r.off, r.next = sibling.Offset(), depth
		return
	}
	for {
		off, next := r.off, r.next
		if !r.Next() {
			return
		}
		if r.Depth <= depth {
			r.off, r.next = off, next
			return
		}
	}
}

// exec runs the ops of an abbreviation from offset off on and returns where it
// ended. It has the forms that compilers use for nearly everything; execRare
// has the others.
func (r *Reader) exec(ops []op, off uint64) (uint64, bool) {
	data, big, e := r.data, r.file.big, &r.Entry
	end := uint64(len(data))
	has := e.has
	for i := range ops {
		o := &ops[i]
		off += uint64(o.skip)
		if o.kind == opImplicit {
			has |= 1 << o.slot
			e.val[o.slot], e.form[o.slot] = uint64(r.table.consts[o.arg]), opImplicit
			continue
		}
		if off >= end {
			return off, r.truncated(off)
		}
		left := end - off
		var v, n uint64
		switch o.kind {
		case opU1:
			v, n = uint64(data[off]), 1
		case opU2:
			if left < 2 {
				return off, r.truncated(off)
			}
			v, n = int16At(data, off, big), 2
		case opU4, opOffset4:
			if left < 4 {
				return off, r.truncated(off)
			}
			v, n = int32At(data, off, big), 4
		case opStrp4:
			if left < 4 {
				return off, r.truncated(off)
			}
			v, n = int32At(data, off, big), 4
			if v >= r.strings {
				return off, r.errorf(off, "string at %#x, beyond the end of %s", v, r.file.str.name)
			}
			v |= r.stringBase
		case opRef4:
			if left < 4 {
				return off, r.truncated(off)
			}
			v, n = int32At(data, off, big), 4
			if v >= r.size {
				return off, r.errorf(off, "reference to %#x, beyond the unit", v)
			}
			v += r.unitBase
		case opString:
			v = uint64(makeStringRef(r.unit.space, off))
			n = uint64(bytes.IndexByte(data[off:], 0) + 1)
		case opULEB:
			if v, n = uint64(data[off]), 1; v >= 0x80 {
				v, n = uleb(data, off)
			}
		case opSLEB:
			var s int64
			s, n = sleb(data, off)
			v = uint64(s)
		case opFlag:
			if data[off] != 0 {
				has |= 1 << o.slot
			}
			off++
			continue
		case opBlock1:
			n = 1 + uint64(data[off])
			v = (off+1)<<blockLenBits | n - 1
		case opBlock:
			if v, n = uint64(data[off]), 1; v >= 0x80 {
				v, n = uleb(data, off)
			}
			if v > maxBlock {
				return off, r.errorf(off, "block of %#x bytes", v)
			}
			if n != 0 {
				v, n = (off+n)<<blockLenBits|v, n+v
			}
		case opSkipLEB:
			for n = 1; n < left && data[off+n-1] >= 0x80; n++ {
			}
			off += n
			continue
		case opAddr:
			v, n = off, uint64(r.unit.addrSize)
		default:
			var ok bool
			e.has = has
			if v, n, ok = r.execRare(o, off); !ok {
				return off, false
			}
			if has = e.has; o.kind < opU1 || o.kind == opIndirect {
				off += n
				continue
			}
		}
		if n == 0 || n > left {
			return off, r.truncated(off)
		}
		off += n
		has |= 1 << o.slot
		e.val[o.slot], e.form[o.slot] = v, o.kind
	}
	e.has = has
	return off, true
}

func (r *Reader) truncated(off uint64) bool {
	return r.errorf(min(off, uint64(len(r.data))), "entry ends beyond the unit")
}
