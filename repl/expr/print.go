package expr

import (
	"strconv"
	"strings"
)

// Precedences, loosest first. A unary operator binds its operand at precUnary,
// and a postfix one at precPostfix.
const (
	precAssign = iota + 1
	precCond
	precBinary  // of ||; each tighter group of binary operators adds 1
	precUnary   = precBinary + 10
	precPostfix = precUnary + 1
)

var binaryPrec = map[string]int{
	"||": precBinary, "&&": precBinary + 1, "|": precBinary + 2, "^": precBinary + 3, "&": precBinary + 4,
	"==": precBinary + 5, "!=": precBinary + 5,
	"<": precBinary + 6, ">": precBinary + 6, "<=": precBinary + 6, ">=": precBinary + 6,
	"<<": precBinary + 7, ">>": precBinary + 7,
	"+": precBinary + 8, "-": precBinary + 8,
	"*": precBinary + 9, "/": precBinary + 9, "%": precBinary + 9,
}

// printer writes a tree as source that parses to the same tree.
type printer struct{ strings.Builder }

// expr writes n, in parentheses when it binds looser than prec.
func (p *printer) expr(n node, prec int) {
	if precOf(n) < prec {
		p.WriteByte('(')
		p.expr(n, 0)
		p.WriteByte(')')
		return
	}
	switch n := n.(type) {
	case *literal:
		p.WriteString(n.text)
	case *ident:
		p.name(n)
	case *history:
		p.WriteString(n.text)
	case *convenience:
		p.WriteString("$" + n.name)
	case *unary:
		p.unary(n)
	case *binary:
		own := binaryPrec[n.op]
		p.expr(n.x, own)
		p.WriteString(" " + n.op + " ")
		p.expr(n.y, own+1)
	case *cond:
		p.expr(n.c, precBinary)
		p.WriteString(" ? ")
		p.expr(n.x, precCond)
		p.WriteString(" : ")
		p.expr(n.y, precCond)
	case *assign:
		p.WriteString("$" + n.name + " = ")
		p.expr(n.x, precAssign)
	case *cast:
		p.WriteString("(" + typeString(n.typ) + ")")
		p.expr(n.x, precUnary)
	case *sizeofExpr:
		p.WriteString("sizeof ")
		if _, ok := n.x.(*cast); ok {
			p.expr(n.x, precPostfix) // sizeof (T)x is sizeof(T), then x
			return
		}
		p.expr(n.x, precUnary)
	default:
		p.postfix(n)
	}
}

// postfix writes what ends in a bracket, a parenthesis or a member.
func (p *printer) postfix(n node) {
	switch n := n.(type) {
	case *member:
		switch x := n.x.(type) {
		case *placeholder:
		case *literal: // a member of a number: 2.y is no number
			p.WriteString("(" + x.text + ")" + n.op)
		default:
			p.expr(x, precPostfix)
			p.WriteString(n.op)
		}
		p.WriteString(n.name)
	case *index:
		p.expr(n.x, precPostfix)
		p.WriteByte('[')
		p.expr(n.i, 0)
		p.WriteByte(']')
	case *slice:
		p.expr(n.x, precPostfix)
		p.WriteByte('[')
		p.expr(n.lo, 0)
		p.WriteString("..")
		p.expr(n.hi, 0)
		p.WriteByte(']')
	case *sizeofType:
		p.WriteString("sizeof(" + typeString(n.typ) + ")")
	case *offsetOf:
		p.WriteString("offsetof(" + typeString(n.typ) + ", ")
		p.expr(n.path, 0)
		p.WriteByte(')')
	case *containerOf:
		p.WriteString("container_of(")
		p.expr(n.x, 0)
		p.WriteString(", " + typeString(n.typ) + ", ")
		p.expr(n.path, 0)
		p.WriteByte(')')
	case *perCPU:
		p.WriteString("per_cpu")
		if n.ptr {
			p.WriteString("_ptr")
		}
		p.WriteByte('(')
		p.expr(n.x, 0)
		p.WriteString(", ")
		p.expr(n.cpu, 0)
		p.WriteByte(')')
	}
}

func (p *printer) name(n *ident) {
	if n.quoted {
		p.WriteString("`" + n.name + "`")
	} else {
		p.WriteString(n.name)
	}
	if n.nth > 0 {
		p.WriteString("#" + strconv.Itoa(n.nth))
	}
}

// unary writes an operator, apart from its like in the operand: - -x is not --x.
func (p *printer) unary(n *unary) {
	p.WriteString(n.op)
	if x, ok := n.x.(*unary); ok && x.op == n.op && strings.Contains("+-&", n.op) {
		p.WriteByte(' ')
	}
	p.expr(n.x, precUnary)
}

func precOf(n node) int {
	switch n := n.(type) {
	case *assign:
		return precAssign
	case *cond:
		return precCond
	case *binary:
		return binaryPrec[n.op]
	case *unary, *cast, *sizeofExpr, *sizeofType:
		return precUnary
	}
	return precPostfix
}

// typeString spells a type name in C.
func typeString(t typeNode) string { return declarator(t, "") }

// declarator spells t around inner, from the inside out as C does.
func declarator(t typeNode, inner string) string {
	switch t := t.(type) {
	case *pointerType:
		inner = "*" + strings.TrimSuffix(t.qual.String()+inner, " ")
		switch t.elem.(type) {
		case *arrayType, *funcType:
			inner = "(" + inner + ")"
		}
		return declarator(t.elem, inner)
	case *arrayType:
		n := ""
		if t.n != nil {
			n = exprString(t.n)
		}
		return declarator(t.elem, inner+"["+n+"]")
	case *funcType:
		return declarator(t.result, inner+"("+t.parameters()+")")
	}
	text := baseString(t)
	if inner != "" && inner[0] != '[' {
		text += " "
	}
	return text + inner
}

func (t *funcType) parameters() string {
	var list []string
	for _, param := range t.params {
		list = append(list, typeString(param))
	}
	if t.variadic {
		list = append(list, "...")
	}
	if len(list) == 0 {
		return "void"
	}
	return strings.Join(list, ", ")
}

func baseString(t typeNode) string {
	switch t := t.(type) {
	case *typeofType:
		if t.typ != nil {
			return t.qual.String() + "typeof(" + typeString(t.typ) + ")"
		}
		return t.qual.String() + "typeof(" + exprString(t.x) + ")"
	case *baseType:
		text := t.qual.String()
		if t.word != "" {
			text += t.word + " "
		}
		text += t.name
		if t.nth > 0 {
			text += "#" + strconv.Itoa(t.nth)
		}
		return text
	}
	return ""
}

func exprString(n node) string {
	var p printer
	p.expr(n, 0)
	return p.String()
}

// String returns the qualifiers, each followed by a blank.
func (q qualifiers) String() string {
	text := ""
	for i, word := range []string{"const ", "volatile ", "restrict "} {
		if q&(1<<i) != 0 {
			text += word
		}
	}
	return text
}
