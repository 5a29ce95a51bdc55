package cmds

import (
	"context"
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/kernel/mm"
	"github.com/kdbg/kdbg/vmcore"
)

// kmemPages shows page structures: all, or those of addresses. All are many, and
// are written as they are read.
func kmemPages(ctx context.Context, env *Env, opts flags, words []string) error {
	if len(words) > 0 {
		var rows [][]string
		for _, word := range words {
			a, err := env.kernelAddress(ctx, opts, word)
			if err != nil {
				return err
			}
			p, err := env.pageOf(a)
			if err != nil {
				return err
			}
			if env.JSON {
				if err := env.Object(env.pageObject(p)); err != nil {
					return err
				}
				continue
			}
			rows = append(rows, env.pageRow(p))
		}
		return writeTable(env.Out, pageHeader, rows)
	}
	if !env.JSON {
		if err := env.Printf("%s\n", pageLine([]string{"PAGE", "PHYSICAL", "MAPPING", "INDEX", "CNT", "FLAGS"})); err != nil {
			return err
		}
	}
	for p := range sound(ctx, env, env.Memory.Pages(0, ^uint64(0))) {
		var err error
		if env.JSON {
			err = env.Object(env.pageObject(p))
		} else {
			err = env.Printf("%s\n", pageLine(env.pageRow(p)))
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// pageLine writes a row of a table of pages that is too long to be set at once.
func pageLine(row []string) string {
	return fmt.Sprintf("%-16s  %10s  %16s  %8s  %3s  %s", row[0], row[1], row[2], row[3], row[4], row[5])
}

// pageOf returns the page whose structure an address is in, or which it is in.
func (e *Env) pageOf(a vmcore.Addr) (mm.Page, error) {
	p, err := e.Memory.PageAt(a)
	if err == nil {
		return p, nil
	}
	space, err := e.Memory.Kernel()
	if err != nil {
		return p, err
	}
	t, err := space.Translate(a)
	if err != nil {
		return p, err
	}
	return e.Memory.Page(uint64(t.Phys) / e.Memory.PageSize())
}

// pageObject is a page structure in JSON.
type pageObject struct {
	Page     string   `json:"page"`
	PFN      uint64   `json:"pfn"`
	Physical string   `json:"physical"`
	Mapping  string   `json:"mapping"`
	Index    uint64   `json:"index"`
	Count    int32    `json:"count"`
	Flags    string   `json:"flags"`
	Names    []string `json:"flag_names"`
}

func (e *Env) pageObject(p mm.Page) *pageObject {
	return &pageObject{
		Page: p.Addr.String(), PFN: p.PFN, Physical: p.Phys.String(), Mapping: hex(p.Mapping), Index: p.Index,
		Count: p.Count, Flags: hex(p.Flags), Names: nonNil(e.Memory.FlagNames(p)),
	}
}

var pageHeader = []string{"PAGE", ">PHYSICAL", ">MAPPING", ">INDEX", ">CNT", "FLAGS"}

func (e *Env) pageRow(p mm.Page) []string {
	flags := fmt.Sprintf("%x", p.Flags)
	if names := e.Memory.FlagNames(p); len(names) > 0 {
		flags += " " + strings.Join(names, ",")
	}
	return []string{
		hexAddr(p.Addr), hexPhys(p.Phys), fmt.Sprintf("%x", p.Mapping), fmt.Sprintf("%x", p.Index), fmt.Sprint(p.Count), flags,
	}
}
