package dedup

// Shape is what can be told of a class before all units are read: what is behind
// a name may not be known yet.
type Shape struct {
	Kind   Kind // of a type known by name only, that of the name
	Name   Name
	Size   uint32 // of an array the number of elements
	Ref    Class
	Params []Class
}

// Shape returns the shape of a class. Void has the zero Shape.
func (u *Unit) Shape(c Class) Shape {
	if c == 0 {
		return Shape{}
	}
	words := u.table.class(c).words
	s := Shape{Kind: Kind(words[0] >> kindShift & kindMask)}
	if hasName(s.Kind) {
		s.Name = Name(words[1])
	}
	switch s.Kind {
	case Array:
		s.Size = words[1]
	case Struct, Union, Enum, Enum64, Int, Float:
		s.Size = words[2]
	case structName:
		s.Kind = Struct
	case unionName:
		s.Kind = Union
	case enumName:
		s.Kind = Enum
	}
	switch s.Kind {
	case Ptr, Const, Volatile, Restrict, Typedef, TypeTag, Array, FuncProto, DeclTag:
		s.Ref = Class(words[2])
	}
	if s.Kind == FuncProto {
		for i := 3; i < len(words); i += 2 {
			s.Params = append(s.Params, Class(words[i+1]))
		}
	}
	return s
}

// Open reports whether the shape is that of an array whose bound is not known.
func (s Shape) Open() bool { return s.Kind == Array && s.Size == 0 }
