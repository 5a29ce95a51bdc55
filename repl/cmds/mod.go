package cmds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "mod", Aliases: []string{"lsmod"},
		Args: "[-t] [MODULE...]",
		Help: "list the kernel's modules",
		Doc: `mod lists the modules that were loaded, or those it is given: address of the
struct module, name, lowest address, size, whether the kernel had types (BTF) for
it, and the modules that use it. Their symbols need no loading.

    -t  those that taint the kernel, and how: P proprietary, O out of tree,
        E unsigned, F forced, C staging, K live patch, T laid out at random,
        N for tests`,
		Run: runMod,
	})
}

func runMod(ctx context.Context, env *Env, args string) error {
	opts, names, err := options("mod", args, "tsSdr")
	switch {
	case err != nil:
		return err
	case opts.has('s') || opts.has('S') || opts.has('d') || opts.has('r'): // crash loads debug information with them
		return &UsageError{
			Msg: "mod loads nothing: the symbols and types of modules are in the dump",
			Do:  "mod lists the modules, sym -m MODULE the symbols of one",
		}
	}
	mods, errs := env.Kernel.Modules()
	for _, err := range errs {
		env.Problem(err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(mods, func(m kernel.Module) bool { return m.Name == name }) {
			return &kernel.NotFoundError{What: "module", Name: name, Similar: kernel.Similar(name, slices.Values(env.Names.modules()))}
		}
	}
	chosen := slices.DeleteFunc(slices.Clone(mods), func(m kernel.Module) bool {
		return names != nil && !slices.Contains(names, m.Name) || opts.has('t') && m.Taints == 0
	})
	slices.SortStableFunc(chosen, func(a, b kernel.Module) int { return cmp.Compare(a.Base(), b.Base()) })
	if env.JSON {
		for _, m := range chosen {
			if err := env.Object(newModObject(m)); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	header := []string{"     MODULE", "NAME", "   TEXT_BASE", ">SIZE", "BTF", "USED BY"}
	row := modRow
	if opts.has('t') {
		if len(chosen) == 0 {
			return env.Printf("no module taints the kernel\n")
		}
		header, row = []string{"NAME", "TAINTS"}, func(m kernel.Module) []string { return []string{m.Name, kernel.Taints(m.Taints)} }
	}
	var rows [][]string
	for _, m := range chosen {
		rows = append(rows, row(m))
	}
	return writeTable(env.Out, header, rows)
}

func modRow(m kernel.Module) []string {
	btf := "no"
	if m.BTF {
		btf = "yes"
	}
	used := strings.Join(m.UsedBy, ",")
	if m.State != "live" {
		used = strings.TrimSpace(used + " (" + m.State + ")")
	}
	return []string{hexAddr(m.Addr), m.Name, hexAddr(m.Base()), fmt.Sprint(m.Size()), btf, used}
}

// modObject is a module in JSON.
type modObject struct {
	Name    string   `json:"name"`
	Address string   `json:"address"`
	Base    string   `json:"base"`
	Size    uint64   `json:"size"`
	State   string   `json:"state"`
	Taints  string   `json:"taints"` // letters
	UsedBy  []string `json:"used_by"`
	BTF     bool     `json:"btf"`
}

func newModObject(m kernel.Module) modObject {
	o := modObject{m.Name, m.Addr.String(), m.Base().String(), m.Size(), m.State, kernel.Taints(m.Taints), m.UsedBy, m.BTF}
	if o.UsedBy == nil {
		o.UsedBy = []string{}
	}
	return o
}
