package stack

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/kerneltest"
	"github.com/kdbg/kdbg/vmcore"
)

// The synthetic kernel: its code, its unwind data, a task with its stack, and the
// stack on which its only CPU handles interrupts.
const (
	text    vmcore.Addr = 0xffffffff81000000
	tables  vmcore.Addr = 0xffffffff81800000
	orcIPs  vmcore.Addr = 0xffffffff82000000
	entries vmcore.Addr = 0xffffffff82010000
	data    vmcore.Addr = 0xffffffff82020000
	bpfText vmcore.Addr = 0xffffffffa0000000
	taskAt  vmcore.Addr = 0xffff888000001000
	bottom  vmcore.Addr = 0xffffc90000000000 // of the task's stack
	top                 = bottom + usualStack
	irqEnd  vmcore.Addr = 0xffffc90000108000
	irqBase             = irqEnd - usualStack
)

// Functions of the synthetic kernel, 0x100 bytes each.
const (
	fnSchedule  = text + 0x100 // RBP is its frame pointer
	fnWait      = text + 0x200 // has 16 bytes on the stack
	fnThread    = text + 0x300 // has saved RBP below 24 bytes
	fnFork      = text + 0x400 // the outermost
	fnException = text + 0x500 // has saved registers on the stack
	fnEntry     = text + 0x600 // the CPU has saved some
	fnOnIRQ     = text + 0x700 // the word at its stack pointer leads to the task's stack
	fnNoData    = text + 0x800
	fnRealigned = text + 0x900 // R13 leads to the caller
	codeEnd     = text + 0x1000
)

// place is an entry of unwind data and where it begins.
type place struct {
	at vmcore.Addr
	orcEntry
}

var unwindData = []place{
	{text, orcEntry{}},
	{fnSchedule, orcEntry{kind: orcCall, sp: regBP, spOffset: 16, bp: regPrevSP, bpOffset: -16}},
	{fnWait, orcEntry{kind: orcCall, sp: regSP, spOffset: 8}}, // before it makes room
	{fnWait + 4, orcEntry{kind: orcCall, sp: regSP, spOffset: 24}},
	{fnThread, orcEntry{kind: orcCall, sp: regSP, spOffset: 40, bp: regPrevSP, bpOffset: -16}},
	{fnFork, orcEntry{kind: orcEnd}},
	{fnException, orcEntry{kind: orcRegs, sp: regSP, signal: true}},
	{fnEntry, orcEntry{kind: orcRegsPartial, sp: regSP, signal: true}},
	{fnOnIRQ, orcEntry{kind: orcCall, sp: regSPIndirect, spOffset: 8}},
	{fnNoData, orcEntry{}},
	{fnRealigned, orcEntry{kind: orcCall, sp: regR13, bp: regUndefined}},
	{codeEnd, orcEntry{}},
}

// format is one of those that unwind data has had.
type format struct {
	name              string
	width             uint // of the type
	hasSignal, hasEnd bool
	numbers           *[16]orcReg
}

var formats = []format{
	{"v4.18", 2, false, true, &oldRegs},
	{"v6.3", 2, true, true, &oldRegs},
	{"v6.4", 3, true, false, &oldRegs},
	{"v7.1", 3, true, false, &newRegs},
}

// encode encodes an entry as the kernel's objtool does.
func (f format) encode(e orcEntry) []byte {
	number := func(r orcReg) uint16 { return uint16(slices.Index(f.numbers[:], r)) }
	flags := number(e.sp) | number(e.bp)<<4
	bit := 8 + f.width
	if f.width == 3 {
		flags |= uint16(e.kind) << 8
	} else if e.kind >= orcCall {
		flags |= uint16(e.kind-orcCall) << 8
	}
	if f.hasSignal && e.signal {
		flags |= 1 << bit
	}
	if f.hasSignal {
		bit++
	}
	if f.hasEnd && e.kind == orcEnd {
		flags |= 1 << bit
	}
	b := binary.LittleEndian.AppendUint16(nil, uint16(e.spOffset))
	b = binary.LittleEndian.AppendUint16(b, uint16(e.bpOffset))
	return binary.LittleEndian.AppendUint16(b, flags)
}

