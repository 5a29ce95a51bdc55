package encode

import (
	"cmp"
	"context"
	"slices"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// worker reads units, one after the other, and keeps what it allocated for the
// next one.
type worker struct {
	core   *encoder
	reader dwarf.Reader
	types  *dedup.Unit // the types of the unit being read
	short  shortCache
	space  uint64 // of the strings whose names are deferred

	start, end dwarf.Ref   // of the unit being read
	base       dedup.Entry // what is added to an offset in it
	group      []groupUnit // units that are read together, by start
	scope      int         // number of the unit, what order and bindings go by
	borrowed   bool        // read only because another unit refers into it
	foreign    []dwarf.Ref // references that left the unit or its group

	parents     []parent // of the entry being read, by depth
	annotations annotations

	deferred []int // units with references into others

	// What these two keep of a unit is resolved at its end, when types has classes
	// for its entries. A class and the scope then name a type of the result.
	functions functions
	variables variables
}

// parent is an entry whose children are being read.
type parent struct {
	tag   dwarf.Tag
	local int // number in worker.types, −1 if the entry is no type
	count int // children that count: members, dimensions
	inner int // the innermost array of one of several dimensions
}

// groupUnit is a unit of a group, whose entries have numbers from base on.
type groupUnit struct {
	unit  *dwarf.Unit
	base  dedup.Entry
	scope int // −1 if it is borrowed
}

func newWorker(c *encoder) *worker {
	w := &worker{core: c}
	w.types = c.table.NewUnit(deferredNames{w})
	return w
}

// entry names the type that an attribute refers to. Void, and for the moment
// what lies outside the unit, is 0.
func (w *worker) entry(ref dwarf.Ref) dedup.Entry {
	if uint64(ref-w.start) < uint64(w.end-w.start) {
		return w.base + dedup.Entry(ref-w.start)
	}
	if ref == 0 {
		return 0
	}
	i, found := slices.BinarySearchFunc(w.group, ref, func(g groupUnit, ref dwarf.Ref) int { return cmp.Compare(g.unit.Offset, ref) })
	if !found {
		i--
	}
	if i >= 0 && i < len(w.group) && ref < w.group[i].unit.End {
		return w.group[i].base + dedup.Entry(ref-w.group[i].unit.Offset)
	}
	w.foreign = append(w.foreign, ref)
	return 0
}

// read reads the unit of a scope, or puts it aside if it cannot be read alone.
func (w *worker) read(scope int) error {
	u := w.core.units[scope]
	if skip, err := w.core.excluded(u); skip || err != nil {
		return err
	}
	w.reset(scope+1, dedup.Entry(u.End-u.Offset))
	err := w.walk(u, 0)
	u.Release()
	if err != nil {
		return err
	}
	if len(w.foreign) > 0 {
		w.deferred = append(w.deferred, scope)
		return nil
	}
	return w.finish()
}

func (w *worker) reset(scope int, end dedup.Entry) {
	w.scope, w.borrowed = scope, false
	w.foreign = w.foreign[:0]
	w.types.Reset(scope, end)
	w.annotations.reset()
	w.functions.begin(w)
	w.variables.begin(w)
}

// finish interns what was read.
func (w *worker) finish() error {
	w.annotations.attach(w)
	if err := w.types.Intern(); err != nil {
		return err
	}
	w.functions.end(w)
	w.variables.end(w)
	w.types.Commit()
	return nil
}

// walk reads the entries of a unit, whose numbers begin at base.
func (w *worker) walk(u *dwarf.Unit, base dedup.Entry) error {
	w.start, w.end, w.base = u.Offset, u.End, base
	r := &w.reader
	for r.Reset(u); r.Next(); {
		e := &r.Entry
		if r.Depth > len(w.parents) {
			return &dwarf.FormatError{Off: e.Offset.Offset(), Msg: "entries nested too deep"}
		}
		w.parents = w.parents[:r.Depth]
		p := parent{tag: e.Tag, local: -1}
		switch e.Tag {
		case dwarf.TagInlinedSubroutine, dwarf.TagCallSite, dwarf.TagGNUCallSite, dwarf.TagVariantPart, dwarf.TagDwarfProcedure:
			if e.HasChildren {
				r.SkipChildren()
			}
			continue
		default:
			w.visit(e, &p)
		}
		if e.HasChildren {
			w.parents = append(w.parents, p)
		}
	}
	return r.Err()
}

// visit reads one entry. It sets the number of the type in p if it is one.
func (w *worker) visit(e *dwarf.Entry, p *parent) {
	if ref := e.AbstractOrigin(); ref != 0 {
		w.entry(ref) // the name may be in another unit, even if no type is
	}
	if ref := e.Specification(); ref != 0 {
		w.entry(ref)
	}
	switch e.Tag {
	case dwarf.TagFormalParameter:
		w.parameter(e)
	case dwarf.TagMember, dwarf.TagInheritance:
		w.member(e)
	case dwarf.TagEnumerator:
		w.enumerator(e)
	case dwarf.TagSubrangeType:
		w.subrange(e)
	case dwarf.TagUnspecifiedParameters:
		w.varargs()
	case dwarf.TagSubprogram:
		w.functions.subprogram(w, e, w.reader.Depth)
		w.annotations.chain(w, e, annotated{tag: e.Tag})
	case dwarf.TagVariable:
		if q := w.parent(); q == nil || !isComposite(q.tag) {
			w.variables.variable(w, e, w.reader.Depth)
		}
	case dwarf.TagLLVMAnnotation:
		w.annotations.child(w, e)
	case dwarf.TagGNUAnnotation:
		w.annotations.link(w, e)
	case dwarf.TagLexicalBlock, dwarf.TagLabel:
	default:
		p.local = w.typ(e)
		p.inner = p.local
	}
}

// parent returns the parent of the entry being read, nil for that of a unit.
func (w *worker) parent() *parent {
	if len(w.parents) == 0 {
		return nil
	}
	return &w.parents[len(w.parents)-1]
}

// parameter reads a formal parameter of a function or of a function type.
func (w *worker) parameter(e *dwarf.Entry) {
	switch p := w.parent(); {
	case p == nil:
	case p.tag == dwarf.TagSubprogram:
		w.functions.parameter(w, e)
	case p.tag == dwarf.TagSubroutineType:
		w.types.Child(p.local, dedup.Child{Ref: w.entry(e.Type())})
	}
}

// varargs reads the "..." of a function or of a function type.
func (w *worker) varargs() {
	switch p := w.parent(); {
	case p == nil:
	case p.tag == dwarf.TagSubprogram:
		w.functions.varargs(w)
	case p.tag == dwarf.TagSubroutineType:
		w.types.Child(p.local, dedup.Child{})
	}
}

// readForeign reads the units that refer to others (link-time optimisation, type
// units, dwz) together with those that they refer to. There is one group of all,
// and no parallelism: such references may form any graph.
func (w *worker) readForeign(ctx context.Context, workers []*worker) error {
	var scopes []int
	for _, v := range workers {
		scopes = append(scopes, v.deferred...)
	}
	g := group{core: w.core, index: make(map[*dwarf.Unit]bool)}
	slices.Sort(scopes)
	for _, s := range scopes {
		g.add(w.core.units[s], s)
	}
	for _, u := range w.core.file.Units() {
		if u.Type && !u.Alt {
			g.add(u, -1)
		}
	}
	if len(g.units) == 0 {
		return nil
	}
	scope := append(scopes, len(w.core.units))[0] + 1
	w.types = w.core.table.NewUnit(deferredNames{w}) // it has been used for later units
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		size, err := g.layOut()
		if err != nil {
			return err
		}
		w.reset(scope, size)
		w.group = g.units
		for _, gu := range g.units {
			w.borrowed = gu.scope < 0
			if err := w.walk(gu.unit, gu.base); err != nil {
				return err
			}
		}
		if len(w.foreign) == 0 {
			break
		}
		if err := g.addTargets(w.foreign); err != nil {
			return err
		}
	}
	err := w.finish()
	w.group = nil
	return err
}

