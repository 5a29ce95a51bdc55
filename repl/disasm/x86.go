package disasm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/kdbg/kdbg/vmcore"
)

// x86 decodes an instruction of x86-64.
func x86(b []byte, at vmcore.Addr) Inst {
	if text, n := x86Missing(b); n > 0 {
		return Inst{Addr: at, Len: n, Text: text}
	}
	in, name, ok := x86Decode(b)
	if !ok {
		return Inst{Addr: at, Len: 1, Text: "(bad)"}
	}
	i := Inst{Addr: at, Len: in.Len, Text: x86Text(&in, name, b, uint64(at))}
	for _, a := range in.Args {
		switch a := a.(type) {
		case x86asm.Rel:
			i.Ref, i.Branch = at+vmcore.Addr(in.Len)+vmcore.Addr(a), true
		case x86asm.Mem:
			if a.Base == x86asm.RIP {
				i.Ref = at + vmcore.Addr(in.Len) + vmcore.Addr(int64(int32(a.Disp)))
				i.PerCPU = strings.Contains(i.Text, "%gs:")
			} else if a.Base == 0 && a.Segment == 0 {
				i.Ref = vmcore.Addr(int64(int32(a.Disp)))
			}
		case x86asm.Imm:
			if in.DataSize == 64 && a < -1<<16 && a >= -1<<31 && i.Ref == 0 {
				i.Ref = vmcore.Addr(a) // the kernel's image is in the last 2 GiB
			}
		}
	}
	return i
}

// x86Decode decodes an instruction by x86asm. One that it does not know may be as
// long as another, and then has the name of its own.
func x86Decode(b []byte) (in x86asm.Inst, name string, ok bool) {
	known, name := x86Stand(b)
	in, err := x86asm.Decode(known, 64)
	if err != nil || in.Op == 0 {
		return in, "", false
	}
	in.Len += len(b) - len(known)
	if m := x86ModRM(b); m.mod == 0 && m.rm == 5 {
		for i, a := range in.Args { // of VEX instructions, it forgets what this is relative to
			if mem, ok := a.(x86asm.Mem); ok && mem.Base == 0 && mem.Index == 0 {
				mem.Base = x86asm.RIP
				in.Args[i] = mem
			}
		}
	}
	return in, name, true
}

// x86Text writes an instruction as objdump does. Its mnemonic is name, that of
// x86asm where name is empty.
func x86Text(in *x86asm.Inst, name string, b []byte, pc uint64) string {
	head, args := splitOperands(x86asm.GNUSyntax(*in, pc, nil))
	words := strings.Fields(head)
	op := words[len(words)-1]
	prefixes := words[:len(words)-1]
	if len(args) == 0 && hasMemory(in) { // at address 0
		args = []string{""}
	}
	for i, arg := range args {
		switch {
		case strings.HasPrefix(arg, "$"):
			args[i] = x86Immediate(in, op)
		case hasMemory(in) && isMemory(arg):
			var segment string
			args[i], segment = x86Memory(in, b, arg)
			if segment != "" {
				prefixes = append(prefixes, segment)
			}
		}
	}
	if name != "" {
		op = name
	}
	prefixes, op, args = x86Mnemonic(in, prefixes, op, args)
	text := strings.Join(append(prefixes, op), " ")
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf("%-6s %s", text, strings.Join(args, ","))
}

// splitOperands cuts the text of an instruction into its mnemonic, with prefixes,
// and its operands.
func splitOperands(text string) (head string, args []string) {
	at := len(text)
	for i := range text {
		if i > 0 && text[i-1] == ' ' && (strings.IndexByte("$%(*,", text[i]) >= 0 || strings.HasPrefix(strings.TrimPrefix(text[i:], "-"), "0x")) {
			at = i
			break
		}
	}
	if at == len(text) {
		return text, nil
	}
	head = text[:at]
	depth, start := 0, at
	for i := at; i < len(text); i++ {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				args = append(args, text[start:i])
				start = i + 1
			}
		}
	}
	return head, append(args, text[start:])
}

