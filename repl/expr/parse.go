package expr

import (
	"fmt"
	"slices"
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
	root, err := p.expr(precAssign)
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return &Expr{src: src, root: root}, nil
}

// String returns the expression with blanks and parentheses as in kernel
// code. Parsing it gives the same expression.
func (e *Expr) String() string { return exprString(e.root) }

// parser is a Pratt parser over the tokens of one expression.
type parser struct {
	src   string
	toks  []token // the last is tokEOF
	pos   int
	types TypeOracle
	depth int

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

func (p *parser) expect(op string) error {
	if p.accept(op) {
		return nil
	}
	return p.unexpected("'" + op + "'")
}

// end reports what is left over.
func (p *parser) end() error {
	tok := p.peek()
	switch {
	case tok.kind == tokEOF:
		return nil
	case tok.isOp(":"):
		return p.errorf(tok.span, "':' without '?', and no CPU number joined to it").advise("a per-CPU variable on one CPU is written runqueues:0, without blanks")
	case tok.kind == tokIdent:
		return p.errorf(tok.span, "'%s' does not belong here", tok.text).advise("an operator is missing before it")
	}
	return p.unexpected("an operator")
}

func (p *parser) errorf(at span, format string, args ...any) *Error {
	return &Error{Src: p.src, Pos: at.pos, End: at.end, Msg: fmt.Sprintf(format, args...), kind: kernel.KindSyntax}
}

func (e *Error) advise(hint string) *Error {
	e.Advice = hint
	return e
}

// unexpected reports the next token where want should be. At the end of the
// source, more of it may follow on another line.
func (p *parser) unexpected(want string) *Error {
	tok := p.peek()
	if tok.kind == tokEOF {
		err := p.errorf(tok.span, "the expression ends where %s should be", want)
		err.Incomplete = strings.TrimSpace(p.src) != ""
		return err
	}
	return p.errorf(tok.span, "'%s' where %s should be", tok.text, want)
}

// enter guards a recursive call; leave undoes it.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.errorf(p.peek().span, "nested too deeply")
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// from returns the span from start to the last token consumed.
func (p *parser) from(start int) span { return span{start, p.toks[max(p.pos-1, 0)].end} }

// expr parses operators that bind at least as tight as prec.
func (p *parser) expr(prec int) (node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		tok := p.peek()
		own, isBinary := binaryPrec[tok.text]
		switch {
		case tok.kind != tokOp:
			return x, nil
		case isBinary && own >= prec:
			p.next()
			y, err := p.expr(own + 1)
			if err != nil {
				return nil, err
			}
			x = &binary{span: span{x.at().pos, y.at().end}, op: tok.text, x: x, y: y}
		case tok.text == "?" && precCond >= prec:
			if x, err = p.cond(x); err != nil {
				return nil, err
			}
		case strings.HasSuffix(tok.text, "=") && !isBinary:
			if prec > precAssign {
				return x, nil
			}
			return p.assign(x)
		default:
			return x, nil
		}
	}
}

