package cmds

import (
	"fmt"

	"github.com/kdbg/kdbg/kernel/mm"
	"github.com/kdbg/kdbg/vmcore"
)

// ownerObject is whose an address is, in JSON; what does not apply is left out.
type ownerObject struct {
	Address   string           `json:"address"`
	Symbol    string           `json:"symbol,omitempty"`
	CPU       *int             `json:"cpu,omitempty"` // whose copy of a per-CPU variable it is
	Task      *taskObject      `json:"task,omitempty"`
	Stack     bool             `json:"stack,omitempty"` // it is in the task's kernel stack
	Slab      *slabOwnerObject `json:"slab,omitempty"`
	Vmalloc   any              `json:"vmalloc,omitempty"`
	Structure *pageObject      `json:"page_structure,omitempty"` // it is in this one
	Page      *pageObject      `json:"page,omitempty"`
	FreeBlock *freeBlock       `json:"free_block,omitempty"`
}

// freeBlock is the free block that a page is in, in JSON.
type freeBlock struct {
	Page  string `json:"page"`
	Order int    `json:"order"`
}

// showOwner shows whose an address is.
func (e *Env) showOwner(a vmcore.Addr) error {
	o, errs := e.Memory.Owner(a)
	for _, err := range errs {
		e.Problem(err)
	}
	if e.JSON {
		return e.Object(e.ownerObject(o))
	}
	var parts []func() error
	add := func(is bool, show func() error) {
		if is {
			parts = append(parts, show)
		}
	}
	add(o.Symbol != nil, func() error { return e.showSymbolOwner(o) })
	add(o.Task != nil, func() error {
		text := ""
		if o.Stack {
			text = "  (kernel stack)"
		}
		return e.Printf("%s%s\n", taskLine(*o.Task), text)
	})
	add(o.Object != nil, func() error { return e.showObject(*o.Object, false) })
	add(o.Area != nil, func() error { return writeTable(e.Out, areaHeader, [][]string{areaRow(*o.Area)}) })
	add(o.Structure != nil, func() error {
		return writeTable(e.Out, pageHeader, [][]string{e.pageRow(*o.Structure)})
	})
	add(o.FreeHead != nil, func() error {
		return e.Printf("free block of %d pages at %s\n", 1<<o.Order, hexAddr(o.FreeHead.Addr))
	})
	add(o.Page != nil && o.Structure == nil, func() error {
		return writeTable(e.Out, pageHeader, [][]string{e.pageRow(*o.Page)})
	})
	if len(parts) == 0 {
		return e.Printf("%s: nobody's: not mapped\n", hexAddr(a))
	}
	for i, show := range parts {
		if i > 0 {
			if err := e.blank(); err != nil {
				return err
			}
		}
		if err := show(); err != nil {
			return err
		}
	}
	return nil
}

func (e *Env) showSymbolOwner(o mm.Owner) error {
	text := fmt.Sprintf("%s (%s) %s", hexAddr(o.Addr), o.Symbol.Class, o.Symbol.Name)
	if o.Symbol.Module != "" {
		text += " [" + o.Symbol.Module + "]"
	}
	if o.PerCPU != nil {
		text += fmt.Sprintf(", of CPU %d", *o.PerCPU)
	}
	return e.Printf("%s\n", text)
}

func (e *Env) ownerObject(o mm.Owner) ownerObject {
	j := ownerObject{Address: o.Addr.String(), CPU: o.PerCPU, Stack: o.Stack}
	if o.Symbol != nil {
		j.Symbol = o.Symbol.Name
	}
	if o.Task != nil {
		t := newTaskObject(*o.Task)
		j.Task = &t
	}
	if o.Object != nil {
		j.Slab = e.slabOwner(*o.Object)
	}
	if o.Area != nil {
		j.Vmalloc = e.areaObject(*o.Area)
	}
	if o.Structure != nil {
		j.Structure = e.pageObject(*o.Structure)
	}
	if o.Page != nil {
		j.Page = e.pageObject(*o.Page)
	}
	if o.FreeHead != nil {
		j.FreeBlock = &freeBlock{o.FreeHead.Addr.String(), o.Order}
	}
	return j
}
