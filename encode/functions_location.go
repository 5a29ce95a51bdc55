package encode

import (
	"debug/elf"
	"slices"

	"github.com/kdbg/kdbg/encode/dwarf"
)

// convention is the registers, by their numbers in DWARF, that a machine's
// calling convention passes the first integer and pointer arguments in. It is
// empty for machines whose parameters are not checked.
type convention []uint64

var conventions = map[elf.Machine]convention{
	elf.EM_X86_64:  {5, 4, 1, 2, 8, 9}, // rdi rsi rdx rcx r8 r9
	elf.EM_AARCH64: {0, 1, 2, 3, 4, 5, 6, 7},
	elf.EM_ARM:     {0, 1, 2, 3},
	elf.EM_S390:    {2, 3, 4, 5, 6},
}

// Positions of a parameter that is in no register when its function begins.
const (
	nowhere  = -1 // as far as can be told
	onStack  = -2
	constant = -3
)

// classify says where a parameter is when its function begins: what is wrong with
// that, and the number of the register in the convention. Of those on the stack
// it says only whether they are anywhere.
//
// Who calls or traces a function by its prototype takes its arguments from the
// registers of the calling convention. GCC and clang may change the parameters
// of functions that are not visible outside, and only locations tell.
func (c convention) classify(e *dwarf.Entry, index int) (flags functionFlags, position int8) {
	if len(c) == 0 || index >= len(c) && e.Has(dwarf.SlotLocation) {
		return 0, onStack
	}
	var reg uint64
	var found bool
	position = nowhere
	if x, ok := e.Location(); ok {
		if reg, found = register(x, true); isConstant(x) {
			position = constant
		}
	} else if l, ok := e.LocationList(); ok {
		reg, found = c.listed(l, c[index])
	} else {
		if e.Has(dwarf.SlotConstValue) {
			position = constant
		}
		return isOptimized, position
	}
	if !found {
		return isElsewhere, position
	}
	if reg != c[index] {
		flags = isMisplaced
	}
	return flags, int8(slices.Index(c, reg))
}

// listed returns the register that a location list has a parameter in: at the
// start, or at any place where the list says that the parameter has the value
// that a register had at the start. The wanted one is preferred.
func (c convention) listed(l dwarf.List, want uint64) (reg uint64, found bool) {
	for first := true; ; first = false {
		r, ok := l.Next()
		if !ok {
			return reg, found
		}
		if got, ok := register(r.Expr, first); ok {
			reg, found = got, true
			if reg == want {
				return reg, true
			}
		}
	}
}

// register returns the register that an expression consists of: itself, if the
// location is that at the start, or what it was then.
func register(x dwarf.Expr, start bool) (uint64, bool) {
	op, ok := x.Next()
	if !ok {
		return 0, false
	}
	if next, more := x.Next(); more && next.Code != dwarf.OpStackValue {
		return 0, false
	} else if _, more := x.Next(); more {
		return 0, false
	}
	switch {
	case op.Code == dwarf.OpRegx && start:
		return op.Arg, true
	case op.Code == dwarf.OpEntryValue:
		return register(op.Sub, true)
	}
	return 0, false
}

// isConstant reports whether an expression is a number or an address, as a
// value.
func isConstant(x dwarf.Expr) bool {
	op, _ := x.Next()
	number := op.Code == dwarf.OpAddr || op.Code == dwarf.OpAddrx ||
		op.Code >= dwarf.OpConst1u && op.Code <= dwarf.OpConsts || op.Code >= dwarf.OpLit0 && op.Code < dwarf.OpLit0+32
	op, more := x.Next()
	return number && more && op.Code == dwarf.OpStackValue
}
