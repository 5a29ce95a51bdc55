package encode

import (
	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// annotations are the tags of a unit (__attribute__((btf_type_tag("…"))) and
// btf_decl_tag). LLVM makes them children of what they tag; GCC links from
// there to a chain of entries, which may come later.
type annotations struct {
	links   []annotation // GCC's entries, by entry
	pending []pendingChain
	tagged  []taggedType
}

// annotated is what a tag is on.
type annotated struct {
	tag       dwarf.Tag
	local     int   // type
	component int32 // its member, or −1
}

type annotation struct {
	at, next dwarf.Ref
	isType   bool // else a declaration tag
	value    dedup.Name
}

type pendingChain struct {
	annotated
	first dwarf.Ref
}

// taggedType is a type tag on what type number local refers to.
type taggedType struct {
	local int
	value dedup.Name
}

const maxAnnotations = 64 // of one chain; kernels look through 32

func (a *annotations) reset() {
	a.links, a.pending, a.tagged = a.links[:0], a.pending[:0], a.tagged[:0]
}

// read reads the name and value of an annotation.
func (a *annotations) read(w *worker, e *dwarf.Entry) (annotation, bool) {
	n := annotation{at: e.Offset, next: e.Annotation()}
	switch string(w.core.file.String(e.Name())) {
	case "btf_type_tag":
		n.isType = true
	case "btf_decl_tag":
	default:
		return n, false
	}
	n.value = w.name(e.ConstString())
	return n, n.value != 0
}

// child reads an annotation that is a child of what it tags.
func (a *annotations) child(w *worker, e *dwarf.Entry) {
	p := w.parent()
	n, ok := a.read(w, e)
	if p == nil || !ok {
		return
	}
	switch {
	case p.tag == dwarf.TagSubprogram || p.tag == dwarf.TagFormalParameter:
		if !n.isType {
			w.functions.annotation(w, p.tag, n.value)
		}
		return
	case p.tag == dwarf.TagVariable:
		if !n.isType {
			w.variables.annotation(w, n.value)
		}
		return
	}
	on := annotated{tag: p.tag, local: p.local, component: -1}
	if p.tag == dwarf.TagMember && len(w.parents) > 1 {
		q := &w.parents[len(w.parents)-2]
		on.local, on.component = q.local, int32(q.count-1)
	}
	a.apply(w, on, n)
}

// link keeps an annotation that others refer to.
func (a *annotations) link(w *worker, e *dwarf.Entry) {
	if n, _ := a.read(w, e); n.at != 0 {
		a.links = append(a.links, n)
	}
}

// chain keeps the first of the annotations of an entry, if it has any.
func (a *annotations) chain(_ *worker, e *dwarf.Entry, on annotated) {
	if e.Has(dwarf.SlotAnnotation) {
		a.pending = append(a.pending, pendingChain{on, e.Annotation()})
	}
}

// attach applies the annotations of a unit that has been read.
func (a *annotations) attach(w *worker) {
	for _, p := range a.pending {
		ref := p.first
		for range maxAnnotations {
			i, ok := find(a.links, ref, func(n *annotation) dwarf.Ref { return n.at })
			if !ok {
				break
			}
			a.apply(w, p.annotated, a.links[i])
			ref = a.links[i].next
		}
	}
	// A pointer refers to its last tag, that to the one before, and so on.
	for _, t := range a.tagged {
		n := w.types.At(t.local)
		tag := w.types.Add(0, dedup.Type{Kind: dedup.TypeTag, Name: t.value, Ref: n.Ref})
		n.Ref = w.types.Synthetic(tag)
		w.types.Set(t.local, n)
	}
}

// apply enters one tag.
func (a *annotations) apply(w *worker, on annotated, n annotation) {
	f := &w.core.opts.Features
	switch {
	case n.value == 0:
	case on.tag == dwarf.TagSubprogram || on.tag == dwarf.TagFormalParameter || on.tag == dwarf.TagVariable:
		// They look GCC's up themselves (declTags).
	case on.local < 0:
	case n.isType:
		if f.TypeTag && on.tag == dwarf.TagPointerType {
			a.tagged = append(a.tagged, taggedType{on.local, n.value})
		}
	case f.DeclTag:
		w.types.Add(0, dedup.Type{
			Kind: dedup.DeclTag, Name: n.value, Ref: w.types.Synthetic(on.local), Size: uint32(on.component),
		})
	}
}
