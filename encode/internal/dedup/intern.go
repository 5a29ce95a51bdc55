package dedup

import (
	"cmp"
	"fmt"
	"slices"
)

// Intern interns all types of the unit. Afterwards Class and Proto can be used,
// and Commit must be called.
func (u *Unit) Intern() error {
	for n := range u.types {
		l := &u.types[n]
		if l.flags&isUnordered != 0 && l.kind == Struct {
			u.sortMembers(l)
		}
		if l.flags&isBitfields != 0 && l.flags&isFar != 0 {
			u.narrow(n)
		}
	}
	u.splitNames(u.looksDifferent) // spares most units a second round
	for {
		for n := range u.types {
			if l := &u.types[n]; l.class == 0 && l.kind != Alias {
				u.intern(n)
			}
		}
		isDifferent := func(a, b *local) bool { return a.class != b.class }
		if u.err != nil || !u.splitNames(isDifferent) {
			return u.err
		}
	}
}

// sortMembers puts the members of a struct in the order of their offsets, which
// the kernel insists on. Rust arranges members as it sees fit, and lists them as
// they were declared.
func (u *Unit) sortMembers(l *local) {
	var order []uint32 // of children, index+1
	for i := l.head; i != 0; i = u.children[i-1].next {
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b uint32) int { return cmp.Compare(u.children[a-1].Lo, u.children[b-1].Lo) })
	l.head, l.tail = order[0], order[len(order)-1]
	for i, c := range order[1:] {
		u.children[order[i]-1].next = c
	}
	u.children[l.tail-1].next = 0
}

// narrow gives the bit-fields of a struct integer types of their size, the way
// that BTF had before bit-fields had sizes (Linux 5.1): other members may then
// be anywhere.
func (u *Unit) narrow(n int) {
	u.types[n].flags &^= isBitfields
	for i := u.types[n].head; i != 0; i = u.children[i-1].next {
		m := &u.children[i-1]
		if m.Hi == 0 {
			continue
		}
		t := Type{Kind: Int, Size: 4, Data: 32}
		at, ok := u.Local(m.Ref)
		for range maxQualifiers {
			if !ok || u.types[at].kind == Int {
				break
			}
			at, ok = u.Local(u.types[at].ref)
		}
		if ok {
			t = u.At(at)
		}
		t.Data = t.Data&^0xff | m.Hi&0xff
		m.Hi = 0
		m.Ref = u.Synthetic(u.Add(0, t))
	}
}

// splitNames looks for names that the unit itself gives different definitions,
// local types of functions as a rule. References to these cannot be made by
// name. It reports whether there were any more; then all classes are void.
func (u *Unit) splitNames(different func(a, b *local) bool) bool {
	u.pass++
	found := false
	for n := range u.types {
		if name := u.defines(n); name != 0 {
			m := u.meet(name, uint32(n))
			if m.local != uint32(n) && !m.split && different(&u.types[m.local], &u.types[n]) {
				m.split, found = true, true
			}
		}
	}
	if !found {
		return false
	}
	u.priv = u.priv[:0]
	for n := range u.types {
		if name := u.defines(n); name != 0 && u.means[name].split {
			u.types[n].flags |= isPrivate
		}
		u.types[n].class, u.types[n].edge = 0, 0
	}
	return true
}

// defines returns the name-only class that type number n is a definition of, 0 if
// it is none or references are not made by it any more.
func (u *Unit) defines(n int) Class {
	l := &u.types[n]
	k := l.kind.namer()
	if k == 0 || l.name == 0 || l.flags&isPrivate != 0 || l.declares() {
		return 0
	}
	return u.nameClass(k, l.name)
}

// meet returns what is known of a name that type number n defines.
func (u *Unit) meet(name Class, n uint32) *meaning {
	if int(name) >= len(u.means) {
		u.means = append(u.means, make([]meaning, int(name)+int(name)/2-len(u.means))...)
	}
	m := &u.means[name]
	if m.pass != u.pass {
		*m = meaning{pass: u.pass, local: n}
	}
	return m
}

