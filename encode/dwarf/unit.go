package dwarf

import (
	"slices"
	"sync"
)

// Unit is one compilation, partial or type unit. Its header is read when the
// file is opened, its first entry when a method needs it.
type Unit struct {
	Index   int  // in File.Units
	Offset  Ref  // of the header
	End     Ref  // of what follows the unit
	Version int  // of DWARF: 2 to 5
	Type    bool // a type unit: holds one type that others refer to by its signature
	Partial bool // a partial unit of DWARF 5 (DW_UT_partial); before, only the tag of the first entry tells
	Alt     bool // is in the supplementary file

	file      *File // of the unit: the supplementary one if Alt
	main      *File // that the unit belongs to
	sec       *section
	space     space
	refBase   Ref    // of the unit's section: its space at offset 0
	begin     uint64 // offset of the header in sec
	body      uint64 // offset of the first entry
	end       uint64
	abbrevOff uint64
	addrSize  int
	offSize   int    // 4 or 8: 32- or 64-bit DWARF
	signature uint64 // of a type unit

	once sync.Once
	root root
	err  error
}

// root is what the first entry of a unit says of the unit.
type root struct {
	name, producer StringRef
	language       int
	lowPC          Address // base of lists

	strOffsetsBase, addrBase, loclistsBase, rnglistsBase uint64
}

// Unit types of DWARF 5 (DW_UT_*).
const (
	unitCompile      = 1
	unitType         = 2
	unitPartial      = 3
	unitSkeleton     = 4
	unitSplitCompile = 5
	unitSplitType    = 6
)

// scanUnits reads all headers.
func (f *File) scanUnits() error {
	f.sigs = make(map[uint64]Ref)
	info, types := inInfo, inTypes
	if f.isAlt {
		info, types = inAltInfo, inAltTypes
	}
	if err := f.scanSection(&f.info, info); err != nil {
		return err
	}
	return f.scanSection(&f.types, types)
}

// releaseWindow is how much of a section may stay mapped while it is read.
const releaseWindow = 8 << 20

func (f *File) scanSection(sec *section, sp space) error {
	c := cursor{data: sec.data, big: f.big}
	for released := uint64(0); c.off < uint64(len(sec.data)); {
		if c.off-released > releaseWindow {
			sec.release(f, released, c.off)
			released = c.off
		}
		u := &Unit{
			Index: len(f.units), Alt: f.isAlt, file: f, main: f, sec: sec, space: sp,
			refBase: Ref(sp) << spaceShift, begin: c.off, offSize: 4,
		}
		length := uint64(c.u32())
		if length == 0xffffffff {
			u.offSize, length = 8, c.u64()
		}
		if c.msg == "" && length > uint64(len(sec.data))-c.off {
			c.fail(u.begin, "unit ends beyond the section")
		}
		if c.msg == "" && length == 0 {
			continue // padding between units
		}
		u.end = c.off + length
		u.Offset, u.End = u.refBase|Ref(u.begin), u.refBase|Ref(u.end)
		if err := f.readHeader(u, &c); err != nil {
			return err
		}
		f.units = append(f.units, u)
		c.off = u.end
	}
	return nil
}

// readHeader reads the header of a unit after its length.
func (f *File) readHeader(u *Unit, c *cursor) error {
	at := c.off
	u.Version = int(c.u16())
	kind := uint8(unitCompile)
	switch {
	case u.Version >= 2 && u.Version <= 4:
		u.abbrevOff, u.addrSize = c.uint(u.offSize), int(c.u8())
		if u.space == inTypes || u.space == inAltTypes {
			kind = unitType
		}
	case u.Version == 5:
		kind, u.addrSize = c.u8(), int(c.u8())
		u.abbrevOff = c.uint(u.offSize)
	case c.msg == "":
		return f.errorf(u.sec.name, at, "DWARF version %d is not supported", u.Version)
	}
	switch kind {
	case unitCompile:
	case unitPartial:
		u.Partial = true
	case unitSkeleton, unitSplitCompile:
		c.u64() // identifier of the split unit
	case unitType, unitSplitType:
		u.Type = true
		u.signature = c.u64()
		if typ := c.uint(u.offSize); c.msg == "" && typ < u.end-u.begin {
			f.sigs[u.signature] = u.Offset + Ref(typ)
		} else {
			c.fail(at, "type of a type unit is beyond its end")
		}
	default:
		return f.errorf(u.sec.name, at, "unknown type of unit %d", kind)
	}
	u.body = c.off
	if c.msg == "" && u.body > u.end {
		c.fail(u.begin, "unit is shorter than its header")
	}
	if c.msg != "" {
		return f.errorf(u.sec.name, c.at, "%s", c.msg)
	}
	if u.addrSize != 1 && u.addrSize != 2 && u.addrSize != 4 && u.addrSize != 8 {
		return f.errorf(u.sec.name, at, "addresses of %d bytes are not supported", u.addrSize)
	}
	if u.abbrevOff >= uint64(len(f.abbrev.data)) {
		return f.errorf(u.sec.name, at, "abbreviations at %#x, beyond the end of %s", u.abbrevOff, f.abbrev.name)
	}
	return nil
}

