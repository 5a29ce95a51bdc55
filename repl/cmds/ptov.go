package cmds

import (
	"context"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "ptov",
		Args: "ADDRESS|OFFSET:CPUS ...",
		Help: "translate physical addresses and per-CPU offsets to virtual ones",
		Doc: `ptov shows where the kernel sees a physical address, in its map of all physical
memory. With a colon behind it, a number is the offset of per-CPU memory, as
pointers marked __percpu hold: then ptov shows where each of the CPUs has it.
CPUs are a list such as 0,2-3, or a for all. Numbers are hexadecimal, with or
without 0x.

    ptov 1000000
    ptov 1f8c0:a`,
		Run: runPtov,
	})
}

func runPtov(ctx context.Context, env *Env, args string) error {
	rest, err := words(args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return usage("ptov", "ptov needs a physical address, or an offset and CPUs")
	}
	for _, word := range rest {
		word, cpus, perCPU := strings.Cut(word, ":")
		a, err := env.hexAddress(ctx, word)
		if err != nil {
			return err
		}
		if perCPU {
			err = env.showPerCPU(a, cpus)
		} else {
			err = env.showVirtual(vmcore.PhysAddr(a))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Env) showVirtual(phys vmcore.PhysAddr) error {
	a, err := e.Memory.Virt(phys)
	if err != nil {
		return err
	}
	if e.JSON {
		return e.Object(struct {
			Address  string `json:"address"`
			Physical string `json:"physical"`
		}{a.String(), phys.String()})
	}
	return writeTable(e.Out, []string{"VIRTUAL", "PHYSICAL"}, [][]string{{hexAddr(a), hexPhys(phys)}})
}

// perCPUObject is where a CPU has per-CPU memory, in JSON.
type perCPUObject struct {
	Address string `json:"address"`
	CPU     int    `json:"cpu"`
}

// perCPUAddress returns where a CPU has the per-CPU memory at an offset.
func (e *Env) perCPUAddress(offset uint64, cpu int) (vmcore.Addr, error) {
	v, err := e.Kernel.PerCPU(e.Kernel.Uint(&btf.Pointer{Target: &btf.Void{}}, offset), cpu)
	a, _ := v.Addr()
	return a, err
}

// showPerCPU shows where CPUs have the memory at an offset.
func (e *Env) showPerCPU(offset uint64, spec string) error {
	possible, err := e.Kernel.PossibleCPUs()
	if err != nil {
		return err
	}
	cpus, err := parseCPUs("ptov", spec, possible)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, cpu := range cpus {
		a, err := e.perCPUAddress(offset, cpu)
		if err != nil {
			return err
		}
		if e.JSON {
			if err := e.Object(perCPUObject{a.String(), cpu}); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{fmt.Sprintf("  [%d]", cpu), hexAddr(a)})
	}
	if e.JSON {
		return nil
	}
	if err := e.Printf("PER-CPU OFFSET: %x\n", offset); err != nil {
		return err
	}
	return writeTable(e.Out, []string{"  CPU", "VIRTUAL"}, rows)
}
