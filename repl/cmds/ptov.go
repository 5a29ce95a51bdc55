package cmds

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
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

// showPerCPU shows where CPUs have the memory at an offset.
func (e *Env) showPerCPU(offset uint64, spec string) error {
	cpus, err := e.cpus(spec)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, cpu := range cpus {
		v, err := e.Kernel.PerCPU(e.Kernel.Uint(&btf.Pointer{Target: &btf.Void{}}, offset), cpu)
		if err != nil {
			return err
		}
		a, _ := v.Addr()
		if e.JSON {
			if err := e.Object(struct {
				Address string `json:"address"`
				CPU     int    `json:"cpu"`
			}{a.String(), cpu}); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{fmt.Sprintf("[%d]", cpu), hexAddr(a)})
	}
	if e.JSON {
		return nil
	}
	if err := e.Printf("PER-CPU OFFSET: %x\n", offset); err != nil {
		return err
	}
	return writeTable(e.Out, []string{"  CPU", "VIRTUAL"}, rows)
}

// cpus reads a list of CPUs such as 0,2-3, or a for all that are possible.
func (e *Env) cpus(spec string) ([]int, error) {
	possible, err := e.Kernel.PossibleCPUs()
	if err != nil || spec == "a" || spec == "all" {
		return possible, err
	}
	wanted := make(map[int]bool)
	for part := range strings.SplitSeq(spec, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if isRange && err == nil {
			last, err = strconv.Atoi(to)
		}
		if err != nil || first < 0 || last < first {
			return nil, &UsageError{Msg: fmt.Sprintf("%q is no list of CPUs", spec), Do: "CPUs are 0,2-3, or a for all"}
		}
		for _, cpu := range possible {
			if cpu >= first && cpu <= last {
				wanted[cpu] = true
			}
		}
	}
	var cpus []int
	for _, cpu := range possible {
		if wanted[cpu] {
			cpus = append(cpus, cpu)
		}
	}
	if len(cpus) == 0 {
		return nil, &kernel.TypeError{Msg: "no CPU " + spec, Do: "this machine has CPUs " + kernel.CPUList(possible)}
	}
	return cpus, nil
}
