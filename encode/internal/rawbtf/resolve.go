package rawbtf

import "fmt"

// maxDepth bounds how deep types may refer to one another on the way to a size,
// and how many qualifiers, tags and typedefs may be on one another.
const maxDepth = 32

// checkChains checks the qualifiers, tags and typedefs that types have on them.
func (v *verifier) checkChains() {
	for id, t := range v.b.All() {
		if !passes(t.Kind) {
			continue
		}
		v.id, v.t = id, t
		if next := v.b.Type(t.Ref()); next.Kind == KindTypeTag && t.Kind != KindTypeTag {
			v.failBefore(linux7_2, "a type tag follows a %v", t.Kind)
		}
		n := 0
		for passes(t.Kind) && n <= maxDepth {
			t = v.b.Type(t.Ref())
			n++
		}
		if n > maxDepth {
			v.fail("more than %d qualifiers, tags and typedefs, or a cycle of them", maxDepth)
		}
	}
}

// passes reports whether a kind's size is that of what it refers to.
func passes(k Kind) bool { return k == KindTypedef || k.IsModifier() }

// resolver checks what the kernel checks of a BTF that is loaded by
// BPF_BTF_LOAD: that every type leads to one with a size, without a cycle and
// within maxDepth steps.
//
// The kernel walks from each type, in the order of their numbers, to those that
// are not yet resolved. What it walks through depends on the first type of the
// walk for which that matters: from a pointer on, through pointers and
// modifiers, which end at a struct; from a struct or array on, through structs,
// arrays and modifiers, which end at a pointer. So a list_head may point to
// itself, but not contain itself.
type resolver struct {
	*verifier
	first ID
	state []visit  // of each type of the BTF's own
	sizes []uint64 // of each array, once known
	ptr   uint32
	walk  walk
	depth int
}

type visit uint8

const (
	unseen visit = iota
	visiting
	resolved
)

type walk uint8

const (
	walkAny walk = iota
	walkPointers
	walkContents
)

func newResolver(v *verifier) *resolver {
	n := v.b.End() - v.b.First()
	return &resolver{
		verifier: v, first: v.b.First(), ptr: v.b.PointerSize(),
		state: make([]visit, n), sizes: make([]uint64, n),
	}
}

func (r *resolver) checkAll() {
	for id := range r.b.All() {
		if r.walk = walkAny; !r.resolved(id) && r.through(r.b.Type(id).Kind) {
			r.visit(id)
		}
		if t := r.b.Type(id); t.Kind == KindFuncProto {
			r.checkFuncProto(id, t)
		}
	}
}

// resolved reports whether a type was visited. Those of the base were.
func (r *resolver) resolved(id ID) bool { return id < r.first || r.state[id-r.first] == resolved }

// through reports whether the walk goes on through a kind.
func (r *resolver) through(k Kind) bool {
	switch r.walk {
	case walkPointers:
		return passes(k) || k == KindPtr
	case walkContents:
		return passes(k) || k == KindArray || k == KindStruct || k == KindUnion
	}
	switch k {
	case KindPtr, KindArray, KindStruct, KindUnion, KindVar, KindDatasec, KindFunc, KindDeclTag:
		return true
	}
	return passes(k)
}

// failAt notes what is wrong with id.
func (r *resolver) failAt(id ID, format string, args ...any) {
	r.id, r.t = id, r.b.Type(id)
	r.failLoad(format, args...)
}

// follow visits what id refers to, if the walk goes through it.
func (r *resolver) follow(from, id ID) bool {
	if !r.through(r.b.Type(id).Kind) || r.resolved(id) {
		return true
	}
	switch {
	case r.state[id-r.first] == visiting:
		r.failAt(from, "it contains or points to nothing but itself, through type %d", id)
	case r.depth == maxDepth:
		r.failAt(from, "more than %d types in one another", maxDepth)
	default:
		r.visit(id)
		return true
	}
	return false
}

