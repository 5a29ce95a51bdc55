package cmds

import (
	"context"
	"fmt"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
)

// kmemFree shows the free blocks of all zones.
func kmemFree(ctx context.Context, env *Env, opts flags, _ []string) error {
	types := env.Memory.MigrateTypes()
	var total, counted uint64
	for z := range sound(ctx, env, env.Memory.Zones()) {
		counters, err := env.Memory.Counters(z)
		if err != nil {
			env.Problem(err)
		}
		free := counterOf(counters, "NR_FREE_PAGES")
		if !env.JSON {
			if err := env.showZoneHead(z, free); err != nil {
				return err
			}
		}
		if z.Spanned == 0 {
			continue
		}
		pages, err := env.showFreeLists(ctx, z, types, opts.has('F'))
		if err != nil {
			return err
		}
		total, counted = total+uint64(max(free, 0)), counted+pages
	}
	if env.JSON {
		return nil
	}
	if total != counted {
		return env.Printf("nr_free_pages: %d, of which %d are on the lists\n", total, counted)
	}
	return env.Printf("nr_free_pages: %d  (verified)\n", total)
}

func counterOf(counters []mm.Counter, name string) int64 {
	for _, c := range counters {
		if c.Name == name {
			return c.Value
		}
	}
	return 0
}

// showZoneHead writes the row about a zone above its free lists.
func (e *Env) showZoneHead(z mm.Zone, free int64) error {
	return writeTable(e.Out, []string{"NODE", "ZONE", "NAME", ">SIZE", ">FREE", ">START_PADDR", ">START_MAPNR"}, [][]string{{
		fmt.Sprint(z.Node), fmt.Sprint(z.Index), z.Name, fmt.Sprint(z.Spanned), fmt.Sprint(free),
		fmt.Sprintf("%x", z.StartPFN*e.Memory.PageSize()), fmt.Sprint(z.StartPFN),
	}})
}

// freeObject is a list of free blocks in JSON.
type freeObject struct {
	Node    int      `json:"node"`
	Zone    string   `json:"zone"`
	Order   int      `json:"order"`
	Type    string   `json:"type"`
	Address string   `json:"address"`
	Blocks  uint64   `json:"blocks"`
	Pages   uint64   `json:"pages"`
	Heads   []string `json:"heads,omitempty"` // page structures of the blocks
}

// showFreeLists shows the free lists of a zone and returns the pages on them.
func (e *Env) showFreeLists(ctx context.Context, z mm.Zone, types []string, blocks bool) (pages uint64, err error) {
	var rows [][]string
	for f := range sound(ctx, e, e.Memory.FreeLists(z)) {
		pages += f.Pages()
		name := fmt.Sprint(f.Type)
		if f.Type < len(types) {
			name = types[f.Type]
		}
		var heads []string
		if blocks {
			for a, err := range e.Memory.FreeBlocks(f) {
				if err == nil {
					heads = append(heads, hexAddr(a))
				}
			}
		}
		if e.JSON {
			for i := range heads {
				heads[i] = "0x" + heads[i]
			}
			if err := e.Object(freeObject{f.Zone.Node, f.Zone.Name, f.Order, name, f.Addr.String(), f.Blocks, f.Pages(), heads}); err != nil {
				return pages, err
			}
			continue
		}
		rows = append(rows, []string{
			fmt.Sprint(f.Order), fmt.Sprintf("%dk", e.Memory.PageSize()<<f.Order>>10), hexAddr(f.Addr),
			fmt.Sprint(f.Blocks), fmt.Sprint(f.Pages()), name,
		})
		for _, head := range heads {
			rows = append(rows, []string{"", "", "  " + head, "", "", ""})
		}
	}
	if e.JSON || ctx.Err() != nil {
		return pages, ctx.Err()
	}
	if err := writeTable(e.Out, []string{">AREA", ">SIZE", "FREE_AREA_STRUCT", ">BLOCKS", ">PAGES", "TYPE"}, rows); err != nil {
		return pages, err
	}
	return pages, e.Printf("\n")
}

