package dwarf

import "math"

// abbrevs is an abbreviation table compiled to programs. An entry of a unit is
// the number of an abbreviation and the values that its attributes' forms lay
// out; the program of the abbreviation skips the values nobody wants, many at a
// time where their sizes are fixed, and reads the others into slots.
//
// A Reader has one table, which it compiles again for each unit that does not
// share the last one's: nearly every unit of a vmlinux has its own, and keeping
// them all would cost more memory than everything else.
type abbrevs struct {
	list    []abbrev       // of code i+1 at i, up to inOrder
	inOrder int            // compilers number abbreviations from 1
	others  map[uint64]int // the rest by code
	ops     []op
	consts  []int64 // values of DW_FORM_implicit_const

	file                       *File
	off                        uint64 // of the table
	version, addrSize, offSize int    // that sizes of forms depend on
	valid                      bool
}

// abbrev is one abbreviation: what is true of all its entries, and its program.
type abbrev struct {
	tag      Tag
	children bool
	first, n uint32  // of ops
	tail     uint32  // bytes to skip at the end
	flags    slotSet // attributes that are true without a value
}

// op is a step of a program: skip a number of bytes, then do as kind says.
type op struct {
	kind opKind
	slot Slot
	skip uint32
	arg  uint32 // of opImplicit: its value's index
}

type opKind uint8

const (
	// Steps over values without a fixed size.
	opSkip opKind = iota
	opSkipLEB
	opSkipString
	opSkipBlock1
	opSkipBlock2
	opSkipBlock4
	opSkipBlock

	// Values.
	opU1
	opU2
	opU4
	opU8
	opULEB
	opSLEB
	opImplicit
	opFlag
	opPresent // true without a value: never a step
	opString
	opStrp4
	opStrp8
	opLineStrp4
	opLineStrp8
	opAltStrp4
	opAltStrp8
	opStrx
	opStrx1
	opStrx2
	opStrx3
	opStrx4
	opRef1
	opRef2
	opRef4
	opRef8
	opRefLEB
	opRefAddr2
	opRefAddr4
	opRefAddr8
	opRefAlt4
	opRefAlt8
	opRefSig
	opAddr
	opAddrx
	opAddrx1
	opAddrx2
	opAddrx3
	opAddrx4
	opBlock
	opBlock1
	opBlock2
	opBlock4
	opOffset4 // into another section
	opOffset8
	opListx
	opIndirect
)

func (k opKind) isBlock() bool { return k >= opBlock && k <= opBlock4 }

func (k opKind) isString() bool { return k >= opString && k <= opStrx4 }

// compile makes programs for the table of a unit.
func (t *abbrevs) compile(u *Unit) error {
	t.clear(u)
	sec := &u.file.abbrev
	c := cursor{data: sec.data, off: u.abbrevOff, big: u.file.big}
	for c.off < uint64(len(c.data)) {
		code := c.uleb()
		if code == 0 || c.msg != "" {
			break
		}
		a, err := t.compileOne(u, entrySlots, &c)
		if err != nil {
			return err
		}
		if code == uint64(len(t.list))+1 && len(t.others) == 0 {
			t.inOrder++
		} else {
			t.other(code)
		}
		t.list = append(t.list, a)
	}
	if c.msg != "" {
		return u.file.errorf(sec.name, c.at, "%s", c.msg)
	}
	t.valid = true
	return nil
}

// compileAt makes a program for the given slots of one abbreviation, where
// seekAbbrev has found it.
func (t *abbrevs) compileAt(u *Unit, slots slotSet, code, off uint64) error {
	t.clear(u)
	if off == uint64(len(u.file.abbrev.data)) {
		return nil
	}
	c := cursor{data: u.file.abbrev.data, off: off, big: u.file.big}
	a, err := t.compileOne(u, slots, &c)
	if err == nil && c.msg != "" {
		err = u.file.errorf(u.file.abbrev.name, c.at, "%s", c.msg)
	}
	t.other(code)
	t.list = append(t.list, a)
	return err
}

func (t *abbrevs) clear(u *Unit) {
	t.list, t.ops, t.consts = t.list[:0], t.ops[:0], t.consts[:0]
	clear(t.others)
	t.file, t.off, t.version, t.addrSize, t.offSize = u.file, u.abbrevOff, u.Version, u.addrSize, u.offSize
	t.inOrder, t.valid = 0, false
}

// other says that the next abbreviation of the list has a code out of order.
func (t *abbrevs) other(code uint64) {
	if t.others == nil {
		t.others = make(map[uint64]int)
	}
	t.others[code] = len(t.list)
}

// seekAbbrev finds an abbreviation of a unit, and returns where it goes on after its
// code; the end of the section if there is none.
func seekAbbrev(u *Unit, code uint64) uint64 {
	c := cursor{data: u.file.abbrev.data, off: u.abbrevOff, big: u.file.big}
	for c.msg == "" && c.off < uint64(len(c.data)) {
		switch c.uleb() {
		case 0:
			return uint64(len(c.data))
		case code:
			return c.off
		}
		c.uleb() // tag
		c.u8()   // whether it has children
		for c.msg == "" {
			attr, form := c.uleb(), c.uleb()
			if form == uint64(FormImplicitConst) {
				c.sleb()
			}
			if attr == 0 && form == 0 {
				break
			}
		}
	}
	return uint64(len(c.data))
}

// compileOne reads an abbreviation after its code.
func (t *abbrevs) compileOne(u *Unit, slots slotSet, c *cursor) (abbrev, error) {
	sec := &u.file.abbrev
	at := c.off
	tag := c.uleb()
	a := abbrev{tag: Tag(tag), children: c.u8() != 0, first: uint32(len(t.ops))}
	if tag > math.MaxUint16 {
		return a, u.file.errorf(sec.name, at, "unknown tag %#x", tag)
	}
	var skip uint32
	for {
		at = c.off
		attr, form := c.uleb(), c.uleb()
		if attr == 0 && form == 0 || c.msg != "" {
			break
		}
		slot := slotOf(attr)
		if slots&(1<<slot) == 0 {
			slot = numSlots
		}
		step, size, ok := t.step(slot, form)
		if !ok {
			return a, u.file.errorf(sec.name, at, "unknown form %#x", form)
		}
		if form == uint64(FormImplicitConst) {
			step.arg = uint32(len(t.consts))
			t.consts = append(t.consts, c.sleb())
		}
		switch step.kind {
		case opSkip:
			if skip += size; skip > maxBlock {
				return a, u.file.errorf(sec.name, at, "too many attributes")
			}
		case opPresent:
			a.flags |= 1 << slot
		default:
			step.skip, skip = skip, 0
			t.ops = append(t.ops, step)
		}
	}
	a.n, a.tail = uint32(len(t.ops))-a.first, skip
	return a, nil
}

// lookup returns the abbreviation of a code, nil if there is none.
func (t *abbrevs) lookup(code uint64) *abbrev {
	if code-1 < uint64(t.inOrder) {
		return &t.list[code-1]
	}
	if i, ok := t.others[code]; ok {
		return &t.list[i]
	}
	return nil
}

// fits reports whether t is the table of u.
func (t *abbrevs) fits(u *Unit) bool {
	return t.valid && t.file == u.file && t.off == u.abbrevOff && t.version == u.Version && t.addrSize == u.addrSize && t.offSize == u.offSize
}
