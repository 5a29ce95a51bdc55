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

func (p *parser) isTypedef(t token) bool {
	return t.kind == tokIdent && !t.quoted && p.types != nil && p.types.IsType(t.text, false)
}

// startsType reports whether a type name may begin with t.
func (p *parser) startsType(t token) bool {
	if t.kind != tokIdent || t.quoted {
		return false
	}
	_, isQualifier := qualifierWords[t.text]
	return isQualifier || t.isWord("struct", "union", "enum", "bool", "typeof", "__typeof__") ||
		t.isWord(builtinWords...) || p.isTypedef(t)
}

// typeFollows reports whether a type name begins at the n-th token from here.
func (p *parser) typeFollows(n int) bool { return p.startsType(p.peekAt(n)) }

// typeName parses a type name: a base and an abstract declarator.
func (p *parser) typeName() typeNode {
	defer p.nest()()
	base := p.baseType()
	return p.declarator(nil)(base)
}

// baseType parses the words of a type name, in any order as C allows.
func (p *parser) baseType() typeNode {
	start := p.peek().pos
	var s specifiers
	for p.specifier(&s) {
	}
	at := p.from(start)
	switch base := s.base.(type) {
	case nil:
		name, ok := builtinName(s.words)
		switch {
		case s.words == nil:
			p.unexpected("a type")
		case !ok:
			p.fail(at, "'%s' is not a type of C", p.src[at.pos:at.end])
		}
		return &baseType{span: at, qual: s.qual, name: name}
	case *baseType:
		base.span, base.qual = at, s.qual
	case *typeofType:
		base.span, base.qual = at, s.qual
	}
	return s.base
}

// specifiers are the words of a type name: those of a built-in type, or a type
// of another kind.
type specifiers struct {
	qual  qualifiers
	words []string
	base  typeNode
}

// specifier adds the next word to s. It returns false where the words end.
func (p *parser) specifier(s *specifiers) bool {
	tok := p.peek()
	q, isQualifier := qualifierWords[tok.text]
	switch {
	case tok.kind != tokIdent || tok.quoted:
		return false
	case isQualifier:
		p.next()
		s.qual |= q
	case s.base != nil:
		return false
	case tok.isWord(builtinWords...):
		p.next()
		s.words = append(s.words, tok.text)
	case s.words != nil:
		return false
	case tok.isWord("typeof", "__typeof__"):
		s.base = p.typeof()
	case tok.isWord("struct", "union", "enum"):
		s.base = p.tagged()
	default:
		p.next()
		s.base = &baseType{name: tok.text, nth: tok.nth}
	}
	return true
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
func (p *parser) tagged() typeNode {
	word := p.next()
	tag := p.peek()
	switch {
	case tag.isOp("{"):
		p.fail(tag.span, "a type cannot be defined here")
	case tag.kind != tokIdent || tag.quoted:
		p.unexpected("the name of a " + word.text)
	}
	p.next()
	if p.is("{") {
		p.fail(p.peek().span, "a type cannot be defined here")
	}
	return &baseType{word: word.text, name: tag.text, nth: tag.nth}
}

// typeof parses typeof(expression) or typeof(type).
func (p *parser) typeof() typeNode {
	p.next()
	p.expect("(")
	t := &typeofType{}
	if p.typeFollows(0) {
		t.typ = p.typeName()
	} else {
		t.x = p.inner()
	}
	p.expect(")")
	return t
}

// wrapper builds a type around another.
type wrapper func(typeNode) typeNode

// declarator parses what follows the words of a type name: pointers, arrays,
// functions and parentheses, and the name that they are about, unless name is
// nil. It returns what they make of the base type.
func (p *parser) declarator(name *token) wrapper {
	defer p.nest()()
	pointers := p.pointers()
	inner := func(t typeNode) typeNode { return t }
	switch {
	case p.is("(") && !p.peekAt(1).isOp(")") && !p.typeFollows(1):
		p.next()
		inner = p.declarator(name)
		p.expect(")")
	case name != nil && p.peek().kind == tokIdent:
		*name = p.next()
	}
	suffixes := p.suffixes()
	return func(t typeNode) typeNode {
		for _, wrap := range pointers {
			t = wrap(t)
		}
		for _, wrap := range slices.Backward(suffixes) {
			t = wrap(t)
		}
		return inner(t)
	}
}

func (p *parser) pointers() []wrapper {
	var list []wrapper
	for start := p.peek().pos; p.accept("*"); {
		var qual qualifiers
		for {
			q, ok := qualifierWords[p.peek().text]
			if !ok {
				break
			}
			p.next()
			qual |= q
		}
		at := p.from(start)
		list = append(list, func(t typeNode) typeNode { return &pointerType{span: at, elem: t, qual: qual} })
		p.limit(list, start)
	}
	return list
}

// limit bounds how many pointers, or dimensions, a type can have.
func (p *parser) limit(list []wrapper, start int) {
	if len(list) > maxDepth {
		p.fail(p.from(start), "nested too deeply")
	}
}

// suffixes parses [n] and (parameters), outermost first.
func (p *parser) suffixes() []wrapper {
	var list []wrapper
	for start := p.peek().pos; ; p.limit(list, start) {
		switch {
		case p.accept("["):
			list = append(list, p.arraySuffix(start))
		case p.accept("("):
			list = append(list, p.funcSuffix(start))
		default:
			return list
		}
	}
}

func (p *parser) arraySuffix(start int) wrapper {
	var n node
	if !p.is("]") {
		n = p.inner()
	}
	p.expect("]")
	at := p.from(start)
	return func(t typeNode) typeNode { return &arrayType{span: at, elem: t, n: n} }
}

// parameter parses a parameter. Its name, which may be left out, is dropped.
func (p *parser) parameter() typeNode {
	defer p.nest()()
	base := p.baseType()
	return p.declarator(new(token))(base)
}

func (p *parser) funcSuffix(start int) wrapper {
	var fn funcType
	for more := !p.is(")"); more; more = !fn.variadic && p.accept(",") {
		if fn.variadic = p.accept("..."); !fn.variadic {
			fn.params = append(fn.params, p.parameter())
		}
	}
	p.expect(")")
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
	}
}
