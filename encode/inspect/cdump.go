package inspect

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// printC prints a BTF's own types, and the types of its base that they need, as
// C that a compiler reads: each type after those it contains, and a declaration
// of those it points to. Compilers lay out structs as the BTF has them; comments
// give offsets. Where a second type has the name of a first, ___2 is added to it.
// Functions and variables follow; those whose name is taken, or is none in C, are
// comments.
func printC(w *bufio.Writer, b *rawbtf.Blob) {
	n := int(b.End())
	p := &cPrinter{
		w: w, b: b, ptr: b.PointerSize(), aligns: map[rawbtf.ID]uint32{},
		state: make([]cState, n), names: make(map[rawbtf.ID]string),
		tags: map[string]rawbtf.ID{}, idents: map[string]int{},
	}
	p.nameTypes()
	for id, t := range b.All() {
		switch t.Kind {
		case rawbtf.KindStruct, rawbtf.KindUnion, rawbtf.KindEnum, rawbtf.KindEnum64, rawbtf.KindTypedef, rawbtf.KindFwd:
			if t.Name != 0 {
				p.need(id, true)
			}
		}
	}
	p.printLooseEnums()
	for id, t := range b.All() {
		switch t.Kind {
		case rawbtf.KindFunc, rawbtf.KindVar:
			p.need(t.Ref(), t.Kind == rawbtf.KindVar)
			p.printObject(id, t)
		}
	}
}

// cPrinter prints types as C.
type cPrinter struct {
	w      *bufio.Writer
	b      *rawbtf.Blob
	ptr    uint32 // size of a pointer
	aligns map[rawbtf.ID]uint32
	state  []cState
	names  map[rawbtf.ID]string // of types whose own name is taken
	tags   map[string]rawbtf.ID // the first struct, union or enum of a name
	idents map[string]int       // how many types, values or functions have a name
	depth  int

	members int // printed in the declaration in hand, those of anonymous types in it included
	fillers int // all that were printed
}

// maxMembers bounds those: a few types that contain each other twice would be
// endless.
const maxMembers = 200_000

// cState says how much of a type was printed.
type cState uint8

const (
	declared cState = 1 << iota // struct x;
	complete                    // struct x { … };
	underway                    // what it needs is being printed
	inlined                     // an anonymous enum, in what contains it
)

// nameTypes finds types whose name another one has. A declaration is of the
// first definition of its name.
func (p *cPrinter) nameTypes() {
	for id := rawbtf.ID(1); id < p.b.End(); id++ {
		t := p.b.Type(id)
		name := p.b.Name(t.Name)
		if name == "" {
			continue
		}
		switch t.Kind {
		case rawbtf.KindStruct, rawbtf.KindUnion, rawbtf.KindEnum, rawbtf.KindEnum64:
			if _, taken := p.tags[name]; !taken {
				p.tags[name] = id
				continue
			}
			p.idents["tag "+name]++
			p.names[id] = fmt.Sprintf("%s___%d", name, p.idents["tag "+name]+1)
		case rawbtf.KindTypedef:
			if p.idents[name]++; p.idents[name] > 1 {
				p.names[id] = fmt.Sprintf("%s___%d", name, p.idents[name])
			}
		}
	}
}

// tag returns the keyword and name of a named struct, union, enum or declaration.
func (p *cPrinter) tag(id rawbtf.ID, t rawbtf.Type) string {
	word := t.Kind.String()
	switch t.Kind {
	case rawbtf.KindEnum64:
		word = "enum"
	case rawbtf.KindFwd:
		word = fwdTag(t)
		if first, ok := p.tags[p.b.Name(t.Name)]; ok && p.b.Type(first).Kind.String() != word {
			return word + " " + identifier(p.b.Name(t.Name)) + "___fwd"
		}
	}
	return word + " " + p.name(id, t)
}

func (p *cPrinter) name(id rawbtf.ID, t rawbtf.Type) string {
	if name, ok := p.names[id]; ok {
		return identifier(name)
	}
	return identifier(p.b.Name(t.Name))
}

// identifier makes what C has as a name of what BTF has.
func identifier(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z' {
			return r
		}
		return '_'
	}, s)
}

// maxNesting bounds how far need follows types.
const maxNesting = 10_000