// visit resolves a type and what it refers to.
func (r *resolver) visit(id ID) {
	t := r.b.Type(id)
	if r.walk == walkAny {
		switch t.Kind {
		case KindPtr:
			r.walk = walkPointers
		case KindStruct, KindUnion, KindArray:
			r.walk = walkContents
		}
	}
	r.state[id-r.first] = visiting
	r.depth++
	switch t.Kind {
	case KindStruct, KindUnion:
		r.visitComposite(id, t)
	case KindArray:
		r.visitArray(id, t)
	case KindVar:
		r.visitVar(id, t)
	case KindDatasec:
		r.visitDatasec(id, t)
	case KindFunc:
		r.visitFunc(id, t)
	case KindDeclTag:
		r.visitDeclTag(id, t)
	default: // pointers and modifiers
		if next := r.b.Type(t.Ref()); refers(next.Kind) {
			r.failAt(id, "it refers to a %v", next.Kind)
		} else if r.follow(id, t.Ref()) {
			r.visitPointer(id, t)
		}
	}
	r.depth--
	r.state[id-r.first] = resolved
}

// refers reports whether k is no type: nothing but a DATASEC or DECL_TAG may
// refer to it.
func refers(k Kind) bool {
	return k == KindVar || k == KindDatasec || k == KindDeclTag || k == KindFunc
}

// visitPointer goes on from a pointer where the walk through contents may have
// stopped: at a pointer behind modifiers.
func (r *resolver) visitPointer(id ID, t Type) {
	if t.Kind != KindPtr && t.Kind != KindVar {
		return
	}
	if passes(r.b.Type(t.Ref()).Kind) {
		r.follow(id, r.strip(t.Ref()))
	}
}

func (r *resolver) visitComposite(id ID, t Type) {
	for i := range t.Vlen {
		m := t.Member(i)
		if r.follow(id, m.Type) {
			if why := r.checkMember(t, m); why != "" {
				r.failAt(id, "%s %s", r.memberName(i, m), why)
			}
		}
	}
}

// checkMember says what is wrong with a member.
func (r *resolver) checkMember(t Type, m Member) string {
	id := r.strip(m.Type)
	mt := r.b.Type(id)
	size, sized := r.size(id)
	bits, at := uint64(size)*8, uint64(m.BitOffset)
	switch mt.Kind {
	case KindInt:
		_, offset, used := mt.Int()
		if t.Flag && !regular(mt) {
			return "is an int of odd size"
		}
		if !t.Flag {
			at += uint64(offset)
		}
		bits = uint64(used)
		if uint64(m.BitSize) > bits {
			return fmt.Sprintf("has %d of %d bits", m.BitSize, bits)
		}
	case KindEnum, KindEnum64:
		if t.Flag {
			bits = 32 // whatever the size of the enum
		}
		if uint64(m.BitSize) > bits {
			return fmt.Sprintf("has %d of %d bits", m.BitSize, bits)
		}
	case KindFloat:
		if align := uint64(min(r.ptr, size)) * 8; at%align != 0 {
			return fmt.Sprintf("is at bit %d, not aligned", at)
		}
		fallthrough
	default:
		if m.BitSize != 0 {
			return fmt.Sprintf("is a bit-field of kind %v", mt.Kind)
		}
	}
	switch {
	case !sized:
		return "has no size"
	case m.BitSize != 0:
		bits = uint64(m.BitSize)
	case at%8 != 0 && (t.Flag || mt.Kind != KindInt):
		return fmt.Sprintf("is at bit %d, within a byte", at)
	}
	if mt.Kind == KindInt && bits+at%8 > 128 {
		return "has more than 128 bits"
	}
	if end := (at + bits + 7) / 8; end > uint64(t.Size) {
		return fmt.Sprintf("ends at byte %d of %d", end, t.Size)
	}
	return ""
}

// regular reports whether an INT has a size that C knows, all of it used.
func regular(t Type) bool {
	_, offset, bits := t.Int()
	return offset == 0 && (bits == 8 || bits == 16 || bits == 32 || bits == 64 || bits == 128)
}

func (r *resolver) visitArray(id ID, t Type) {
	elem, index, n := t.Array()
	if !r.follow(id, index) || !r.follow(id, elem) {
		return
	}
	if it := r.b.Type(r.strip(index)); it.Kind != KindInt || !regular(it) {
		r.failAt(id, "its index is a %v", it.Kind)
	}
	et := r.b.Type(r.strip(elem))
	size, sized := r.size(elem)
	switch {
	case !sized:
		r.failAt(id, "its elements are of kind %v, which has no size", et.Kind)
	case et.Kind == KindInt && !regular(et):
		r.failAt(id, "its elements are ints of odd size")
	case uint64(n)*uint64(size) > 1<<32-1:
		r.failAt(id, "its size is %d", uint64(n)*uint64(size))
	default:
		r.sizes[id-r.first] = uint64(n) * uint64(size)
	}
}

