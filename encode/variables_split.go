package encode

import (
	"bytes"
	"slices"

	"github.com/kdbg/kdbg/encode/internal/dedup"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// release returns the release of the kernel that is encoded, "" if it does not
// say. Its banner begins with it (init/version-timestamp.c).
func (c *encoder) release() string {
	for s := range c.file.Symbols() {
		if string(s.Name) != "linux_banner" || s.Section <= 0 || s.Section >= len(c.file.Sections()) {
			continue
		}
		section := &c.file.Sections()[s.Section]
		data, err := section.Data()
		if off := s.Value - section.Addr; err == nil && off < uint64(len(data)) {
			if rest, ok := bytes.CutPrefix(data[off:], []byte("Linux version ")); ok {
				release, _, _ := bytes.Cut(rest[:min(len(rest), maxRelease)], []byte(" "))
				return string(release)
			}
		}
	}
	return ""
}

const maxRelease = 64 // bytes of a release (__NEW_UTS_LEN)

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