// hasMemory reports whether an instruction has an operand in memory that it says
// the place of: those of string instructions are always at the same registers.
func hasMemory(in *x86asm.Inst) bool {
	n := 0
	for _, a := range in.Args {
		if _, ok := a.(x86asm.Mem); ok {
			n++
		}
	}
	switch in.Op {
	case x86asm.STOSB, x86asm.STOSW, x86asm.STOSD, x86asm.STOSQ, x86asm.SCASB, x86asm.SCASW, x86asm.SCASD, x86asm.SCASQ,
		x86asm.LODSB, x86asm.LODSW, x86asm.LODSD, x86asm.LODSQ, x86asm.INSB, x86asm.INSW, x86asm.INSD,
		x86asm.OUTSB, x86asm.OUTSW, x86asm.OUTSD, x86asm.XLATB:
		return false
	}
	return n == 1
}

// isMemory reports whether an operand is memory, of an instruction that has one.
func isMemory(arg string) bool {
	arg = strings.TrimPrefix(arg, "*")
	return !strings.HasPrefix(arg, "%") || strings.Contains(arg, ":")
}

// x86Immediate writes a number that is part of an instruction: as many bits as the
// operation has, without a sign.
func x86Immediate(in *x86asm.Inst, op string) string {
	var imm int64
	size := 0
	for _, a := range in.Args {
		switch a := a.(type) {
		case x86asm.Imm:
			imm = int64(a)
		case x86asm.Reg:
			if size == 0 {
				size = registerSize(a)
			}
		}
	}
	if size == 0 {
		size = in.MemBytes
	}
	switch in.Op {
	case x86asm.ADD, x86asm.OR, x86asm.ADC, x86asm.SBB, x86asm.AND, x86asm.SUB, x86asm.XOR, x86asm.CMP, x86asm.TEST, x86asm.MOV, x86asm.IMUL:
	case x86asm.PUSH:
		size = 8
	default:
		size = 1
	}
	if size < 8 {
		imm &= 1<<(8*size) - 1
	}
	return "$0x" + strconv.FormatUint(uint64(imm), 16)
}

// registerSize returns the bytes of a general register, 0 for others.
func registerSize(r x86asm.Reg) int {
	switch {
	case r >= x86asm.AL && r <= x86asm.R15B:
		return 1
	case r >= x86asm.AX && r <= x86asm.R15W:
		return 2
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return 4
	case r >= x86asm.RAX && r <= x86asm.R15:
		return 8
	}
	return 0
}

// x86Memory writes an operand in memory, and returns the segment of a prefix that
// does nothing.
func x86Memory(in *x86asm.Inst, b []byte, arg string) (text, useless string) {
	var m x86asm.Mem
	for _, a := range in.Args {
		if mem, ok := a.(x86asm.Mem); ok {
			m = mem
		}
	}
	var out strings.Builder
	if strings.HasPrefix(arg, "*") {
		out.WriteByte('*')
	}
	if seg, _, ok := strings.Cut(strings.TrimPrefix(arg, "*"), ":"); ok {
		if seg == "%fs" || seg == "%gs" {
			out.WriteString(seg + ":")
		} else {
			useless = seg[1:]
		}
	}
	disp := int64(int32(m.Disp))
	enc := x86ModRM(b)
	switch {
	case m.Base == 0 && m.Index == 0:
		fmt.Fprintf(&out, "0x%x", uint64(disp))
		return out.String(), useless
	case disp < 0:
		fmt.Fprintf(&out, "-0x%x", -disp)
	case disp != 0 || enc.mod == 1 || enc.mod == 2 || m.Base == x86asm.RIP || m.Base == 0:
		fmt.Fprintf(&out, "0x%x", disp)
	}
	base := ""
	if m.Base != 0 {
		base = registerName(m.Base)
	}
	switch {
	case m.Index != 0:
		fmt.Fprintf(&out, "(%s,%s,%d)", base, registerName(m.Index), max(m.Scale, 1))
	case enc.mod != 3 && enc.rm == 4 && m.Base != x86asm.RSP && m.Base != x86asm.R12 && m.Base != x86asm.ESP && m.Base != x86asm.R12L:
		fmt.Fprintf(&out, "(%s,%%riz,%d)", base, max(m.Scale, 1))
	default:
		out.WriteString("(" + base + ")")
	}
	// What stands behind the operand: masks and broadcasts of AVX-512.
	if i := strings.LastIndexByte(arg, ')'); i >= 0 {
		out.WriteString(arg[i+1:])
	}
	return out.String(), useless
}

