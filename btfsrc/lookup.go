package btfsrc

import (
	"hash/maphash"
	"iter"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Kind narrows a lookup by name.
type Kind uint8

// The kinds that can be looked up.
const (
	KindAny     Kind = iota // every type: all below but functions
	KindInt                 // integers, _Bool and character types
	KindFloat               // floating-point types
	KindStruct              // struct tags
	KindUnion               // union tags
	KindEnum                // enum tags, of any width
	KindTypedef             // typedefs
	KindFunc                // functions, for their prototype
)

// matches reports whether a record can be found as k, and whether only as a
// forward declaration.
func (k Kind) matches(rec record) (ok, forward bool) {
	is := KindAny
	switch rec.kind() {
	case kindInt:
		is = KindInt
	case kindFloat:
		is = KindFloat
	case kindStruct:
		is = KindStruct
	case kindUnion:
		is = KindUnion
	case kindEnum, kindEnum64:
		is = KindEnum
	case kindTypedef:
		is = KindTypedef
	case kindFunc:
		is = KindFunc
	case kindFwd:
		is, forward = KindStruct, true
		if rec.flag() {
			is = KindUnion
		}
	default:
		return false, false
	}
	if k == KindAny {
		return is != KindFunc, forward
	}
	return k == is, forward
}

// Lookup returns every type of a kind and an exact name, the kernel's own
// first; nil when there is none. A kernel has some names twice, for instance
// those of structs private to two source files. A forward declaration is
// returned only when nothing else is.
func (t *Types) Lookup(kind Kind, name string) []btf.Type {
	if name == "" {
		return nil
	}
	blobs := t.snapshot()
	t.mu.Lock()
	defer t.mu.Unlock()
	var types, forwards []btf.Type
	for _, b := range blobs {
		for id := range b.named(name) {
			switch ok, forward := kind.matches(b.record(id)); {
			case !ok:
			case forward:
				forwards = append(forwards, b.decode(id))
			default:
				types = append(types, b.decode(id))
			}
		}
	}
	if types == nil {
		return forwards
	}
	return types
}

// Enumerator returns the value of an enumerator, sign-extended to 64 bits, and
// its enumeration: the first that has one of the name.
func (t *Types) Enumerator(name string) (enum *btf.Enum, value uint64, ok bool) {
	for _, b := range t.snapshot() {
		if name == "" || !strings.Contains(b.strs, name+"\x00") {
			continue // which spares the walk for nearly all names
		}
		for id := range b.ids() {
			if !b.hasEnumerator(b.record(id), name) {
				continue
			}
			enum, _ := t.decode(b, id).(*btf.Enum)
			for _, e := range enum.Values {
				if e.Name == name {
					return enum, e.Value, true
				}
			}
		}
	}
	return nil, 0, false
}

func (b *blob) hasEnumerator(rec record, name string) bool {
	words := enumWords(rec)
	if words == 0 {
		return false
	}
	for i := range rec.vlen() {
		if s, _ := b.str(b.word(rec.body, words*i)); s == name {
			return true
		}
	}
	return false
}

// Names returns the names of all types of a kind, the kernel's own first: for
// completion. A name may come more than once.
func (t *Types) Names(kind Kind) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, b := range t.snapshot() {
			for id := range b.ids() {
				rec := b.record(id)
				if ok, _ := kind.matches(rec); !ok {
					continue
				}
				if name, _ := b.str(rec.nameOff); name != "" && !yield(name) {
					return
				}
			}
		}
	}
}

// Enumerators returns the names of all enumerators, as Names does those of types.
func (t *Types) Enumerators() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, b := range t.snapshot() {
			for id := range b.ids() {
				rec := b.record(id)
				words := enumWords(rec)
				for i := 0; words > 0 && i < rec.vlen(); i++ {
					if s, _ := b.str(b.word(rec.body, words*i)); s != "" && !yield(s) {
						return
					}
				}
			}
		}
	}
}

// enumWords returns the words of struct btf_enum or btf_enum64, whichever a
// record consists of; 0 if it is no enumeration.
func enumWords(rec record) int {
	switch rec.kind() {
	case kindEnum:
		return 2
	case kindEnum64:
		return 3
	}
	return 0
}

// All returns every type, in order of id, the kernel's own first. Declaration
// tags are left out, for they are not types.
func (t *Types) All() iter.Seq[btf.Type] {
	return func(yield func(btf.Type) bool) {
		for _, b := range t.snapshot() {
			for id := range b.ids() {
				if b.record(id).kind() != kindDeclTag && !yield(t.decode(b, id)) {
					return
				}
			}
		}
	}
}

func (t *Types) decode(b *blob, id uint32) btf.Type {
	t.mu.Lock()
	defer t.mu.Unlock()
	return b.decode(id)
}

// ids returns the ids of b's own types, in order.
func (b *blob) ids() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for id := b.start(); id < b.end(); id++ {
			if !yield(uint32(id)) {
				return
			}
		}
	}
}

// nameIndex finds types by name: chains of ids by hash of the name. It is made
// at the first lookup, in a tenth of the time of a sorted table.
type nameIndex struct {
	seed  maphash.Seed
	heads []uint32 // the first id of each chain; 0 ends one
	next  []uint32 // the id after each, by id less the blob's first
}

// named returns the ids of b's own types that have a name, ascending.
func (b *blob) named(name string) iter.Seq[uint32] {
	b.indexOnce.Do(b.buildIndex)
	return func(yield func(uint32) bool) {
		id := b.index.heads[b.index.slot(name)]
		for id != 0 {
			i := int(id) - b.start()
			if s, ok := b.str(b.layout.Uint32(b.types[b.offsets[i]:])); ok && s == name && !yield(id) {
				return
			}
			id = b.index.next[i]
		}
	}
}

func (b *blob) buildIndex() {
	size := 1
	for size < len(b.offsets) {
		size *= 2
	}
	b.index = nameIndex{seed: maphash.MakeSeed(), heads: make([]uint32, size), next: make([]uint32, len(b.offsets))}
	for i, off := range slices.Backward(b.offsets) {
		nameOff := b.layout.Uint32(b.types[off:])
		if nameOff == 0 {
			continue
		}
		if name, ok := b.str(nameOff); ok && name != "" {
			head := &b.index.heads[b.index.slot(name)]
			b.index.next[i] = *head
			*head = uint32(b.start() + i)
		}
	}
}

func (x *nameIndex) slot(name string) int {
	return int(maphash.String(x.seed, name) & uint64(len(x.heads)-1))
}