// need prints what must be there before id is named: all of it, or only what a
// pointer to it needs.
func (p *cPrinter) need(id rawbtf.ID, all bool) {
	if p.depth > maxNesting || int(id) >= len(p.state) {
		return
	}
	p.depth++
	defer func() { p.depth-- }()
	t := p.b.Type(id)
	switch t.Kind {
	case rawbtf.KindPtr:
		p.need(t.Ref(), false)
	case rawbtf.KindConst, rawbtf.KindVolatile, rawbtf.KindRestrict, rawbtf.KindTypeTag:
		p.need(t.Ref(), all)
	case rawbtf.KindArray:
		elem, _, _ := t.Array()
		p.need(elem, true)
	case rawbtf.KindFuncProto:
		p.need(t.Ref(), false)
		for i := range t.Vlen {
			p.need(t.Param(i).Type, false)
		}
	case rawbtf.KindTypedef:
		p.needTypedef(id, t, all)
	case rawbtf.KindStruct, rawbtf.KindUnion:
		p.needComposite(id, t, all)
	case rawbtf.KindEnum, rawbtf.KindEnum64:
		if t.Name != 0 && p.state[id]&complete == 0 {
			p.state[id] |= complete
			fmt.Fprintf(p.w, "%s;\n\n", p.enum(id, t))
		}
	case rawbtf.KindFwd:
		if p.state[id]&declared == 0 {
			p.state[id] |= declared
			fmt.Fprintf(p.w, "%s;\n", p.tag(id, t))
		}
	}
}

func (p *cPrinter) needTypedef(id rawbtf.ID, t rawbtf.Type, all bool) {
	if all && p.state[id]&(complete|underway) == 0 {
		p.state[id] |= underway
		p.need(t.Ref(), true)
		p.state[id] ^= underway | complete
	}
	if p.state[id]&declared == 0 {
		p.state[id] |= declared
		p.need(t.Ref(), false)
		p.members = 0
		if name := p.name(id, t); !predefined[name] {
			fmt.Fprintf(p.w, "typedef %s;\n\n", p.declare(t.Ref(), name, 0))
		}
	}
}

// predefined are names of the compiler's that kernels have typedefs of.
var predefined = map[string]bool{"__builtin_va_list": true, "_Bool": true, "bool": false}

func (p *cPrinter) needComposite(id rawbtf.ID, t rawbtf.Type, all bool) {
	if t.Name != 0 && !all {
		if p.state[id]&(declared|complete) == 0 {
			p.state[id] |= declared
			fmt.Fprintf(p.w, "%s;\n", p.tag(id, t))
		}
		return
	}
	if p.state[id]&(complete|underway) != 0 {
		return
	}
	p.state[id] |= underway
	for i := range t.Vlen {
		p.need(t.Member(i).Type, true)
	}
	p.state[id] ^= underway | complete
	if t.Name != 0 {
		p.members = 0
		fmt.Fprintf(p.w, "%s; /* %d bytes */\n\n", p.composite(p.tag(id, t), t, 0), t.Size)
	}
}

// printLooseEnums prints the anonymous enums that are in no other type.
func (p *cPrinter) printLooseEnums() {
	for id, t := range p.b.All() {
		if (t.Kind == rawbtf.KindEnum || t.Kind == rawbtf.KindEnum64) && t.Name == 0 && p.state[id]&inlined == 0 {
			p.state[id] |= inlined
			fmt.Fprintf(p.w, "%s;\n\n", p.enum(id, t))
		}
	}
}

// printObject prints a function or variable.
func (p *cPrinter) printObject(id rawbtf.ID, t rawbtf.Type) {
	p.members = 0
	name := p.b.Name(t.Name)
	text := "extern " + p.declare(t.Ref(), identifier(name), 0) + ";"
	if t.Kind == rawbtf.KindFunc {
		text = p.declare(t.Ref(), identifier(name), 0) + ";"
	}
	p.idents[name]++
	if p.idents[name] > 1 || identifier(name) != name || keywords[name] {
		text = "/* " + strings.ReplaceAll(text, "*/", "*\\/") + " " + escape(name) + " */"
	}
	fmt.Fprintln(p.w, text)
}

// keywords of C, and functions a compiler knows to be otherwise, are no names
// for objects.
var keywords = map[string]bool{
	"auto": true, "break": true, "case": true, "default": true, "do": true, "else": true, "for": true,
	"goto": true, "if": true, "inline": true, "register": true, "return": true, "static": true,
	"switch": true, "while": true, "asm": true, "typeof": true, "main": true,
}
