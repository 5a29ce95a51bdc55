package cmds

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/mm"
)

// kmemSlabs shows slab caches: all, or those that words name. A word may be an
// address, too: of a cache, or in a slab, which is then all that is shown.
func kmemSlabs(ctx context.Context, env *Env, opts flags, words []string) error {
	out := make(map[string]bool)
	for name := range strings.SplitSeq(opts.value('I'), ",") {
		out[name] = true
	}
	var caches []mm.Cache
	for _, word := range words {
		if found := env.Memory.CacheNamed(word); len(found) > 0 {
			caches = append(caches, found...)
			continue
		}
		a, err := env.kernelAddress(ctx, opts, word)
		if err != nil {
			return &kernel.NotFoundError{What: "slab cache", Name: word, Similar: kernel.Similar(word, env.cacheNames())}
		}
		if c, err := env.Memory.CacheAt(a); err == nil {
			caches = append(caches, c)
			continue
		}
		o, ok, err := env.Memory.ObjectAt(a)
		switch {
		case err != nil:
			return err
		case !ok:
			return &kernel.NotFoundError{What: "slab object", Name: a.String()}
		}
		if err := env.showObject(o, opts.has('S')); err != nil {
			return err
		}
	}
	if len(words) == 0 {
		for c := range sound(ctx, env, env.Memory.Caches()) {
			if !out[c.Name] {
				caches = append(caches, c)
			}
		}
	}
	if opts.has('S') {
		for _, c := range caches {
			if err := env.showSlabs(ctx, c); err != nil {
				return err
			}
		}
		return nil
	}
	return env.showCaches(ctx, caches)
}

var cacheHeader = []string{"CACHE", ">OBJSIZE", ">ALLOCATED", ">TOTAL", ">SLABS", ">SSIZE", "NAME"}

// cacheNames yields the names of the slab caches.
func (e *Env) cacheNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for c, err := range e.Memory.Caches() {
			if err == nil && !yield(c.Name) {
				return
			}
		}
	}
}

// cacheObject is a slab cache in JSON.
type cacheObject struct {
	Address    string `json:"address"`
	Name       string `json:"name"`
	ObjectSize uint64 `json:"object_size"`
	Size       uint64 `json:"size"` // of an object with what belongs to it
	Allocated  uint64 `json:"allocated"`
	Total      uint64 `json:"total"`
	Slabs      uint64 `json:"slabs"`
	SlabSize   uint64 `json:"slab_size"`
}

// cacheObject counts the objects of a cache; what is broken is a problem.
func (e *Env) cacheObject(c mm.Cache) cacheObject {
	use, errs := e.Memory.Use(c)
	for _, err := range errs {
		e.Problem(err)
	}
	return cacheObject{c.Addr.String(), c.Name, c.ObjectSize, c.Size, use.InUse, use.Objects, use.Slabs, c.SlabSize}
}

func (o cacheObject) row() []string {
	return []string{
		strings.TrimPrefix(o.Address, "0x"), fmt.Sprint(o.ObjectSize), fmt.Sprint(o.Allocated), fmt.Sprint(o.Total),
		fmt.Sprint(o.Slabs), fmt.Sprintf("%dk", o.SlabSize>>10), o.Name,
	}
}

func (e *Env) showCaches(ctx context.Context, caches []mm.Cache) error {
	return writeList(ctx, e, cacheHeader, each(caches, nil),
		func(c mm.Cache) any { return e.cacheObject(c) },
		func(c mm.Cache) []string { return e.cacheObject(c).row() })
}

// slabObject is a slab in JSON.
type slabObject struct {
	Cache   string        `json:"cache"`
	Slab    string        `json:"slab"`
	Memory  string        `json:"memory"`
	Node    int           `json:"node"`
	Where   string        `json:"where"` // "cpu", "cpu partial", "node partial", "full"
	CPU     *int          `json:"cpu,omitempty"`
	Total   uint64        `json:"total"`
	InUse   uint64        `json:"allocated"`
	Objects []objectState `json:"objects"`
}

// objectState is an object of a slab in JSON.
type objectState struct {
	Address string `json:"address"`
	Free    bool   `json:"free"`
	Where   string `json:"where,omitempty"` // who has it in advance, of one that was taken off its slab in advance
}

// showSlabs shows a cache with all its slabs and their objects.
func (e *Env) showSlabs(ctx context.Context, c mm.Cache) error {
	if !e.JSON {
		if err := e.showCaches(ctx, []mm.Cache{c}); err != nil {
			return err
		}
	}
	taken := e.Memory.Taken(c)
	slabs, errs := e.Memory.SlabsOf(c)
	for _, err := range errs {
		e.Problem(err)
	}
	title := ""
	for _, p := range slabs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		objects, err := e.Memory.Objects(c, p.Slab, taken)
		if err != nil {
			e.Problem(err)
		}
		if e.JSON {
			if err := e.Object(newSlabObject(c, p, objects)); err != nil {
				return err
			}
			continue
		}
		if t := partTitle(p); t != title {
			title = t
			if err := e.Printf("%s:\n", title); err != nil {
				return err
			}
		}
		if err := e.showSlab(p.Slab, objects); err != nil {
			return err
		}
	}
	return e.blank()
}

