package cmds

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/device"
)

func init() {
	register(&Command{
		Name: "irq",
		Args: "[-u] [NUMBER]... | -a | -s [-c CPUS] | -d | -b",
		Help: "show interrupts",
		Doc: `irq lists the interrupt lines: number, addresses of the struct irq_desc and of
each struct irqaction, and the names that drivers gave.

    irq                 all lines that have a descriptor
    irq 9 12            some of them
    irq -u              those that are in use
    irq -a              the CPUs that each may be sent to
    irq -s              how often each CPU has seen them
    irq -s -c 0,2-3     the same of some CPUs
    irq -d              x86's interrupt descriptor table
    irq -b              the handlers of soft interrupts`,
		Run: runIRQ,
	})
}

func runIRQ(ctx context.Context, env *Env, args string) error {
	opts, words, err := options("irq", args, "uasc:db")
	if err != nil {
		return err
	}
	switch {
	case opts.has('d'):
		return env.showVectors(ctx, "VECTOR", device.IDT(env.Kernel))
	case opts.has('b'):
		return env.showVectors(ctx, "SOFTIRQ_VEC", device.SoftIRQs(env.Kernel))
	}
	irqs, err := chooseIRQs(device.IRQs(env.Kernel), words, opts.has('u') || opts.has('a') || opts.has('s'))
	switch {
	case err != nil:
		return err
	case opts.has('a'):
		return env.showAffinity(ctx, irqs)
	case opts.has('s'):
		return env.showIRQCounts(ctx, irqs, opts.value('c'))
	}
	return env.showIRQs(ctx, irqs)
}

// chooseIRQs keeps the lines with a number among words, all if there are none,
// and of those the ones that are in use.
func chooseIRQs(irqs iter.Seq2[device.IRQ, error], words []string, used bool) (iter.Seq2[device.IRQ, error], error) {
	wanted := make(map[int]bool)
	for _, word := range words {
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, usage("irq", "%s is not the number of an interrupt", word)
		}
		wanted[n] = true
	}
	return func(yield func(device.IRQ, error) bool) {
		for irq, err := range irqs {
			if err == nil && (len(words) > 0 && !wanted[irq.Number] || used && len(irq.Actions) == 0) {
				continue
			}
			delete(wanted, irq.Number)
			if !yield(irq, err) {
				return
			}
		}
		for _, word := range words {
			n, _ := strconv.Atoi(word)
			if wanted[n] && !yield(device.IRQ{}, &kernel.NotFoundError{What: "interrupt", Name: word}) {
				return
			}
		}
	}, nil
}

// irqObject is an interrupt line in JSON.
type irqObject struct {
	IRQ      int            `json:"irq"`
	Address  string         `json:"address"`
	Chip     string         `json:"chip"`
	Flow     string         `json:"flow"`
	Actions  []actionObject `json:"actions"`
	Affinity string         `json:"affinity,omitempty"`
	Counts   []uint64       `json:"counts,omitempty"` // by CPU, in the order of cpus
	CPUs     []int          `json:"cpus,omitempty"`
}

type actionObject struct {
	Address string `json:"address"`
	Name    string `json:"name"`
	Handler string `json:"handler"`
	Symbol  string `json:"symbol"`
	Thread  string `json:"thread,omitempty"`
}

func (e *Env) irqObject(irq device.IRQ) irqObject {
	o := irqObject{IRQ: irq.Number, Address: irq.Addr.String(), Chip: irq.Chip, Flow: irq.Flow, Actions: []actionObject{}}
	for _, a := range irq.Actions {
		ao := actionObject{Address: a.Addr.String(), Name: a.Name, Handler: a.Handler.String(), Symbol: e.Kernel.SymbolName(a.Handler)}
		if a.Thread != 0 {
			ao.Thread = a.Thread.String()
		}
		o.Actions = append(o.Actions, ao)
	}
	return o
}

