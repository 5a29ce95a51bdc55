package expr

// span is where a node stands in the source: bytes [pos, end).
type span struct{ pos, end int }

func (s span) at() span { return s }

// node is an expression.
type node interface{ at() span }

type (
	// literal is a number, a character or a string.
	literal struct{ token }

	// ident names a variable, a function, an enumerator or a bare symbol.
	ident struct {
		span
		name   string
		nth    int  // 2 in name#2, else 0
		quoted bool // `name`: a type of that name does not matter
	}
	history struct { // $, $$, $1, $$2
		span
		text string
		n    int // as for [Scope.History]
	}
	convenience struct { // $name
		span
		name string
	}

	unary struct { // + - ~ ! * &
		span
		op string
		x  node
	}
	binary struct {
		span
		op   string
		x, y node
	}
	cond struct { // c ? x : y
		span
		c, x, y node
	}
	assign struct { // $name = x
		span
		name string
		x    node
	}

	member struct { // x.name, x->name
		span
		op   string
		x    node
		name string
	}
	index struct { // x[i]
		span
		x, i node
	}
	slice struct { // x[lo..hi]
		span
		x, lo, hi node
	}

	cast struct { // (typ)x
		span
		typ typeNode
		x   node
	}
	sizeofExpr struct {
		span
		x node
	}
	sizeofType struct {
		span
		typ typeNode
	}
	offsetOf struct { // offsetof(typ, path)
		span
		typ  typeNode
		path node // members and indexes over a placeholder
	}
	containerOf struct { // container_of(x, typ, path)
		span
		x    node
		typ  typeNode
		path node
	}
	perCPU struct { // per_cpu(x, cpu), x:cpu; per_cpu_ptr(x, cpu)
		span
		x, cpu node
		ptr    bool
	}

	// placeholder is the object at the root of a member path.
	placeholder struct{ span }
)

// typeNode is a type name.
type typeNode interface{ at() span }

type (
	// baseType is what a type name begins with.
	baseType struct {
		span
		qual qualifiers
		word string // "struct", "union", "enum"; "" for a typedef or a built-in
		name string // built-ins in C's shortest form, such as "unsigned long"
		nth  int    // 2 in struct name#2, else 0
	}
	typeofType struct { // typeof(x), typeof(typ): one of the two is set
		span
		qual qualifiers
		x    node
		typ  typeNode
	}
	pointerType struct {
		span
		elem typeNode
		qual qualifiers
	}
	arrayType struct {
		span
		elem typeNode
		n    node // nil: no length
	}
	funcType struct {
		span
		result   typeNode
		params   []typeNode
		variadic bool
	}
)

type qualifiers uint8

const (
	qualConst qualifiers = 1 << iota
	qualVolatile
	qualRestrict
)