// group collects units that are read together.
type group struct {
	core  *encoder
	units []groupUnit
	index map[*dwarf.Unit]bool
}

func (g *group) add(u *dwarf.Unit, scope int) {
	if !g.index[u] {
		g.index[u] = true
		g.units = append(g.units, groupUnit{unit: u, scope: scope})
	}
}

// addTargets adds the units that are referred to.
func (g *group) addTargets(refs []dwarf.Ref) error {
	for _, ref := range refs {
		u := g.core.file.UnitOf(ref)
		if u == nil {
			return &dwarf.FormatError{File: g.core.file.Name(), Off: ref.Offset(), Msg: "reference to an entry of no unit"}
		}
		g.add(u, -1)
	}
	return nil
}

// layOut numbers the entries of all units.
func (g *group) layOut() (dedup.Entry, error) {
	slices.SortFunc(g.units, func(a, b groupUnit) int { return cmp.Compare(a.unit.Offset, b.unit.Offset) })
	size := uint64(0)
	for i := range g.units {
		g.units[i].base = dedup.Entry(size)
		size += g.units[i].unit.Size()
	}
	if size >= 1<<31 {
		return 0, &dwarf.FormatError{File: g.core.file.Name(), Msg: "more than 2 GiB of units refer to each other"}
	}
	return dedup.Entry(size), nil
}
