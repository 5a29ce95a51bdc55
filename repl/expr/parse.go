package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

// maxDepth bounds how deep parentheses, operators and types may nest.
const maxDepth = 200

// TypeOracle tells names of types from other names: C cannot be parsed without.
type TypeOracle interface {
	// IsType reports whether a bare name, such as "u64", is that of a typedef.
	// likely is set where nothing else makes sense: the answer may then cost
	// more, for it is not asked of every name.
	IsType(name string, likely bool) bool
}

// Expr is a parsed expression. It is immutable.
type Expr struct {
	src  string
	root node
}

// Parse parses an expression. The error is an [*Error].
func Parse(src string, types TypeOracle) (*Expr, error) {
	p, err := newParser(src, types)
	if err != nil {
		return nil, err
	}
	root := p.expr(precAssign)
	if err := p.end(); err != nil {
		return nil, err
	}
	return &Expr{src: src, root: root}, nil
}

// String returns the expression with blanks and parentheses as in kernel
// code. Parsing it gives the same expression.
func (e *Expr) String() string { return exprString(e.root) }

// parser is a Pratt parser over the tokens of one expression. Its methods
// return no errors: the first one is kept and what remains of the source is
// skipped, so that all of them return.
type parser struct {
	src   string
	toks  []token // the last is tokEOF
	pos   int
	types TypeOracle
	depth int
	err   *Error

	// noCPU is set between ? and :, where x:0 is not variable x on CPU 0.
	noCPU bool
}

func newParser(src string, types TypeOracle) (*parser, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	return &parser{src: src, toks: toks, types: types}, nil
}

func (p *parser) peek() token { return p.toks[p.pos] }

// peekAt returns the n-th token from here, tokEOF past the end.
func (p *parser) peekAt(n int) token { return p.toks[min(p.pos+n, len(p.toks)-1)] }

func (p *parser) next() token {
	tok := p.peek()
	if tok.kind != tokEOF {
		p.pos++
	}
	return tok
}

// is reports whether the next token is the operator op.
func (p *parser) is(op string) bool { return p.peek().isOp(op) }

func (t token) isOp(op string) bool { return t.kind == tokOp && t.text == op }

func (t token) isWord(words ...string) bool {
	return t.kind == tokIdent && !t.quoted && slices.Contains(words, t.text)
}

// accept consumes op when it is next.
func (p *parser) accept(op string) bool {
	if !p.is(op) {
		return false
	}
	p.pos++
	return true
}

func (p *parser) expect(op string) {
	if !p.accept(op) {
		p.unexpected("'" + op + "'")
	}
}

// end returns the error of the parse, which may be that something is left over.
func (p *parser) end() error {
	switch tok := p.peek(); {
	case tok.kind == tokEOF:
	case tok.isOp(":"):
		p.fail(tok.span, "':' without '?', and no CPU number joined to it").
			advise("a per-CPU variable on one CPU is written runqueues:0, without blanks")
	case tok.kind == tokIdent:
		p.fail(tok.span, "'%s' does not belong here", tok.text).advise("an operator is missing before it")
	default:
		p.unexpected("an operator")
	}
	if p.err != nil {
		return p.err
	}
	return nil
}

// fail keeps the first error and moves to the end of the source.
func (p *parser) fail(at span, format string, args ...any) *Error {
	err := &Error{Src: p.src, Pos: at.pos, End: at.end, Msg: fmt.Sprintf(format, args...), kind: kernel.KindSyntax}
	if p.err == nil {
		p.err = err
	}
	p.pos = len(p.toks) - 1
	return err
}

// unexpected reports the next token where want should be. At the end of the
// source, more of it may follow on another line.
func (p *parser) unexpected(want string) {
	tok := p.peek()
	if tok.kind != tokEOF {
		p.fail(tok.span, "'%s' where %s should be", tok.text, want)
		return
	}
	err := p.fail(tok.span, "the expression ends where %s should be", want)
	err.Incomplete = strings.TrimSpace(p.src) != ""
}

