package cmds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

func init() {
	register(&Command{
		Name: "vm",
		Args: "[-p | -P VMA | -m | -v] [-x|-d] [-R WHAT] [-M MM] [TASK...] | -f FLAGS",
		Help: "show the memory of a task's program",
		Doc: `vm shows the struct mm_struct of tasks and what they have in memory, and the
runs of addresses that they map (struct vm_area_struct), with their files. It is
about the current task, or others, which are named as in ps.

    -p        and where each page lies: its physical address, the place in its
              file, the swap area that it is in
    -P VMA    the same for one run of addresses
    -m        the whole struct mm_struct
    -v        each struct vm_area_struct
    -x, -d    integers of those in hexadecimal or in decimal
    -R WHAT   only what has this in it: part of a name of a file, or an address
              of a structure or, with -p, of a page
    -M MM     a mm_struct at this address, of a task that has given it up
    -f FLAGS  the names of the bits of FLAGS

    vm 1
    vm -p -R libc nginx
    foreach user vm -m`,
		Run: runVM,
	})
}

// vmView is what vm was asked for.
type vmView struct {
	env    *Env
	opts   flags
	only   vmcore.Addr // the VMA of -P
	ref    string      // of -R
	refNum uint64
	format *kernel.FormatOptions
}

func runVM(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("vm", args, "pP:mvxdR:M:f:")
	if err != nil {
		return err
	}
	if opts.has('f') {
		return env.showVMAFlags(opts.value('f'))
	}
	v := &vmView{env: env, opts: opts, ref: opts.value('R'), format: env.Settings.formatOptions(radixOf(opts))}
	v.refNum, _ = hexNumber(v.ref)
	if opts.has('P') {
		a, err := env.hexAddress(ctx, opts.value('P'))
		if err != nil {
			return err
		}
		v.only = vmcore.Addr(a)
	}
	tasks, err := env.tasks(ctx, rest)
	if err != nil {
		return err
	}
	for i, t := range tasks {
		if i > 0 {
			if err := env.blank(); err != nil {
				return err
			}
		}
		if err := v.task(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (e *Env) showVMAFlags(word string) error {
	u, ok := hexNumber(word)
	if !ok {
		return usage("vm", "-f wants hexadecimal flags, not %q", word)
	}
	names := e.Memory.VMAFlags(u)
	if e.JSON {
		return e.Object(struct {
			Flags string   `json:"flags"`
			Names []string `json:"flag_names"`
		}{hex(u), nonNil(names)})
	}
	return e.Printf("%x: (%s)\n", u, strings.Join(names, "|"))
}

// vmObject is the memory of a task in JSON.
type vmObject struct {
	taskObject
	MM    string          `json:"mm"` // 0x0: it has none
	PGD   string          `json:"pgd,omitempty"`
	RSS   uint64          `json:"rss_kib"`
	Total uint64          `json:"total_vm_kib"`
	VMAs  []vmaObject     `json:"vmas"`
	Value json.RawMessage `json:"value,omitempty"` // of the mm_struct, with -m
}

// vmaObject is a run of a program's addresses in JSON.
type vmaObject struct {
	Address string          `json:"address"`
	Start   string          `json:"start"`
	End     string          `json:"end"`
	Flags   string          `json:"flags"`
	File    string          `json:"file,omitempty"`
	Offset  uint64          `json:"offset"`
	Pages   []pagesObject   `json:"pages,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"` // with -v
}

// pagesObject is a run of pages of a program in JSON.
type pagesObject struct {
	Address  string  `json:"address"`
	Physical *string `json:"physical"` // null: not in memory
	Size     uint64  `json:"size"`
	Why      string  `json:"why,omitempty"`
}

// memory returns the mm_struct to show for a task.
func (v *vmView) memory(t kernel.Task) (mm kernel.Value, ok bool, err error) {
	if !v.opts.has('M') {
		return t.MM()
	}
	a, isHex := hexNumber(v.opts.value('M'))
	if !isHex {
		return mm, false, usage("vm", "-M wants the address of a mm_struct, not %q", v.opts.value('M'))
	}
	typ, err := v.env.Kernel.Struct("mm_struct")
	return v.env.Kernel.At(vmcore.Addr(a), typ), err == nil, err
}

// task shows the memory of a task.
func (v *vmView) task(ctx context.Context, t kernel.Task) error {
	o := vmObject{taskObject: newTaskObject(t), MM: "0x0", VMAs: []vmaObject{}}
	mm, ok, err := v.memory(t)
	if err != nil {
		return err
	}
	if ok {
		v.fill(&o, mm, t)
	}
	if v.env.JSON {
		return v.object(ctx, o, mm, ok)
	}
	if err := v.env.Printf("%s\n", taskLine(t)); err != nil {
		return err
	}
	switch {
	case v.opts.has('m'):
		return v.structure("mm_struct", mm, ok)
	case v.opts.has('v'):
		return v.structures(ctx, mm, ok)
	}
	if err := v.env.Printf("%s\n%s  %s  %5s    %5s\n", "       MM               PGD          RSS    TOTAL_VM",
		center(o.MM), center(o.PGD), fmt.Sprintf("%dk", o.RSS), fmt.Sprintf("%dk", o.Total)); err != nil || !ok {
		return err
	}
	return v.areas(ctx, t, mm)
}

// center writes an address in a column of 16.
func center(a string) string {
	a = strings.TrimPrefix(a, "0x")
	if a == "" {
		a = "0"
	}
	if pad := 16 - len(a); pad > 0 {
		a = strings.Repeat(" ", pad/2) + a + strings.Repeat(" ", pad-pad/2)
	}
	return a
}

// fill adds what the mm_struct says. A task that gave its memory up has no count
// of what is in it.
func (v *vmView) fill(o *vmObject, mm kernel.Value, t kernel.Task) {
	a, _ := mm.Addr()
	o.MM = a.String()
	pgd, err := mm.UintAt("pgd")
	if err != nil {
		v.env.Problem(err)
		return
	}
	o.PGD = hex(pgd)
	used, err := t.Memory()
	if err != nil {
		v.env.Problem(err)
		return
	}
	o.RSS, o.Total = used.Resident>>10, used.Virtual>>10
}

// vmas yields the runs of addresses that are to be shown.
func (v *vmView) vmas(ctx context.Context, mem kernel.Value) iter.Seq[mm.VMA] {
	return sound(ctx, v.env, where(v.env.Memory.VMAs(mem), func(x mm.VMA) bool {
		return (v.only == 0 || x.Addr == v.only) && (v.ref == "" || v.refers(x))
	}))
}

// refers reports whether a run of addresses has in it what -R asks for. With -p the
// pages decide, unless the name of the file does.
func (v *vmView) refers(x mm.VMA) bool {
	if strings.Contains(v.env.fileOf(x), v.ref) {
		return true
	}
	a := vmcore.Addr(v.refNum)
	return v.refNum != 0 && (x.Addr == a || x.Start <= a && a < x.End || v.pages())
}

// pages reports whether pages are to be shown.
func (v *vmView) pages() bool { return v.opts.has('p') || v.opts.has('P') }

// fileOf returns the path of a VMA's file, "" for anonymous memory. What of it
// cannot be read is named in its place.
func (e *Env) fileOf(x mm.VMA) string {
	if x.File == 0 {
		return ""
	}
	return pathAt(x.Value(), "vm_file", "f_path")
}

// areas shows the runs of addresses, and where their pages lie.
func (v *vmView) areas(ctx context.Context, t kernel.Task, mem kernel.Value) error {
	const header = "      VMA           START       END     FLAGS FILE\n"
	if !v.pages() {
		if err := v.env.Printf("%s", header); err != nil {
			return err
		}
	}
	space, err := v.env.Memory.UserSpace(mem)
	if err != nil && v.pages() {
		return err
	}
	for x := range v.vmas(ctx, mem) {
		file := v.env.fileOf(x)
		line := strings.TrimRight(fmt.Sprintf("%s %10x %10x %x %s", hexAddr(x.Addr), uint64(x.Start), uint64(x.End), x.Flags, file), " ") + "\n"
		if !v.pages() {
			if err := v.env.Printf("%s", line); err != nil {
				return err
			}
			continue
		}
		if err := v.contents(ctx, space, x, file, header+line+"VIRTUAL     PHYSICAL\n"); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// contents shows where the pages of a run of addresses lie, under a title: a line
// for each page in memory and one for each run of others.
func (v *vmView) contents(ctx context.Context, space *paging.Space, x mm.VMA, file, title string) error {
	line := func(text string) error {
		text, title = title+text, ""
		return v.env.Printf("%s\n", text)
	}
	size := v.env.Memory.PageSize()
	for run := range sound(ctx, v.env, v.env.Memory.Contents(space, x)) {
		if run.Err != nil {
			if v.refNum != 0 {
				continue
			}
			if err := line(fmt.Sprintf("%-10s  %s", hexAddr(run.Virt), v.elsewhere(run, x, file))); err != nil {
				return err
			}
			continue
		}
		for off := uint64(0); off < run.Size; off += size {
			phys := uint64(run.Phys) + off
			if v.refNum != 0 && phys != v.refNum {
				continue
			}
			if err := line(fmt.Sprintf("%-10x  %9x", uint64(run.Virt)+off, phys)); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// elsewhere says where pages are that are not in memory: in a file, in a swap area,
// or nowhere yet.
func (v *vmView) elsewhere(run paging.Mapping, x mm.VMA, file string) string {
	text := "(not mapped)"
	var entry *paging.EntryError
	switch {
	case errors.As(run.Err, &entry):
		text = "(" + entry.Why + ")"
	case file != "":
		text = fmt.Sprintf("FILE: %s  OFFSET: %x", file, x.Offset+uint64(run.Virt-x.Start))
	}
	if n := run.Size / v.env.Memory.PageSize(); n > 1 {
		text += "  " + strconv.FormatUint(n, 10) + " pages"
	}
	return text
}

// structure shows a whole structure.
func (v *vmView) structure(name string, s kernel.Value, ok bool) error {
	if !ok {
		return v.env.Printf("(no mm_struct)\n")
	}
	if err := v.env.Printf("struct %s ", name); err != nil {
		return err
	}
	if err := s.Format(v.env.Out, v.format); err != nil {
		return err
	}
	return v.env.Printf("\n")
}

// structures shows each vm_area_struct.
func (v *vmView) structures(ctx context.Context, mem kernel.Value, ok bool) error {
	if !ok {
		return nil
	}
	for x := range v.vmas(ctx, mem) {
		if err := v.structure("vm_area_struct", x.Value(), true); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// object writes the memory of a task as JSON.
func (v *vmView) object(ctx context.Context, o vmObject, mem kernel.Value, ok bool) error {
	if !ok {
		return v.env.Object(o)
	}
	space, err := v.env.Memory.UserSpace(mem)
	if err != nil && v.pages() {
		return err
	}
	if v.opts.has('m') {
		o.Value = mem.AppendJSON(nil)
	}
	for x := range v.vmas(ctx, mem) {
		a := vmaObject{
			Address: x.Addr.String(), Start: x.Start.String(), End: x.End.String(), Flags: hex(x.Flags),
			File: v.env.fileOf(x), Offset: x.Offset,
		}
		if v.opts.has('v') {
			a.Value = x.Value().AppendJSON(nil)
		}
		if v.pages() {
			a.Pages = v.pageObjects(ctx, space, x)
		}
		o.VMAs = append(o.VMAs, a)
	}
	return v.env.Object(o)
}

func (v *vmView) pageObjects(ctx context.Context, space *paging.Space, x mm.VMA) []pagesObject {
	pages := []pagesObject{}
	for run := range sound(ctx, v.env, v.env.Memory.Contents(space, x)) {
		o := pagesObject{Address: run.Virt.String(), Size: run.Size}
		if run.Err == nil {
			phys := run.Phys.String()
			o.Physical = &phys
		} else {
			o.Why = whyNotMapped(run.Err)
		}
		pages = append(pages, o)
	}
	return pages
}
