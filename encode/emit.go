package encode

import (
	"github.com/kdbg/kdbg/encode/internal/dedup"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// emitter writes the result.
type emitter struct {
	core  *encoder
	graph *dedup.Graph
	build *rawbtf.Builder
	ids   []rawbtf.ID  // by node, 0 if it has none yet
	strs  []rawbtf.Str // by name
	index rawbtf.ID    // the type of array indices
	stats Stats
	arena map[rawbtf.ID]rawbtf.ID // pointers into an arena, by what they point to

	members []rawbtf.Member
	values  []rawbtf.Enumerator
	params  []rawbtf.Param
}

// emit writes types, functions and variables.
func (c *encoder) emit(workers []*worker, g *dedup.Graph) (*Result, error) {
	em := &emitter{core: c, graph: g, ids: make([]rawbtf.ID, g.Bound()), strs: make([]rawbtf.Str, c.table.NameBound())}
	opts := rawbtf.BuilderOptions{Order: c.file.Layout().Order, Layout: c.opts.Layout, SizeHint: 32 * len(g.All())}
	if base := c.opts.Base; base != nil {
		opts.Base, em.index = base.blob, base.index
		em.reuse(base)
		if c.opts.Vars == VarsSplit {
			id := base.blob.Identity()
			id.Release = c.release()
			opts.MadeFor = &id
		}
	}
	em.build = rawbtf.NewBuilder(&opts)
	first := em.build.Next()
	if c.opts.Vars != VarsSplit {
		em.types()
	}
	if err := em.functions(workers); err != nil {
		return nil, err
	}
	if err := em.variables(workers); err != nil {
		return nil, err
	}
	r := &Result{Stats: em.stats}
	r.Stats.Units, r.Stats.Bytes, r.Stats.Types = len(c.units), c.total, int(em.build.Next()-first)
	if em.build.Next() == first {
		return r, nil
	}
	var err error
	if r.BTF, err = em.build.Bytes(); err != nil || !c.opts.DistilledBase || c.opts.Base == nil {
		return r, err
	}
	split, err := rawbtf.Parse(r.BTF, c.opts.Base.blob)
	if err != nil {
		return nil, err
	}
	r.BTF, r.Base, err = distill(split)
	return r, err
}

// reuse gives the types that the base has the numbers that they have there.
func (em *emitter) reuse(base *Base) {
	for n := range em.ids {
		if c := em.graph.Base(dedup.Node(n)); c != 0 {
			em.ids[n] = base.ids[c]
		}
	}
}

// types numbers all types of the units that the base lacks, and writes them.
func (em *emitter) types() {
	next := em.build.Next()
	arrays := false
	var list []dedup.Node
	for _, n := range em.graph.All() {
		if em.ids[n] != 0 {
			continue
		}
		list = append(list, n)
		em.ids[n] = next
		next++
		switch r := em.graph.Record(n); {
		case r.Kind() == dedup.Array:
			arrays = true
		case em.index == 0 && r.Kind() == dedup.Int && string(em.core.table.Bytes(r.Name())) == "int":
			em.index = em.ids[n]
		}
	}
	needInt := arrays && em.index == 0
	if needInt {
		em.index = next
	}
	for _, n := range list {
		em.write(n)
	}
	if needInt {
		em.build.Int(em.build.String("int"), 4, rawbtf.Signed, 0, 32)
	}
}

// id returns the number of a type. The prototype of a function is written when
// it is first asked for.
func (em *emitter) id(n dedup.Node) rawbtf.ID {
	if n != 0 && em.ids[n] == 0 {
		em.ids[n] = em.build.Next()
		em.write(n)
	}
	return em.ids[n]
}

// name returns the string of a name.
func (em *emitter) name(n dedup.Name) rawbtf.Str {
	if base := em.core.opts.Base; base != nil && uint32(n) < base.strings.Size() {
		return base.strings.offset(uint32(n))
	}
	if n != 0 && em.strs[n] == 0 {
		em.strs[n] = em.build.Str(em.core.table.Bytes(n))
	}
	return em.strs[n]
}

// write writes the record of a type whose number is the builder's next, and
// which refers to types that have numbers.
func (em *emitter) write(n dedup.Node) {
	r, b := em.graph.Record(n), em.build
	name := em.name(r.Name())
	switch r.Kind() {
	case dedup.Int:
		b.Int(name, r.Size(), uint8(r.Data()>>24), 0, uint8(r.Data()))
	case dedup.Float:
		b.Float(name, r.Size())
	case dedup.Ptr:
		b.Ptr(em.ids[r.Ref()])
	case dedup.Const, dedup.Volatile, dedup.Restrict:
		b.Qualifier(rawbtf.Kind(r.Kind()), em.ids[r.Ref()])
	case dedup.Typedef:
		b.Typedef(name, em.ids[r.Ref()])
	case dedup.TypeTag:
		b.TypeTag(name, em.ids[r.Ref()], r.Flag())
	case dedup.DeclTag:
		b.DeclTag(name, em.ids[r.Ref()], int32(r.Size()), r.Flag())
	case dedup.Fwd:
		b.Fwd(name, r.Flag())
	case dedup.Array:
		b.Array(em.ids[r.Ref()], em.index, r.Size())
	case dedup.Struct:
		b.Struct(name, r.Size(), em.membersOf(r))
	case dedup.Union:
		b.Union(name, r.Size(), em.membersOf(r))
	case dedup.Enum, dedup.Enum64:
		em.writeEnum(r, name)
	case dedup.FuncProto:
		em.params = em.params[:0]
		for i := range r.Len() {
			p := r.Element(i)
			em.params = append(em.params, rawbtf.Param{Name: em.name(p.Name), Type: em.ids[p.Type]})
		}
		b.FuncProto(em.ids[r.Ref()], em.params)
	}
}

func (em *emitter) membersOf(r dedup.Record) []rawbtf.Member {
	em.members = em.members[:0]
	for i := range r.Len() {
		m := r.Element(i)
		em.members = append(em.members, rawbtf.Member{
			Name: em.name(m.Name), Type: em.ids[m.Type], BitOffset: m.BitOffset, BitSize: m.BitSize,
		})
	}
	return em.members
}

func (em *emitter) writeEnum(r dedup.Record, name rawbtf.Str) {
	em.values = em.values[:0]
	for i := range r.Len() {
		v := r.Element(i)
		em.values = append(em.values, rawbtf.Enumerator{Name: em.name(v.Name), Value: v.Value})
	}
	if r.Kind() == dedup.Enum64 {
		em.build.Enum64(name, r.Size(), r.Flag(), em.values)
	} else {
		em.build.Enum(name, r.Size(), r.Flag(), em.values)
	}
}
