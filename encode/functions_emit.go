package encode

import (
	"cmp"
	"slices"

	"github.com/kdbg/kdbg/encode/internal/dedup"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// Names of the tags that BPF programs look for.
const (
	kfuncTag    = "bpf_kfunc"
	fastcallTag = "bpf_fastcall"
	arenaTag    = "address_space(1)"
)

// functions writes the functions of all units, and their tags.
func (em *emitter) functions(workers []*worker) error {
	c := em.core
	if c.opts.Vars == VarsSplit {
		return nil
	}
	list, skipped := c.selectFunctions(em.graph, workers)
	em.skipped(skipped)
	em.stats.Functions = len(list)

	kfuncs, err := readKfuncs(c.file)
	if err != nil {
		return err
	}
	for _, f := range list {
		var flags uint32
		i, isKfunc := slices.BinarySearchFunc(kfuncs, f.name, func(k kfunc, name []byte) int { return cmp.Compare(k.name, string(name)) })
		if isKfunc {
			flags = kfuncs[i].flags
		}
		id := em.build.Func(em.name(f.symbol), em.proto(f, flags), rawbtf.Static)
		em.functionTags(f, id)
		if isKfunc && c.opts.DeclTagKfuncs {
			em.kfuncTags(id, flags)
		}
	}
	return nil
}

// skipped counts functions that were left out.
func (em *emitter) skipped(reasons map[SkipReason]int) {
	if em.stats.Skipped == nil {
		em.stats.Skipped = make(map[string]int)
	}
	for r, n := range reasons {
		em.stats.Skipped[r.String()] += n
	}
}

// functionTags writes the tags that the source gives a function and its
// parameters.
func (em *emitter) functionTags(f function, id rawbtf.ID) {
	if !em.core.opts.DeclTag {
		return
	}
	for _, t := range f.tags {
		em.build.DeclTag(em.name(t.name), id, t.component, false)
	}
}

func (em *emitter) kfuncTags(id rawbtf.ID, flags uint32) {
	em.build.DeclTag(em.build.String(kfuncTag), id, -1, false)
	if flags&kfuncFastcall != 0 {
		em.build.DeclTag(em.build.String(fastcallTag), id, -1, false)
	}
}

// proto returns the prototype of a function. Pointers into an arena, which the
// flags of a kfunc tell and its source does not, are made to say so.
func (em *emitter) proto(f function, flags uint32) rawbtf.ID {
	node := em.graph.Node(f.candidate.proto, int(f.scope))
	if !em.core.opts.Attributes || flags&(kfuncArenaRet|kfuncArenaArg|kfuncArenaArg<<1) == 0 {
		return em.id(node)
	}
	r := em.graph.Record(node)
	ret := em.inArena(r.Ref(), flags&kfuncArenaRet != 0)
	var params []rawbtf.Param
	for i := range r.Len() {
		p := r.Element(i)
		params = append(params, rawbtf.Param{Name: em.name(p.Name), Type: em.inArena(p.Type, i < 2 && flags&(kfuncArenaArg<<i) != 0)})
	}
	return em.build.FuncProto(ret, params)
}

// inArena returns the number of a type, or if it is a pointer and is in an arena
// that of a new pointer which is tagged.
func (em *emitter) inArena(n dedup.Node, tagged bool) rawbtf.ID {
	if !tagged || n == 0 {
		return em.ids[n]
	}
	r := em.graph.Record(n)
	if r.Kind() != dedup.Ptr {
		return em.ids[n]
	}
	to := em.ids[r.Ref()]
	if em.arena[to] == 0 {
		if em.arena == nil {
			em.arena = make(map[rawbtf.ID]rawbtf.ID)
		}
		em.arena[to] = em.build.Ptr(em.build.TypeTag(em.build.String(arenaTag), to, true))
	}
	return em.arena[to]
}
