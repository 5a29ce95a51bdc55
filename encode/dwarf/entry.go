package dwarf

// Slot is an attribute that a [Reader] decodes.
type Slot uint8

const (
	SlotName              Slot = iota
	SlotLinkageName            // DW_AT_linkage_name, DW_AT_MIPS_linkage_name
	SlotType                   // a reference, as the next ones
	SlotSpecification          // the declaration that the entry completes
	SlotAbstractOrigin         // the entry that this is an instance of
	SlotAnnotation             // first of a chain of annotations (DW_AT_GNU_annotation)
	SlotSignature              // the full type of a declaration, in a type unit
	SlotImport                 // the unit that an imported unit stands for
	SlotSibling                // the next entry of the same parent
	SlotByteSize               // a constant, as the next ones
	SlotBitSize                //
	SlotBitOffset              // from the most significant bit of the storage unit (DWARF 2 and 3)
	SlotDataBitOffset          // from the start of the structure (since DWARF 4)
	SlotUpperBound             //
	SlotCount                  //
	SlotEncoding               //
	SlotCallingConvention      //
	SlotLanguage               //
	SlotInline                 //
	SlotMemberLocation         // a constant, or an expression
	SlotConstValue             // a constant, a block or a string
	SlotLocation               // an expression, or a list of them
	SlotLowPC                  // an address
	SlotEntryPC                // an address, or an offset from the start of the first range
	SlotRanges                 // a list of ranges
	SlotDeclaration            // a flag, as the next ones
	SlotExternal
	SlotArtificial
	SlotPrototyped
	SlotVector // an array that is a vector of GNU C

	// Of the first entry of a unit only.
	slotProducer
	slotStrOffsetsBase
	slotAddrBase
	slotLoclistsBase
	slotRnglistsBase
	numSlots
)

// slotSet is a set of slots, one bit each.
type slotSet uint64

const (
	baseSlots = 1<<slotStrOffsetsBase | 1<<slotAddrBase | 1<<slotLoclistsBase | 1<<slotRnglistsBase
	rootSlots = 1<<SlotName | 1<<slotProducer | 1<<SlotLanguage | 1<<SlotLowPC
	// entrySlots are those that a walk decodes.
	entrySlots = 1<<slotProducer - 1
)

// Entry is a debugging entry. Methods of attributes return zero where the entry
// has none; [Entry.Has] tells the difference.
type Entry struct {
	Offset      Ref // of the entry itself
	Tag         Tag
	HasChildren bool

	unit *Unit
	has  slotSet
	// val holds what each slot of has says: a Ref, a StringRef, a number, or for
	// blocks and addresses where they are. form tells these cases apart.
	val  [numSlots]uint64
	form [numSlots]opKind
}

// Has reports whether the entry has the attribute, in a form that it is decoded
// from: a bound given by an expression is not a bound that Has knows.
func (e *Entry) Has(s Slot) bool { return e.has&(1<<s) != 0 }

func (e *Entry) value(s Slot) uint64 {
	if e.has&(1<<s) == 0 {
		return 0
	}
	return e.val[s]
}

// Unit returns the unit that the entry is in.
func (e *Entry) Unit() *Unit { return e.unit }

// Name returns the name, which [File.String] reads.
func (e *Entry) Name() StringRef { return StringRef(e.value(SlotName)) }

// LinkageName returns the name of the symbol where it differs from the name.
func (e *Entry) LinkageName() StringRef { return StringRef(e.value(SlotLinkageName)) }

// Type returns the entry of the type; zero is void.
func (e *Entry) Type() Ref { return Ref(e.value(SlotType)) }

// Specification returns the declaration that this entry completes.
func (e *Entry) Specification() Ref { return Ref(e.value(SlotSpecification)) }

// AbstractOrigin returns the entry that this one is a concrete instance of.
func (e *Entry) AbstractOrigin() Ref { return Ref(e.value(SlotAbstractOrigin)) }

// Annotation returns the first of the annotations that GCC puts in a chain.
func (e *Entry) Annotation() Ref { return Ref(e.value(SlotAnnotation)) }

// Signature returns the type unit's type that a declaration stands for.
func (e *Entry) Signature() Ref { return Ref(e.value(SlotSignature)) }

// Import returns the first entry of the unit that this entry imports.
func (e *Entry) Import() Ref { return Ref(e.value(SlotImport)) }

// Sibling returns the next entry of the same parent, where it is given.
func (e *Entry) Sibling() Ref { return Ref(e.value(SlotSibling)) }

// ByteSize returns the size in bytes.
func (e *Entry) ByteSize() uint64 { return e.value(SlotByteSize) }

// BitSize returns the size of a bit-field.
func (e *Entry) BitSize() uint64 { return e.value(SlotBitSize) }

// BitOffset returns where a bit-field begins, counted down from the most
// significant bit of a storage unit of ByteSize bytes at MemberLocation.
func (e *Entry) BitOffset() uint64 { return e.value(SlotBitOffset) }

// DataBitOffset returns where a bit-field begins in its structure, in bits.
func (e *Entry) DataBitOffset() uint64 { return e.value(SlotDataBitOffset) }

// UpperBound returns the largest index of an array.
func (e *Entry) UpperBound() Const { return e.constant(SlotUpperBound) }

// Count returns the number of elements of an array.
func (e *Entry) Count() Const { return e.constant(SlotCount) }

