package kernel

import (
	"iter"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// CPU is a processor with what it was at when the dump was made.
type CPU struct {
	Number    int
	Task      Task       // that was running
	Registers vmcore.CPU // that the dump has
}

// Crash is how a kernel ended.
type Crash struct {
	CPU     int // that panicked
	Task    Task
	Message string // as in the kernel's log; "" where that was not found
}

// CPUs returns the processors of which the dump has registers: those that the
// kernel has saved in its memory when it crashed, or else those in the file.
//
// A file has notes of each CPU that is online, in ascending order. Where their
// number is another, CPUs are counted from 0.
func (k *Kernel) CPUs() []CPU {
	if saved := k.savedCPUs(); len(saved) > 0 {
		return saved
	}
	if k.dump == nil {
		return nil
	}
	notes := k.dump.CPUs()
	cpus := make([]CPU, len(notes))
	online, err := k.OnlineCPUs()
	for i, regs := range notes {
		cpus[i] = CPU{Number: i, Registers: regs}
		if err == nil && len(online) == len(notes) {
			cpus[i].Number = online[i]
		}
		cpus[i].Task = k.running(cpus[i].Number)
	}
	return cpus
}

// noteSize is more than note_buf_t has, in which a kernel that crashes saves the
// registers of a CPU (include/linux/vmcore_info.h).
const noteSize = 1024

// savedCPUs returns the CPUs whose registers a crashing kernel saved, in the
// per-CPU memory that crash_notes points to. That tells whose they are where a
// CPU did not answer, of which the file has no note.
func (k *Kernel) savedCPUs() []CPU {
	syms := k.syms.Lookup("crash_notes")
	possible, err := k.PossibleCPUs()
	if _, crashed := k.info.CrashTime(); !crashed || len(syms) != 1 || err != nil {
		return nil
	}
	notes, err := k.Pointer(syms[0].Addr)
	if err != nil {
		return nil
	}
	var cpus []CPU
	for _, cpu := range possible {
		offset, err := k.perCPUOffset(cpu)
		if err != nil {
			continue
		}
		raw := make([]byte, noteSize)
		n, _ := k.mem.ReadMemory(raw, notes+offset)
		for _, regs := range vmcore.ParseCPUs(raw[:n], k.arch) {
			regs.ID = cpu
			cpus = append(cpus, CPU{Number: cpu, Task: k.running(cpu), Registers: regs})
			break
		}
	}
	return cpus
}

// Crash says how the kernel ended, if it did: a kernel that was dumped from
// outside, or runs, has not.
func (k *Kernel) Crash() (c Crash, crashed bool) {
	cpu, ok := k.PanicCPU()
	if !ok {
		return Crash{}, false
	}
	return Crash{CPU: cpu, Task: k.running(cpu), Message: k.panicMessage()}, true
}

// PanicCPU returns the number of the CPU that panicked, if one did: panic_cpu
// holds it, and -1 before. Linux kernel commit 1717f2096b54 ("panic, x86: Fix
// re-entrance problem due to panic on NMI") (in v4.5).
func (k *Kernel) PanicCPU() (cpu int, ok bool) {
	syms := dataSymbols(k.syms.Lookup("panic_cpu"))
	if len(syms) != 1 {
		return 0, false
	}
	n, err := k.At(syms[0].Addr, &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}).Int()
	if err != nil || n < 0 || n >= maxCPUs {
		return 0, false
	}
	return int(n), true
}

// maxLastWords is how many records of the log are searched for the reason of a
// panic. Stacks of all tasks may follow it; a damaged log may claim a billion.
const maxLastWords = 1 << 16

// panicMessage searches the log for the reason of the panic.
func (k *Kernel) panicMessage() string {
	log, err := k.openLog()
	if err != nil {
		return ""
	}
	return lastWords(log.newestFirst(maxLastWords))
}

// Words of a kernel that cannot go on. A panic says why after its own; one that
// an oops has led to says no more than fatalWords. Those of an oops are one of
// several (arch/*/mm/fault.c, arch/*/kernel/traps.c, lib/bug.c), and where an
// oops starts a second kernel at once, there are no others.
const (
	panicWords = "Kernel panic - not syncing: "
	fatalWords = "Fatal exception"
	oopsEnd    = "---[ end trace"
)

var oopsWords = []string{
	"BUG: ", "kernel BUG at ", "Oops: ", "Oops - ", "Internal error: ", "general protection fault", "Unable to handle kernel ",
	"watchdog: BUG: ",
}

// lastWords finds out of a kernel's messages, newest first, why it ended.
func lastWords(messages iter.Seq[string]) string {
	fatal, oops := "", ""
	for text := range messages {
		text, _, _ = strings.Cut(text, "\n")
		if why, ok := strings.CutPrefix(text, panicWords); ok && fatal == "" {
			if !strings.HasPrefix(why, fatalWords) {
				return why
			}
			fatal = why + ": "
		}
		if oops != "" && strings.HasPrefix(text, oopsEnd) {
			break // of an older oops
		}
		if slices.ContainsFunc(oopsWords, func(words string) bool { return strings.HasPrefix(text, words) }) {
			oops = text // the first line of an oops says most
		}
	}
	if oops == "" {
		return strings.TrimSuffix(fatal, ": ")
	}
	return fatal + oops
}
