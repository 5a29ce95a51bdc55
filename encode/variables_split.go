package encode

import (
	"slices"

	"github.com/kdbg/kdbg/encode/internal/dedup"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// listedPlace is a variable of a BTF: the name of its section, and the offset.
type listedPlace struct {
	section string
	offset  uint32
}

// without returns the variables of list that the base does not list: a second
// VAR would only make their names ambiguous.
func (em *emitter) without(base *Base, list []object) []object {
	known := make(map[listedPlace]bool)
	for _, t := range base.blob.All() {
		if t.Kind != rawbtf.KindDatasec {
			continue
		}
		name := base.blob.Name(t.Name)
		for i := range t.Vlen {
			known[listedPlace{name, t.Entry(i).Offset}] = true
		}
	}
	return slices.DeleteFunc(list, func(o object) bool {
		return known[listedPlace{em.core.variableSymbols.sections[o.section].Name, uint32(o.offset)}]
	})
}

// require returns the number of a type. It writes the type, and all that can be
// reached from it, where neither the base nor this BTF has them yet.
func (em *emitter) require(n dedup.Node) rawbtf.ID {
	if n == 0 || em.ids[n] != 0 {
		return em.ids[n]
	}
	next := em.build.Next()
	var list []dedup.Node
	add := func(n dedup.Node) {
		if n != 0 && em.ids[n] == 0 {
			em.ids[n] = next
			next++
			list = append(list, n)
		}
	}
	add(n)
	for i := 0; i < len(list); i++ {
		r := em.graph.Record(list[i])
		add(r.Ref())
		if k := r.Kind(); k == dedup.Struct || k == dedup.Union || k == dedup.FuncProto {
			for i := range r.Len() {
				add(r.Element(i).Type)
			}
		}
	}
	for _, n := range list {
		em.write(n)
	}
	return em.ids[n]
}
