package cmds

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/device"
	"github.com/kdbg/kdbg/kernel/stack"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "mach",
		Args: "[-m | -c]",
		Help: "show the machine",
		Doc: `mach shows what machine the kernel ran on, where it has what in its memory, and
the stacks of each processor for interrupts and exceptions.

    mach        the machine
    mach -m     its physical memory, as x86's firmware described it
    mach -c     the struct cpuinfo_x86 of each processor`,
		Run: runMach,
	})
}

func runMach(ctx context.Context, env *Env, args string) error {
	opts, words, err := options("mach", args, "mc")
	switch {
	case err != nil:
		return err
	case len(words) > 0 || len(opts) > 1:
		return usage("mach", "mach takes one option")
	case opts.has('m'):
		return env.showFirmwareMemory(ctx)
	case opts.has('c'):
		return env.showProcessors(ctx)
	}
	m := newMachine(env.Kernel, env.Problem)
	if env.JSON {
		return env.Object(m)
	}
	return env.Printf("%s", m)
}

// machine is a machine in JSON. What is not known of it is left out.
type machine struct {
	Machine    string        `json:"machine"`
	Memory     uint64        `json:"memory"`
	CPUs       int           `json:"cpus"`
	MHz        uint64        `json:"mhz,omitempty"`
	HZ         uint64        `json:"hz,omitempty"`
	PageSize   uint64        `json:"page_size"`
	PageOffset string        `json:"page_offset,omitempty"`
	VMalloc    string        `json:"vmalloc,omitempty"`
	VMemmap    string        `json:"vmemmap,omitempty"`
	Text       string        `json:"text,omitempty"`
	StackSize  uint64        `json:"stack_size,omitempty"`
	Stacks     []stackObject `json:"stacks"`
}

// stackObject is a stack of a processor in JSON.
type stackObject struct {
	Name       string `json:"name"`
	CPU        int    `json:"cpu"`
	Start      string `json:"start"`
	End        string `json:"end"`
	start, end vmcore.Addr
}

func newMachine(k *kernel.Kernel, problem func(error)) *machine {
	check := func(err error) {
		if err != nil {
			problem(err)
		}
	}
	m := &machine{Machine: k.Arch().Name, PageSize: k.PageSize(), Stacks: []stackObject{}}
	var err error
	m.Memory, err = k.MemorySize()
	check(err)
	cpus, err := k.OnlineCPUs()
	check(err)
	m.CPUs = len(cpus)
	m.MHz, _ = k.CPUMHz()
	m.HZ, err = k.HZ()
	check(err)
	for _, base := range []struct {
		name string
		to   *string
	}{{"page_offset_base", &m.PageOffset}, {"vmalloc_base", &m.VMalloc}, {"vmemmap_base", &m.VMemmap}} {
		if s := k.Symbols().Lookup(base.name); len(s) == 1 { // a constant without CONFIG_RANDOMIZE_MEMORY
			a, err := k.Pointer(s[0].Addr)
			check(err)
			*base.to = a.String()
		}
	}
	if s := k.Symbols().Lookup("_text"); len(s) == 1 {
		m.Text = s[0].Addr.String()
	}
	if u, err := stack.Of(k); err == nil {
		m.StackSize = u.TaskStackSize()
		for _, cpu := range cpus {
			for _, s := range u.CPUStacks(cpu) {
				m.Stacks = append(m.Stacks, stackObject{s.Name, cpu, s.Start.String(), s.End.String(), s.Start, s.End})
			}
		}
	}
	return m
}

// String writes a machine as crash does.
func (m *machine) String() string {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" && text != "0" {
			fmt.Fprintf(&b, "%22s: %s\n", name, text)
		}
	}
	line("MACHINE TYPE", m.Machine)
	line("MEMORY SIZE", memoryText(m.Memory))
	line("CPUS", strconv.Itoa(m.CPUs))
	if m.MHz != 0 {
		line("PROCESSOR SPEED", fmt.Sprintf("%d Mhz", m.MHz))
	}
	line("HZ", strconv.FormatUint(m.HZ, 10))
	line("PAGE SIZE", strconv.FormatUint(m.PageSize, 10))
	line("KERNEL VIRTUAL BASE", strings.TrimPrefix(m.PageOffset, "0x"))
	line("KERNEL VMALLOC BASE", strings.TrimPrefix(m.VMalloc, "0x"))
	line("KERNEL VMEMMAP BASE", strings.TrimPrefix(m.VMemmap, "0x"))
	line("KERNEL TEXT BASE", strings.TrimPrefix(m.Text, "0x"))
	line("KERNEL STACK SIZE", strconv.FormatUint(m.StackSize, 10))
	var names []string
	byName := make(map[string][]stackObject)
	for _, s := range m.Stacks {
		if byName[s.Name] == nil {
			names = append(names, s.Name)
		}
		byName[s.Name] = append(byName[s.Name], s)
	}
	for _, name := range names {
		stacks := byName[name]
		line(strings.ToUpper(name)+" STACK SIZE", strconv.FormatUint(uint64(stacks[0].end-stacks[0].start), 10))
		fmt.Fprintf(&b, "%22s:\n", strings.ToUpper(name)+" STACKS")
		for _, s := range stacks {
			fmt.Fprintf(&b, "%22s: %s\n", fmt.Sprintf("CPU %d", s.CPU), hexAddr(s.start))
		}
	}
	return b.String()
}

func (e *Env) showFirmwareMemory(ctx context.Context) error {
	return writeList(ctx, e, []string{"PHYSICAL ADDRESS RANGE", "TYPE"}, device.FirmwareMemory(e.Kernel), func(m device.MemoryRange) any {
		return struct {
			Start string `json:"start"`
			End   string `json:"end"`
			Type  string `json:"type"`
		}{vmcore.Addr(m.Start).String(), vmcore.Addr(m.End).String(), m.Type}
	}, func(m device.MemoryRange) []string {
		return []string{fmt.Sprintf("%016x - %016x", m.Start, m.End), m.Type}
	})
}

// showProcessors prints cpu_info of each processor.
func (e *Env) showProcessors(ctx context.Context) error {
	info, err := e.Kernel.ObjectOf("cpu_info", "cpuinfo_x86")
	if err != nil {
		return err
	}
	cpus, err := e.Kernel.OnlineCPUs()
	if err != nil {
		return err
	}
	for _, cpu := range cpus {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := e.Kernel.PerCPU(info, cpu)
		if err != nil {
			e.Problem(fmt.Errorf("CPU %d: %w", cpu, err))
			continue
		}
		if e.JSON {
			o := object("cpu_info", cpuValue{v, &cpu})
			o.Value = v.AppendJSON(nil)
			err = e.Object(o)
		} else if err = e.Printf("CPU %d:\n", cpu); err == nil {
			if err = v.Format(e.Out, e.Settings.formatOptions(0)); err == nil {
				err = e.Printf("\n")
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