func (p *parser) cond(c node) (node, error) {
	p.next()
	x, err := p.within(true, precCond)
	if err != nil {
		return nil, err
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	y, err := p.expr(precCond)
	if err != nil {
		return nil, err
	}
	return &cond{span: span{c.at().pos, y.at().end}, c: c, x: x, y: y}, nil
}

// within parses an expression with noCPU set or cleared.
func (p *parser) within(noCPU bool, prec int) (node, error) {
	defer func(saved bool) { p.noCPU = saved }(p.noCPU)
	p.noCPU = noCPU
	return p.expr(prec)
}

func (p *parser) assign(x node) (node, error) {
	op := p.next()
	to, ok := x.(*convenience)
	switch {
	case !ok:
		return nil, p.errorf(op.span, "cannot assign: a dump is read only").
			advise("compare with ==; only convenience variables can be set, as in $t = init_task.pid")
	case op.text != "=":
		return nil, p.errorf(op.span, "no operator '%s'", op.text).
			advise(fmt.Sprintf("write $%s = $%s %s …", to.name, to.name, strings.TrimSuffix(op.text, "=")))
	}
	y, err := p.expr(precAssign)
	if err != nil {
		return nil, err
	}
	return &assign{span: span{to.pos, y.at().end}, name: to.name, x: y}, nil
}

// unary parses prefix operators, casts and sizeof.
func (p *parser) unary() (node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	tok := p.peek()
	switch {
	case tok.isOp("("):
		if p.typeFollows(1) && p.isCast() {
			return p.cast()
		}
		if name, ok := p.unknownType(); ok {
			if p.types != nil && p.types.IsType(name.text, true) {
				return p.cast()
			}
			err := p.errorf(name.span, "no type %q", name.text).
				advise("the name of a struct, union or enum wants that word: (struct task_struct *)x")
			err.Err = &kernel.NotFoundError{What: "type", Name: name.text}
			return nil, err
		}
	case tok.isWord("sizeof"):
		return p.sizeof()
	case tok.isOp("++"), tok.isOp("--"):
		return nil, p.readOnly(tok)
	case tok.kind == tokOp && strings.Contains("+-~!*&", tok.text):
		p.next()
		x, err := p.unary()
		if err != nil {
			return nil, err
		}
		return &unary{span: p.from(tok.pos), op: tok.text, x: x}, nil
	}
	return p.postfix()
}

func (p *parser) readOnly(op token) *Error {
	return p.errorf(op.span, "no operator '%s': a dump is read only", op.text)
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

// unknownType recognises (name *), which can only be meant as a cast.
func (p *parser) unknownType() (name token, ok bool) {
	n := 2
	for p.peekAt(n).isOp("*") {
		n++
	}
	name = p.peekAt(1)
	return name, name.kind == tokIdent && n > 2 && p.peekAt(n).isOp(")")
}

func (p *parser) cast() (node, error) {
	start := p.next().pos
	typ, err := p.typeName()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if p.is("{") {
		return nil, p.errorf(p.peek().span, "a compound literal has no place in a dump")
	}
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	return &cast{span: p.from(start), typ: typ, x: x}, nil
}

func (p *parser) sizeof() (node, error) {
	start := p.next().pos
	if p.is("(") && p.typeFollows(1) {
		p.next()
		typ, err := p.typeName()
		if err != nil {
			return nil, err
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
		return &sizeofType{span: p.from(start), typ: typ}, nil
	}
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	return &sizeofExpr{span: p.from(start), x: x}, nil
}

// postfix parses a primary expression and what is applied to it.
func (p *parser) postfix() (node, error) {
	x, err := p.primary()
	if err != nil {
		return nil, err
	}
	for {
		tok := p.peek()
		switch {
		case tok.isOp("."), tok.isOp("->"):
			p.next()
			name, err := p.memberName()
			if err != nil {
				return nil, err
			}
			x = &member{span: p.from(x.at().pos), op: tok.text, x: x, name: name}
		case tok.isOp("["):
			if x, err = p.index(x); err != nil {
				return nil, err
			}
		case tok.isOp("("):
			return nil, p.errorf(span{x.at().pos, tok.end}, "a dump does not run: its functions cannot be called")
		case tok.isOp("++"), tok.isOp("--"):
			return nil, p.readOnly(tok)
		default:
			return x, nil
		}
	}
}

func (p *parser) memberName() (string, error) {
	tok := p.peek()
	if tok.kind != tokIdent || tok.nth > 0 || tok.quoted {
		return "", p.unexpected("the name of a member")
	}
	p.next()
	return tok.text, nil
}

// index parses [i] or [lo..hi].
func (p *parser) index(x node) (node, error) {
	p.next()
	i, err := p.within(false, precAssign)
	if err != nil {
		return nil, err
	}
	var hi node
	if p.accept("..") {
		if hi, err = p.within(false, precAssign); err != nil {
			return nil, err
		}
	}
	if err := p.expect("]"); err != nil {
		return nil, err
	}
	at := p.from(x.at().pos)
	if hi != nil {
		return &slice{span: at, x: x, lo: i, hi: hi}, nil
	}
	return &index{span: at, x: x, i: i}, nil
}

func (p *parser) primary() (node, error) {
	tok := p.peek()
	switch tok.kind {
	case tokInt:
		p.next()
		return &intLit{span: tok.span, text: tok.text, num: tok.num}, nil
	case tokFloat:
		p.next()
		return &floatLit{span: tok.span, text: tok.text, num: tok.float}, nil
	case tokChar:
		p.next()
		return &charLit{span: tok.span, text: tok.text, num: byte(tok.num)}, nil
	case tokString:
		p.next()
		return &stringLit{span: tok.span, text: tok.text, str: tok.str}, nil
	case tokDollar:
		p.next()
		return dollar(tok), nil
	case tokIdent:
		return p.name()
	}
	if tok.isOp("(") {
		p.next()
		x, err := p.within(false, precAssign)
		if err != nil {
			return nil, err
		}
		return x, p.expect(")")
	}
	return nil, p.unexpected("an expression")
}

// name parses a built-in function, a variable, or a variable on one CPU.
func (p *parser) name() (node, error) {
	tok := p.peek()
	if !tok.quoted && p.peekAt(1).isOp("(") {
		if parse, ok := builtins[tok.text]; ok {
			p.next()
			p.next()
			return parse(p, tok.pos)
		}
	}
	if p.startsType(tok) && !p.isTypedef(tok) {
		return nil, p.errorf(tok.span, "a type where a value should be").
			advise("a cast is written (struct task_struct *)x; sizeof(struct task_struct) is a value")
	}
	p.next()
	// A symbol that has the name of a type stays a symbol when printed.
	x := &ident{span: tok.span, name: tok.text, nth: tok.nth, quoted: tok.quoted || p.isTypedef(tok)}
	colon, cpu := p.peek(), p.peekAt(1)
	joined := colon.isOp(":") && colon.pos == tok.end && cpu.pos == colon.end
	if !joined || p.noCPU || cpu.kind != tokInt && cpu.kind != tokDollar {
		return x, nil
	}
	p.next()
	n, err := p.primary()
	if err != nil {
		return nil, err
	}
	return &perCPU{span: p.from(tok.pos), x: x, cpu: n}, nil
}
