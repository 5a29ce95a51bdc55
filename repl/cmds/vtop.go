package cmds

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

func init() {
	register(&Command{
		Name: "vtop",
		Args: "[-c TASK] [-u|-k] ADDRESS...",
		Help: "translate virtual addresses to physical ones",
		Doc: `vtop follows the page tables from a virtual address to the physical one. It
shows each entry on the way, the bits of the last, and the page structure.
Addresses are hexadecimal, with or without 0x, symbols, or expressions.

    -c TASK  in the memory of a task: a PID, an address or a name
    -u       in the memory of the current task's program
    -k       in the memory of the kernel; addresses in the kernel's half and
             symbols are, without any option

    vtop jiffies
    vtop -c 1 400000

A page that a program does not have in memory shows why: it is swapped out, in
migration, or was never touched.`,
		Run: runVtop,
	})
}

func runVtop(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("vtop", args, "c:uk")
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return usage("vtop", "vtop needs an address")
	}
	for i, word := range rest {
		a, err := env.hexAddress(ctx, word)
		if err != nil {
			return err
		}
		space, err := env.spaceOf(ctx, opts, vmcore.Addr(a))
		if err != nil {
			return err
		}
		if i > 0 {
			if err := env.blank(); err != nil {
				return err
			}
		}
		if err := env.showWalk(space, vmcore.Addr(a)); err != nil {
			return err
		}
	}
	return nil
}

// spaceOf returns the address space that an address is looked up in.
func (e *Env) spaceOf(ctx context.Context, opts flags, a vmcore.Addr) (*paging.Space, error) {
	user := opts.has('c') || opts.has('u') || a < mm.KernelStart
	if opts.has('k') || !user {
		return e.Memory.Kernel()
	}
	var words []string
	if opts.has('c') {
		words = []string{opts.value('c')}
	}
	tasks, err := e.tasks(ctx, words)
	if err != nil {
		return nil, err
	}
	space, err := e.Memory.TaskSpace(tasks[0])
	if err != nil && a >= mm.KernelStart {
		return e.Memory.Kernel() // which all tasks share
	}
	return space, err
}

// walkObject is a translation in JSON.
type walkObject struct {
	Address  string        `json:"address"`
	Physical *string       `json:"physical"` // null where nothing is mapped
	PageSize uint64        `json:"page_size,omitempty"`
	Levels   []entryObject `json:"levels"`
	Why      string        `json:"why,omitempty"` // nothing is mapped
	Page     *pageObject   `json:"page,omitempty"`
}

// entryObject is a page table entry in JSON.
type entryObject struct {
	Level   string   `json:"level,omitempty"`
	Address string   `json:"address,omitempty"`
	Value   string   `json:"value"`
	Flags   []string `json:"flags"`
}

// showWalk shows how a virtual address is translated.
func (e *Env) showWalk(space *paging.Space, a vmcore.Addr) error {
	path, _ := space.Walk(a) // Translate has the error, and more to say of it
	t, err := space.Translate(a)
	if e.JSON {
		return e.Object(e.walkObject(a, path, t, err))
	}
	phys := "(not mapped)"
	if err == nil {
		phys = hexPhys(t.Phys)
	}
	if err := e.Printf("%-16s  PHYSICAL\n%-16s  %s\n\n", "VIRTUAL", hexAddr(a), phys); err != nil {
		return err
	}
	for _, x := range path {
		if err := e.Printf("%6s: %x => %x\n", x.Level, uint64(x.Addr), x.Value); err != nil {
			return err
		}
	}
	if err != nil {
		return e.Printf("  %s\n", whyNotMapped(err))
	}
	if err := e.Printf("  PAGE: %x%s\n\n", uint64(t.Phys)&^(max(t.PageSize, 1)-1), sizeNote(t.PageSize)); err != nil {
		return err
	}
	if len(path) > 0 {
		last := path[len(path)-1]
		if err := e.showEntry(last, t.Phys&^vmcore.PhysAddr(max(t.PageSize, 1)-1)); err != nil {
			return err
		}
	}
	p, err := e.Memory.Page(uint64(t.Phys) / e.Memory.PageSize())
	if kernel.ErrorKind(err) == kernel.KindNotFound { // memory of a device
		return nil
	}
	if err != nil {
		e.Problem(err)
		return nil
	}
	if err := e.Printf("\n"); err != nil {
		return err
	}
	return writeTable(e.Out, pageHeader, [][]string{e.pageRow(p)})
}

func (e *Env) walkObject(a vmcore.Addr, path []paging.Entry, t paging.Translation, err error) walkObject {
	o := walkObject{Address: a.String(), Levels: []entryObject{}}
	for _, x := range path {
		o.Levels = append(o.Levels, entryObject{x.Level, x.Addr.String(), hex(x.Value), nonNil(x.Flags)})
	}
	if err != nil {
		o.Why = whyNotMapped(err)
		return o
	}
	phys := t.Phys.String()
	o.Physical, o.PageSize = &phys, t.PageSize
	if p, err := e.Memory.Page(uint64(t.Phys) / e.Memory.PageSize()); err == nil {
		o.Page = e.pageObject(p)
	}
	return o
}

// whyNotMapped says why an address is not mapped, without the address.
func whyNotMapped(err error) string {
	var entry *paging.EntryError
	var fault *vmcore.FaultError
	switch {
	case errors.As(err, &entry):
		return entry.Why
	case errors.As(err, &fault) && fault.Err != nil:
		return fault.Err.Error()
	}
	return "not mapped"
}

// sizeNote tells the size of a large page.
func sizeNote(size uint64) string {
	switch {
	case size >= 1<<30:
		return fmt.Sprintf("  (%dGB)", size>>30)
	case size >= 1<<20:
		return fmt.Sprintf("  (%dMB)", size>>20)
	}
	return ""
}

// showEntry shows what an entry that maps a page says.
func (e *Env) showEntry(x paging.Entry, page vmcore.PhysAddr) error {
	return writeTable(e.Out, []string{x.Level, "PHYSICAL", "FLAGS"}, [][]string{{
		fmt.Sprintf("%x", x.Value), hexPhys(page), "(" + strings.ToUpper(strings.Join(x.Flags, "|")) + ")",
	}})
}

// nonNil makes an empty array of JSON of no words.
func nonNil(words []string) []string {
	if words == nil {
		return []string{}
	}
	return words
}
