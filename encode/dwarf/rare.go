package dwarf

import "bytes"

// fixedSizes are the sizes of values that are numbers of a fixed size.
var fixedSizes = [256]uint8{
	opU8: 8, opStrp8: 8, opLineStrp4: 4, opLineStrp8: 8, opAltStrp4: 4, opAltStrp8: 8,
	opStrx1: 1, opStrx2: 2, opStrx3: 3, opStrx4: 4, opRef1: 1, opRef2: 2, opRef8: 8,
	opRefAddr2: 2, opRefAddr4: 4, opRefAddr8: 8, opRefAlt4: 4, opRefAlt8: 8, opRefSig: 8,
	opAddrx1: 1, opAddrx2: 2, opAddrx3: 3, opAddrx4: 4, opOffset8: 8,
	opBlock2: 2, opBlock4: 4, opSkipBlock1: 1, opSkipBlock2: 2, opSkipBlock4: 4,
}

// execRare decodes the value of an op that a vmlinux has few of: a number, then
// what the number means.
func (r *Reader) execRare(o *op, off uint64) (v, n uint64, ok bool) {
	if o.kind == opIndirect {
		return r.indirect(o, off)
	}
	if o.kind == opSkipString {
		n = uint64(bytes.IndexByte(r.data[off:], 0) + 1)
		return 0, n, n != 0 || r.truncated(off)
	}
	if size := uint64(fixedSizes[o.kind]); size == 0 {
		v, n = uleb(r.data, off)
	} else if size <= uint64(len(r.data))-off {
		v, n = fixed(r.data[off:], int(size), r.file.big), size
	}
	if n == 0 {
		return 0, 0, r.truncated(off)
	}
	u, f := r.unit, r.file
	switch o.kind {
	case opSkipBlock1, opSkipBlock2, opSkipBlock4, opSkipBlock:
		if v > uint64(len(r.data))-off-n {
			return 0, 0, r.truncated(off)
		}
		n += v
	case opBlock2, opBlock4:
		if v > maxBlock {
			return 0, 0, r.errorf(off, "block of %#x bytes", v)
		}
		v, n = (off+n)<<blockLenBits|v, n+v
	case opStrp8:
		v, ok = r.stringAt(off, v, f, inStr)
		return v, n, ok
	case opLineStrp4, opLineStrp8:
		v, ok = r.stringAt(off, v, f, inLineStr)
		return v, n, ok
	case opAltStrp4, opAltStrp8:
		if f.alt == nil {
			return 0, 0, r.errorf(off, "%s", f.noAlt())
		}
		v, ok = r.stringAt(off, v, f.alt, inStr)
		return v, n, ok
	case opStrx, opStrx1, opStrx2, opStrx3, opStrx4:
		at, ok := f.strOffsets.indexed(u.root.strOffsetsBase, v, u.offSize)
		if !ok {
			return 0, 0, r.errorf(off, "string %d, beyond the end of %s", v, f.strOffsets.name)
		}
		v, ok = r.stringAt(off, fixed(f.strOffsets.data[at:], u.offSize, f.big), f, inStr)
		return v, n, ok
	case opRef1, opRef2, opRef8, opRefLEB:
		if v >= u.end-u.begin {
			return 0, 0, r.errorf(off, "reference to %#x, beyond the unit", v)
		}
		v += uint64(u.Offset)
	case opRefAddr2, opRefAddr4, opRefAddr8:
		v, ok = r.refAt(off, v, f)
		return v, n, ok
	case opRefAlt4, opRefAlt8:
		if f.alt == nil {
			return 0, 0, r.errorf(off, "%s", f.noAlt())
		}
		v, ok = r.refAt(off, v, f.alt)
		return v, n, ok
	case opRefSig:
		ref, ok := f.sigs[v]
		if !ok {
			return 0, 0, r.errorf(off, "no type unit has the signature %#016x", v)
		}
		v = uint64(ref)
	case opAddrx, opAddrx1, opAddrx2, opAddrx3, opAddrx4:
		at, ok := f.addr.indexed(u.root.addrBase, v, u.addrSize)
		if !ok {
			return 0, 0, r.errorf(off, "address %d, beyond the end of %s", v, f.addr.name)
		}
		v = at
	}
	return v, n, true
}

// stringAt makes a reference to the string at v of f's section.
func (r *Reader) stringAt(off, v uint64, f *File, s space) (uint64, bool) {
	sec := &f.str
	if s == inLineStr {
		sec = &f.lineStr
	}
	if v >= uint64(len(sec.data)) {
		return 0, r.errorf(off, "string at %#x, beyond the end of %s", v, sec.name)
	}
	return uint64(makeStringRef(f.strings(s), v)), true
}

// refAt makes a reference to the entry at v of f's .debug_info.
func (r *Reader) refAt(off, v uint64, f *File) (uint64, bool) {
	if v >= uint64(len(f.info.data)) {
		return 0, r.errorf(off, "reference to %#x, beyond the end of %s", v, f.info.name)
	}
	if f.isAlt {
		v |= uint64(inAltInfo) << spaceShift
	}
	return v, true
}

// indirect decodes a value that is preceded by its form.
func (r *Reader) indirect(o *op, off uint64) (v, n uint64, ok bool) {
	form, n := uleb(r.data, off)
	if n == 0 {
		return 0, 0, r.truncated(off)
	}
	step, size, ok := r.table.step(o.slot, form)
	if !ok || step.kind == opIndirect || step.kind == opImplicit {
		return 0, 0, r.errorf(off, "unknown indirect form %#x", form)
	}
	switch step.kind {
	case opPresent:
		r.Entry.has |= 1 << o.slot
		return 0, n, true
	case opSkip:
		n += uint64(size)
		return 0, n, n <= uint64(len(r.data))-off || r.truncated(off)
	}
	end, ok := r.exec([]op{step}, off+n)
	return 0, end - off, ok
}

// indexed returns where element i of a table of size-byte numbers is.
func (s *section) indexed(base, i uint64, size int) (off uint64, ok bool) {
	end := uint64(len(s.data))
	if base > end || i >= (end-base)/uint64(size) {
		return 0, false
	}
	return base + i*uint64(size), true
}

// strings turns the number of a string section into that which users of the
// main file know it by.
func (f *File) strings(s space) space {
	if f.isAlt {
		return s + inAltStr - inStr
	}
	return s
}
