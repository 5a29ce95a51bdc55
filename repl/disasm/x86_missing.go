package disasm

import "bytes"

// legacy is what instructions with opcodes of two and three bytes begin with.
type legacy struct {
	prefix byte // 66, F2 or F3, or 0
	rex    byte // 0 for none
	opcode []byte
	start  int // of the opcode
}

// x86Legacy cuts an instruction.
func x86Legacy(b []byte) (l legacy, ok bool) {
	if len(b) > 0 && (b[0] == 0x66 || b[0] == 0xf2 || b[0] == 0xf3) {
		l.prefix, l.start = b[0], 1
	}
	if l.start < len(b) && b[l.start]&0xf0 == 0x40 {
		l.rex = b[l.start]
		l.start++
	}
	l.opcode = b[l.start:]
	return l, len(l.opcode) >= 3 && l.opcode[0] == 0x0f
}

// register returns the general register that the last bits of an opcode name.
func (l legacy) register(size int) string {
	n := l.opcode[2]&7 | l.rex&1<<3
	return x86Registers[size][n]
}

var x86Registers = map[int][]string{
	2: {"%ax", "%cx", "%dx", "%bx", "%sp", "%bp", "%si", "%di", "%r8w", "%r9w", "%r10w", "%r11w", "%r12w", "%r13w", "%r14w", "%r15w"},
	4: {"%eax", "%ecx", "%edx", "%ebx", "%esp", "%ebp", "%esi", "%edi", "%r8d", "%r9d", "%r10d", "%r11d", "%r12d", "%r13d", "%r14d", "%r15d"},
	8: {"%rax", "%rcx", "%rdx", "%rbx", "%rsp", "%rbp", "%rsi", "%rdi", "%r8", "%r9", "%r10", "%r11", "%r12", "%r13", "%r14", "%r15"},
}

// size returns the bytes of the operand.
func (l legacy) size() int {
	switch {
	case l.rex&8 != 0:
		return 8
	case l.prefix == 0x66:
		return 2
	}
	return 4
}

// x86Missing decodes instructions without operands in memory that x86asm does not
// know, or takes for others; n is 0 for those it knows.
func x86Missing(b []byte) (text string, n int) {
	switch {
	case bytes.HasPrefix(b, []byte{0xc4, 0xe2, 0x78, 0x49, 0xc0}):
		return "tilerelease", 5
	case bytes.HasPrefix(b, []byte{0xf3, 0x0f, 0x09}):
		return "wbnoinvd", 3
	}
	l, ok := x86Legacy(b)
	if !ok || l.opcode[2] < 0xc0 {
		return "", 0
	}
	n = l.start + 3
	second, reg := l.opcode[1], l.opcode[2]>>3&7
	switch {
	case second == 0x01 && l.rex == 0:
		if name, ok := group0F01[key{l.prefix, l.opcode[2]}]; ok {
			return name, n
		}
	case second == 0x1e && l.prefix == 0xf3 && l.opcode[2] == 0xfa:
		return "endbr64", n
	case second == 0x1e && l.prefix == 0xf3 && l.opcode[2] == 0xfb:
		return "endbr32", n
	case second == 0x1e && l.prefix == 0xf3 && reg == 1 && l.size() == 8:
		return "rdsspq " + l.register(8), n
	case second == 0xc7 && l.prefix == 0xf3 && reg == 7:
		return "rdpid  " + l.register(8), n
	case second == 0xc7 && l.prefix != 0xf2 && reg == 6:
		return "rdrand " + l.register(l.size()), n
	case second == 0xc7 && l.prefix != 0xf2 && reg == 7:
		return "rdseed " + l.register(l.size()), n
	case second == 0xae && l.prefix == 0xf3 && reg == 5 && l.size() == 8:
		return "incsspq " + l.register(8), n
	case second == 0xae && reg == 6 && l.prefix == 0x66:
		return "tpause " + l.register(4), n
	case second == 0xae && reg == 6 && l.prefix == 0xf2:
		return "umwait " + l.register(4), n
	case second == 0xae && reg == 6 && l.prefix == 0xf3:
		return "umonitor " + l.register(8), n
	case second == 0x00 && reg == 6 && l.prefix == 0xf2:
		return "lkgs   " + l.register(4), n
	}
	return "", 0
}