// looksDifferent reports whether two types surely differ, before anything is
// known of what they refer to.
func (u *Unit) looksDifferent(a, b *local) bool {
	const shape = isFlag | isBitfields
	if a.kind != b.kind || a.size != b.size || (a.flags^b.flags)&shape != 0 {
		return true
	}
	i, j := a.head, b.head
	for i != 0 && j != 0 {
		c, d := &u.children[i-1], &u.children[j-1]
		if c.Lo != d.Lo || c.Hi != d.Hi || (c.Name|d.Name)&deferred == 0 && c.Name != d.Name {
			return true
		}
		i, j = c.next, d.next
	}
	return i != j
}

// Class returns the class of the type at e. A type that the unit does not have is
// void.
func (u *Unit) Class(e Entry) Class {
	n, ok := u.local(e)
	if !ok || n >= len(u.types) {
		return 0
	}
	if u.types[n].kind == Alias {
		return u.types[n].edge
	}
	return u.types[n].class
}

// Proto interns a function type whose parameters have names.
func (u *Unit) Proto(ret Entry, params []Child) Class {
	base := len(u.words)
	u.words = append(u.words, uint32(FuncProto)<<kindShift|uint32(len(params)), 0, uint32(u.refer(ret)))
	for _, p := range params {
		c := u.refer(p.Ref)
		u.words = append(u.words, uint32(p.Name), uint32(c))
	}
	c := u.finish(base)
	u.protos = append(u.protos, c)
	if c != 0 {
		u.table.class(c).see(unlisted)
	}
	return c
}

// Commit makes the types of the unit part of the result.
func (u *Unit) Commit() {
	list := make([]Class, 0, len(u.types)+len(u.protos))
	for n := range u.types {
		if c := u.types[n].class; c != 0 {
			u.see(c, len(list))
			list = append(list, c)
		}
	}
	list = append(list, u.protos...)
	for i := range u.priv {
		u.priv[i].to = u.types[u.priv[i].to].class
	}
	u.table.addScope(int(u.scope), scope{classes: list, private: slices.Clone(u.priv)})
}

// see records that c is number n in the unit. Only the first time counts, as a
// Unit is used for units of ascending numbers.
func (u *Unit) see(c Class, n int) {
	i := int(c >> 6)
	if i >= len(u.seen) {
		u.seen = append(u.seen, make([]uint64, i+i/2+1-len(u.seen))...)
	}
	if bit := uint64(1) << (c & 63); u.seen[i]&bit == 0 {
		u.seen[i] |= bit
		u.table.class(c).see(uint64(u.scope)<<32 | uint64(n))
	}
}

// addScope keeps what is known of a unit.
func (t *Table) addScope(n int, s scope) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n >= len(t.scopes) {
		t.scopes = append(t.scopes, scope{})
	}
	t.scopes[n] = s
}

// refer returns what a reference to the type at e is made to.
func (u *Unit) refer(e Entry) Class {
	if e == 0 {
		return 0
	}
	n, ok := u.local(e)
	if !ok {
		return 0
	}
	if edge := u.types[n].edge; edge != 0 {
		return edge
	}
	return u.edge(n)
}

// edge is refer for a type that has not been referred to before.
func (u *Unit) edge(n int) Class {
	l := &u.types[n]
	k := l.kind.namer()
	switch {
	case k != 0 && l.flags&isPrivate != 0:
		l.edge = u.private(n)
	case k != 0 && l.name != 0:
		l.edge = u.nameClass(k, l.name)
	case l.flags&isBusy != 0:
		// A cycle that no name cuts: typedefs of typedefs, in no language but in
		// files made to break readers.
		return u.private(n)
	case l.kind == Alias:
		l.flags |= isBusy
		to := u.refer(l.ref)
		l = &u.types[n]
		l.flags &^= isBusy
		l.edge = to
	default:
		u.intern(n)
	}
	return u.types[n].edge
}

// nameClass returns the class that refers to a type of a name. k is a name-only
// kind.
func (u *Unit) nameClass(k Kind, name Name) Class {
	return u.unaryRecord(unaryStruct+int(k-structName), k, uint32(name), 0)
}

// private returns a class that refers to type number n of this unit alone.
func (u *Unit) private(n int) Class {
	c := u.record(uint32(private)<<kindShift, u.scope, uint32(n))
	for _, p := range u.priv {
		if p.from == c {
			return c
		}
	}
	u.priv = append(u.priv, privateRef{from: c, to: Class(n)})
	return c
}