// orcTables returns the two tables, in the order of the places given.
func (f format) orcTables(ips vmcore.Addr, places []place) (offsets, encoded []byte) {
	for i, p := range places {
		at := ips + vmcore.Addr(4*i)
		offsets = binary.LittleEndian.AppendUint32(offsets, uint32(p.at-at))
		encoded = append(encoded, f.encode(p.orcEntry)...)
	}
	return offsets, encoded
}

// orcType returns struct orc_entry.
func (f format) orcType() *btf.Struct {
	s16 := &btf.Int{Name: "short", Size: 2, Encoding: btf.Signed}
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	t := &btf.Struct{Name: "orc_entry", Size: 6, Members: []btf.Member{
		{Name: "sp_offset", Type: s16}, {Name: "bp_offset", Type: s16, Offset: 16},
	}}
	at := btf.Bits(32)
	add := func(name string, size uint) {
		t.Members = append(t.Members, btf.Member{Name: name, Type: u32, Offset: at, BitfieldSize: btf.Bits(size)})
		at += btf.Bits(size)
	}
	add("sp_reg", 4)
	add("bp_reg", 4)
	add("type", f.width)
	if f.hasSignal {
		add("signal", 1)
	}
	if f.hasEnd {
		add("end", 1)
	}
	return t
}

// types returns the BTF of the synthetic kernel.
func (f format) types(t testing.TB) *btfsrc.Types {
	u64 := &btf.Int{Name: "unsigned long", Size: 8}
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	char := &btf.Int{Name: "char", Size: 1}
	list := &btf.Struct{Name: "list_head", Size: 16}
	list.Members = []btf.Member{{Name: "next", Type: &btf.Pointer{Target: list}}, {Name: "prev", Type: &btf.Pointer{Target: list}, Offset: 64}}
	thread := &btf.Struct{Name: "thread_struct", Size: 8, Members: []btf.Member{{Name: "sp", Type: u64}}}
	llist := &btf.Struct{Name: "llist_node", Size: 8, Members: []btf.Member{{Name: "next", Type: u64}}}
	head := &btf.Struct{Name: "llist_head", Size: 8, Members: []btf.Member{{Name: "first", Type: u64}}}
	all := []btf.Type{
		&btf.Struct{Name: "task_struct", Size: 64, Members: []btf.Member{
			{Name: "stack", Type: &btf.Pointer{Target: &btf.Void{}}},
			{Name: "thread", Type: thread, Offset: 64},
			{Name: "on_cpu", Type: u32, Offset: 128},
			{Name: "rethooks", Type: head, Offset: 192},
			{Name: "ret_stack", Type: u64, Offset: 256},
		}},
		&btf.Struct{Name: "bpf_ksym", Size: 64, Members: []btf.Member{
			{Name: "start", Type: u64}, {Name: "end", Type: u64, Offset: 64},
			{Name: "name", Type: &btf.Array{Index: u32, Type: char, Nelems: 32}, Offset: 128},
			{Name: "lnode", Type: list, Offset: 384},
		}},
		&btf.Struct{Name: "rethook_node", Size: 24, Members: []btf.Member{
			{Name: "llist", Type: llist}, {Name: "ret_addr", Type: u64, Offset: 64}, {Name: "frame", Type: u64, Offset: 128},
		}},
		&btf.Struct{Name: "ftrace_ret_stack", Size: 24, Members: []btf.Member{
			{Name: "ret", Type: u64}, {Name: "func", Type: u64, Offset: 64}, {Name: "retp", Type: u64, Offset: 128},
		}},
	}
	if f.name != "" {
		all = append(all, f.orcType())
	}
	return kerneltest.Types(t, all)
}