// nest guards a recursive method; the function that it returns ends it.
func (p *parser) nest() (leave func()) {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek().span, "nested too deeply")
	}
	return func() { p.depth-- }
}

// from returns the span from start to the last token consumed.
func (p *parser) from(start int) span { return span{start, p.toks[max(p.pos-1, 0)].end} }

// expr parses operators that bind at least as tight as prec.
func (p *parser) expr(prec int) node {
	defer p.nest()()
	x := p.unary()
	for {
		start, tok := x.at().pos, p.peek()
		own, isBinary := binaryPrec[tok.text]
		switch {
		case tok.kind != tokOp:
			return x
		case isBinary && own >= prec:
			p.next()
			y := p.expr(own + 1)
			x = &binary{span: p.from(start), op: tok.text, x: x, y: y}
		case tok.text == "?" && precCond >= prec:
			p.next()
			yes := p.within(true, precCond)
			p.expect(":")
			no := p.expr(precCond)
			x = &cond{span: p.from(start), c: x, x: yes, y: no}
		case strings.HasSuffix(tok.text, "=") && !isBinary && precAssign >= prec:
			return p.assign(x)
		default:
			return x
		}
	}
}

// within parses an expression with noCPU set or cleared.
func (p *parser) within(noCPU bool, prec int) node {
	defer func(saved bool) { p.noCPU = saved }(p.noCPU)
	p.noCPU = noCPU
	return p.expr(prec)
}

// inner parses an expression between brackets or commas.
func (p *parser) inner() node { return p.within(false, precAssign) }

func (p *parser) assign(x node) node {
	op := p.next()
	to, ok := x.(*convenience)
	switch {
	case !ok:
		p.fail(op.span, "cannot assign: a dump is read only").
			advise("compare with ==; only convenience variables can be set, as in $t = init_task.pid")
		return x
	case op.text != "=":
		p.fail(op.span, "no operator '%s'", op.text).
			advise(fmt.Sprintf("write $%s = $%s %s …", to.name, to.name, strings.TrimSuffix(op.text, "=")))
		return x
	}
	y := p.expr(precAssign)
	return &assign{span: p.from(to.pos), name: to.name, x: y}
}

// unary parses prefix operators, casts and sizeof.
func (p *parser) unary() node {
	defer p.nest()()
	tok := p.peek()
	switch {
	case tok.isOp("(") && (p.typeFollows(1) && p.isCast() || p.isPointerCast()):
		return p.cast()
	case tok.isWord("sizeof"):
		return p.sizeof()
	case tok.isOp("++"), tok.isOp("--"):
		p.readOnly(tok)
	case tok.kind == tokOp && strings.Contains("+-~!*&", tok.text):
		p.next()
		x := p.unary()
		return &unary{span: p.from(tok.pos), op: tok.text, x: x}
	}
	return p.postfix()
}

func (p *parser) readOnly(op token) {
	p.fail(op.span, "no operator '%s': a dump is read only", op.text)
}

// isCast tells (name)x from (name), where name is that of a typedef: the
// second is a variable of the same name.
func (p *parser) isCast() bool {
	if !p.peekAt(2).isOp(")") || !p.isTypedef(p.peekAt(1)) {
		return true
	}
	after := p.peekAt(3)
	return after.kind != tokEOF && (after.kind != tokOp || slices.Contains([]string{"(", "+", "-", "~", "!", "*", "&"}, after.text))
}

// isPointerCast recognises (name *), which can only be meant as a cast.
func (p *parser) isPointerCast() bool {
	n := 2
	for p.peekAt(n).isOp("*") {
		n++
	}
	name := p.peekAt(1)
	if name.kind != tokIdent || n == 2 || !p.peekAt(n).isOp(")") {
		return false
	}
	if p.types != nil && p.types.IsType(name.text, true) {
		return true
	}
	p.fail(name.span, "no type %q", name.text).
		advise("the name of a struct, union or enum wants that word: (struct task_struct *)x").
		Err = &kernel.NotFoundError{What: "type", Name: name.text}
	return false
}

