package stack

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// frames writes a trace as a line.
func frames(u *Unwinder, t Trace) string {
	var b strings.Builder
	for i, f := range t.Frames {
		if i > 0 {
			b.WriteString(" ")
		}
		fmt.Fprintf(&b, "%v/%s", u.Name(f), f.How)
		if f.Stack != "task" {
			b.WriteString("/" + f.Stack)
		}
	}
	if t.User != nil {
		b.WriteString(" user")
	}
	if t.Err != nil {
		fmt.Fprintf(&b, " !%v", errors.Unwrap(t.Err))
	}
	return strings.TrimSpace(b.String())
}

// sleeper writes a stack of a task that waits, for each format of unwind data.
func sleeper(m memory) {
	sp := top - 0x200
	m.put(taskAt+8, uint64(sp))
	fp := sp + 56 + 0x20 // __schedule's frame pointer
	m.put(sp+inactiveBP, uint64(fp), uint64(fnSchedule+0x50))
	m.put(fp, 0x1111, uint64(fnWait+0x20)) // its caller's RBP, and where it returns to
	m.put(fp+16+16, uint64(fnThread+0x10)) // from wait
	m.put(fp+16+24+24, 0x2222, uint64(fnFork+0x1a))
}

func TestSleeping(t *testing.T) {
	for _, f := range formats {
		u, m := newTestKernel(t, f)
		if err := u.machine.(*x86).orc.missing(); err != nil {
			t.Fatal(err)
		}
		sleeper(m)
		const want = "__schedule+0x50/registers wait+0x20/orc thread+0x10/orc ret_from_fork_asm+0x1a/orc"
		if got := frames(u, u.Trace(kernel.Task{Addr: taskAt})); got != want {
			t.Errorf("%s: %s\nwant %s", f.name, got, want)
		}
	}
}

// TestRunning begins at the registers of a CPU.
func TestRunning(t *testing.T) {
	regs := func(pc, sp vmcore.Addr, more ...uint64) map[string]uint64 {
		r := map[string]uint64{"rip": uint64(pc), "rsp": uint64(sp), "rbp": 7, "cs": kernelCS}
		if len(more) > 0 {
			r["r13"] = more[0]
		}
		return r
	}
	// saved writes the end of a struct pt_regs.
	saved := func(m memory, at, pc vmcore.Addr, cs uint64, sp vmcore.Addr) {
		m.put(at+regsIP, uint64(pc), cs, 2, uint64(sp), 0)
	}
	sp := top - 0x400
	for _, test := range []struct {
		name  string
		regs  map[string]uint64
		stack func(memory)
		want  string
	}{
		{
			"first instruction of a function", regs(fnWait, sp),
			func(m memory) { m.put(sp, uint64(fnFork+2)) },
			"wait/registers ret_from_fork_asm+0x2/orc",
		}, {
			"page fault", regs(fnWait+0x10, sp),
			func(m memory) {
				m.put(sp+16, uint64(fnException+5))
				saved(m, sp+24, fnWait, kernelCS, sp+24+regsSize) // at its first instruction
				m.put(sp+24+regsSize, uint64(fnFork+2))
			},
			"wait+0x10/registers asm_exc_page_fault+0x5/orc wait/orc ret_from_fork_asm+0x2/orc",
		}, {
			"from a program", regs(fnException+5, sp),
			func(m memory) { saved(m, sp, 0x401000, 0x33, 0x7ffe0000) },
			"asm_exc_page_fault+0x5/registers user",
		}, {
			"partial registers", regs(fnEntry+1, sp),
			func(m memory) {
				m.put(sp, uint64(fnWait), kernelCS, 2, uint64(sp+0x40), 0)
				m.put(sp+0x40, uint64(fnFork+2))
			},
			"asm_exc_nmi+0x1/registers wait/orc ret_from_fork_asm+0x2/orc",
		}, {
			"on the stack for interrupts", regs(fnOnIRQ+1, irqEnd-8),
			func(m memory) {
				m.put(irqEnd-8, uint64(sp))
				m.put(sp, uint64(fnFork+2))
			},
			"on_irq+0x1/registers/IRQ ret_from_fork_asm+0x2/orc",
		}, {
			"a register leads to the caller", regs(fnRealigned+1, sp, uint64(sp+0x30)),
			func(m memory) { m.put(sp+0x28, uint64(fnFork+2)) },
			"realigned+0x1/registers ret_from_fork_asm+0x2/orc",
		}, {
			"a function without unwind data", regs(fnNoData+1, sp),
			func(m memory) {
				m.put(sp+0x10, uint64(fnWait+0x50), uint64(fnWait+0x60)) // neither calls it, the next does
				m.put(sp+0x50, uint64(fnFork+0x10))
				copy(m[text][fnFork+0x10-5-text:], "\xe8\xf0\x03\x00\x00")
			},
			"__crash_kexec+0x1/registers ret_from_fork_asm+0x10/scan",
		}, {
			"a null function pointer", regs(0, sp),
			func(m memory) { m.put(sp, uint64(fnFork+2)) },
			"0x0/registers ret_from_fork_asm+0x2/orc",
		}, {
			"a compiled BPF program", map[string]uint64{"rip": uint64(bpfText + 9), "rsp": uint64(sp), "rbp": uint64(sp + 0x40)},
			func(m memory) { m.put(sp+0x40, 5, uint64(fnFork+2)) },
			"bpf_prog_1234+0x9 [bpf]/registers ret_from_fork_asm+0x2/frame-pointer",
		}, {
			"a kretprobe", regs(fnWait, sp),
			func(m memory) {
				m.put(sp, uint64(text+0xa00))
				m.put(taskAt+24, uint64(data+0x200)) // rethooks
				m.put(data+0x200, uint64(data+0x220), uint64(fnThread), uint64(sp+0x80))
				m.put(data+0x220, 0, uint64(fnFork+2), uint64(sp))
			},
			"wait/registers ret_from_fork_asm+0x2/orc",
		}, {
			"the function graph tracer", regs(fnWait, sp),
			func(m memory) {
				m.put(sp, uint64(text+0xb00))
				m.put(taskAt+32, uint64(data+0x300)) // ret_stack
				m.put(data+0x300, 1, 2, uint64(fnFork+2), 3, uint64(sp))
			},
			"wait/registers ret_from_fork_asm+0x2/orc",
		}, {
			"the return address leads nowhere", regs(fnWait, sp),
			func(m memory) { m.put(sp, 0x1234) },
			"wait/registers !the return address at 0xffffc90000003c00 is 0x1234, where no code is",
		}, {
			"the stack goes round", regs(fnOnIRQ+1, irqEnd-8),
			func(m memory) {
				m.put(irqEnd-8, uint64(sp))
				m.put(sp, uint64(fnOnIRQ+1))
				m.put(sp+8, uint64(irqEnd-16))
				m.put(irqEnd-16, uint64(fnFork+2))
			},
			"on_irq+0x1/registers/IRQ on_irq+0x1/orc !0xffffc90000107ff0 was passed before: the stack goes round",
		}, {
			"off the stack", regs(fnWait+0x10, 0x1000),
			func(memory) {},
			"wait+0x10/registers/ !0x1010 is on none of the stacks",
		}, {
			"not a place for a word", regs(fnWait, sp+1),
			func(memory) {},
			"wait/registers !0xffffc90000003c01 is no place for a word",
		},
	} {
		for _, f := range formats {
			u, m := newTestKernel(t, f)
			u.runs(test.regs)
			test.stack(m)
			if got := frames(u, u.Trace(kernel.Task{Addr: taskAt})); got != test.want {
				t.Errorf("%s, %s: %s\nwant %s", f.name, test.name, got, test.want)
			}
		}
	}
}

