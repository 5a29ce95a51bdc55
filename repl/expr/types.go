package expr

import (
	"slices"
	"strings"
)

// builtinWords are the words that the names of built-in types are made of.
var builtinWords = []string{"void", "char", "short", "int", "long", "signed", "unsigned", "float", "double", "_Bool", "__int128"}

// qualifierWords are the words before or behind a type that change no layout.
// Those of the kernel's static checker are accepted and dropped.
var qualifierWords = map[string]qualifiers{
	"const": qualConst, "volatile": qualVolatile, "restrict": qualRestrict, "__restrict": qualRestrict,
	"__percpu": 0, "__rcu": 0, "__user": 0, "__iomem": 0, "__kernel": 0, "__force": 0,
}

// builtinNames gives the shortest spelling of every combination of
// builtinWords that C knows, by its sorted words without "signed" and "int".
var builtinNames = map[string]string{
	"": "int", "void": "void", "char": "char", "short": "short", "long": "long", "long long": "long long",
	"unsigned": "unsigned int", "char unsigned": "unsigned char", "short unsigned": "unsigned short",
	"long unsigned": "unsigned long", "long long unsigned": "unsigned long long",
	"float": "float", "double": "double", "double long": "long double", "_Bool": "_Bool",
	"__int128": "__int128", "__int128 unsigned": "unsigned __int128",
}

func isTypeof(t token) bool { return t.isWord("typeof", "__typeof__") }

func (p *parser) isTypedef(t token) bool {
	return t.kind == tokIdent && !t.quoted && p.types != nil && p.types.IsType(t.text, false)
}

// startsType reports whether a type name may begin with t.
func (p *parser) startsType(t token) bool {
	if t.kind != tokIdent || t.quoted {
		return false
	}
	_, isQualifier := qualifierWords[t.text]
	return isQualifier || isTypeof(t) || t.isWord("struct", "union", "enum", "bool") ||
		t.isWord(builtinWords...) || p.isTypedef(t)
}

// typeFollows reports whether a type name begins at the n-th token from here.
func (p *parser) typeFollows(n int) bool { return p.startsType(p.peekAt(n)) }

// typeName parses a type name: a base and an abstract declarator.
func (p *parser) typeName() (typeNode, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	base, err := p.baseType()
	if err != nil {
		return nil, err
	}
	wrap, err := p.declarator()
	if err != nil {
		return nil, err
	}
	return wrap(base), nil
}

// baseType parses the words of a type name, in any order as C allows.
func (p *parser) baseType() (typeNode, error) {
	start := p.peek()
	var qual qualifiers
	var words []string
	var base typeNode
	for tok := start; ; tok = p.peek() {
		q, isQualifier := qualifierWords[tok.text]
		var err error
		switch named := base == nil && words == nil; {
		case tok.kind != tokIdent || tok.quoted && !named:
			return p.finishBase(start, base, words, qual)
		case isQualifier:
			p.next()
			qual |= q
		case tok.isWord(builtinWords...):
			p.next()
			words = append(words, tok.text)
		case named && isTypeof(tok):
			base, err = p.typeof()
		case named && tok.isWord("struct", "union", "enum"):
			base, err = p.tagged()
		case named:
			p.next()
			base = &baseType{span: tok.span, name: tok.text, nth: tok.nth}
		default:
			return p.finishBase(start, base, words, qual)
		}
		if err != nil {
			return nil, err
		}
	}
}

// finishBase joins what baseType has collected.
func (p *parser) finishBase(start token, base typeNode, words []string, qual qualifiers) (typeNode, error) {
	at := p.from(start.pos)
	switch base := base.(type) {
	case *baseType:
		if words == nil {
			base.span, base.qual = at, base.qual|qual
			return base, nil
		}
	case *typeofType:
		if words == nil {
			base.span, base.qual = at, base.qual|qual
			return base, nil
		}
	default:
		if words == nil {
			return nil, p.unexpected("a type")
		}
		if name, ok := builtinName(words); ok {
			return &baseType{span: at, qual: qual, name: name}, nil
		}
	}
	return nil, p.errorf(at, "'%s' is not a type of C", p.src[at.pos:at.end])
}

// builtinName returns the shortest spelling of a built-in type.
func builtinName(words []string) (string, bool) {
	count := map[string]int{}
	for _, w := range words {
		count[w]++
	}
	if count["int"] > 1 || count["signed"] > 1 || count["signed"]*count["unsigned"] > 0 {
		return "", false
	}
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "int" || w == "signed" })
	slices.Sort(words)
	key := strings.Join(words, " ")
	name, ok := builtinNames[key]
	integer := strings.HasSuffix(name, "int") || strings.HasSuffix(name, "short") || strings.HasSuffix(name, "long")
	switch {
	case count["int"] > 0 && !integer:
		return "", false
	case count["signed"] > 0 && key == "char":
		return "signed char", ok
	case count["signed"] > 0 && !integer && key != "__int128":
		return "", false
	}
	return name, ok
}