// UnitOf returns the unit that holds the entry at ref, nil if none does.
func (f *File) UnitOf(ref Ref) *Unit {
	i, found := slices.BinarySearchFunc(f.units, ref, func(u *Unit, ref Ref) int {
		switch {
		case u.End <= ref:
			return -1
		case u.Offset > ref:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return f.units[i]
}

// Name returns the name of the source file.
func (u *Unit) Name() (StringRef, error) {
	r, err := u.readRoot()
	return r.name, err
}

// Producer returns the compiler and its flags.
func (u *Unit) Producer() (StringRef, error) {
	r, err := u.readRoot()
	return r.producer, err
}

// Language returns the language of the source (DW_LANG_*), 0 if it is not given.
func (u *Unit) Language() (int, error) {
	r, err := u.readRoot()
	return r.language, err
}

// Size returns the size of the unit in bytes.
func (u *Unit) Size() uint64 { return u.end - u.begin }

// Release says that the unit has been read: where the file is mapped, its pages
// need no longer count as memory of the process. They are given back together
// with those of other units, since this takes time on all processors, and with
// those of abbreviations and lists, which are in the order of the units.
func (u *Unit) Release() {
	f := u.file
	if n := f.released.Add(u.Size()); n < releaseWindow || !f.released.CompareAndSwap(n, 0) {
		return
	}
	for _, s := range []*section{&f.info, &f.types, &f.abbrev} {
		s.release(f, 0, uint64(len(s.data)))
	}
	for _, l := range []*lazySection{&f.loc, &f.loclists, &f.ranges, &f.rnglists} {
		if s := l.loaded.Load(); s != nil {
			s.release(f, 0, uint64(len(s.data)))
		}
	}
}

// readRoot reads the first entry once.
func (u *Unit) readRoot() (*root, error) {
	u.once.Do(func() { u.err = u.decodeRoot() })
	return &u.root, u.err
}

// decodeRoot reads the first entry twice: the bases in it are needed to read
// its strings, and may come after them.
func (u *Unit) decodeRoot() error {
	// Before DWARF 5 and without the attributes, tables are as in a .dwo file.
	if u.Version >= 5 {
		header := uint64(8)
		if u.offSize == 8 {
			header = 16
		}
		u.root.strOffsetsBase, u.root.addrBase = header, header
		u.root.loclistsBase, u.root.rnglistsBase = header+4, header+4
	}
	var r Reader
	bases := map[Slot]*uint64{
		slotStrOffsetsBase: &u.root.strOffsetsBase, slotAddrBase: &u.root.addrBase,
		slotLoclistsBase: &u.root.loclistsBase, slotRnglistsBase: &u.root.rnglistsBase,
	}
	code, _ := uleb(u.sec.data[:u.end], u.body)
	abbrev := seekAbbrev(u, code)
	if err := r.readRoot(u, baseSlots, code, abbrev); err != nil {
		return err
	}
	for slot, base := range bases {
		if r.Entry.Has(slot) {
			*base = r.Entry.val[slot]
		}
	}
	if err := r.readRoot(u, rootSlots, code, abbrev); err != nil {
		return err
	}
	e := &r.Entry
	u.root.name, u.root.producer = e.Name(), StringRef(e.value(slotProducer))
	u.root.language = int(e.value(SlotLanguage))
	u.root.lowPC, _ = e.LowPC()
	return nil
}
