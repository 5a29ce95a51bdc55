// Package dedup finds out which of the types of many units are the same type.
//
// It works while the units are read. Each worker fills a [Unit] with the types
// of one unit and interns them: a type becomes the words of its record, in which
// other types are numbers of their own records, and equal words become one
// [Class] in the [Table] that all workers share. Memory therefore follows the
// number of different types, not that of the units.
//
// A struct, union or enum that has a name is referred to by that name, not by
// its definition, in the words of others. This cuts every cycle of C types, and
// lets a declaration without definition stand for what it declares. The price is
// that classes are known only up to the meaning of names, which [Table.Resolve]
// settles when all units have been read:
//
//   - a name with one definition means that definition everywhere;
//   - a name without definition stays a declaration;
//   - a name with several definitions means in each unit the one of that unit.
//     Units that have such definitions in common and do not contradict each other
//     are taken for one program, and share what they know. A class from which
//     such a name can be reached is split into variants, one for each meaning. A
//     unit without definition of its own goes along with the variant of the
//     others, as the linkers of BTF before this one have it.
//
// What results is the coarsest partition: two types are one exactly if no path
// of references from them tells them apart. It depends neither on the order in
// which the units were read nor on the number of workers.
//
// The package knows nothing of DWARF and writes no BTF. Its words follow the
// records of BTF, as that is what package encode makes of them.
package dedup

// Name is an interned string, 0 the empty one. Its value depends on the timing of
// the workers and must not decide anything but equality.
type Name uint32

// deferred marks a Name that is a reference to a string not looked at yet.
const deferred Name = 1 << 31

// Deferred returns a name for a member or enumerator that stands for string ref
// of the file being read, below 1<<31. It is interned only if a type is new: most
// are not, and the same references show it.
func Deferred(ref uint32) Name { return deferred | Name(ref) }

// DeferredNames knows what deferred names stand for.
type DeferredNames interface {
	Intern(ref uint32) Name
	Is(ref uint32, n Name) bool // whether Intern would return n
}

// Class is an interned type: equal within one Table for equal words. 0 is void.
// Like that of a Name, its value depends on timing.
type Class uint32

// Entry names a type within its unit; usually it is the offset of an entry of
// DWARF. 0 is void.
type Entry uint32

// Kind is the kind of a type. Up to Enum64, the values are those of BTF.
type Kind uint8

const (
	Void Kind = iota
	Int
	Ptr
	Array
	Struct
	Union
	Enum
	Fwd
	Typedef
	Volatile
	Const
	Restrict
	Func
	FuncProto
	Var
	Datasec
	Float
	DeclTag
	TypeTag
	Enum64

	// Alias is no type of its own: references to it are made to what it refers to.
	Alias

	// Name-only nodes: what a reference to a struct, union or enum of a name is
	// made to, until Resolve finds the definition.
	structName
	unionName
	enumName
	// private refers to one type of one unit, where a name would not do.
	private
)

// Parts of the first word of a class.
const (
	kindShift = 24
	kindMask  = 0x7f
	vlenMask  = 1<<kindShift - 1
	flagBit   = 1 << 31
)

// Type is a type as it is entered into a Unit. Its members, enumerators or
// parameters follow by [Unit.Child].
type Type struct {
	Kind        Kind
	Flag        bool // an enum has negative values, a tag is an attribute
	Declaration bool // a struct, union or enum is declared and not defined here
	Name        Name
	Ref         Entry  // what it points to, returns, qualifies, or is an array of
	Size        uint32 // bytes; elements of an array; component of a declaration tag
	Data        uint32 // encoding and bits of an integer, as BTF has them
}

// Child is a member, an enumerator or a parameter.
type Child struct {
	Name   Name
	Ref    Entry  // type of a member or parameter
	Lo, Hi uint32 // of an enumerator's value; of a member, bit offset and bit size
}

// namer returns the name-only kind that refers to a type of kind k, 0 if
// references to it are not made by name.
func (k Kind) namer() Kind {
	switch k {
	case Struct:
		return structName
	case Union:
		return unionName
	case Enum, Enum64:
		return enumName
	}
	return 0
}