// ConstValue returns the value of an enumerator or of a variable that is
// constant. It is zero if the value is a block or a string.
func (e *Entry) ConstValue() Const {
	if k := e.form[SlotConstValue]; k.isBlock() || k.isString() {
		return Const{}
	}
	return e.constant(SlotConstValue)
}

// ConstString returns the value of an annotation.
func (e *Entry) ConstString() StringRef {
	if !e.form[SlotConstValue].isString() {
		return 0
	}
	return StringRef(e.value(SlotConstValue))
}

// Encoding returns how to read the bytes of a base type (Encoding…).
func (e *Entry) Encoding() int { return int(e.value(SlotEncoding)) }

// Language returns the language of a unit (DW_LANG_*).
func (e *Entry) Language() int { return int(e.value(SlotLanguage)) }

// Inline returns whether a function was declared inline, and was inlined
// (DW_INL_*).
func (e *Entry) Inline() int { return int(e.value(SlotInline)) }

// CallingConvention returns the calling convention of a function.
func (e *Entry) CallingConvention() int { return int(e.value(SlotCallingConvention)) }

// Declaration reports whether the entry is a declaration only.
func (e *Entry) Declaration() bool { return e.Has(SlotDeclaration) }

// External reports whether a function or variable is visible outside its unit.
func (e *Entry) External() bool { return e.Has(SlotExternal) }

// Artificial reports whether a compiler made up the entry.
func (e *Entry) Artificial() bool { return e.Has(SlotArtificial) }

// Prototyped reports whether a function's parameters were declared.
func (e *Entry) Prototyped() bool { return e.Has(SlotPrototyped) }

// MemberLocation returns the offset of a member in bytes. An expression that
// is not a plain offset (virtual base classes) gives ok false.
func (e *Entry) MemberLocation() (offset uint64, ok bool) {
	if !e.Has(SlotMemberLocation) {
		return 0, false
	}
	v := e.val[SlotMemberLocation]
	if !e.form[SlotMemberLocation].isBlock() {
		return v, true
	}
	ops := e.expr(v)
	op, ok := ops.Next()
	if !ok || op.Code != OpPlusUconst && op.Code != OpConstu {
		return 0, false
	}
	if next, more := ops.Next(); more && next.Code != OpPlus {
		return 0, false
	}
	return op.Arg, ops.Err() == nil
}

// Const is a constant as it was stored, since its sign depends on the type of
// what it is the value of.
type Const struct {
	bits uint64
	size uint8 // bytes that were stored, 0 for a number whose sign was stored too
}

func (e *Entry) constant(s Slot) Const {
	if !e.Has(s) || e.form[s].isBlock() {
		return Const{}
	}
	c := Const{bits: e.val[s]}
	switch e.form[s] {
	case opU1:
		c.size = 1
	case opU2:
		c.size = 2
	case opU4:
		c.size = 4
	case opU8:
		c.size = 8
	case opULEB:
		c.size = 16
	}
	return c
}

// Uint returns the value of an unsigned constant.
func (c Const) Uint() uint64 { return c.bits }

// Int returns the value of a signed constant: one of 1, 2, 4 or 8 stored bytes
// is extended by its sign.
func (c Const) Int() int64 {
	switch c.size {
	case 1:
		return int64(int8(c.bits))
	case 2:
		return int64(int16(c.bits))
	case 4:
		return int64(int32(c.bits))
	}
	return int64(c.bits)
}

// Signed reports whether the form itself says that the value is signed
// (DW_FORM_sdata, DW_FORM_implicit_const): GCC and clang store negative values,
// and no others, like this where they do not store fixed sizes.
func (c Const) Signed() bool { return c.size == 0 }

// Unsigned reports whether the form itself says that the value is unsigned
// (DW_FORM_udata).
func (c Const) Unsigned() bool { return c.size == 16 }

// Address is an address in memory.
type Address struct {
	Value uint64
	// Section is the index of the ELF section that Value is relative to (or
	// SHN_ABS, SHN_COMMON). It is 0 if no relocation says so: in files that are
	// not ET_REL, and for undefined symbols.
	Section int
}

// LowPC returns the address of the first instruction.
func (e *Entry) LowPC() (Address, bool) { return e.address(SlotLowPC) }

func (e *Entry) address(s Slot) (Address, bool) {
	if !e.Has(s) {
		return Address{}, false
	}
	u, v := e.unit, e.val[s]
	switch k := e.form[s]; {
	case k == opAddr:
		return u.addressAt(u.sec, v), true
	case k >= opAddrx && k <= opAddrx4:
		return u.addressAt(&u.file.addr, v), true
	}
	return Address{}, false
}

// addressAt reads the address at off, which is known to be inside sec.
func (u *Unit) addressAt(sec *section, off uint64) Address {
	return Address{Value: fixed(sec.data[off:], u.addrSize, u.file.big), Section: sec.sectionOf(off)}
}

// A block is packed into one number: its offset in the section, which leaves
// room for a terabyte, and its length.
const (
	blockLenBits = 24
	maxBlock     = 1<<blockLenBits - 1
)

func (e *Entry) expr(packed uint64) Expr {
	off := packed >> blockLenBits
	return Expr{unit: e.unit, sec: e.unit.sec, off: off, end: off + packed&maxBlock}
}
