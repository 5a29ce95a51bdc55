package vartypes

import (
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
)

// The table writes a type from its outside to its inside, so that neither writing
// nor reading needs C's grammar:
//
//	v  ilong;  slist_head;  uname;  ezone_type;  tu32;   void and named types
//	*T  [4]T  cT  VT  rT                                  pointer, array, const, volatile, restrict
//	(PPP)R  (PP.)R                                        function of parameters P that returns R
//	{next Tprev T}  <a Tb T>  =FIRST;                       unnamed struct, union, enum
//
// An unnamed type is known by its members, an enumeration by its first enumerator.
// Type tags are left out, which few compilers write, and the const of an array
// whose elements are.
const (
	markVoid     = 'v'
	markInt      = 'i' // and float
	markStruct   = 's'
	markUnion    = 'u'
	markEnum     = 'e'
	markTypedef  = 't'
	markPointer  = '*'
	markArray    = '['
	markConst    = 'c'
	markVolatile = 'V'
	markRestrict = 'r'
	markFunc     = '('
)

// maxDepth bounds types in types, written and read, and maxSpelling the bytes of
// a spelling: the longest of Linux 7.2 has about 2,000.
const (
	maxDepth    = 32
	maxSpelling = 16 << 10
)

// Spell returns the table's spelling of a type; ok is false for what no variable
// can be, and for a type that is too long or contains itself.
func Spell(t btf.Type) (text string, ok bool) {
	var s speller
	ok = s.spell(t, 0) && s.Len() <= maxSpelling
	return s.String(), ok
}

type speller struct{ strings.Builder }

func (s *speller) spell(t btf.Type, depth int) bool {
	if depth > maxDepth || s.Len() > maxSpelling {
		return false
	}
	inner := func(mark string, t btf.Type) bool {
		s.WriteString(mark)
		return s.spell(t, depth+1)
	}
	switch t := t.(type) {
	case nil, *btf.Void:
		s.WriteByte(markVoid)
		return true
	case *btf.Int:
		return s.name(markInt, t.Name)
	case *btf.Float:
		return s.name(markInt, t.Name)
	case *btf.Typedef:
		return s.name(markTypedef, t.Name)
	case *btf.Struct:
		return s.composite(markStruct, t.Name, "{}", t.Members, depth)
	case *btf.Union:
		return s.composite(markUnion, t.Name, "<>", t.Members, depth)
	case *btf.Fwd:
		if t.Kind == btf.FwdUnion {
			return s.name(markUnion, t.Name)
		}
		return s.name(markStruct, t.Name)
	case *btf.Enum:
		if t.Name == "" && len(t.Values) > 0 {
			return s.name('=', t.Values[0].Name)
		}
		return s.name(markEnum, t.Name)
	case *btf.Pointer:
		return inner("*", t.Target)
	case *btf.Array:
		return inner("["+strconv.FormatUint(uint64(t.Nelems), 10)+"]", t.Type)
	case *btf.Const:
		if a, ok := t.Type.(*btf.Array); ok { // const to its elements, which say so
			return s.spell(a, depth)
		}
		return inner("c", t.Type)
	case *btf.Volatile:
		return inner("V", t.Type)
	case *btf.Restrict:
		return inner("r", t.Type)
	case *btf.TypeTag:
		return s.spell(t.Type, depth+1)
	case *btf.FuncProto:
		return s.function(t, depth)
	}
	return false
}

// name writes a mark and a name; there must be one.
func (s *speller) name(mark byte, name string) bool {
	s.WriteByte(mark)
	s.WriteString(name)
	s.WriteByte(';')
	return name != "" && !strings.ContainsAny(name, ";\t\n")
}

// composite writes the name of a struct or union, or its members.
func (s *speller) composite(mark byte, name, brackets string, members []btf.Member, depth int) bool {
	if name != "" {
		return s.name(mark, name)
	}
	s.WriteByte(brackets[0])
	for _, m := range members {
		s.WriteString(m.Name + " ")
		if !s.spell(m.Type, depth+1) {
			return false
		}
	}
	s.WriteByte(brackets[1])
	return len(members) > 0
}

func (s *speller) function(t *btf.FuncProto, depth int) bool {
	s.WriteByte(markFunc)
	for i, p := range t.Params {
		if _, void := btfsrc.Strip(p.Type).(*btf.Void); void && i == len(t.Params)-1 {
			s.WriteByte('.')
			break
		}
		if !s.spell(p.Type, depth+1) {
			return false
		}
	}
	s.WriteByte(')')
	return s.spell(t.Return, depth+1)
}