// unaryRecord interns a record of a kind that has but one word to tell, a name
// or a class. These are most of all records.
func (u *Unit) unaryRecord(index int, k Kind, name, ref uint32) Class {
	at := name | ref // one of them is 0
	if base := u.table.base; base != nil && int(at) < len(base.unary[index]) {
		if c := base.unary[index][at]; c != 0 {
			return c
		}
	}
	list := u.unary[index]
	if int(at) >= len(list) {
		known := int(u.table.first)
		if name != 0 {
			known = int(u.table.names.first)
		}
		list = append(list, make([]Class, max(int(at)+int(at)/2+1, known)-len(list))...)
		u.unary[index] = list
	}
	if list[at] == 0 {
		list[at] = u.record(uint32(k)<<kindShift, name, ref)
	}
	return list[at]
}

// record interns a record of three words.
func (u *Unit) record(a, b, c uint32) Class {
	base := len(u.words)
	u.words = append(u.words, a, b, c)
	return u.finish(base)
}

// intern sets the class of type number n, and its edge.
func (u *Unit) intern(n int) {
	l := &u.types[n]
	if u.depth++; u.depth > maxDepth {
		if u.err == nil {
			u.err = fmt.Errorf("type at %#x refers to types %d deep", l.entry, maxDepth)
		}
		u.depth--
		return
	}
	l.flags |= isBusy
	c := u.build(n)
	l = &u.types[n]
	l.flags &^= isBusy
	l.class = c
	if l.edge == 0 {
		if k := l.kind.namer(); k != 0 && (l.name != 0 || l.flags&isPrivate != 0) {
			u.edge(n)
		} else {
			l.edge = c
		}
	}
	u.depth--
}

// build puts the record of type number n together.
func (u *Unit) build(n int) Class {
	l := u.types[n]
	k := uint32(l.kind) << kindShift
	if l.flags&isFlag != 0 {
		k |= flagBit
	}
	switch l.kind {
	case Ptr:
		return u.unaryRecord(unaryPtr, Ptr, 0, uint32(u.refer(l.ref)))
	case Const:
		return u.unaryRecord(unaryConst, Const, 0, uint32(u.refer(l.ref)))
	case Volatile:
		return u.unaryRecord(unaryVolatile, Volatile, 0, uint32(u.refer(l.ref)))
	case Restrict:
		return u.unaryRecord(unaryRestrict, Restrict, 0, uint32(u.refer(l.ref)))
	case Typedef, TypeTag:
		return u.record(k, uint32(l.name), uint32(u.refer(l.ref)))
	case Array:
		return u.record(k, l.size, uint32(u.refer(l.ref)))
	}
	if name := l.kind.namer(); name != 0 && l.declares() {
		if l.name == 0 {
			return 0 // nothing can be said of it
		}
		return u.record(uint32(name)<<kindShift, uint32(l.name), 0)
	}
	base := len(u.words)
	count, size := 0, 0
	u.words = append(u.words, 0, uint32(l.name))
	switch l.kind {
	case Struct, Union:
		size = 3
		if l.flags&isBitfields != 0 {
			k |= flagBit
		}
		u.words = append(u.words, l.size)
		for i := l.head; i != 0; count++ {
			m := u.children[i-1]
			ref := u.refer(m.Ref)
			u.words = append(u.words, uint32(m.Name), uint32(ref), m.Lo|m.Hi<<24)
			i = m.next
		}
	case Enum, Enum64:
		if size = 2; l.kind == Enum64 {
			size = 3
		}
		u.words = append(u.words, l.size)
		for i := l.head; i != 0; count++ {
			e := &u.children[i-1]
			u.words = append(u.words, uint32(e.Name), e.Lo)
			if l.kind == Enum64 {
				u.words = append(u.words, e.Hi)
			}
			i = e.next
		}
	case FuncProto:
		ref := u.refer(l.ref)
		u.words = append(u.words, uint32(ref))
		for i := l.head; i != 0; count++ {
			p := u.children[i-1]
			ref := u.refer(p.Ref)
			u.words = append(u.words, uint32(p.Name), uint32(ref))
			i = p.next
		}
	case DeclTag:
		ref := u.refer(l.ref)
		u.words = append(u.words, uint32(ref), l.size)
	default: // Int, Float
		u.words = append(u.words, l.size, l.data)
	}
	u.words[base] = k | uint32(count)&vlenMask
	return u.finishElements(base, size)
}
