package cmds

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "regs",
		Args: "[CPU]",
		Help: "show the registers of the processors",
		Doc: `regs shows the registers that each processor had when the dump was made, or
those of one, and the task that it ran. A register that points into the kernel
is followed by the symbol.

    regs            of all processors
    regs 1          of CPU 1

A kernel that crashes saves the registers of the CPU that panics where it
starts the second kernel, and those of the others where it stops them. They are
of the kernel, or of the program that ran on the CPU. Dumps that QEMU wrote
have control registers, too. A running kernel has none to show.`,
		Run: runRegs,
	})
}

func runRegs(ctx context.Context, env *Env, args string) error {
	cpus := env.Kernel.CPUs()
	if len(cpus) == 0 {
		return &noRegistersError{}
	}
	if args == "" {
		for i, c := range cpus {
			if i > 0 {
				if err := env.blank(); err != nil {
					return err
				}
			}
			if err := env.showRegisters(c); err != nil {
				return err
			}
		}
		return nil
	}
	number, err := strconv.Atoi(args)
	if err != nil {
		return usage("regs", "regs takes the number of a CPU")
	}
	var numbers []int
	for _, c := range cpus {
		if c.Number == number {
			return env.showRegisters(c)
		}
		numbers = append(numbers, c.Number)
	}
	return &kernel.TypeError{Msg: fmt.Sprintf("no registers of CPU %d", number), Do: "the dump has those of CPUs " + kernel.CPUList(numbers)}
}

// noRegistersError says that a dump has no notes on processors.
type noRegistersError struct{}

func (*noRegistersError) Error() string { return "no registers" }

// Kind returns [kernel.KindUnsupported].
func (*noRegistersError) Kind() string { return kernel.KindUnsupported }

// Hint says which dumps have them.
func (*noRegistersError) Hint() string {
	return "a dump has them if the kernel crashed, or if QEMU wrote it; /proc/kcore has none"
}

// showRegisters writes the registers of one CPU.
func (e *Env) showRegisters(c kernel.CPU) error {
	if e.JSON {
		return e.Object(cpuObject{
			CPU: c.Number, PID: c.Task.PID, Task: c.Task.Addr.String(), Comm: c.Task.Comm, Registers: registerObject(c.Registers.Registers()),
		})
	}
	if err := e.Printf("CPU %d%s\n", c.Number, taskText(c.Task, ": ")); err != nil {
		return err
	}
	var rows [][]string
	for name, value := range c.Registers.Registers() {
		text := fmt.Sprintf("0x%016x", value)
		if symbol := e.Kernel.SymbolName(vmcore.Addr(value)); symbol != "" {
			text += " <" + symbol + ">"
		}
		rows = append(rows, []string{name, text})
	}
	return writeTable(e.Out, nil, rows)
}

// taskText writes a task for people, behind prefix; "" where it is not known.
func taskText(t kernel.Task, prefix string) string {
	if t.Addr == 0 {
		return ""
	}
	return fmt.Sprintf("%s%s, process %d, task %v", prefix, strconv.Quote(t.Comm), t.PID, t.Addr)
}

// cpuObject is a processor in JSON.
type cpuObject struct {
	CPU       int            `json:"cpu"`
	PID       int            `json:"pid"`
	Task      string         `json:"task"`
	Comm      string         `json:"comm"`
	Registers registerObject `json:"registers"`
}

// registerObject is an object in JSON whose members are in the architecture's
// order.
type registerObject iter.Seq2[string, uint64]

// MarshalJSON writes registers as addresses are written.
func (r registerObject) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	for name, value := range r {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `%s:"%#x"`, key, value)
	}
	return []byte("{" + b.String() + "}"), nil
}
