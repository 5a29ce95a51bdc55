package bpf

import (
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// insn is an instruction taken apart (RFC 9669, BPF Instruction Set Architecture).
type insn struct {
	code     byte
	dst, src byte
	off      int16
	imm      int32
	upper    int32 // of a constant of 64 bits
}

func newInsn(l vmcore.Layout, b []byte) insn {
	i := insn{code: b[0], dst: b[1] & 0xf, src: b[1] >> 4, off: int16(l.Uint16(b[2:])), imm: int32(l.Uint32(b[4:]))}
	if l.BigEndian {
		i.dst, i.src = i.src, i.dst
	}
	if len(b) == 2*insSize {
		i.upper = int32(l.Uint32(b[insSize+4:]))
	}
	return i
}

// Classes of instructions, the three lowest bits of the code.
const (
	classLoad = iota // of constants, and of packets
	classLoadRegister
	classStore
	classStoreRegister
	classALU32
	classJump
	classJump32
	classALU
)

// Codes of single instructions.
const (
	opLoadConstant = 0x18 // 64 bits; two instructions long
	opGoto         = 0x05
	opGotoFar      = 0x06
	opCall         = 0x85
	opExit         = 0x95
)

// What the upper bits of codes say: operations of arithmetic, conditions of
// jumps, and the sizes and modes of loads and stores.
var (
	operations = [16]string{"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "", "%=", "^=", "=", "s>>="}
	conditions = [16]string{1: "==", 2: ">", 3: ">=", 4: "&", 5: "!=", 6: "s>", 7: "s>=", 10: "<", 11: "<=", 12: "s<", 13: "s<="}
	sizes      = [4]string{"32", "16", "8", "64"}
)

const (
	operationNegate = 8
	operationSwap   = 13

	modeAbsolute = 1 // of a packet
	modeIndirect = 2
	modeMemory   = 3
	modeSigned   = 4
	modeAtomic   = 6
)

// text writes an instruction as clang and bpftool do; what it does not know, as
// numbers.
func (i insn) text(p *Program) string {
	text := ""
	switch i.code & 7 {
	case classALU, classALU32:
		text = i.arithmetic()
	case classJump, classJump32:
		text = i.jump(p)
	default:
		text = i.memory(p)
	}
	if text == "" {
		text = fmt.Sprintf("code %#02x dst r%d src r%d off %d imm %d", i.code, i.dst, i.src, i.off, i.imm)
	}
	return text
}

// register names a register: w for the lower half, which operations on 32 bits
// use.
func (i insn) register(number byte) string {
	if class := i.code & 7; class == classALU32 || class == classJump32 {
		return fmt.Sprintf("w%d", number)
	}
	return fmt.Sprintf("r%d", number)
}

// operand is what is on the right of an operation: a register or a constant.
func (i insn) operand() string {
	if i.code&8 != 0 {
		return i.register(i.src)
	}
	return fmt.Sprint(i.imm)
}

func (i insn) arithmetic() string {
	dst := i.register(i.dst)
	switch operation := i.code >> 4; operation {
	case operationNegate:
		return fmt.Sprintf("%s = -%s", dst, dst)
	case operationSwap:
		order := "le"
		if i.code&8 != 0 {
			order = "be"
		}
		if i.code&7 == classALU {
			order = "bswap"
		}
		return fmt.Sprintf("r%d = %s%d r%d", i.dst, order, i.imm, i.dst)
	default:
		if operations[operation] == "" {
			return ""
		}
		sign := ""
		switch {
		case i.off == 1: // of division
			sign = "s"
		case i.off != 0 && operations[operation] == "=":
			return fmt.Sprintf("%s = (s%d)%s", dst, i.off, i.operand())
		}
		return fmt.Sprintf("%s %s%s %s", dst, sign, operations[operation], i.operand())
	}
}

func (i insn) jump(p *Program) string {
	switch i.code {
	case opGoto:
		return fmt.Sprintf("goto %+d", i.off)
	case opGotoFar:
		return fmt.Sprintf("goto %+d", i.imm)
	case opCall:
		return i.call(p)
	case opExit:
		return "exit"
	}
	condition := conditions[i.code>>4]
	if condition == "" {
		return ""
	}
	return fmt.Sprintf("if %s %s %s goto %+d", i.register(i.dst), condition, i.operand(), i.off)
}

// call names what is called. For a function of the kernel the verifier has put
// its distance from __bpf_call_base in place of its number
// (include/linux/filter.h).
func (i insn) call(p *Program) string {
	if i.src == 1 { // BPF_PSEUDO_CALL
		return fmt.Sprintf("call %+d", i.imm)
	}
	k := p.value.Kernel()
	if base := k.Lookup("__bpf_call_base"); len(base) == 1 {
		if name := k.SymbolName(base[0].Addr + vmcore.Addr(int64(i.imm))); name != "" {
			return "call " + name
		}
	}
	return fmt.Sprintf("call %d", i.imm)
}

func (i insn) memory(p *Program) string {
	class, size, mode := i.code&7, sizes[i.code>>3&3], i.code>>5
	place := func(register byte) string { return fmt.Sprintf("*(u%s *)(r%d %+d)", size, register, i.off) }
	switch {
	case i.code == opLoadConstant:
		return i.constant(p)
	case class == classLoad && mode == modeAbsolute:
		return fmt.Sprintf("r0 = *(u%s *)skb[%d]", size, i.imm)
	case class == classLoad && mode == modeIndirect:
		return fmt.Sprintf("r0 = *(u%s *)skb[r%d %+d]", size, i.src, i.imm)
	case class == classLoadRegister && mode == modeMemory:
		return fmt.Sprintf("r%d = %s", i.dst, place(i.src))
	case class == classLoadRegister && mode == modeSigned:
		return fmt.Sprintf("r%d = *(s%s *)(r%d %+d)", i.dst, size, i.src, i.off)
	case class == classStore && mode == modeMemory:
		return fmt.Sprintf("%s = %d", place(i.dst), i.imm)
	case class == classStoreRegister && mode == modeMemory:
		return fmt.Sprintf("%s = r%d", place(i.dst), i.src)
	case class == classStoreRegister && mode == modeAtomic:
		return i.atomic(place(i.dst))
	}
	return ""
}

// constant names a constant of 64 bits: the verifier has put addresses in place
// of maps.
func (i insn) constant(p *Program) string {
	u := uint64(uint32(i.upper))<<32 | uint64(uint32(i.imm))
	if id, ok := p.mapIDs[vmcore.Addr(u)]; ok {
		return fmt.Sprintf("r%d = map[id:%d]", i.dst, id)
	}
	return fmt.Sprintf("r%d = %#x", i.dst, u)
}

// atomic writes an atomic operation, which imm is; its lowest bit says that the
// old value is wanted.
func (i insn) atomic(place string) string {
	switch i.imm {
	case 0xe1:
		return fmt.Sprintf("r%d = xchg(%s, r%d)", i.src, place, i.src)
	case 0xf1:
		return fmt.Sprintf("r0 = cmpxchg(%s, r0, r%d)", place, i.src)
	}
	operation := operations[i.imm>>4&0xf]
	if operation == "" || i.imm&^0xf1 != 0 {
		return ""
	}
	text := fmt.Sprintf("lock %s %s r%d", place, operation, i.src)
	if i.imm&1 != 0 {
		text = fmt.Sprintf("r%d = fetch(%s)", i.src, text)
	}
	return text
}