func (p *parser) cast() node {
	start := p.next().pos
	typ := p.typeName()
	p.expect(")")
	if p.is("{") {
		p.fail(p.peek().span, "a compound literal has no place in a dump")
	}
	x := p.unary()
	return &cast{span: p.from(start), typ: typ, x: x}
}

func (p *parser) sizeof() node {
	start := p.next().pos
	if p.is("(") && p.typeFollows(1) {
		p.next()
		typ := p.typeName()
		p.expect(")")
		return &sizeofType{span: p.from(start), typ: typ}
	}
	x := p.unary()
	return &sizeofExpr{span: p.from(start), x: x}
}

// postfix parses a primary expression and what is applied to it.
func (p *parser) postfix() node {
	x := p.primary()
	for {
		switch tok := p.peek(); {
		case tok.isOp("."), tok.isOp("->"):
			x = p.member(x)
		case tok.isOp("["):
			x = p.index(x)
		case tok.isOp("("):
			p.fail(span{x.at().pos, tok.end}, "a dump does not run: its functions cannot be called")
		case tok.isOp("++"), tok.isOp("--"):
			p.readOnly(tok)
		default:
			return x
		}
	}
}

func (p *parser) member(x node) node {
	op := p.next()
	name := p.memberName()
	return &member{span: p.from(x.at().pos), op: op.text, x: x, name: name}
}

func (p *parser) memberName() string {
	tok := p.peek()
	if tok.kind != tokIdent || tok.nth > 0 || tok.quoted {
		p.unexpected("the name of a member")
	}
	p.next()
	return tok.text
}

// index parses [i] or [lo..hi].
func (p *parser) index(x node) node {
	p.next()
	i := p.inner()
	var hi node
	if p.accept("..") {
		hi = p.inner()
	}
	p.expect("]")
	at := p.from(x.at().pos)
	if hi != nil {
		return &slice{span: at, x: x, lo: i, hi: hi}
	}
	return &index{span: at, x: x, i: i}
}

func (p *parser) primary() node {
	tok := p.peek()
	switch {
	case tok.kind == tokIdent:
		return p.name()
	case tok.kind == tokDollar:
		p.next()
		return dollar(tok)
	case tok.isOp("("):
		p.next()
		x := p.inner()
		p.expect(")")
		return x
	case tok.kind == tokOp, tok.kind == tokEOF:
		p.unexpected("an expression")
	}
	p.next()
	return &literal{token: tok}
}

// name parses a built-in function, a variable, or a variable on one CPU.
func (p *parser) name() node {
	tok := p.peek()
	if !tok.quoted && p.peekAt(1).isOp("(") {
		if parse, ok := builtins[tok.text]; ok {
			p.next()
			p.next()
			return parse(p, tok.pos)
		}
	}
	if p.startsType(tok) && !p.isTypedef(tok) {
		p.fail(tok.span, "a type where a value should be").
			advise("a cast is written (struct task_struct *)x; sizeof(struct task_struct) is a value")
	}
	p.next()
	// A symbol that has the name of a type stays a symbol when printed.
	x := &ident{span: tok.span, name: tok.text, nth: tok.nth, quoted: tok.quoted || p.isTypedef(tok)}
	colon, cpu := p.peek(), p.peekAt(1)
	joined := colon.isOp(":") && colon.pos == tok.end && cpu.pos == colon.end
	if !joined || p.noCPU || cpu.kind != tokInt && cpu.kind != tokDollar {
		return x
	}
	p.next()
	n := p.primary()
	return &perCPU{span: p.from(tok.pos), x: x, cpu: n}
}

// dollar tells history from convenience variables. The lexer has checked tok.
func dollar(tok token) node {
	digits := strings.TrimLeft(tok.text, "$")
	n, err := strconv.Atoi(digits)
	switch back := len(tok.text) - len(digits); {
	case digits == "":
		n = 1 - back
	case err != nil:
		return &convenience{span: tok.span, name: digits}
	case back == 2:
		n = -n
	}
	return &history{span: tok.span, text: tok.text, n: n}
}
