package dwarf

import "math"

// class is a kind of value: what a form stores, or a set of those that an
// attribute may have.
type class uint8

const (
	classAddr class = 1 << iota
	classBlock
	classConst
	classFlag
	classOffset // into another section
	classList   // an index of a location or range list
	classRef
	classString
)

// slotClasses are the kinds of values that each slot is decoded from. Values of
// other kinds are skipped, as if the attribute were not there.
var slotClasses = [numSlots + 1]class{
	SlotName: classString, SlotLinkageName: classString, slotProducer: classString,
	SlotType: classRef, SlotSpecification: classRef, SlotAbstractOrigin: classRef, SlotAnnotation: classRef,
	SlotSignature: classRef, SlotImport: classRef, SlotSibling: classRef,
	SlotByteSize: classConst, SlotBitSize: classConst, SlotBitOffset: classConst, SlotDataBitOffset: classConst,
	SlotUpperBound: classConst, SlotCount: classConst, SlotEncoding: classConst, SlotCallingConvention: classConst,
	SlotLanguage: classConst, SlotInline: classConst,
	SlotMemberLocation: classConst | classBlock,
	SlotConstValue:     classConst | classBlock | classString,
	SlotLocation:       classBlock | classOffset | classList,
	SlotLowPC:          classAddr, SlotEntryPC: classAddr | classConst,
	SlotRanges:      classOffset | classList,
	SlotDeclaration: classFlag, SlotExternal: classFlag, SlotArtificial: classFlag, SlotPrototyped: classFlag, SlotVector: classFlag,
	slotStrOffsetsBase: classOffset, slotAddrBase: classOffset, slotLoclistsBase: classOffset, slotRnglistsBase: classOffset,
}

// slotOf returns the slot of an attribute, numSlots if it has none.
func slotOf(attr uint64) Slot {
	if attr < uint64(len(slotByAttr)) {
		if s := slotByAttr[attr]; s != 0 || attr == uint64(AttrName) {
			return s
		}
		return numSlots
	}
	switch Attr(min(attr, math.MaxUint16)) {
	case AttrMIPSLinkageName:
		return SlotLinkageName
	case AttrGNUVector:
		return SlotVector
	case AttrGNUAddrBase:
		return slotAddrBase
	case AttrGNUAnnotation:
		return SlotAnnotation
	}
	return numSlots
}

var slotByAttr = [...]Slot{
	AttrName: SlotName, AttrLinkageName: SlotLinkageName, AttrType: SlotType, AttrSpecification: SlotSpecification,
	AttrAbstractOrigin: SlotAbstractOrigin, AttrSignature: SlotSignature, AttrImport: SlotImport, AttrSibling: SlotSibling,
	AttrByteSize: SlotByteSize, AttrBitSize: SlotBitSize, AttrBitOffset: SlotBitOffset, AttrDataBitOffset: SlotDataBitOffset,
	AttrUpperBound: SlotUpperBound, AttrCount: SlotCount, AttrEncoding: SlotEncoding,
	AttrCallingConvention: SlotCallingConvention, AttrLanguage: SlotLanguage, AttrInline: SlotInline,
	AttrMemberLocation: SlotMemberLocation, AttrConstValue: SlotConstValue, AttrLocation: SlotLocation,
	AttrLowPC: SlotLowPC, AttrEntryPC: SlotEntryPC, AttrRanges: SlotRanges,
	AttrDeclaration: SlotDeclaration, AttrExternal: SlotExternal, AttrArtificial: SlotArtificial, AttrPrototyped: SlotPrototyped,
	AttrProducer: slotProducer, AttrStrOffsetsBase: slotStrOffsetsBase, AttrAddrBase: slotAddrBase,
	AttrLoclistsBase: slotLoclistsBase, AttrRnglistsBase: slotRnglistsBase,
}

// formInfo says how to read a form and how to skip it.
type formInfo struct {
	class class
	read  opKind
	skip  opKind // opSkip if the size is fixed
	size  uint32 // in bytes if fixed; sizeOffset or sizeAddr
	wide  opKind // reads the form in 64-bit DWARF, if size is sizeOffset
}

// Sizes that depend on the unit.
const (
	sizeOffset = math.MaxUint32 - iota // of an offset: 4 or 8 bytes
	sizeAddr                           // of an address
)