func (e *Env) showIRQs(ctx context.Context, irqs iter.Seq2[device.IRQ, error]) error {
	var rows [][]string
	for irq := range sound(ctx, e, irqs) {
		switch {
		case e.JSON:
			if err := e.Object(e.irqObject(irq)); err != nil {
				return err
			}
		case len(irq.Actions) == 0:
			rows = append(rows, []string{strconv.Itoa(irq.Number), hexAddr(irq.Addr), "(unused)", ""})
		default:
			first := []string{strconv.Itoa(irq.Number), hexAddr(irq.Addr)}
			for _, a := range irq.Actions {
				rows = append(rows, append(first, hexAddr(a.Addr), strconv.Quote(a.Name)))
				first = []string{"", ""}
			}
		}
	}
	return writeTable(e.Out, []string{">IRQ", "IRQ_DESC/_DATA", "IRQACTION", "NAME"}, rows)
}

// actionNames joins the names of an interrupt's actions.
func actionNames(irq device.IRQ) string {
	var names []string
	for _, a := range irq.Actions {
		names = append(names, a.Name)
	}
	return strings.Join(names, ",")
}

func (e *Env) showAffinity(ctx context.Context, irqs iter.Seq2[device.IRQ, error]) error {
	affinity := func(irq device.IRQ) string {
		cpus, err := irq.Affinity()
		if err != nil {
			e.Problem(fmt.Errorf("affinity of interrupt %d: %w", irq.Number, err))
			return "<" + kernel.ErrorKind(err) + ">"
		}
		return kernel.CPUList(cpus)
	}
	return writeList(ctx, e, []string{">IRQ", "NAME", "AFFINITY"}, irqs, func(irq device.IRQ) any {
		o := e.irqObject(irq)
		o.Affinity = affinity(irq)
		return o
	}, func(irq device.IRQ) []string {
		return []string{strconv.Itoa(irq.Number), actionNames(irq), affinity(irq)}
	})
}

// showIRQCounts shows how often CPUs saw interrupts; those that are online if which
// is empty.
func (e *Env) showIRQCounts(ctx context.Context, irqs iter.Seq2[device.IRQ, error], which string) error {
	cpus, err := e.Kernel.OnlineCPUs()
	if err == nil && which != "" {
		cpus, err = parseCPUs("irq", which, cpus)
	}
	if err != nil {
		return err
	}
	header := []string{">IRQ"}
	for _, cpu := range cpus {
		header = append(header, ">CPU"+strconv.Itoa(cpu))
	}
	header = append(header, "CHIP", "NAME")
	counts := func(irq device.IRQ) []uint64 {
		counts, err := irq.Counts(cpus)
		if err != nil {
			e.Problem(fmt.Errorf("counts of interrupt %d: %w", irq.Number, err))
		}
		return counts
	}
	return writeList(ctx, e, header, irqs, func(irq device.IRQ) any {
		o := e.irqObject(irq)
		o.Counts, o.CPUs = counts(irq), cpus
		return o
	}, func(irq device.IRQ) []string {
		row := []string{strconv.Itoa(irq.Number)}
		seen := counts(irq)
		for i := range cpus {
			if i < len(seen) {
				row = append(row, strconv.FormatUint(seen[i], 10))
			} else {
				row = append(row, "?")
			}
		}
		return append(row, strings.Trim(irq.Chip+"-"+irq.Flow, "-"), actionNames(irq))
	})
}

// showVectors shows a table of handlers.
func (e *Env) showVectors(ctx context.Context, title string, vectors iter.Seq2[device.Vector, error]) error {
	return writeList(ctx, e, []string{">" + title, "ACTION", "SYMBOL"}, vectors, func(v device.Vector) any {
		return struct {
			Vector  int    `json:"vector"`
			Handler string `json:"handler"`
			Symbol  string `json:"symbol"`
		}{v.Number, v.Handler.String(), e.Kernel.SymbolName(v.Handler)}
	}, func(v device.Vector) []string {
		return []string{"[" + strconv.Itoa(v.Number) + "]", hexAddr(v.Handler), e.Kernel.SymbolName(v.Handler)}
	})
}
