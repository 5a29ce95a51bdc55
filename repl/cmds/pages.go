package cmds

import (
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/kernel/mm"
)

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