// partTitle says where a slab is, as a title above it.
func partTitle(p mm.Part) string {
	switch p.Where {
	case "cpu":
		return fmt.Sprintf("CPU %d SLAB", p.CPU)
	case "cpu partial":
		return fmt.Sprintf("CPU %d PARTIAL", p.CPU)
	case "node partial":
		return fmt.Sprintf("NODE %d PARTIAL", p.Node)
	}
	return fmt.Sprintf("NODE %d FULL", p.Node)
}

func newSlabObject(c mm.Cache, p mm.Part, objects []mm.Object) slabObject {
	o := slabObject{Cache: c.Name, Slab: p.Slab.Addr.String(), Memory: p.Slab.Start.String(), Node: p.Slab.Node, Where: p.Where,
		Total: p.Slab.Objects, InUse: allocated(objects), Objects: []objectState{}}
	if p.CPU >= 0 {
		o.CPU = &p.CPU
	}
	for _, x := range objects {
		o.Objects = append(o.Objects, objectState{x.Addr.String(), x.Free, x.Where})
	}
	return o
}

func allocated(objects []mm.Object) (n uint64) {
	for _, o := range objects {
		if !o.Free {
			n++
		}
	}
	return n
}

// showSlab shows a slab and its objects, those in use in brackets.
func (e *Env) showSlab(s mm.Slab, objects []mm.Object) error {
	if err := e.showSlabHead(s, allocated(objects)); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("  FREE / [ALLOCATED]\n")
	for _, o := range objects {
		b.WriteString(objectLine(o))
	}
	return e.Printf("%s", b.String())
}

func (e *Env) showSlabHead(s mm.Slab, inUse uint64) error {
	return e.Printf("  %-16s  %-16s  %4s  %5s  %9s  %4s\n  %-16s  %-16s  %4d  %5d  %9d  %4d\n",
		"SLAB", "MEMORY", "NODE", "TOTAL", "ALLOCATED", "FREE",
		hexAddr(s.Addr), hexAddr(s.Start), s.Node, s.Objects, inUse, s.Objects-inUse)
}

// objectLine writes an object as crash does: in brackets when someone has it.
func objectLine(o mm.Object) string {
	text := "   " + hexAddr(o.Addr)
	if !o.Free {
		text = "  [" + hexAddr(o.Addr) + "]"
	}
	if o.Where != "" {
		text += "  (" + o.Where + ")"
	}
	return text + "\n"
}

// showObject shows the cache and the slab of an object, and the object; with all
// set, all objects of the slab.
func (e *Env) showObject(o mm.Object, all bool) error {
	objects, err := e.Memory.Objects(o.Cache, o.Slab, e.Memory.Taken(o.Cache))
	if err != nil {
		e.Problem(err)
	}
	if e.JSON {
		return e.Object(e.slabOwner(o))
	}
	if err := writeTable(e.Out, cacheHeader, [][]string{e.cacheObject(o.Cache).row()}); err != nil {
		return err
	}
	if all {
		return e.showSlab(o.Slab, objects)
	}
	if err := e.showSlabHead(o.Slab, allocated(objects)); err != nil {
		return err
	}
	return e.Printf("  FREE / [ALLOCATED]\n%s", objectLine(o))
}

// slabOwnerObject is an object and its cache in JSON.
type slabOwnerObject struct {
	Cache  string `json:"cache"`
	Name   string `json:"name"`
	Slab   string `json:"slab"`
	Object string `json:"object"`
	Free   bool   `json:"free"`
	Where  string `json:"where,omitempty"`
}

func (e *Env) slabOwner(o mm.Object) *slabOwnerObject {
	return &slabOwnerObject{o.Cache.Addr.String(), o.Cache.Name, o.Slab.Addr.String(), o.Addr.String(), o.Free, o.Where}
}

// areaObject is a vmalloc area in JSON.
type areaObject struct {
	Area   string `json:"vmap_area"`
	VM     string `json:"vm_struct"`
	Start  string `json:"start"`
	End    string `json:"end"`
	Size   uint64 `json:"size"`
	Caller string `json:"caller,omitempty"` // the code that asked for it
}

var areaHeader = []string{"VMAP_AREA", "VM_STRUCT", "ADDRESS RANGE", ">SIZE"}

func (e *Env) areaObject(x mm.Area) any {
	return areaObject{x.Addr.String(), x.VM.String(), x.Start.String(), x.End.String(), uint64(x.End - x.Start), e.Kernel.SymbolName(x.Caller)}
}

func areaRow(x mm.Area) []string {
	return []string{hexAddr(x.Addr), hexAddr(x.VM), hexAddr(x.Start) + " - " + hexAddr(x.End), fmt.Sprint(uint64(x.End - x.Start))}
}