var symbols = []kallsymstest.Symbol{
	{Addr: text, Type: 'T', Name: "_stext"},
	{Addr: fnSchedule, Type: 't', Name: "__schedule"},
	{Addr: fnWait, Type: 'T', Name: "wait"},
	{Addr: fnThread, Type: 't', Name: "thread"},
	{Addr: fnFork, Type: 'T', Name: "ret_from_fork_asm"},
	{Addr: fnException, Type: 'T', Name: "asm_exc_page_fault"},
	{Addr: fnEntry, Type: 'T', Name: "asm_exc_nmi"},
	{Addr: fnOnIRQ, Type: 'T', Name: "on_irq"},
	{Addr: fnNoData, Type: 'T', Name: "__crash_kexec"},
	{Addr: fnRealigned, Type: 'T', Name: "realigned"},
	{Addr: text + 0xa00, Type: 'T', Name: "arch_rethook_trampoline"},
	{Addr: text + 0xb00, Type: 'T', Name: "return_to_handler"},
	{Addr: codeEnd, Type: 'T', Name: "_etext"},
	{Addr: orcIPs, Type: 'D', Name: "__start_orc_unwind_ip"},
	{Addr: orcIPs + vmcore.Addr(4*len(unwindData)), Type: 'D', Name: "__stop_orc_unwind_ip"},
	{Addr: entries, Type: 'D', Name: "__start_orc_unwind"},
	{Addr: entries + vmcore.Addr(6*len(unwindData)), Type: 'D', Name: "__stop_orc_unwind"},
	{Addr: data, Type: 'D', Name: "bpf_kallsyms"},
}

// memory is memory made of pieces.
type memory map[vmcore.Addr][]byte

func (m memory) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	for start, b := range m {
		if a >= start && a < start+vmcore.Addr(len(b)) {
			n := copy(p, b[a-start:])
			if n == len(p) {
				return n, nil
			}
			more, err := m.ReadMemory(p[n:], a+vmcore.Addr(n))
			return n + more, err
		}
	}
	return 0, &vmcore.FaultError{Addr: a, State: vmcore.Unmapped}
}

// put writes words into a piece.
func (m memory) put(at vmcore.Addr, words ...uint64) {
	for start, b := range m {
		if at >= start && at < start+vmcore.Addr(len(b)) {
			for i, u := range words {
				binary.LittleEndian.PutUint64(b[int(at-start)+8*i:], u)
			}
			return
		}
	}
	panic("no such piece")
}

// newTestKernel returns an unwinder of the synthetic kernel and its memory.
func newTestKernel(t testing.TB, f format) (*Unwinder, memory) {
	layout := vmcore.Layout{WordSize: 8}
	image := (&kallsymstest.Kernel{
		Era: kallsymstest.V604, Layout: layout, Encoding: kallsyms.AbsolutePerCPU, Start: tables,
		Symbols: slices.Clone(symbols),
	}).Image()
	m := memory{
		image.Start: image.Bytes,
		text:        make([]byte, 0x1000),
		data:        make([]byte, 0x1000),
		taskAt:      make([]byte, 64),
		bottom:      make([]byte, usualStack),
		irqBase:     make([]byte, usualStack),
	}
	m[orcIPs], m[entries] = f.orcTables(orcIPs, unwindData)
	m.put(data, uint64(data+0x130), uint64(data+0x130)) // bpf_kallsyms
	m.put(data+0x100, uint64(bpfText), uint64(bpfText+0x100))
	copy(m[data][0x110:], "bpf_prog_1234")
	m.put(data+0x130, uint64(data), uint64(data))
	m.put(taskAt, uint64(bottom))

	syms, err := kallsyms.Load(m, vmcore.ParseVMCOREINFO([]byte(image.VMCOREINFO)), layout)
	if err != nil {
		t.Fatal(err)
	}
	k := kernel.New(kernel.Config{
		Arch: vmcore.Arch{Name: "x86_64", Layout: layout}, Mem: m, Symbols: syms, Types: f.types(t),
	})
	u, err := Of(k)
	if err != nil {
		t.Fatal(err)
	}
	return u, m
}

// runs makes the task run on CPU 0 with registers, and gives that CPU a stack for
// interrupts.
func (u *Unwinder) runs(registers map[string]uint64) {
	u.machine = irqMachine{u.machine.(*x86), registers}
	u.cpus = func() map[vmcore.Addr]kernel.CPU { return map[vmcore.Addr]kernel.CPU{taskAt: {}} }
}

// irqMachine is x86-64 with the registers of a test.
type irqMachine struct {
	*x86
	registers map[string]uint64
}

func (irqMachine) areas(int) []area { return []area{{"IRQ", irqBase, irqEnd}} }

func (m irqMachine) awake(vmcore.CPU) (cursor, error) {
	r := new(Registers)
	for name, value := range m.registers {
		r.names, r.values = append(r.names, name), append(r.values, value)
	}
	return m.begin(r)
}
