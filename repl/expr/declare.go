package expr

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
)

// Declaration is a variable as C declares it: struct list_head modules.
type Declaration struct {
	Name string // of the symbol; name#2 for the second of that name

	name   token
	typ    typeNode
	source source
}

// source is a declaration, up to its semicolon, in the text that it is from.
type source struct {
	file  string // may be empty
	text  string // all of it
	start int    // of the declaration
	src   string // the declaration, with blanks for comments
}

// Declarations parses C declarations of variables, one after the other, each
// with the error that is in it. file names where they are from; it is empty for
// what a person typed. The errors are [*Error]s.
//
// It accepts what a C header says about variables: several declarators in one
// declaration, extern, static and the kernel's attributes, which mean nothing
// here, and comments. The last semicolon can be left out.
func Declarations(file, text string, types TypeOracle) iter.Seq2[*Declaration, error] {
	return func(yield func(*Declaration, error) bool) {
		clean := blankComments(text)
		for start := 0; start < len(clean); {
			end := start + declarationEnd(clean[start:])
			s := source{file: file, text: text, start: start, src: clean[start:end]}
			list, err := s.parse(types)
			for _, d := range list {
				if !yield(d, nil) {
					return
				}
			}
			if err != nil && !yield(nil, s.place(err)) {
				return
			}
			start = end + len(";")
		}
	}
}

// declarationEnd returns where the first semicolon of src is that is not between
// braces: a type that is defined is refused as a whole.
func declarationEnd(src string) int {
	depth := 0
	for i := range len(src) {
		switch src[i] {
		case '{':
			depth++
		case '}':
			depth--
		case ';':
			if depth <= 0 {
				return i
			}
		}
	}
	return len(src)
}

// blankComments returns text with a blank for each byte of a comment. Lines stay
// lines.
func blankComments(text string) string {
	out := []byte(text)
	for i := 0; i < len(out); {
		end := i
		switch rest := text[i:]; {
		case strings.HasPrefix(rest, "//"):
			end = i + lengthTo(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			end = i + len("/*") + lengthTo(rest[2:], "*/") + len("*/")
		default:
			i++
			continue
		}
		for ; i < min(end, len(out)); i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	return string(out)
}

// lengthTo returns the bytes before what is looked for, all of them where it is
// not there.
func lengthTo(text, what string) int {
	before, _, _ := strings.Cut(text, what)
	return len(before)
}

// parse parses one declaration, which may declare several variables.
func (s source) parse(types TypeOracle) ([]*Declaration, error) {
	if strings.TrimSpace(s.src) == "" {
		return nil, nil
	}
	p, err := newParser(s.src, types)
	if err != nil {
		return nil, err
	}
	p.storage()
	base := p.baseType()
	var list []*Declaration
	for more := true; more && p.err == nil; more = p.accept(",") {
		d := &Declaration{source: s}
		p.attributes(false)
		d.typ = p.declarator(&d.name)(base)
		p.attributes(true)
		p.checkDeclaration(d)
		d.Name = d.name.text
		if d.name.nth > 0 {
			d.Name += "#" + strconv.Itoa(d.name.nth)
		}
		list = append(list, d)
	}
	switch tok := p.peek(); {
	case tok.isOp("="):
		p.fail(tok.span, "a variable has the value that the dump holds").advise("leave out what follows its name")
	case tok.kind != tokEOF:
		p.unexpected("',' or ';'")
	}
	if p.err != nil {
		return nil, p.err
	}
	return list, nil
}

func (p *parser) checkDeclaration(d *Declaration) {
	if p.err != nil {
		return
	}
	if d.name.kind != tokIdent {
		p.unexpected("the name of a variable")
		return
	}
	if _, ok := d.typ.(*funcType); ok {
		p.fail(d.name.span, "%s is declared as a function", d.name.text).advise("only variables need declarations; a pointer to a function is written (*name)(…)")
	}
}

// storage skips the words before a type that say where the variable is.
func (p *parser) storage() {
	for p.attributes(false); p.peek().isWord("extern", "static"); p.attributes(false) {
		p.next()
	}
	if tok := p.peek(); tok.isWord("typedef") {
		p.fail(tok.span, "a type cannot be defined here")
	}
}

// attributes skips the words that the kernel writes before or behind a name and
// that do not belong to the type: __read_mostly, __aligned(8).
func (p *parser) attributes(behind bool) {
	for {
		tok, after := p.peek(), p.peekAt(1)
		switch {
		case tok.kind != tokIdent || !strings.HasPrefix(tok.text, "__") || tok.quoted || p.startsType(tok):
			return
		case behind, after.kind == tokIdent, after.isOp("*"), tok.isWord("__attribute__", "__aligned", "__section"):
			p.next()
			p.skipParentheses()
		default:
			return
		}
	}
}

// skipParentheses skips (…), if that is next.
func (p *parser) skipParentheses() {
	for depth := 0; p.peek().kind != tokEOF; {
		switch {
		case p.is("("):
			depth++
		case p.is(")"):
			depth--
		}
		if depth == 0 && !p.is(")") {
			return
		}
		p.next()
		if depth == 0 {
			return
		}
	}
}

// Type returns the type that the variable is declared with. The error is an
// [*Error].
func (d *Declaration) Type(k *kernel.Kernel) (btf.Type, error) {
	t, err := newEvaluator(context.Background(), k, nil, d.source.src).typ(d.typ)
	return t, d.source.place(err)
}

// Fail returns err as an error about the name that is declared.
func (d *Declaration) Fail(err error) error {
	at := d.name.span
	return d.source.place(&Error{Pos: at.pos, End: at.end, Msg: err.Error(), Err: err})
}

// String returns the declaration as C, without its semicolon. Parsing it gives
// the same declaration.
func (d *Declaration) String() string {
	name := d.Name
	if d.name.quoted {
		name = fmt.Sprintf("`%s`", d.name.text)
		if d.name.nth > 0 {
			name += "#" + strconv.Itoa(d.name.nth)
		}
	}
	return declarator(d.typ, name)
}

// place makes an error about the declaration one about the text it is from: the
// line, where that is a file's.
func (s source) place(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	e.Src = s.text
	e.Pos, e.End = min(e.Pos+s.start, len(s.text)), min(e.End+s.start, len(s.text))
	if s.file == "" {
		return e
	}
	before := s.text[:e.Pos]
	line := strings.LastIndexByte(before, '\n') + 1
	e.File, e.Line = s.file, 1+strings.Count(before, "\n")
	e.Src = s.text[line : e.Pos+lengthTo(s.text[e.Pos:], "\n")]
	e.Pos, e.End = e.Pos-line, min(e.End-line, len(e.Src))
	return e
}