func (r *resolver) visitVar(id ID, t Type) {
	if !r.follow(id, t.Ref()) {
		return
	}
	r.visitPointer(id, t)
	if _, ok := r.size(t.Ref()); !ok {
		r.failAt(id, "it is of kind %v, which has no size", r.b.Type(r.strip(t.Ref())).Kind)
	}
}

func (r *resolver) visitDatasec(id ID, t Type) {
	for i := range t.Vlen {
		e := t.Entry(i)
		vt := r.b.Type(e.Var)
		if vt.Kind != KindVar {
			r.failAt(id, "entry %d is of kind %v", i, vt.Kind)
			continue
		}
		if !r.follow(id, e.Var) {
			continue
		}
		if size, ok := r.size(vt.Ref()); ok && e.Size < size {
			r.failAt(id, "variable %s has %d bytes, its type %d", r.b.Name(vt.Name), e.Size, size)
		} else if passes(r.b.Type(vt.Ref()).Kind) && !r.resolved(vt.Ref()) {
			// A pointer among the variables before has turned the walk, which now
			// ends at variables: this one's type must come before the section.
			r.failAt(id, "the type of variable %s comes after the section", r.b.Name(vt.Name))
		}
	}
}

func (r *resolver) visitFunc(id ID, t Type) {
	proto := r.b.Type(t.Ref())
	if proto.Kind != KindFuncProto {
		r.failAt(id, "its prototype is a %v", proto.Kind)
		return
	}
	for i := range proto.Vlen {
		if p := proto.Param(i); p.Name == 0 && p.Type != 0 {
			r.failAt(id, "parameter %d has no name", i)
		}
	}
}

func (r *resolver) visitDeclTag(id ID, t Type) {
	target := r.b.Type(t.Ref())
	n := 0
	switch target.Kind {
	case KindStruct, KindUnion:
		n = target.Vlen
	case KindFunc:
		n = r.b.Type(target.Ref()).Vlen
	case KindVar, KindTypedef:
	default:
		r.failAt(id, "it is for a %v", target.Kind)
		return
	}
	if c := int(t.Component()); r.follow(id, t.Ref()) && c >= n {
		r.failAt(id, "it is for component %d of %d", c, n)
	}
}

// checkFuncProto checks a prototype, which is no part of a walk: its own types
// begin one each.
func (r *resolver) checkFuncProto(id ID, t Type) {
	check := func(ref ID, what string) {
		if r.walk = walkAny; !r.resolved(ref) && r.through(r.b.Type(ref).Kind) {
			r.visit(ref)
		}
		if _, ok := r.size(ref); !ok {
			r.failAt(id, "%s is of kind %v, which has no size", what, r.b.Type(r.strip(ref)).Kind)
		}
	}
	if t.Ref() != 0 {
		check(t.Ref(), "what it returns")
	}
	for i := range t.Vlen {
		p := t.Param(i)
		if p.Name != 0 {
			r.id, r.t = id, t
			n := len(r.found)
			r.checkName(p.Name, "name of a parameter")
			for j := n; j < len(r.found); j++ {
				r.found[j].LoadOnly = true
			}
		}
		if p.Type != 0 {
			check(p.Type, fmt.Sprintf("parameter %d", i))
		} else if i < t.Vlen-1 || p.Name != 0 {
			r.failAt(id, "parameter %d is void", i)
		}
	}
}

// strip returns id without modifiers and typedefs.
func (r *resolver) strip(id ID) ID {
	for range maxDepth + 1 {
		t := r.b.Type(id)
		if !passes(t.Kind) {
			break
		}
		id = t.Ref()
	}
	return id
}

// size returns the size of a type in bytes.
func (r *resolver) size(id ID) (uint32, bool) {
	n := uint64(1)
	for range maxDepth {
		id = r.strip(id)
		t := r.b.Type(id)
		switch t.Kind {
		case KindInt, KindStruct, KindUnion, KindEnum, KindEnum64, KindFloat:
			n *= uint64(t.Size)
			return uint32(n), n < 1<<32
		case KindPtr:
			n *= uint64(r.ptr)
			return uint32(n), n < 1<<32
		case KindArray:
			if id >= r.first && r.sizes[id-r.first] != 0 {
				n *= r.sizes[id-r.first]
				return uint32(n), n < 1<<32
			}
			elem, _, count := t.Array()
			if n *= uint64(count); n >= 1<<32 {
				return 0, false
			}
			id = elem
		default:
			return 0, false
		}
	}
	return 0, false
}
