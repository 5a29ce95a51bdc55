package encode

import (
	"math"
	"slices"

	"github.com/kdbg/kdbg/encode/internal/dedup"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

const maxEntries = math.MaxUint16 // of a DATASEC that kernels before 7.2 read

// variables writes a VAR for every variable, and for every section that has any
// a DATASEC that lists them by their addresses.
func (em *emitter) variables(workers []*worker) error {
	c := em.core
	if c.opts.Vars == VarsOff {
		return nil
	}
	var defs []definition
	for _, w := range workers {
		defs = append(defs, w.variables.definitions...)
	}
	list, err := c.objects(defs, em.graph)
	if err != nil {
		return err
	}
	var unlisted []object
	if c.opts.VarsExtra {
		for _, o := range c.extras(list, declarations(workers), em.graph) {
			if o.listed {
				list = append(list, o)
			} else {
				unlisted = append(unlisted, o)
			}
		}
		slices.SortFunc(list, func(a, b object) int { return a.compare(b.place) })
	}
	if c.opts.Vars == VarsSplit && c.opts.Base != nil {
		list = em.without(c.opts.Base, list)
	}
	for len(list) > 0 {
		n := 1
		for n < len(list) && n < maxEntries && list[n].section == list[0].section {
			n++
		}
		em.section(list[:n])
		list = list[n:]
	}
	for i := range unlisted {
		em.variable(&unlisted[i])
	}
	return nil
}

// section writes variables of one section.
func (em *emitter) section(list []object) {
	entries := make([]rawbtf.Entry, 0, len(list))
	for i := range list {
		o := &list[i]
		entries = append(entries, rawbtf.Entry{Var: em.variable(o), Offset: uint32(o.offset), Size: uint32(o.size)})
	}
	last := entries[len(entries)-1]
	name := em.core.variableSymbols.sections[list[0].section].Name
	em.build.Datasec(em.build.String(name), last.Offset+last.Size, entries)
	em.stats.Datasecs++
}

func (em *emitter) variable(o *object) rawbtf.ID {
	typ := em.require(o.typ)
	if o.elems != 0 && em.core.opts.Vars != VarsSplit { // there, no new types for the sake of a bound that the entry tells
		typ = em.bounded(o.typ, o.elems)
	}
	linkage := rawbtf.Static
	if o.global {
		linkage = rawbtf.Global
	}
	em.stats.Variables++
	id := em.build.Var(em.name(o.name), typ, linkage)
	if em.core.opts.DeclTag {
		for _, t := range o.at.tags {
			em.build.DeclTag(em.name(t), id, -1, false)
		}
	}
	return id
}

// bounded returns the number of a new type: the array n, or what is behind its
// qualifiers, with so many elements.
func (em *emitter) bounded(n dedup.Node, elems uint32) rawbtf.ID {
	r := em.graph.Record(n)
	switch r.Kind() {
	case dedup.Array:
		return em.build.Array(em.ids[r.Ref()], em.index, elems)
	case dedup.Const, dedup.Volatile, dedup.Restrict:
		return em.build.Qualifier(rawbtf.Kind(r.Kind()), em.bounded(r.Ref(), elems))
	}
	return em.ids[n]
}
