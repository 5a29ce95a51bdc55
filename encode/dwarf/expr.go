package dwarf

import "fmt"

// OpCode is an operation of a location expression (DW_OP_*).
type OpCode uint8

const (
	OpAddr          OpCode = 0x03
	OpDeref         OpCode = 0x06
	OpConst1u       OpCode = 0x08
	OpConst1s       OpCode = 0x09
	OpConst2u       OpCode = 0x0a
	OpConst2s       OpCode = 0x0b
	OpConst4u       OpCode = 0x0c
	OpConst4s       OpCode = 0x0d
	OpConst8u       OpCode = 0x0e
	OpConst8s       OpCode = 0x0f
	OpConstu        OpCode = 0x10
	OpConsts        OpCode = 0x11
	OpPick          OpCode = 0x15
	OpPlus          OpCode = 0x22
	OpPlusUconst    OpCode = 0x23
	OpBra           OpCode = 0x28
	OpSkip          OpCode = 0x2f
	OpLit0          OpCode = 0x30 // to OpLit0+31
	OpReg0          OpCode = 0x50 // to OpReg0+31
	OpBreg0         OpCode = 0x70 // to OpBreg0+31
	OpRegx          OpCode = 0x90
	OpFbreg         OpCode = 0x91
	OpBregx         OpCode = 0x92
	OpPiece         OpCode = 0x93
	OpDerefSize     OpCode = 0x94
	OpXderefSize    OpCode = 0x95
	OpNop           OpCode = 0x96
	OpCall2         OpCode = 0x98
	OpCall4         OpCode = 0x99
	OpCallRef       OpCode = 0x9a
	OpFormTLS       OpCode = 0x9b
	OpCallFrameCFA  OpCode = 0x9c
	OpBitPiece      OpCode = 0x9d
	OpImplicitValue OpCode = 0x9e
	OpStackValue    OpCode = 0x9f
	OpImplicitPtr   OpCode = 0xa0
	OpAddrx         OpCode = 0xa1
	OpConstx        OpCode = 0xa2
	OpEntryValue    OpCode = 0xa3
	OpConstType     OpCode = 0xa4
	OpRegvalType    OpCode = 0xa5
	OpDerefType     OpCode = 0xa6
	OpXderefType    OpCode = 0xa7
	OpConvert       OpCode = 0xa8
	OpReinterpret   OpCode = 0xa9

	OpGNUPushTLS       OpCode = 0xe0
	OpGNUImplicitPtr   OpCode = 0xf2
	OpGNUEntryValue    OpCode = 0xf3
	OpGNUConstType     OpCode = 0xf4
	OpGNURegvalType    OpCode = 0xf5
	OpGNUDerefType     OpCode = 0xf6
	OpGNUConvert       OpCode = 0xf7
	OpGNUReinterpret   OpCode = 0xf9
	OpGNUParameterRef  OpCode = 0xfa
	OpGNUAddrIndex     OpCode = 0xfb
	OpGNUConstIndex    OpCode = 0xfc
	OpGNUVariableValue OpCode = 0xfd
)

// Op is one operation of an expression.
type Op struct {
	// Code is the operation. GNU's early numbers for what DWARF 5 has since
	// are given as DWARF 5's, and OpReg0+n and OpBreg0+n as OpRegx and OpBregx.
	Code OpCode
	Arg  uint64 // the operand: a register, a number (perhaps signed), a size
	Arg2 uint64 // the second operand: of OpBregx the offset, signed
	// Addr is the address that OpAddr and OpAddrx push.
	Addr Address
	// Sub is the expression within OpEntryValue, and the bytes of OpImplicitValue.
	Sub Expr
}

// Expr is a location expression, and an iterator over its operations. It is a
// value: a copy starts where the original is.
type Expr struct {
	unit     *Unit
	sec      *section
	off, end uint64
	err      error
}

// Len returns the number of bytes that are left.
func (x *Expr) Len() int { return int(x.end - x.off) }

// Bytes returns the bytes that are left, part of the mapped file.
func (x *Expr) Bytes() []byte {
	if x.sec == nil {
		return nil
	}
	return x.sec.data[x.off:x.end]
}

// Err returns the error that ended the iteration.
func (x *Expr) Err() error { return x.err }