// TestFramePointers unwinds in a kernel without unwind data.
func TestFramePointers(t *testing.T) {
	u, m := newTestKernel(t, format{name: "", width: 3, numbers: &newRegs})
	sleeper(m)
	fp := top - 0x200 + 56 + 0x20
	next := fp + 0x30
	m.put(fp, uint64(next))
	m.put(next, 0, uint64(fnThread+4))
	const want = "__schedule+0x50/registers wait+0x20/frame-pointer thread+0x4/frame-pointer"
	got := u.Trace(kernel.Task{Addr: taskAt})
	if text := frames(u, got); text != want {
		t.Errorf("%s\nwant %s", text, want)
	}

	// An odd one leads to registers.
	regs := next + 0x40
	m.put(fp, uint64(regs|1))
	m.put(regs+regsIP, 0x401000, 0x33, 2, 0x7ffe0000, 0x2b)
	if text := frames(u, u.Trace(kernel.Task{Addr: taskAt})); text != "__schedule+0x50/registers wait+0x20/frame-pointer user" {
		t.Error(text)
	}

	// Where they lead nowhere, what lies on the stack is all there is.
	m.put(top-0x200+inactiveBP, 5)
	text := frames(u, u.Trace(kernel.Task{Addr: taskAt}))
	if !strings.HasPrefix(text, "wait+0x20/scan thread+0x10/scan thread+0x4/scan ret_from_fork_asm+0x1a/scan !") {
		t.Error(text)
	}
}

