package kernel_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// TestCrash has the end of a kernel that panicked on CPU 1, and two that were
// dumped alive.
func TestCrash(t *testing.T) {
	for _, name := range []string{"vars-7.2-amd64", "debian-6.12-amd64"} {
		if c, crashed := openDump(t, name).Crash(); crashed {
			t.Errorf("%s: %+v", name, c)
		}
	}
	k := openDump(t, "crash-7.2-amd64")
	c, crashed := k.Crash()
	if !crashed || c.CPU != 1 || c.Task.Comm != "sh" || c.Message != "sysrq triggered crash" {
		t.Errorf("%+v, %v", c, crashed)
	}
	if when, known := k.Info().CrashTime(); !known {
		t.Errorf("no time of the crash: %v", when)
	}
}

// TestCPUs holds registers against the tasks that ran: a crashed kernel says in
// its notes which those are.
func TestCPUs(t *testing.T) {
	k := openDump(t, "crash-7.2-amd64")
	cpus := k.CPUs()
	if len(cpus) != 2 {
		t.Fatalf("%d CPUs", len(cpus))
	}
	for i, c := range cpus {
		if c.Number != i || c.Task.PID != c.Registers.PID {
			t.Errorf("CPU %d: number %d, task %+v, note of process %d", i, c.Number, c.Task, c.Registers.PID)
		}
	}
	// The notes in the file are copies of those in memory.
	for i, c := range k.Dump().CPUs() {
		for name, want := range c.Registers() {
			if got, _ := cpus[i].Registers.Register(name); got != want {
				t.Errorf("CPU %d: %s is %#x in memory, %#x in the file", i, name, got, want)
			}
		}
	}
	pc, _ := cpus[1].Registers.Register("pc")
	if name := k.SymbolName(vmcore.Addr(pc)); !strings.HasPrefix(name, "__crash_kexec+") {
		t.Errorf("CPU 1 was at %#x, %s", pc, name)
	}
}

// TestCPUsOfQEMU has registers of notes that name no task.
func TestCPUsOfQEMU(t *testing.T) {
	var got []string
	for _, c := range openDump(t, "debian-6.12-amd64").CPUs() {
		got = append(got, c.Task.Comm)
	}
	if len(got) != 2 || got[0] != "swapper/0" || got[1] != "yes" {
		t.Errorf("tasks %q", got)
	}
	if cpus := newKernel(t).CPUs(); cpus != nil {
		t.Errorf("CPUs of a kernel without a dump: %v", cpus)
	}
}

// TestSavedCPUs has a kernel that crashed, of which CPU 0 did not answer: the file
// would have one note, and nothing in it says that it is of CPU 2.
func TestSavedCPUs(t *testing.T) {
	whole := newKernel(t)
	k := kernel.New(kernel.Config{
		Arch: whole.Arch(), Mem: whole.Memory(), Symbols: whole.Symbols(), Types: whole.Types(),
		Info: vmcore.ParseVMCOREINFO([]byte("CRASHTIME=1\n")),
	})
	note := vmcoretest.PRStatus(k.Arch().Layout, vmcoretest.CPU{PID: 7, Registers: vmcoretest.X86Registers(map[string]uint64{"rip": 0x1234})})
	raw := binary.LittleEndian.AppendUint32(nil, uint32(len(note.Name)+1))
	raw = binary.LittleEndian.AppendUint32(raw, uint32(len(note.Desc)))
	raw = binary.LittleEndian.AppendUint32(raw, note.Type)
	raw = append(append(raw, note.Name+"\x00\x00\x00\x00"...), note.Desc...)
	whole.Memory().(sparse)[cpu2+notesAt] = append(raw, make([]byte, 12)...)
	whole.Memory().(sparse)[cpu0+notesAt] = make([]byte, len(raw))

	cpus := k.CPUs()
	if len(cpus) != 1 || cpus[0].Number != 2 || cpus[0].Registers.PID != 7 {
		t.Fatalf("%+v", cpus)
	}
	if pc, _ := cpus[0].Registers.Register("pc"); pc != 0x1234 {
		t.Errorf("pc %#x", pc)
	}
}
