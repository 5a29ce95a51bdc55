package expr

import (
	"math"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

// arith is one of the types that C computes with: int and above, signed or not,
// and the two floating-point types.
type arith struct {
	rank     rank
	unsigned bool
	float    bool // then rank is that of double, or of float
}

type rank uint8

const (
	rankInt rank = iota
	rankLong
	rankLongLong
)

var (
	intArith = arith{rank: rankInt}
	float    = arith{rank: rankInt, float: true}
	double   = arith{rank: rankLong, float: true}
)

// name returns the type's name in C.
func (a arith) name() string {
	switch {
	case a == float:
		return "float"
	case a == double:
		return "double"
	case a.unsigned:
		return "unsigned " + [...]string{"int", "long", "long long"}[a.rank]
	}
	return [...]string{"int", "long", "long long"}[a.rank]
}

// number is a value to compute with.
type number struct {
	arith
	u uint64  // sign-extended to 64 bits if the type is signed
	f float64 // when the type is a floating-point type
}

// number returns x as a value.
func (ev *evaluator) number(x number) kernel.Value {
	t := ev.k.BasicType(x.name())
	switch {
	case x.arith == float:
		return ev.k.Uint(t, uint64(math.Float32bits(float32(x.f))))
	case x.arith == double:
		return ev.k.Uint(t, math.Float64bits(x.f))
	}
	return ev.k.Uint(t, x.u)
}

// bits returns the width of an integer type.
func (ev *evaluator) bits(a arith) uint {
	switch a.rank {
	case rankInt:
		return 32
	case rankLong:
		return uint(ev.k.Arch().Layout.WordSize) * 8
	}
	return 64
}

// cut cuts u to the width of an integer type, and extends it again.
func (ev *evaluator) cut(a arith, u uint64) uint64 {
	shift := 64 - ev.bits(a)
	if a.unsigned {
		return u << shift >> shift
	}
	return uint64(int64(u<<shift) >> shift)
}

// integerLit gives an integer constant the first type of C's list that holds it:
// decimal ones stay signed unless they say u.
func (ev *evaluator) integerLit(n *literal) number {
	suffix := strings.ToLower(n.text[len(strings.TrimRight(n.text, "uUlL")):])
	unsigned := strings.Contains(suffix, "u")
	decimal := n.text[0] != '0'
	for r := rank(strings.Count(suffix, "l")); r <= rankLongLong; r++ {
		for _, a := range []arith{{rank: r}, {rank: r, unsigned: true}} {
			wrong := unsigned && !a.unsigned || decimal && !unsigned && a.unsigned
			if !wrong && ev.cut(a, n.num) == n.num && (a.unsigned || int64(n.num) >= 0) {
				return number{arith: a, u: n.num}
			}
		}
	}
	return number{arith: arith{rank: rankLongLong, unsigned: true}, u: n.num}
}

// floatLit gives a floating-point constant its type: double unless it says f.
func floatLit(n *literal) number {
	if strings.HasSuffix(strings.ToLower(n.text), "f") {
		return number{arith: float, f: float64(float32(n.float))}
	}
	return number{arith: double, f: n.float}
}

// evalNumber evaluates n, which must be a number, and promotes it.
func (ev *evaluator) evalNumber(n node) (number, error) {
	v, err := ev.eval(n)
	if err != nil {
		return number{}, err
	}
	return ev.promote(n, v)
}

// promote applies C's integer promotions to v, the value of n.
func (ev *evaluator) promote(n node, v kernel.Value) (number, error) {
	_, width, isField := v.Bits()
	loaded, err := ev.load(n, v)
	if err != nil {
		return number{}, err
	}
	var a arith
	switch t := btfsrc.Strip(v.Type()).(type) {
	case *btf.Float:
		f, err := loaded.Float()
		if t.Size == 4 {
			return number{arith: float, f: f}, ev.wrap(n.at(), err)
		}
		return number{arith: double, f: f}, ev.wrap(n.at(), err)
	case *btf.Int:
		a = ev.intArith(t)
	case *btf.Enum:
		a = ev.intArith(&btf.Int{Size: t.Size, Encoding: signedness(t.Signed)})
	default:
		return number{}, ev.errorf(n.at(), kernel.KindType, "a number is needed, this is %s", v.TypeName()).
			advise("take a member of it, or cast it")
	}
	u, err := loaded.Uint()
	if isField && (width < 32 || width == 32 && !a.unsigned) {
		a = intArith // every value of the field is an int
	}
	return number{arith: a, u: ev.cut(a, u)}, ev.wrap(n.at(), err)
}

func signedness(signed bool) btf.IntEncoding {
	if signed {
		return btf.Signed
	}
	return btf.Unsigned
}

// intArith returns what an integer type is promoted to.
func (ev *evaluator) intArith(t *btf.Int) arith {
	a := arith{unsigned: t.Encoding&btf.Signed == 0}
	switch {
	case t.Size < 4:
		return intArith
	case t.Size == 4 && !strings.Contains(t.Name, "long"):
		return a
	case strings.Contains(t.Name, "long long"), ev.k.Arch().Layout.WordSize < int(t.Size):
		a.rank = rankLongLong
	default:
		a.rank = rankLong
	}
	return a
}

// common returns the type of C's usual arithmetic conversions.
func (ev *evaluator) common(x, y arith) arith {
	switch {
	case x.float && y.float:
		return arith{rank: max(x.rank, y.rank), float: true}
	case x.float:
		return x
	case y.float:
		return y
	case x.rank < y.rank:
		x, y = y, x
	}
	// x has the higher rank. It stays signed only where it holds all of y.
	if y.unsigned && (x.rank == y.rank || ev.bits(x) == ev.bits(y)) {
		x.unsigned = true
	}
	return x
}

// convert gives x the type to.
func (ev *evaluator) convert(x number, to arith) number {
	switch {
	case to.float && !x.float && x.unsigned:
		x.f = float64(x.u)
	case to.float && !x.float:
		x.f = float64(int64(x.u))
	}
	if to == float {
		x.f = float64(float32(x.f))
	}
	x.arith = to
	if !to.float {
		x.u = ev.cut(to, x.u)
	}
	return x
}

// compute applies an arithmetic operator to two numbers.
func (ev *evaluator) compute(n *binary, x, y number) (kernel.Value, error) {
	if n.op == "<<" || n.op == ">>" {
		return ev.shift(n, x, y)
	}
	to := ev.common(x.arith, y.arith)
	x, y = ev.convert(x, to), ev.convert(y, to)
	if isComparison(n.op) {
		return ev.boolean(holds(n.op, less(x, y), less(y, x), equal(x, y))), nil
	}
	if to.float {
		return ev.computeFloat(n, x, y)
	}
	u, err := ev.computeInt(n, x, y)
	return ev.number(number{arith: to, u: ev.cut(to, u)}), err
}

func (ev *evaluator) computeInt(n *binary, x, y number) (uint64, error) {
	switch n.op {
	case "+":
		return x.u + y.u, nil
	case "-":
		return x.u - y.u, nil
	case "*":
		return x.u * y.u, nil
	case "&":
		return x.u & y.u, nil
	case "|":
		return x.u | y.u, nil
	case "^":
		return x.u ^ y.u, nil
	}
	switch {
	case y.u == 0 && ev.typing:
		return 0, nil
	case y.u == 0:
		return 0, ev.errorf(n.y.at(), kernel.KindType, "division by zero")
	case n.op == "/" && x.unsigned:
		return x.u / y.u, nil
	case n.op == "/":
		return uint64(int64(x.u) / int64(y.u)), nil
	case x.unsigned:
		return x.u % y.u, nil
	}
	return uint64(int64(x.u) % int64(y.u)), nil
}

func (ev *evaluator) computeFloat(n *binary, x, y number) (kernel.Value, error) {
	switch n.op {
	case "+":
		x.f += y.f
	case "-":
		x.f -= y.f
	case "*":
		x.f *= y.f
	case "/":
		if x.f /= y.f; y.f == 0 && !ev.typing {
			return kernel.Value{}, ev.errorf(n.y.at(), kernel.KindType, "division by zero")
		}
	default:
		return kernel.Value{}, ev.errorf(n.span, kernel.KindType, "'%s' wants integers", n.op)
	}
	return ev.number(x), nil
}

// shift has the type of its promoted left operand. C leaves shifts by the width
// or more undefined; here they are errors.
func (ev *evaluator) shift(n *binary, x, y number) (kernel.Value, error) {
	if x.float || y.float {
		return kernel.Value{}, ev.errorf(n.span, kernel.KindType, "'%s' wants integers", n.op)
	}
	width := ev.bits(x.arith)
	if y.u >= uint64(width) {
		err := ev.errorf(n.y.at(), kernel.KindType, "a shift of %d is too large for %s, which has %d bits", int64(y.u), x.name(), width)
		if y.u < 64 {
			err.Advice = "make it wider: (unsigned long long)x"
		}
		return kernel.Value{}, err
	}
	switch {
	case n.op == "<<":
		x.u = ev.cut(x.arith, x.u<<y.u)
	case x.unsigned:
		x.u >>= y.u
	default:
		x.u = uint64(int64(x.u) >> y.u)
	}
	return ev.number(x), nil
}

// less and equal compare two numbers of the same type.
func less(x, y number) bool {
	switch {
	case x.float:
		return x.f < y.f
	case x.unsigned:
		return x.u < y.u
	}
	return int64(x.u) < int64(y.u)
}

func equal(x, y number) bool {
	if x.float {
		return x.f == y.f
	}
	return x.u == y.u
}

func isComparison(op string) bool {
	switch op {
	case "==", "!=", "<", "<=", ">", ">=":
		return true
	}
	return false
}

// holds tells whether a comparison is true from how its sides compare.
func holds(op string, less, greater, equal bool) bool {
	switch op {
	case "==":
		return equal
	case "!=":
		return !equal
	case "<":
		return less
	case "<=":
		return less || equal
	case ">":
		return greater
	}
	return greater || equal
}
