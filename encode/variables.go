package encode

import (
	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// variables is the part of a worker that reads variables. Like functions it
// keeps a unit's variables until the unit ends, since a definition takes its
// name from its declaration (DW_AT_specification) or abstract instance.
type variables struct {
	list        []variable
	tags        []variableTag
	definitions []definition               // of all units that this worker has read
	declared    map[dedup.Name]declaration // those that a symbol may complete
}

// variable is a DW_TAG_variable.
type variable struct {
	at     dwarf.Ref
	origin dwarf.Ref // what it completes, or is an instance of
	name   dwarf.StringRef
	typ    dedup.Entry
	addr   dwarf.Address
	chain  dwarf.Ref // the first of GCC's annotations
	flags  variableFlags
}

type variableFlags uint8

const (
	isPlaced     variableFlags = 1 << iota // has a fixed address
	isExternal                             // visible outside its unit
	isArtificial                           // a compiler made it up
	isStaticOf                             // belongs to a function
	isSpecified                            // the origin is its declaration
)

// definition is a variable with an address.
type definition struct {
	name  dedup.Name
	class dedup.Class // of its type
	scope int32
	at    dwarf.Ref
	addr  dwarf.Address
	flags variableFlags
	tags  []dedup.Name
}

// variableTag is a declaration tag of the variable at an entry.
type variableTag struct {
	at   dwarf.Ref
	name dedup.Name
}

// declaration is the type that a unit declares a variable with which it does not
// define.
type declaration struct {
	class dedup.Class
	scope int32
	at    dwarf.Ref
	bound bool // its type has a size
}

func (vs *variables) begin(*worker) { vs.list, vs.tags = vs.list[:0], vs.tags[:0] }

// variable keeps a DW_TAG_variable. Depth 1 is that of the unit's own.
func (vs *variables) variable(w *worker, e *dwarf.Entry, depth int) {
	o := w.core.opts
	if o.Vars == VarsOff || depth > 1 && !o.VarsExtra {
		return
	}
	v := variable{at: e.Offset, name: e.Name(), typ: w.entry(e.Type()), chain: e.Annotation()}
	if v.origin = e.AbstractOrigin(); v.origin == 0 {
		if v.origin = e.Specification(); v.origin != 0 {
			v.flags |= isSpecified
		}
	}
	w.entry(v.origin) // which may be in another unit
	if addr, ok := fixedAddress(e); ok && !w.borrowed {
		v.addr = addr
		v.flags |= isPlaced
	}
	if e.External() {
		v.flags |= isExternal
	}
	if e.Artificial() {
		v.flags |= isArtificial
	}
	if depth > 1 {
		v.flags |= isStaticOf
	}
	vs.list = append(vs.list, v)
}

// annotation adds a declaration tag to the variable read last, if the entry being
// read is its child.
func (vs *variables) annotation(w *worker, value dedup.Name) {
	if n := len(vs.list); n > 0 && (w.reader.Depth == 2 || w.core.opts.VarsExtra) {
		vs.tags = append(vs.tags, variableTag{vs.list[n-1].at, value})
	}
}

// fixedAddress returns where a variable is if its location is an address, or an
// address and an offset: clang merges small globals into one object. Variables
// in registers, on the stack or of a thread have none.
func fixedAddress(e *dwarf.Entry) (dwarf.Address, bool) {
	x, ok := e.Location()
	if !ok {
		return dwarf.Address{}, false
	}
	op, ok := x.Next()
	if !ok || op.Code != dwarf.OpAddr && op.Code != dwarf.OpAddrx {
		return dwarf.Address{}, false
	}
	addr := op.Addr
	if op, ok = x.Next(); ok {
		if op.Code != dwarf.OpPlusUconst {
			return dwarf.Address{}, false
		}
		addr.Value += op.Arg
		if _, ok = x.Next(); ok {
			return dwarf.Address{}, false
		}
	}
	return addr, x.Err() == nil
}

// end keeps what the unit defines and, where symbols may complete them, what it
// only declares. All its types are interned.
func (vs *variables) end(w *worker) {
	extra := w.core.opts.VarsExtra
	for i := range vs.list {
		if !extra && vs.list[i].flags&isPlaced == 0 {
			continue
		}
		v := vs.source(vs.list[i])
		switch {
		case v.name == 0 || v.flags&isArtificial != 0:
		case v.flags&isPlaced != 0:
			if v.flags&isStaticOf == 0 || extra {
				vs.definitions = append(vs.definitions, definition{
					name: w.name(v.name), class: w.types.Class(v.typ), scope: int32(w.scope),
					at: v.at, addr: v.addr, flags: v.flags, tags: vs.tagsOf(w, v),
				})
			}
		case extra && v.flags&isExternal != 0:
			vs.declare(w, v)
		}
	}
}

// tagsOf returns the declaration tags of a variable, which they may have been
// given where it was declared.
func (vs *variables) tagsOf(w *worker, v variable) []dedup.Name {
	tags := w.declTags(v.chain)
	for _, t := range vs.tags {
		if t.at == v.at {
			tags = append(tags, t.name)
		}
	}
	return tags
}

// source returns a variable with what its declaration or abstract instance says
// of it. A type of its own stays: it completes the declaration's, as in
// `extern const char banner[]; const char banner[] = "…";`.
func (vs *variables) source(v variable) variable {
	for range maxOrigins {
		if v.origin == 0 {
			break
		}
		i, ok := find(vs.list, v.origin, func(v *variable) dwarf.Ref { return v.at })
		if !ok {
			break
		}
		o := &vs.list[i]
		if v.name == 0 {
			v.name = o.name
		}
		if v.typ == 0 {
			v.typ = o.typ
		}
		v.flags |= o.flags & (isExternal | isArtificial)
		if v.flags&isSpecified != 0 && o.flags&isStaticOf == 0 {
			v.flags &^= isStaticOf // a definition stands where its declaration does
		}
		v.origin = o.origin
	}
	return v
}

// declare keeps the declaration of v, of several the first whose type has a
// size.
func (vs *variables) declare(w *worker, v variable) {
	name := w.name(v.name)
	if !w.core.variableSymbols.names[name] {
		return
	}
	if vs.declared == nil {
		vs.declared = make(map[dedup.Name]declaration)
	}
	class := w.types.Class(v.typ)
	d := declaration{class: class, scope: int32(w.scope), at: v.at, bound: !w.types.Shape(class).Open()}
	if old, ok := vs.declared[name]; !ok || d.precedes(old) {
		vs.declared[name] = d
	}
}

func (d declaration) precedes(o declaration) bool {
	if d.bound != o.bound {
		return d.bound
	}
	return d.at < o.at
}
