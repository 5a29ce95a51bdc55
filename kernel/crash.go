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

// CPUs returns the processors of which the dump has registers.
//
// The kernel writes them for each CPU that is online when it crashes, in
// ascending order. Where their number is another, CPUs are counted from 0.
func (k *Kernel) CPUs() []CPU {
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