// Next returns the next operation, and false at the end or after an error.
func (x *Expr) Next() (o Op, ok bool) {
	if x.err != nil || x.off >= x.end {
		return Op{}, false
	}
	u := x.unit
	at := x.off
	c := cursor{data: x.sec.data[:x.end], off: x.off, big: u.file.big}
	o.Code = plainCode(OpCode(c.u8()))
	switch code := o.Code; {
	case code >= OpReg0 && code < OpReg0+32:
		o.Code, o.Arg = OpRegx, uint64(code-OpReg0)
	case code >= OpBreg0 && code < OpBreg0+32:
		o.Code, o.Arg, o.Arg2 = OpBregx, uint64(code-OpBreg0), uint64(c.sleb())
	case code == OpAddr:
		if c.bytes(uint64(u.addrSize)) != nil {
			o.Addr = u.addressAt(x.sec, at+1)
		}
	case code == OpAddrx || code == OpConstx:
		o.Arg = c.uleb()
		where, ok := u.file.addr.indexed(u.root.addrBase, o.Arg, u.addrSize)
		if !ok {
			c.fail(at, fmt.Sprintf("address %d, beyond the end of %s", o.Arg, u.file.addr.name))
			break
		}
		o.Addr = u.addressAt(&u.file.addr, where)
	case code == OpEntryValue || code == OpImplicitValue:
		n := c.uleb()
		o.Sub = Expr{unit: u, sec: x.sec, off: c.off, end: c.off + n}
		c.bytes(n)
	default:
		x.operands(&o, &c)
	}
	if c.msg != "" {
		x.err = u.file.errorf(x.sec.name, c.at, "location expression: %s", c.msg)
		return Op{}, false
	}
	x.off = c.off
	return o, true
}

// operands reads the operands of operations that need nothing but numbers.
func (x *Expr) operands(o *Op, c *cursor) {
	u := x.unit
	switch o.Code {
	case OpConst1u, OpPick, OpDerefSize, OpXderefSize:
		o.Arg = c.uint(1)
	case OpConst1s:
		o.Arg = uint64(int8(c.u8()))
	case OpConst2u, OpCall2:
		o.Arg = c.uint(2)
	case OpConst2s, OpBra, OpSkip:
		o.Arg = uint64(int16(c.u16()))
	case OpConst4u, OpCall4, OpGNUParameterRef:
		o.Arg = c.uint(4)
	case OpConst4s:
		o.Arg = uint64(int32(c.u32()))
	case OpConst8u, OpConst8s:
		o.Arg = c.uint(8)
	case OpConstu, OpPlusUconst, OpRegx, OpPiece, OpConvert, OpReinterpret:
		o.Arg = c.uleb()
	case OpConsts, OpFbreg:
		o.Arg = uint64(c.sleb())
	case OpBregx:
		o.Arg, o.Arg2 = c.uleb(), uint64(c.sleb())
	case OpBitPiece, OpRegvalType:
		o.Arg, o.Arg2 = c.uleb(), c.uleb()
	case OpCallRef, OpGNUVariableValue:
		o.Arg = c.uint(u.refSize())
	case OpImplicitPtr:
		o.Arg, o.Arg2 = c.uint(u.refSize()), uint64(c.sleb())
	case OpDerefType, OpXderefType:
		o.Arg, o.Arg2 = c.uint(1), c.uleb()
	case OpConstType:
		o.Arg = c.uleb()
		c.bytes(uint64(c.u8()))
	default:
		if !o.Code.plain() {
			c.fail(x.off, fmt.Sprintf("unknown operation %#x", uint8(o.Code)))
		}
	}
}

// plain reports whether an operation has no operands.
func (o OpCode) plain() bool {
	switch {
	case o >= 0x12 && o <= 0x2e, o >= OpLit0 && o < OpLit0+32: // stack, arithmetic, comparisons; literals
		return true
	}
	switch o {
	case OpDeref, OpNop, 0x97, OpFormTLS, OpCallFrameCFA, OpStackValue, OpGNUPushTLS, 0xf0:
		return true
	}
	return false
}

// plainCode maps the numbers that GNU used before DWARF 5 to those of DWARF 5.
func plainCode(o OpCode) OpCode {
	switch o {
	case OpGNUPushTLS:
		return OpFormTLS
	case OpGNUImplicitPtr:
		return OpImplicitPtr
	case OpGNUEntryValue:
		return OpEntryValue
	case OpGNUConstType:
		return OpConstType
	case OpGNURegvalType:
		return OpRegvalType
	case OpGNUDerefType:
		return OpDerefType
	case OpGNUConvert:
		return OpConvert
	case OpGNUReinterpret:
		return OpReinterpret
	case OpGNUAddrIndex:
		return OpAddrx
	case OpGNUConstIndex:
		return OpConstx
	}
	return o
}

// refSize returns the size of a reference to any entry: an address in DWARF 2.
func (u *Unit) refSize() int {
	if u.Version == 2 {
		return u.addrSize
	}
	return u.offSize
}
