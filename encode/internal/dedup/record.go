package dedup

// Record is a type of the result.
type Record struct {
	g     *Graph
	node  Node
	words []uint32
}

// Element is a member, enumerator or parameter of a Record.
type Element struct {
	Name      Name
	Type      Node   // of a member or parameter
	BitOffset uint32 // of a member
	BitSize   uint8  // of a bit-field
	Value     uint64 // of an enumerator; of an Enum, sign-extended if it is signed
}

// Record returns the type n.
func (g *Graph) Record(n Node) Record { return Record{g: g, node: n, words: g.class(n).words} }

// Kind returns the kind of the type. A declaration is Fwd, or an Enum without
// values.
func (r Record) Kind() Kind {
	switch k := Kind(r.words[0] >> kindShift & kindMask); k {
	case structName, unionName:
		return Fwd
	case enumName:
		return Enum
	default:
		return k
	}
}

// Flag returns the flag of BTF for the type.
func (r Record) Flag() bool {
	return r.words[0]&flagBit != 0 || Kind(r.words[0]>>kindShift) == unionName
}

// Len returns the number of elements.
func (r Record) Len() int { return int(r.words[0] & vlenMask) }

// Name returns the name of the type, 0 if it has none.
func (r Record) Name() Name {
	if k := r.Kind(); k == Array || k == FuncProto {
		return 0
	}
	return Name(r.words[1])
}

// Size returns the size in bytes, of an array the number of elements, of a
// declaration tag the component.
func (r Record) Size() uint32 {
	switch r.Kind() {
	case Struct, Union, Enum64, Int, Float:
		return r.words[2]
	case Enum:
		if Kind(r.words[0]>>kindShift&kindMask) == enumName {
			return 4 // its declaration does not say
		}
		return r.words[2]
	case Array:
		return r.words[1]
	case DeclTag:
		return r.words[3]
	}
	return 0
}

// Data returns the encoding and bits of an integer.
func (r Record) Data() uint32 {
	if k := r.Kind(); k != Int && k != Float {
		return 0
	}
	return r.words[3]
}

// Ref returns the type that this one points to, qualifies, names, returns, tags
// or is an array of.
func (r Record) Ref() Node {
	switch r.Kind() {
	case Ptr, Const, Volatile, Restrict, Typedef, TypeTag, Array, DeclTag, FuncProto:
		return r.g.Edge(r.node, Class(r.words[2]))
	}
	return 0
}

// Element returns element i.
func (r Record) Element(i int) Element {
	switch r.Kind() {
	case Struct, Union:
		w := r.words[3+3*i:]
		e := Element{Name: Name(w[0]), Type: r.g.Edge(r.node, Class(w[1])), BitOffset: w[2]}
		if r.Flag() {
			e.BitSize, e.BitOffset = uint8(w[2]>>24), w[2]&0xffffff
		}
		return e
	case FuncProto:
		w := r.words[3+2*i:]
		return Element{Name: Name(w[0]), Type: r.g.Edge(r.node, Class(w[1]))}
	case Enum:
		w := r.words[3+2*i:]
		e := Element{Name: Name(w[0]), Value: uint64(w[1])}
		if r.Flag() {
			e.Value = uint64(int64(int32(w[1])))
		}
		return e
	case Enum64:
		w := r.words[3+3*i:]
		return Element{Name: Name(w[0]), Value: uint64(w[1]) | uint64(w[2])<<32}
	}
	return Element{}
}
