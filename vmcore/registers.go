package vmcore

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// A CPU has the registers that a dump has kept of one processor.
type CPU struct {
	// ID counts the notes from 0. It is the processor's number only where all
	// lower ones have a note too: the kernel writes none for those offline.
	ID int
	// PID is that of the task the processor ran; -1 where it is not known, as
	// in the dumps that QEMU writes.
	PID int

	names  []string
	values []uint64
	pc, sp string
}

// Register returns the value of a register by its name in lower case, such as
// "rip" or "cr3" (control registers: only in dumps that QEMU wrote). "pc" and
// "sp" name the program counter and stack pointer of any architecture.
func (c CPU) Register(name string) (uint64, bool) {
	switch name {
	case "pc":
		name = c.pc
	case "sp":
		name = c.sp
	}
	if i := slices.Index(c.names, name); i >= 0 {
		return c.values[i], true
	}
	return 0, false
}

// Registers yields the registers by name, in the order of the architecture.
func (c CPU) Registers() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, name := range c.names {
			if !yield(name, c.values[i]) {
				return
			}
		}
	}
}

// A registerSet is how an architecture lays out pr_reg, the elf_gregset_t in its
// struct elf_prstatus: words in this order. Registers at the end may be left out.
type registerSet struct {
	names  []string
	pc, sp string
}

// registerSets has the architectures by name, from each one's user_regs_struct
// or pt_regs (arch/*/include/uapi/asm/ptrace.h, arch/*/include/asm/elf.h).
var registerSets = map[string]registerSet{
	"x86_64": {strings.Fields("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax " +
		"rip cs eflags rsp ss fs_base gs_base ds es fs gs"), "rip", "rsp"},
	"i686":        {strings.Fields("ebx ecx edx esi edi ebp eax ds es fs gs orig_eax eip cs eflags esp ss"), "eip", "esp"},
	"aarch64":     {append(numbered("x", 0, 30), "sp", "pc", "pstate"), "pc", "sp"},
	"arm":         {append(numbered("r", 0, 12), "sp", "lr", "pc", "cpsr", "orig_r0"), "pc", "sp"},
	"riscv64":     {strings.Fields("pc ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6"), "pc", "sp"},
	"s390x":       {append([]string{"psw_mask", "psw_addr"}, numbered("r", 0, 15)...), "psw_addr", "r15"},
	"ppc64":       {ppcRegisters, "nip", "r1"},
	"ppc64le":     {ppcRegisters, "nip", "r1"},
	"ppc":         {ppcRegisters, "nip", "r1"},
	"loongarch64": {append(numbered("r", 0, 31), "orig_a0", "era", "badv"), "era", "r3"},
}

var ppcRegisters = append(numbered("r", 0, 31), strings.Fields("nip msr orig_gpr3 ctr link xer ccr softe trap dar dsisr result")...)

// maxPRStatus bounds the part of a PRSTATUS note that is read: the largest
// struct elf_prstatus has fewer than 64 words of registers.
const maxPRStatus = 1 << 10

// prstatus is a PRSTATUS note: struct elf_prstatus of include/linux/elfcore.h.
type prstatus struct {
	pid    int
	values []uint64 // pr_reg, as far as the note goes
}

func parsePRStatus(desc []byte, arch Arch) prstatus {
	// Before pr_reg come siginfo (12 bytes), a short, two words of signals, four
	// process IDs and four times of two words each.
	word := arch.Layout.WordSize
	pidAt := 16 + 2*word
	regsAt := pidAt + 16 + 8*word
	if len(desc) < regsAt {
		return prstatus{pid: -1}
	}
	p := prstatus{pid: int(int32(arch.Layout.Uint32(desc[pidAt:])))}
	regs := desc[regsAt:]
	for range registerSets[arch.Name].names {
		if len(regs) < word {
			break
		}
		p.values = append(p.values, arch.Layout.Word(regs))
		regs = regs[word:]
	}
	return p
}

// qemuStateSize is the size of struct QEMUCPUState of version 1 in QEMU's
// target/i386/arch_dump.c, and of kernel_gs_base, which a later one added.
const qemuStateSize = 440

// qemuRegisters are those registers of a QEMUCPUState that a PRSTATUS lacks. All
// are 8 bytes, little-endian.
var qemuRegisters = []struct {
	name string
	off  int
}{
	{"cr0", 392}, {"cr2", 408}, {"cr3", 416}, {"cr4", 424},
	{"gdt_base", 360}, {"idt_base", 384}, {"tr_base", 336}, {"kernel_gs_base", 432},
}

// cpus joins the notes on each processor.
func (n *notes) cpus(arch Arch) []CPU {
	if n.kcore {
		return nil // its PRSTATUS is that of the reader, and empty
	}
	set := registerSets[arch.Name]
	cpus := make([]CPU, len(n.prstatus))
	for i, p := range n.prstatus {
		cpus[i] = CPU{ID: i, PID: p.pid, names: set.names[:len(p.values)], values: p.values, pc: set.pc, sp: set.sp}
		if len(n.qemu) > 0 {
			cpus[i].PID = -1 // QEMU writes the CPU's number plus 1
		}
	}
	if arch.Name != "x86_64" && arch.Name != "i686" {
		return cpus
	}
	for i, desc := range n.qemu[:min(len(n.qemu), len(cpus))] {
		c := &cpus[i]
		c.names, c.values = slices.Clip(c.names), slices.Clip(c.values)
		for _, r := range qemuRegisters {
			if len(desc) >= r.off+8 {
				c.names = append(c.names, r.name)
				c.values = append(c.values, Layout{WordSize: 8}.Uint64(desc[r.off:]))
			}
		}
	}
	return cpus
}

// ParseCPUs returns the registers in ELF notes that are in memory, as a kernel
// that crashed has written them for each processor.
func ParseCPUs(raw []byte, arch Arch) []CPU {
	n, _ := parseNotes(raw, arch) // those before any damage
	return n.cpus(arch)
}

func numbered(prefix string, first, last int) []string {
	var names []string
	for i := first; i <= last; i++ {
		names = append(names, prefix+strconv.Itoa(i))
	}
	return names
}
