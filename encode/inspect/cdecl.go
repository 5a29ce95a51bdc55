package inspect

import (
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// declare writes the declaration of name as being of a type, the way C does: the
// name in the middle.
func (p *cPrinter) declare(id rawbtf.ID, name string, depth int) string {
	if depth > maxDepth {
		return join("void", name)
	}
	t := p.b.Type(id)
	switch t.Kind {
	case rawbtf.KindVoid:
		return join("void", name)
	case rawbtf.KindPtr:
		switch p.b.Type(p.behind(t.Ref())).Kind {
		case rawbtf.KindArray, rawbtf.KindFuncProto:
			return p.declare(t.Ref(), "(*"+name+")", depth+1)
		}
		return p.declare(t.Ref(), "*"+name, depth+1)
	case rawbtf.KindConst, rawbtf.KindVolatile, rawbtf.KindRestrict, rawbtf.KindTypeTag:
		return p.qualify(t, name, depth)
	case rawbtf.KindArray:
		elem, _, n := t.Array()
		return p.declare(elem, fmt.Sprintf("%s[%d]", name, n), depth+1)
	case rawbtf.KindFuncProto:
		return p.declare(t.Ref(), name+"("+p.params(t, depth)+")", depth+1)
	case rawbtf.KindStruct, rawbtf.KindUnion:
		if t.Name == 0 {
			return join(p.composite(t.Kind.String(), t, depth+1), name)
		}
		return join(p.tag(id, t), name)
	case rawbtf.KindEnum, rawbtf.KindEnum64:
		if t.Name == 0 {
			return join(p.enum(id, t), name)
		}
		return join(p.tag(id, t), name)
	case rawbtf.KindFwd:
		return join(p.tag(id, t), name)
	case rawbtf.KindInt, rawbtf.KindFloat:
		return join(p.basic(t), name)
	}
	return join(p.name(id, t), name)
}

// join puts a space between a type and a name.
func join(typ, name string) string {
	if name == "" {
		return typ
	}
	return typ + " " + name
}

// behind returns id without qualifiers and tags.
func (p *cPrinter) behind(id rawbtf.ID) rawbtf.ID {
	for range maxDepth {
		t := p.b.Type(id)
		if !t.Kind.IsModifier() {
			break
		}
		id = t.Ref()
	}
	return id
}

// qualify writes a qualified type. What qualifies a pointer stands behind the
// star, anything else before the type.
func (p *cPrinter) qualify(t rawbtf.Type, name string, depth int) string {
	word := t.Kind.String()
	if t.Kind == rawbtf.KindTypeTag {
		word = fmt.Sprintf("__attribute__((btf_type_tag(%q)))", p.b.Name(t.Name))
		if t.Flag {
			word = fmt.Sprintf("__attribute__((%s))", escape(p.b.Name(t.Name)))
		}
	}
	if p.b.Type(p.behind(t.Ref())).Kind == rawbtf.KindPtr {
		return p.declare(t.Ref(), join(word, name), depth+1)
	}
	return word + " " + p.declare(t.Ref(), name, depth+1)
}

func (p *cPrinter) params(t rawbtf.Type, depth int) string {
	if t.Vlen == 0 {
		return "void"
	}
	list := make([]string, t.Vlen)
	for i := range list {
		param := t.Param(i)
		list[i] = "..."
		if param.Type != 0 {
			list[i] = p.declare(param.Type, identifier(p.b.Name(param.Name)), depth+1)
		}
	}
	return strings.Join(list, ", ")
}

// basic writes an integer or floating-point type.
func (p *cPrinter) basic(t rawbtf.Type) string {
	name := p.b.Name(t.Name)
	if t.Kind == rawbtf.KindInt && !isC(name) {
		enc, _, _ := t.Int()
		word := map[bool]string{false: "unsigned ", true: ""}[enc&rawbtf.Signed != 0]
		switch t.Size {
		case 1:
			return word + "char"
		case 2:
			return word + "short"
		case 8:
			return word + "long long"
		case 16:
			return word + "__int128"
		}
		return word + "int"
	}
	return escape(name)
}

// isC reports whether a name is made of C's words for integers, a blank between
// each two.
func isC(name string) bool {
	for word := range strings.SplitSeq(name, " ") {
		switch word {
		case "char", "short", "int", "long", "signed", "unsigned", "__int128", "_Bool":
		default:
			return false
		}
	}
	return name != ""
}

// composite writes a struct or union with its members, and the offset of each in
// bytes, and bits. tag is struct or union, and its name if it is to have one.
func (p *cPrinter) composite(tag string, t rawbtf.Type, depth int) string {
	if p.members += 1 + t.Vlen; depth > maxDepth || p.members-t.Vlen > maxMembers {
		return t.Kind.String() + " {}"
	}
	var s strings.Builder
	s.WriteString(tag + " {\n")
	widest := p.widest(t, 0)
	packed := p.packed(t, widest, 0)
	end := uint64(0)
	for i := range t.Vlen {
		m := t.Member(i)
		at, bits := p.place(m)
		if t.Kind == rawbtf.KindStruct {
			p.fill(&s, end, uint64(at), 8*uint64(p.align(m.Type, 0)), bits, packed)
		}
		text, comment := p.member(m, depth), fmt.Sprint(at/8)
		if bits != 0 {
			text = fmt.Sprintf("%s : %d", text, bits)
			comment = fmt.Sprintf("%s:%d", comment, at%8)
			end = max(end, uint64(at)+uint64(bits))
		} else {
			end = max(end, uint64(at)+p.size(m.Type))
		}
		fmt.Fprintf(&s, "\t%s; /* %s */\n", strings.ReplaceAll(text, "\n", "\n\t"), comment)
	}
	if t.Kind == rawbtf.KindUnion && t.Size > 0 && uint64(t.Size)*8 >= end+8*uint64(widest) {
		end = 0 // a member as large as the union
	}
	p.fill(&s, end, 8*uint64(t.Size), 8*uint64(widest), 0, packed)
	s.WriteByte('}')
	if packed {
		s.WriteString(" __attribute__((packed))")
	}
	return s.String()
}

// member writes the declaration of a member. A struct without a name in a struct
// is of a type that has one where the kernel is built with -fms-extensions; for
// C it must have none.
func (p *cPrinter) member(m rawbtf.Member, depth int) string {
	if t := p.b.Type(p.strip(m.Type)); m.Name == 0 && t.Name != 0 && (t.Kind == rawbtf.KindStruct || t.Kind == rawbtf.KindUnion) {
		return p.composite(t.Kind.String(), t, depth+1)
	}
	return p.declare(m.Type, identifier(p.b.Name(m.Name)), depth+1)
}

// enum writes the body of an enum. An anonymous one is written once: its values
// can be defined only once.
func (p *cPrinter) enum(id rawbtf.ID, t rawbtf.Type) string {
	if t.Name == 0 {
		if p.state[id]&complete != 0 {
			return map[bool]string{false: "unsigned int", true: "int"}[t.Flag] + " /* enum */"
		}
		p.state[id] |= complete | inlined
	}
	var s strings.Builder
	if t.Name == 0 {
		s.WriteString("enum")
	} else {
		s.WriteString(p.tag(id, t))
	}
	if t.Vlen == 0 { // C has no enum without values
		return s.String()
	}
	s.WriteString(" {\n")
	for i := range t.Vlen {
		e := t.Enumerator(i)
		name := identifier(p.b.Name(e.Name))
		if p.idents[name]++; p.idents[name] > 1 {
			name = fmt.Sprintf("%s___%d", name, p.idents[name])
		}
		suffix := ""
		if t.Kind == rawbtf.KindEnum64 {
			suffix = map[bool]string{false: "ULL", true: "LL"}[t.Flag]
		}
		fmt.Fprintf(&s, "\t%s = %s%s,\n", name, enumValue(t, e), suffix)
	}
	s.WriteByte('}')
	if t.Size < 4 {
		s.WriteString(" __attribute__((packed))") // as small as its values allow
	}
	return s.String()
}
