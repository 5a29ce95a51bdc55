package btfsrc

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// maxDepth bounds each walk from type to type where C gives no bound: chains of
// typedefs, qualifiers, pointers and array dimensions, and structs in structs.
// The kernel's own bound on a chain is 32 (MAX_RESOLVE_DEPTH in
// kernel/bpf/btf.c).
const maxDepth = 64

// Errors that a caller may ask for with errors.Is.
var (
	ErrIncomplete = errors.New("incomplete type") // void, a function, or a struct that is only declared
	ErrCycle      = errors.New("type contains itself")
)

// next returns what a typedef, qualifier or type tag stands for.
func next(typ btf.Type) (btf.Type, bool) {
	switch t := typ.(type) {
	case *btf.Typedef:
		return t.Type, true
	case *btf.Const:
		return t.Type, true
	case *btf.Volatile:
		return t.Type, true
	case *btf.Restrict:
		return t.Type, true
	case *btf.TypeTag:
		return t.Type, true
	}
	return typ, false
}

// isVoid reports whether typ is void; a nil type counts as void.
func isVoid(typ btf.Type) bool {
	if typ == nil {
		return true
	}
	_, ok := typ.(*btf.Void)
	return ok
}

// Strip returns typ without typedefs, qualifiers and type tags. Broken BTF in
// which they never end gives void.
func Strip(typ btf.Type) btf.Type {
	for range maxDepth {
		t, ok := next(typ)
		if !ok {
			if t == nil {
				break
			}
			return t
		}
		typ = t
	}
	return (*btf.Void)(nil)
}

// Sizeof returns the size of typ in bytes. The error is [ErrIncomplete] for a
// type that has no size and [ErrCycle] for an array of itself.
func (t *Types) Sizeof(typ btf.Type) (uint64, error) {
	count := uint64(1)
	for range maxDepth {
		var size uint64
		switch s := Strip(typ).(type) {
		case *btf.Array:
			over, n := bits.Mul64(count, uint64(s.Nelems))
			if over != 0 {
				return 0, fmt.Errorf("array of 2^64 elements or more")
			}
			count, typ = n, s.Type
			continue
		case *btf.Var:
			typ = s.Type
			continue
		case *btf.Pointer:
			size = uint64(t.layout.WordSize)
		case *btf.Int:
			size = uint64(s.Size)
		case *btf.Float:
			size = uint64(s.Size)
		case *btf.Enum:
			size = uint64(s.Size)
		case *btf.Struct:
			size = uint64(s.Size)
		case *btf.Union:
			size = uint64(s.Size)
		case *btf.Datasec:
			size = uint64(s.Size)
		default:
			return 0, fmt.Errorf("%s: %w", TypeName(typ), ErrIncomplete)
		}
		over, n := bits.Mul64(count, size)
		if over != 0 {
			return 0, fmt.Errorf("array of 2^64 bytes or more")
		}
		return n, nil
	}
	return 0, ErrCycle
}

// Field is a member of a struct or union.
type Field struct {
	Name string // empty for an anonymous struct or union
	Type btf.Type
	// BitOffset counts bits from the start of the struct in the order of the
	// machine's memory: bit 0 is the least significant of byte 0 on a
	// little-endian machine and the most significant on a big-endian one.
	BitOffset uint64
	BitSize   uint64 // width of a bit-field; 0: not a bit-field
}

// Fields returns the direct members of a struct or union, also through typedefs
// and qualifiers; nil for any other type.
func Fields(typ btf.Type) []Field {
	members := membersOf(typ)
	if members == nil {
		return nil
	}
	fields := make([]Field, len(members))
	for i, m := range members {
		fields[i] = newField(m, 0)
	}
	return fields
}

func newField(m btf.Member, base uint64) Field {
	return Field{Name: m.Name, Type: m.Type, BitOffset: base + uint64(m.Offset), BitSize: uint64(m.BitfieldSize)}
}

func membersOf(typ btf.Type) []btf.Member {
	switch t := Strip(typ).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

// MemberError reports a member that a type does not have.
type MemberError struct {
	Type btf.Type
	Name string
}

func (e *MemberError) Error() string {
	switch Strip(e.Type).(type) {
	case *btf.Struct, *btf.Union:
		return fmt.Sprintf("%s has no member %q", TypeName(e.Type), e.Name)
	}
	return fmt.Sprintf("%s has no members: not a struct or union", TypeName(e.Type))
}

// Is reports whether target is [vmcore.ErrNotFound].
func (e *MemberError) Is(target error) bool { return target == vmcore.ErrNotFound }

// Find returns the member of a name, which may lie in anonymous members: its
// offset counts from the start of typ. The error is a [*MemberError].
func Find(typ btf.Type, name string) (Field, error) {
	if name != "" {
		f := finder{name: name}
		if field, ok := f.find(typ, 0); ok {
			return field, nil
		}
	}
	return Field{}, &MemberError{Type: typ, Name: name}
}

type finder struct {
	name  string
	depth int
	seen  map[btf.Type]bool // anonymous types known not to have the member
}

func (f *finder) find(typ btf.Type, base uint64) (Field, bool) {
	members := membersOf(typ)
	for _, m := range members {
		if m.Name == f.name {
			return newField(m, base), true
		}
	}
	if f.depth++; f.depth > maxDepth {
		return Field{}, false
	}
	defer func() { f.depth-- }()
	for _, m := range members {
		if m.Name != "" || f.seen[m.Type] {
			continue
		}
		if field, ok := f.find(m.Type, base+uint64(m.Offset)); ok {
			return field, true
		}
		if f.seen == nil {
			f.seen = map[btf.Type]bool{}
		}
		f.seen[m.Type] = true
	}
	return Field{}, false
}
