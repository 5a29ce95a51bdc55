package vmcoretest

import (
	"fmt"
	"slices"

	"github.com/kdbg/kdbg/vmcore"
)

// Note is one ELF note.
type Note struct {
	Name string // without the final NUL
	Type uint32
	Desc []byte
}

// CPU is one CPU's PRSTATUS note.
type CPU struct {
	PID       int
	Registers []uint64 // in the order of the kernel's pr_reg; see [X86Registers]
}

// Types of notes (include/uapi/linux/elf.h, fs/proc/kcore.c).
const (
	ntPRStatus   = 1
	ntPRPSInfo   = 3
	ntTaskStruct = 4
)

// notes lists all notes of the dump in the order they are written.
func (d *Dump) notes() []Note {
	var notes []Note
	for _, c := range d.CPUs {
		notes = append(notes, PRStatus(d.arch().Layout, c))
	}
	if d.VMCOREINFO != "" {
		notes = append(notes, VMCOREINFO(d.VMCOREINFO))
	}
	return append(notes, d.Notes...)
}

// VMCOREINFO makes the kernel's own note. Xen's hypervisor note is the same
// under the name VMCOREINFO_XEN.
func VMCOREINFO(text string) Note { return Note{Name: "VMCOREINFO", Desc: []byte(text)} }

// PRStatus makes the note of one CPU: struct elf_prstatus of
// include/linux/elfcore.h.
func PRStatus(l vmcore.Layout, c CPU) Note {
	w := &writer{Layout: l}
	w.zeros(16) // pr_info, pr_cursig
	w.word(0)   // pr_sigpend
	w.word(0)   // pr_sighold
	w.u32(uint32(c.PID))
	w.zeros(3 * 4)              // pr_ppid, pr_pgrp, pr_sid
	w.zeros(4 * 2 * l.WordSize) // pr_utime, pr_stime, pr_cutime, pr_cstime
	for _, r := range c.Registers {
		w.word(r)
	}
	w.u32(0) // pr_fpvalid
	w.align(l.WordSize)
	return Note{Name: "CORE", Type: ntPRStatus, Desc: w.b}
}

// The order of struct user_regs_struct (arch/x86/include/asm/user_64.h).
var x86Registers = [...]string{
	"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
	"orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
}

// X86Registers puts named registers of x86-64 in the order of a PRSTATUS note.
// The others are zero.
func X86Registers(named map[string]uint64) []uint64 {
	return order(named, x86Registers[:])
}

// The order of QEMU's struct QEMUCPUState (target/i386/arch_dump.c): general
// registers; selector, limit, flags and base of each segment; control
// registers.
var (
	qemuRegisters = []string{
		"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "eflags",
	}
	qemuSegments = []string{"cs", "ds", "es", "fs", "gs", "ss", "ldt", "tr", "gdt", "idt"}
	qemuControl  = []string{"cr0", "cr1", "cr2", "cr3", "cr4", "kernel_gs_base"}
)

// QEMUState makes the note in which QEMU adds the state of an x86-64 CPU. A
// segment's name such as "gs" or "idt" stands for its base.
func QEMUState(named map[string]uint64) Note {
	w := &writer{Layout: X86_64.Layout}
	w.u32(1)   // version
	w.u32(440) // size
	all := order(named, slices.Concat(qemuRegisters, qemuSegments, qemuControl))
	for i, v := range all {
		if i >= len(qemuRegisters) && i < len(qemuRegisters)+len(qemuSegments) {
			w.zeros(16) // selector, limit, flags, padding
		}
		w.u64(v)
	}
	return Note{Name: "QEMU", Desc: w.b}
}

func order(named map[string]uint64, names []string) []uint64 {
	values := make([]uint64, len(names))
	found := 0
	for i, name := range names {
		if v, ok := named[name]; ok {
			values[i] = v
			found++
		}
	}
	if found != len(named) {
		panic(fmt.Sprintf("vmcoretest: a register in %v is none of %v", named, names))
	}
	return values
}

// marshalNotes writes notes as in a PT_NOTE segment: words of 4 bytes, name and
// descriptor padded to 4 bytes in both ELF classes.
func marshalNotes(l vmcore.Layout, notes []Note) []byte {
	w := &writer{Layout: l}
	for _, n := range notes {
		w.u32(uint32(len(n.Name) + 1))
		w.u32(uint32(len(n.Desc)))
		w.u32(n.Type)
		w.bytes(append([]byte(n.Name), 0))
		w.align(4)
		w.bytes(n.Desc)
		w.align(4)
	}
	return w.b
}
