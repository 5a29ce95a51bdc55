package dwarf

import (
	"fmt"
)

// Location returns the location of an object if it is the same everywhere, as
// that of a variable in memory.
func (e *Entry) Location() (Expr, bool) {
	if !e.Has(SlotLocation) || !e.form[SlotLocation].isBlock() {
		return Expr{}, false
	}
	return e.expr(e.val[SlotLocation]), true
}

// LocationList returns the locations of an object that moves between registers
// and memory.
func (e *Entry) LocationList() (List, bool) {
	if !e.Has(SlotLocation) || e.form[SlotLocation].isBlock() {
		return List{}, false
	}
	u := e.unit
	if u.Version >= 5 {
		return e.list(SlotLocation, &u.file.loclists, "loclists", u.root.loclistsBase), true
	}
	return e.list(SlotLocation, &u.file.loc, "loc", 0), true
}

// Ranges returns the addresses of a function whose code is in several pieces.
func (e *Entry) Ranges() (List, bool) {
	if !e.Has(SlotRanges) {
		return List{}, false
	}
	u := e.unit
	var l List
	if u.Version >= 5 {
		l = e.list(SlotRanges, &u.file.rnglists, "rnglists", u.root.rnglistsBase)
	} else {
		l = e.list(SlotRanges, &u.file.ranges, "ranges", 0)
	}
	l.noExprs = true
	return l, true
}

// EntryPC returns where a function begins: its low address, or if its code is
// in pieces what the entry says, or else the start of the first piece, which
// is where compilers put the likely part.
func (e *Entry) EntryPC() (Address, bool) {
	for _, s := range [...]Slot{SlotLowPC, SlotEntryPC} {
		if a, ok := e.address(s); ok {
			return a, true
		}
	}
	l, ok := e.Ranges()
	if !ok {
		return Address{}, false
	}
	r, ok := l.Next()
	r.Low.Value += e.value(SlotEntryPC) // an offset there, if it is no address
	return r.Low, ok
}

// Range is an element of a List.
type Range struct {
	Low  Address
	High uint64 // end of the range, relative to the section of Low
	// Default says that the location holds wherever no other range does. Low
	// and High are zero.
	Default bool
	Expr    Expr // the location there
}

// List is a list of locations or of ranges, and an iterator over it.
type List struct {
	unit    *Unit
	sec     *section
	off     uint64
	base    Address
	noExprs bool // ranges only
	done    bool
	err     error
}

// list starts at the list that a slot refers to, by an offset or an index.
func (e *Entry) list(s Slot, lazy *lazySection, name string, table uint64) List {
	u := e.unit
	sec, err := lazy.load(u.file, name)
	l := List{unit: u, sec: sec, off: e.val[s], base: u.root.lowPC, err: err}
	if err == nil && e.form[s] == opListx {
		at, ok := sec.indexed(table, l.off, u.offSize)
		if !ok {
			l.err = u.file.errorf(u.sec.name, e.Offset.Offset(), "list %d, beyond the end of %s", l.off, sec.name)
			return l
		}
		l.off = table + fixed(sec.data[at:], u.offSize, u.file.big)
	}
	return l
}

// Err returns the error that ended the iteration.
func (l *List) Err() error { return l.err }

// Next returns the next element, and false at the end or after an error.
func (l *List) Next() (r Range, ok bool) {
	if l.err != nil || l.done {
		return Range{}, false
	}
	c := cursor{data: l.sec.data, off: l.off, big: l.unit.file.big}
	for !ok && !l.done && c.msg == "" {
		if l.unit.Version >= 5 {
			r, ok = l.entry(&c)
		} else {
			r, ok = l.pair(&c)
		}
	}
	if ok && !l.noExprs && c.msg == "" {
		var n uint64
		if l.unit.Version >= 5 {
			n = c.uleb()
		} else {
			n = uint64(c.u16())
		}
		r.Expr = Expr{unit: l.unit, sec: l.sec, off: c.off, end: c.off + n}
		c.bytes(n)
	}
	if c.msg != "" {
		l.err = l.unit.file.errorf(l.sec.name, c.at, "%s", c.msg)
		return Range{}, false
	}
	l.off = c.off
	return r, ok
}

// pair reads an element of .debug_loc or .debug_ranges: two offsets from the
// base, two zeros at the end, or the largest address and a new base.
func (l *List) pair(c *cursor) (Range, bool) {
	at, size := c.off, l.unit.addrSize
	low, high := l.address(c), l.address(c)
	switch {
	case low.Value == 0 && high.Value == 0 && low.Section == 0:
		l.done = true
		return Range{}, false
	case low.Value == ^uint64(0)>>(64-8*size):
		l.base = high
		return Range{}, false
	case high.Value < low.Value:
		c.fail(at, "range ends before it begins")
	}
	return l.based(low, high.Value), true
}

// based adds the base to the bounds of a range.
func (l *List) based(low Address, high uint64) Range {
	low.Value += l.base.Value
	if low.Section == 0 {
		low.Section = l.base.Section
	}
	return Range{Low: low, High: high + l.base.Value}
}

func (l *List) address(c *cursor) Address {
	at := c.off
	if c.bytes(uint64(l.unit.addrSize)) == nil {
		return Address{}
	}
	return l.unit.addressAt(l.sec, at)
}

// indexed reads an address that is given by its index in .debug_addr.
func (l *List) indexed(c *cursor) Address {
	u, at, i := l.unit, c.off, c.uleb()
	off, ok := u.file.addr.indexed(u.root.addrBase, i, u.addrSize)
	if !ok {
		c.fail(at, fmt.Sprintf("address %d, beyond the end of %s", i, u.file.addr.name))
		return Address{}
	}
	return u.addressAt(&u.file.addr, off)
}

// Kinds of entries in .debug_loclists (DW_LLE_*). Those of .debug_rnglists are
// the same without the default location, and so one less from there on.
const (
	lleEndOfList       = 0
	lleBaseAddressx    = 1
	lleStartxEndx      = 2
	lleStartxLength    = 3
	lleOffsetPair      = 4
	lleDefaultLocation = 5
	lleBaseAddress     = 6
	lleStartEnd        = 7
	lleStartLength     = 8
	lleViewPair        = 9 // a GNU extension
)

// entry reads an element of .debug_loclists or .debug_rnglists.
func (l *List) entry(c *cursor) (r Range, ok bool) {
	at := c.off
	kind := c.u8()
	if l.noExprs && kind >= lleDefaultLocation {
		kind++
	}
	switch kind {
	case lleEndOfList:
		l.done = true
		return Range{}, false
	case lleBaseAddressx:
		l.base = l.indexed(c)
		return Range{}, false
	case lleBaseAddress:
		l.base = l.address(c)
		return Range{}, false
	case lleViewPair:
		c.uleb()
		c.uleb()
		return Range{}, false
	case lleDefaultLocation:
		return Range{Default: true}, true
	case lleStartxEndx:
		r.Low, r.High = l.indexed(c), l.indexed(c).Value
	case lleStartxLength:
		r.Low = l.indexed(c)
		r.High = r.Low.Value + c.uleb()
	case lleOffsetPair:
		r = l.based(Address{Value: c.uleb()}, c.uleb())
	case lleStartEnd:
		r.Low, r.High = l.address(c), l.address(c).Value
	case lleStartLength:
		r.Low = l.address(c)
		r.High = r.Low.Value + c.uleb()
	default:
		c.fail(at, fmt.Sprintf("unknown kind of entry %d", kind))
	}
	return r, true
}