// kmemZones shows the zones and what they count.
func kmemZones(ctx context.Context, env *Env, _ flags, _ []string) error {
	for z := range sound(ctx, env, env.Memory.Zones()) {
		counters, err := env.Memory.Counters(z)
		if err != nil {
			env.Problem(err)
		}
		if err := env.showZone(ctx, z, counters); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// zoneObject is a zone in JSON.
type zoneObject struct {
	Node     int              `json:"node"`
	Zone     int              `json:"zone"`
	Name     string           `json:"name"`
	Address  string           `json:"address"`
	StartPFN uint64           `json:"start_pfn"`
	Size     uint64           `json:"size"` // pages, as are the others
	Present  uint64           `json:"present"`
	Managed  uint64           `json:"managed"`
	Min      uint64           `json:"min"`
	Low      uint64           `json:"low"`
	High     uint64           `json:"high"`
	Counters map[string]int64 `json:"counters,omitempty"`
	CPUs     []cpuPagesObject `json:"cpus,omitempty"`
}

// cpuPagesObject is the free pages that a CPU keeps, in JSON.
type cpuPagesObject struct {
	CPU     int    `json:"cpu"`
	Address string `json:"address"`
	Count   uint64 `json:"count"`
	High    uint64 `json:"high"`
	Batch   uint64 `json:"batch"`
}

func (e *Env) showZone(ctx context.Context, z mm.Zone, counters []mm.Counter) error {
	var cpus []cpuPagesObject
	if z.Present > 0 {
		for p := range sound(ctx, e, e.Memory.CPUPages(z)) {
			cpus = append(cpus, cpuPagesObject{p.CPU, p.Addr.String(), p.Count, p.High, p.Batch})
		}
	}
	if e.JSON {
		o := zoneObject{
			z.Node, z.Index, z.Name, z.Addr.String(), z.StartPFN, z.Spanned, z.Present, z.Managed, z.Min, z.Low, z.High,
			make(map[string]int64), cpus,
		}
		for _, c := range counters {
			o.Counters[c.Name] = c.Value
		}
		return e.Object(o)
	}
	if err := e.Printf("NODE: %d  ZONE: %d  ADDR: %s  NAME: %q\n", z.Node, z.Index, hexAddr(z.Addr), z.Name); err != nil {
		return err
	}
	if z.Spanned == 0 {
		return e.Printf("  [unpopulated]\n\n")
	}
	if err := e.Printf("  SIZE: %d  PRESENT: %d  MANAGED: %d  MIN/LOW/HIGH: %d/%d/%d\n  VM_STAT:\n%s",
		z.Spanned, z.Present, z.Managed, z.Min, z.Low, z.High, counterLines(counters)); err != nil {
		return err
	}
	for _, p := range cpus {
		if err := e.Printf("  CPU %d: COUNT: %d  HIGH: %d  BATCH: %d\n", p.CPU, p.Count, p.High, p.Batch); err != nil {
			return err
		}
	}
	return e.Printf("\n")
}

// kmemNodes shows nodes, their zones, and the sections of memory.
func kmemNodes(ctx context.Context, env *Env, _ flags, _ []string) error {
	size := env.Memory.PageSize()
	err := writeList(ctx, env, []string{"NODE", ">SIZE", ">PRESENT", "PGLIST_DATA", ">START_PADDR", ">START_MAPNR"}, env.Memory.Nodes(),
		func(n mm.Node) any {
			return struct {
				Node     int    `json:"node"`
				Address  string `json:"address"`
				StartPFN uint64 `json:"start_pfn"`
				Size     uint64 `json:"size"`
				Present  uint64 `json:"present"`
			}{n.ID, n.Addr.String(), n.StartPFN, n.Spanned, n.Present}
		},
		func(n mm.Node) []string {
			return []string{
				fmt.Sprint(n.ID), fmt.Sprint(n.Spanned), fmt.Sprint(n.Present), hexAddr(n.Addr),
				fmt.Sprintf("%x", n.StartPFN*size), fmt.Sprint(n.StartPFN),
			}
		})
	if err != nil {
		return err
	}
	if err := env.blank(); err != nil {
		return err
	}
	err = writeList(ctx, env, []string{"NODE", "ZONE", "NAME", ">SIZE", ">PRESENT", ">MANAGED", "ADDRESS", ">START_PADDR", ">START_MAPNR"}, env.Memory.Zones(),
		func(z mm.Zone) any {
			return zoneObject{
				Node: z.Node, Zone: z.Index, Name: z.Name, Address: z.Addr.String(), StartPFN: z.StartPFN,
				Size: z.Spanned, Present: z.Present, Managed: z.Managed, Min: z.Min, Low: z.Low, High: z.High,
			}
		},
		func(z mm.Zone) []string {
			return []string{
				fmt.Sprint(z.Node), fmt.Sprint(z.Index), z.Name, fmt.Sprint(z.Spanned), fmt.Sprint(z.Present), fmt.Sprint(z.Managed),
				hexAddr(z.Addr), fmt.Sprintf("%x", z.StartPFN*size), fmt.Sprint(z.StartPFN),
			}
		})
	if err != nil {
		return err
	}
	return env.showSections(ctx)
}

// showSections shows the sections of memory, where the kernel has such.
func (e *Env) showSections(ctx context.Context) error {
	sections, err := e.Memory.Sections()
	if err != nil {
		if kernel.ErrorKind(err) == kernel.KindUnsupported && len(sections) == 0 {
			return nil
		}
		e.Problem(err)
	}
	if err := e.blank(); err != nil {
		return err
	}
	pages := e.Memory.SectionPages()
	return writeList(ctx, e, []string{">NR", "SECTION", "CODED_MEM_MAP", "MEM_MAP", "STATE", ">PFN"}, each(sections, nil),
		func(s mm.Section) any {
			return struct {
				Section uint64 `json:"section"`
				Address string `json:"address"`
				MemMap  string `json:"mem_map"`
				State   string `json:"state"`
				PFN     uint64 `json:"pfn"`
			}{s.Number, s.Addr.String(), s.MemMap.String(), s.StateLetters(), s.Number * pages}
		},
		func(s mm.Section) []string {
			return []string{
				fmt.Sprint(s.Number), hexAddr(s.Addr), hexAddr(s.Coded), hexAddr(s.MemMap), s.StateLetters(), fmt.Sprint(s.Number * pages),
			}
		})
}