// registerName returns a register's name in GNU syntax.
func registerName(r x86asm.Reg) string {
	in := x86asm.Inst{Op: x86asm.NOP, Mode: 64, DataSize: 64, AddrSize: 64, Args: x86asm.Args{r}}
	text := x86asm.GNUSyntax(in, 0, nil)
	return text[strings.IndexByte(text, '%'):]
}

// encoding is the byte of an instruction that says where its operands are.
type encoding struct{ mod, reg, rm byte }

// x86ModRM finds that byte, which x86asm does not tell: whether a displacement of
// 0 is written out depends on it.
func x86ModRM(b []byte) encoding {
	at := func(i int) byte {
		if i < len(b) {
			return b[i]
		}
		return 0
	}
	i := 0
	for i < len(b) && strings.IndexByte("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", b[i]) >= 0 {
		i++
	}
	if at(i)&0xf0 == 0x40 {
		i++
	}
	switch at(i) {
	case 0xc5:
		i += 3
	case 0xc4:
		i += 4
	case 0x62:
		i += 5
	case 0x0f:
		if i++; at(i) == 0x38 || at(i) == 0x3a {
			i++
		}
		i++
	default:
		i++
	}
	return encoding{at(i) >> 6, at(i) >> 3 & 7, at(i) & 7}
}

// x86Mnemonics are what objdump calls instructions that x86asm calls otherwise.
var x86Mnemonics = map[string]string{
	"callq": "call", "jmpq": "jmp", "retq": "ret", "leaveq": "leave", "pushq": "push", "popq": "pop", "ljmpq": "ljmp", "lcallq": "lcall",
	"pushfq": "pushf", "popfq": "popf", "cdqe": "cltq", "movsxd": "movslq",
	"lgdtl": "lgdt", "lidtl": "lidt", "sgdtl": "sgdt", "sidtl": "sidt",
}

// x86Mnemonic puts the prefixes and the mnemonic as objdump does.
func x86Mnemonic(in *x86asm.Inst, prefixes []string, op string, args []string) ([]string, string, []string) {
	if name, ok := x86Mnemonics[op]; ok {
		op = name
	}
	for i, p := range prefixes {
		if p == "data32" {
			prefixes[i] = "data16"
		}
	}
	wide := slices.Contains(prefixes, "rex.W")
	switch in.Op {
	case x86asm.MOV:
		if in.Opcode>>24&0xf8 == 0xb8 && in.DataSize == 64 {
			op = "movabs"
		}
	case x86asm.NOP:
		if i := slices.Index(prefixes, "data16"); i >= 0 && in.Opcode>>24 == 0x90 {
			return slices.Delete(prefixes, i, i+1), "xchg", []string{"%ax", "%ax"}
		}
	case x86asm.ANDN, x86asm.BEXTR, x86asm.BLSI, x86asm.BLSMSK, x86asm.BLSR, x86asm.BZHI, x86asm.MULX, x86asm.PDEP, x86asm.PEXT,
		x86asm.RORX, x86asm.SARX, x86asm.SHLX, x86asm.SHRX:
		op = strings.ToLower(in.Op.String())
	case x86asm.CRC32:
		if !hasMemory(in) {
			op = "crc32"
		}
	case x86asm.VPCLMULQDQ:
		if i := slices.Index([]string{"$0x0", "$0x1", "$0x10", "$0x11"}, args[0]); i >= 0 {
			return prefixes, "vpclmul" + [...]string{"lqlq", "hqlq", "lqhq", "hqhq"}[i] + "dq", args[1:]
		}
	case x86asm.SYSRET, x86asm.LRET:
		op = strings.TrimSuffix(op, "q")
		switch {
		case wide:
			prefixes = slices.DeleteFunc(prefixes, func(p string) bool { return p == "rex.W" })
			op += "q"
		case in.Op == x86asm.SYSRET:
			op += "l"
		}
	}
	return prefixes, op, args
}