// TestNoTrace has tasks whose stack cannot be found.
func TestNoTrace(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(memory)
		kind  string
		want  string
	}{
		{"ended", func(m memory) { m.put(taskAt, 0) }, kernel.KindNotFound, "has no stack: it has ended"},
		{"running", func(m memory) { m.put(taskAt+16, 1) }, kernel.KindUnsupported, "was running, and the dump has no registers of its CPU"},
		{"poisoned thread.sp", func(m memory) { m.put(taskAt+8, 0xdead000000000100) }, kernel.KindUnmapped, "is on none of the stacks"},
		{"thread.sp somewhere", func(m memory) { m.put(taskAt+8, uint64(bottom+0x100)) }, kernel.KindUnmapped, "where no code is"},
		{"poisoned stack", func(m memory) { m.put(taskAt, ^uint64(0)) }, kernel.KindNotFound, "where none can be"},
		{"no such task", func(m memory) { delete(m, taskAt) }, kernel.KindUnmapped, "not mapped"},
	} {
		u, m := newTestKernel(t, formats[3])
		sleeper(m)
		test.write(m)
		got := u.Trace(kernel.Task{Addr: taskAt})
		if got.Err == nil || kernel.ErrorKind(got.Err) != test.kind || !strings.Contains(got.Err.Error(), test.want) {
			t.Errorf("%s: %v (%s), want %s", test.name, got.Err, kernel.ErrorKind(got.Err), test.want)
		}
	}
	k := kernel.New(kernel.Config{Arch: vmcore.Arch{Name: "s390x"}})
	if _, err := Of(k); kernel.ErrorKind(err) != kernel.KindUnsupported {
		t.Error(err)
	}
}

// TestScan finds addresses of code on a stack.
func TestScan(t *testing.T) {
	u, m := newTestKernel(t, formats[3])
	sleeper(m)
	m.put(bottom+0x800, uint64(fnWait)) // below the stack pointer
	const up = "wait+0x20/scan thread+0x10/scan ret_from_fork_asm+0x1a/scan"
	if got := frames(u, u.Scan(kernel.Task{Addr: taskAt}, false)); got != up {
		t.Errorf("%s\nwant %s", got, up)
	}
	want := "wait/scan __schedule+0x50/scan " + up
	if got := frames(u, u.Scan(kernel.Task{Addr: taskAt}, true)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestUnsorted finds entries in the table of a module that the kernel has not
// sorted yet.
func TestUnsorted(t *testing.T) {
	for _, f := range formats {
		o := orcFormatOf(t, f)
		places := []place{unwindData[3], unwindData[5], unwindData[1], {fnWait + 4, orcEntry{}}, unwindData[2]}
		m := memory{}
		m[orcIPs], m[entries] = f.orcTables(orcIPs, places)
		table := orcTable{mem: m, ips: orcIPs, entries: entries, n: len(places)}
		if err := table.sort(&o); err != nil {
			t.Fatal(err)
		}
		for _, p := range []place{unwindData[1], unwindData[2], unwindData[3], unwindData[5]} {
			for _, off := range []vmcore.Addr{0, 3} {
				want := p.orcEntry
				if got, ok, err := table.find(p.at+off, &o); got != want || !ok || err != nil {
					t.Errorf("%s: %v: %+v, %v, want %+v", f.name, p.at+off, got, err, want)
				}
			}
		}
	}
}

// orcFormatOf returns the format as its type says it.
func orcFormatOf(t testing.TB, f format) orcFormat {
	u, _ := newTestKernel(t, f)
	o := u.machine.(*x86).orc
	if err := o.missing(); err != nil {
		t.Fatal(err)
	}
	return o.format
}

// FuzzTrace unwinds stacks and unwind data of any bytes. Traces are no longer
// than the stacks, and every return address in them is code.
func FuzzTrace(f *testing.F) {
	var kernels []*kernel.Kernel
	var memories []memory
	for _, format := range formats {
		u, m := newTestKernel(f, format)
		sleeper(m)
		kernels, memories = append(kernels, u.k), append(memories, m)
	}
	m := memories[3]
	f.Add(uint8(3), m[bottom][usualStack-0x200:], m[entries], uint64(top-0x200))
	f.Add(uint8(0), []byte{}, []byte{1, 2, 3}, uint64(0))
	f.Fuzz(func(t *testing.T, version uint8, stack, orc []byte, sp uint64) {
		u, m := newUnwinder(kernels[version%4]), memories[version%4]
		clear(m[bottom])
		clear(m[irqBase])
		copy(m[bottom][max(0, usualStack-len(stack)):], stack)
		copy(m[irqBase], stack)
		copy(m[entries], orc)
		m.put(taskAt+8, sp)
		check := func(got Trace) {
			if len(got.Frames) > 2*usualStack/8 {
				t.Fatalf("%d frames", len(got.Frames))
			}
			for _, f := range got.Frames {
				if f.Registers == nil && !u.code.contains(f.PC) {
					t.Errorf("%v is not code", f.PC)
				}
				u.Name(f)
			}
		}
		check(u.Trace(kernel.Task{Addr: taskAt}))
		check(u.Scan(kernel.Task{Addr: taskAt}, false))
		u.runs(map[string]uint64{"rip": uint64(fnException), "rsp": sp, "rbp": sp})
		check(u.Trace(kernel.Task{Addr: taskAt}))
		if _, err := u.Exceptions(kernel.Task{Addr: taskAt}); err != nil {
			t.Error(err)
		}
	})
}