// forms are the forms of the standard, by number.
var forms = [...]formInfo{
	FormAddr:          {class: classAddr, read: opAddr, size: sizeAddr},
	FormBlock1:        {class: classBlock, read: opBlock1, skip: opSkipBlock1},
	FormBlock2:        {class: classBlock, read: opBlock2, skip: opSkipBlock2},
	FormBlock4:        {class: classBlock, read: opBlock4, skip: opSkipBlock4},
	FormBlock:         {class: classBlock, read: opBlock, skip: opSkipBlock},
	FormExprloc:       {class: classBlock, read: opBlock, skip: opSkipBlock},
	FormData1:         {class: classConst, read: opU1, size: 1},
	FormData2:         {class: classConst, read: opU2, size: 2},
	FormData4:         {class: classConst, read: opU4, size: 4},
	FormData8:         {class: classConst, read: opU8, size: 8},
	FormData16:        {size: 16},
	FormSdata:         {class: classConst, read: opSLEB, skip: opSkipLEB},
	FormUdata:         {class: classConst, read: opULEB, skip: opSkipLEB},
	FormImplicitConst: {class: classConst, read: opImplicit},
	FormFlag:          {class: classFlag, read: opFlag, size: 1},
	FormFlagPresent:   {class: classFlag, read: opPresent},
	FormString:        {class: classString, read: opString, skip: opSkipString},
	FormStrp:          {class: classString, read: opStrp4, wide: opStrp8, size: sizeOffset},
	FormLineStrp:      {class: classString, read: opLineStrp4, wide: opLineStrp8, size: sizeOffset},
	FormStrpSup:       {class: classString, read: opAltStrp4, wide: opAltStrp8, size: sizeOffset},
	FormStrx:          {class: classString, read: opStrx, skip: opSkipLEB},
	FormStrx1:         {class: classString, read: opStrx1, size: 1},
	FormStrx2:         {class: classString, read: opStrx2, size: 2},
	FormStrx3:         {class: classString, read: opStrx3, size: 3},
	FormStrx4:         {class: classString, read: opStrx4, size: 4},
	FormRef1:          {class: classRef, read: opRef1, size: 1},
	FormRef2:          {class: classRef, read: opRef2, size: 2},
	FormRef4:          {class: classRef, read: opRef4, size: 4},
	FormRef8:          {class: classRef, read: opRef8, size: 8},
	FormRefUdata:      {class: classRef, read: opRefLEB, skip: opSkipLEB},
	FormRefAddr:       {class: classRef, read: opRefAddr4, wide: opRefAddr8, size: sizeOffset},
	FormRefSup4:       {class: classRef, read: opRefAlt4, size: 4},
	FormRefSup8:       {class: classRef, read: opRefAlt8, size: 8},
	FormRefSig8:       {class: classRef, read: opRefSig, size: 8},
	FormAddrx:         {class: classAddr, read: opAddrx, skip: opSkipLEB},
	FormAddrx1:        {class: classAddr, read: opAddrx1, size: 1},
	FormAddrx2:        {class: classAddr, read: opAddrx2, size: 2},
	FormAddrx3:        {class: classAddr, read: opAddrx3, size: 3},
	FormAddrx4:        {class: classAddr, read: opAddrx4, size: 4},
	FormSecOffset:     {class: classOffset, read: opOffset4, wide: opOffset8, size: sizeOffset},
	FormLoclistx:      {class: classList, read: opListx, skip: opSkipLEB},
	FormRnglistx:      {class: classList, read: opListx, skip: opSkipLEB},
}

// gnuForms are what GNU tools had before DWARF 5 standardized them.
var gnuForms = map[Form]formInfo{
	FormGNUStrpAlt:   {class: classString, read: opAltStrp4, wide: opAltStrp8, size: sizeOffset},
	FormGNUStrIndex:  {class: classString, read: opStrx, skip: opSkipLEB},
	FormGNURefAlt:    {class: classRef, read: opRefAlt4, wide: opRefAlt8, size: sizeOffset},
	FormGNUAddrIndex: {class: classAddr, read: opAddrx, skip: opSkipLEB},
}

// step returns the op that reads an attribute of that form into slot; if the
// slot does not take the form, the op that skips it, and for opSkip the number
// of bytes.
func (t *abbrevs) step(slot Slot, form uint64) (o op, size uint32, ok bool) {
	if form == uint64(FormIndirect) {
		return op{kind: opIndirect, slot: slot}, 0, true
	}
	var info formInfo
	if form < uint64(len(forms)) {
		info = forms[form]
	} else {
		info = gnuForms[Form(min(form, math.MaxUint16))]
	}
	if info == (formInfo{}) {
		return op{}, 0, false
	}
	switch {
	case Form(form) == FormRefAddr && t.version == 2:
		// An address until DWARF 3 made it an offset.
		info.size, info.read = sizeAddr, map[int]opKind{2: opRefAddr2, 4: opRefAddr4, 8: opRefAddr8}[t.addrSize]
	case info.size == sizeOffset && t.offSize == 8:
		info.read = info.wide
	}
	switch info.size {
	case sizeOffset:
		info.size = uint32(t.offSize)
	case sizeAddr:
		info.size = uint32(t.addrSize)
	}
	accepts := slotClasses[slot]
	if t.version < 4 && accepts&classOffset != 0 {
		// Before DWARF 4 had a form for them, offsets were plain data.
		switch Form(form) {
		case FormData4:
			info.class, info.read = classOffset, opOffset4
		case FormData8:
			info.class, info.read = classOffset, opOffset8
		}
	}
	if info.class&accepts == 0 || info.read == opSkip {
		return op{kind: info.skip}, info.size, true
	}
	return op{kind: info.read, slot: slot}, 0, true
}