// tagged parses struct, union or enum and its tag.
func (p *parser) tagged() (typeNode, error) {
	word := p.next()
	tag := p.peek()
	switch {
	case tag.isOp("{"):
		return nil, p.errorf(tag.span, "a type cannot be defined here")
	case tag.kind != tokIdent || tag.quoted:
		return nil, p.unexpected("the name of a " + word.text)
	}
	p.next()
	return &baseType{span: p.from(word.pos), word: word.text, name: tag.text, nth: tag.nth}, nil
}

// typeof parses typeof(expression) or typeof(type).
func (p *parser) typeof() (typeNode, error) {
	start := p.next().pos
	if err := p.expect("("); err != nil {
		return nil, err
	}
	t := &typeofType{}
	var err error
	if p.typeFollows(0) {
		t.typ, err = p.typeName()
	} else {
		t.x, err = p.within(false, precAssign)
	}
	if err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	t.span = p.from(start)
	return t, nil
}

// wrapper builds a type around another.
type wrapper func(typeNode) typeNode

// declarator parses what follows the words of a type name: pointers, arrays,
// functions and parentheses. It returns what they make of the base type.
func (p *parser) declarator() (wrapper, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	pointers, err := p.pointers()
	if err != nil {
		return nil, err
	}
	var inner wrapper
	if p.is("(") && !p.peekAt(1).isOp(")") && !p.typeFollows(1) {
		p.next()
		if inner, err = p.declarator(); err != nil {
			return nil, err
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
	}
	suffixes, err := p.suffixes()
	if err != nil {
		return nil, err
	}
	return func(t typeNode) typeNode {
		for _, wrap := range pointers {
			t = wrap(t)
		}
		for _, wrap := range slices.Backward(suffixes) {
			t = wrap(t)
		}
		if inner != nil {
			t = inner(t)
		}
		return t
	}, nil
}

func (p *parser) pointers() ([]wrapper, error) {
	var list []wrapper
	for start := p.peek(); p.accept("*"); {
		var qual qualifiers
		for tok := p.peek(); tok.kind == tokIdent && !tok.quoted; tok = p.peek() {
			q, ok := qualifierWords[tok.text]
			if !ok {
				break
			}
			p.next()
			qual |= q
		}
		at := p.from(start.pos)
		list = append(list, func(t typeNode) typeNode { return &pointerType{span: at, elem: t, qual: qual} })
		if len(list) > maxDepth {
			return nil, p.errorf(at, "nested too deeply")
		}
	}
	return list, nil
}

// suffixes parses [n] and (parameters), outermost first.
func (p *parser) suffixes() ([]wrapper, error) {
	var list []wrapper
	for start := p.peek(); ; {
		var wrap wrapper
		var err error
		switch {
		case p.accept("["):
			wrap, err = p.arraySuffix(start.pos)
		case p.accept("("):
			wrap, err = p.funcSuffix(start.pos)
		default:
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		if list = append(list, wrap); len(list) > maxDepth {
			return nil, p.errorf(p.from(start.pos), "nested too deeply")
		}
	}
}

func (p *parser) arraySuffix(start int) (wrapper, error) {
	var n node
	if !p.is("]") {
		var err error
		if n, err = p.within(false, precAssign); err != nil {
			return nil, err
		}
	}
	err := p.expect("]")
	at := p.from(start)
	return func(t typeNode) typeNode { return &arrayType{span: at, elem: t, n: n} }, err
}

func (p *parser) funcSuffix(start int) (wrapper, error) {
	fn := funcType{}
	for !p.is(")") {
		if len(fn.params) > 0 || fn.variadic {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		if fn.variadic {
			return nil, p.unexpected("')'")
		}
		if fn.variadic = p.accept("..."); fn.variadic {
			continue
		}
		param, err := p.typeName()
		if err != nil {
			return nil, err
		}
		if tok := p.peek(); tok.kind == tokIdent {
			p.next() // the name of a parameter
		}
		fn.params = append(fn.params, param)
	}
	err := p.expect(")")
	if len(fn.params) == 1 && !fn.variadic {
		if only, ok := fn.params[0].(*baseType); ok && only.name == "void" && only.qual == 0 {
			fn.params = nil
		}
	}
	fn.span = p.from(start)
	return func(t typeNode) typeNode {
		made := fn
		made.result = t
		return &made
	}, err
}