// x86Stand returns an instruction that x86asm knows in place of one it does not,
// with the same operands and without the prefix, and the name of the latter.
// Others come back as they are.
func x86Stand(b []byte) (known []byte, name string) {
	l, ok := x86Legacy(b)
	if !ok {
		return b, ""
	}
	cut := 0
	if l.prefix != 0 {
		cut = 1
	}
	if name = memoryOnly[operation{l.prefix, l.opcode[1], l.opcode[2] >> 3 & 7}]; name != "" && l.opcode[2] < 0xc0 {
		known = bytes.Clone(b[cut:])
		known[l.start-cut+1] = 0xae // CLFLUSH
		known[l.start-cut+2] |= 7 << 3
		return known, name
	}
	if l.opcode[1] != 0x38 || len(l.opcode) < 4 || l.opcode[3] >= 0xc0 {
		return b, ""
	}
	switch {
	case l.prefix == 0x66 && l.opcode[2] == 0xf5:
		name = "wruss"
	case l.prefix == 0 && l.opcode[2] == 0xf6:
		name = "wrss"
	default:
		return b, ""
	}
	known = bytes.Clone(b[cut:])
	known[l.start-cut+2] = 0xf1 // MOVBE
	if l.rex&8 != 0 {
		return known, name + "q"
	}
	return known, name + "d"
}

// operation is the prefix, the second byte of an opcode and what is left of it in
// the byte behind.
type operation struct{ prefix, opcode, reg byte }

// memoryOnly are instructions whose one operand is in memory.
var memoryOnly = map[operation]string{
	{0x66, 0xae, 6}: "clwb", {0x66, 0xae, 7}: "clflushopt", {0xf3, 0xae, 6}: "clrssbsy", {0xf3, 0x01, 5}: "rstorssp",
	{0, 0xc7, 6}: "vmptrld", {0, 0xc7, 7}: "vmptrst", {0x66, 0xc7, 6}: "vmclear", {0xf3, 0xc7, 6}: "vmxon",
}

// key is the prefix and the last byte of an instruction.
type key struct{ prefix, modrm byte }

// group0F01 are the instructions 0F 01 that have registers for operands, or none.
var group0F01 = map[key]string{
	{0, 0xc0}: "enclv", {0, 0xc1}: "vmcall", {0, 0xc2}: "vmlaunch", {0, 0xc3}: "vmresume", {0, 0xc4}: "vmxoff",
	{0, 0xc5}: "pconfig", {0, 0xc6}: "wrmsrns", {0, 0xc8}: "monitor %rax,%ecx,%edx", {0, 0xc9}: "mwait  %eax,%ecx",
	{0, 0xca}: "clac", {0, 0xcb}: "stac", {0, 0xcf}: "encls",
	{0, 0xd0}: "xgetbv", {0, 0xd1}: "xsetbv", {0, 0xd4}: "vmfunc", {0, 0xd5}: "xend", {0, 0xd6}: "xtest", {0, 0xd7}: "enclu",
	{0, 0xd8}: "vmrun", {0, 0xd9}: "vmmcall", {0, 0xda}: "vmload", {0, 0xdb}: "vmsave", {0, 0xdc}: "stgi", {0, 0xdd}: "clgi",
	{0, 0xde}: "skinit", {0, 0xdf}: "invlpga %rax,%ecx",
	{0, 0xe8}: "serialize", {0, 0xee}: "rdpkru", {0, 0xef}: "wrpkru", {0, 0xf8}: "swapgs", {0, 0xf9}: "rdtscp",
	{0, 0xfa}: "monitorx %rax,%ecx,%edx", {0, 0xfb}: "mwaitx %eax,%ecx,%ebx", {0, 0xfc}: "clzero", {0, 0xfd}: "rdpru",
	{0, 0xfe}: "invlpgb", {0, 0xff}: "tlbsync",
	{0x66, 0xcc}: "tdcall", {0x66, 0xcd}: "seamret", {0x66, 0xce}: "seamops", {0x66, 0xcf}: "seamcall",
	{0xf2, 0xca}: "erets", {0xf2, 0xd9}: "vmgexit", {0xf2, 0xe8}: "xsusldtrk", {0xf2, 0xe9}: "xresldtrk",
	{0xf2, 0xfe}: "rmpupdate", {0xf2, 0xff}: "pvalidate",
	{0xf3, 0xca}: "eretu", {0xf3, 0xd9}: "vmgexit", {0xf3, 0xe8}: "setssbsy", {0xf3, 0xea}: "saveprevssp",
	{0xf3, 0xec}: "uiret", {0xf3, 0xed}: "testui", {0xf3, 0xee}: "clui", {0xf3, 0xef}: "stui",
	{0xf3, 0xfa}: "mcommit", {0xf3, 0xfe}: "rmpadjust", {0xf3, 0xff}: "psmash",
}
