package dedup

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// A unit of a test is lines, one for each type: a number that others refer to,
// a kind, and what the kind needs; "-" is no name.
//
//	1 int int 4
//	2 ptr 3
//	3 struct node 16 next@0:2 n@64:1 flag@96/3:1
//	4 declare struct node
//	5 enum e 4 A=1 B=2
//	6 proto 1 2 a:2
//	7 array 1 10
//	8 tag 3 0 text
func enter(t testing.TB, u *Unit, source string) {
	t.Helper()
	kinds := map[string]Kind{
		"int": Int, "float": Float, "ptr": Ptr, "const": Const, "volatile": Volatile, "restrict": Restrict,
		"typedef": Typedef, "typetag": TypeTag, "array": Array, "struct": Struct, "union": Union,
		"enum": Enum, "enum64": Enum64, "proto": FuncProto, "tag": DeclTag, "alias": Alias,
	}
	number := func(s string) uint32 {
		n, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			t.Fatalf("%q in %q is no number", s, source)
		}
		return uint32(n)
	}
	name := func(s string) Name {
		if s == "-" {
			return 0
		}
		return u.table.Intern([]byte(s))
	}
	for line := range strings.Lines(source) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		e, kind, f := Entry(number(f[0])), f[1], f[2:]
		in := Type{Kind: kinds[kind]}
		switch kind {
		case "declare":
			in = Type{Kind: kinds[f[0]], Name: name(f[1]), Declaration: true}
			f = nil
		case "int", "float", "struct", "union", "enum", "enum64":
			in.Name, in.Size = name(f[0]), number(f[1])
			f = f[2:]
		case "ptr", "const", "volatile", "restrict", "alias":
			in.Ref, f = Entry(number(f[0])), nil
		case "typedef", "typetag":
			in.Name, in.Ref, f = name(f[0]), Entry(number(f[1])), nil
		case "array":
			in.Ref, in.Size, f = Entry(number(f[0])), number(f[1]), nil
		case "tag":
			in.Ref, in.Size, in.Name, f = Entry(number(f[0])), number(f[1]), name(f[2]), nil
		case "proto":
			in.Ref, f = Entry(number(f[0])), f[1:]
		default:
			t.Fatalf("unknown kind %q", kind)
		}
		n := u.Add(e, in)
		for _, child := range f {
			u.Child(n, parseChild(in.Kind, child, name, number))
		}
	}
}

func parseChild(k Kind, s string, name func(string) Name, number func(string) uint32) (c Child) {
	if k == Enum || k == Enum64 {
		a, v, _ := strings.Cut(s, "=")
		return Child{Name: name(a), Lo: number(v)}
	}
	before, ref, ok := strings.Cut(s, ":")
	if !ok {
		return Child{Ref: Entry(number(s))}
	}
	c.Ref = Entry(number(ref))
	a, at, ok := strings.Cut(before, "@")
	if c.Name = name(a); ok {
		at, size, bits := strings.Cut(at, "/")
		if c.Lo = number(at); bits {
			c.Hi = number(size)
		}
	}
	return c
}

// resolve interns units, in their order, and returns the graph.
func resolve(t testing.TB, units ...string) *Graph {
	t.Helper()
	return resolveInto(t, NewTable(), units...)
}

func resolveInto(t testing.TB, table *Table, units ...string) *Graph {
	t.Helper()
	u := table.NewUnit(nil)
	for i, source := range units {
		u.Reset(i+1, 4096)
		enter(t, u, source)
		if err := u.Intern(); err != nil {
			t.Fatal(err)
		}
		u.Commit()
	}
	g, err := table.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// printer spells types, a named one by its name; if there are several of a name,
// with a number.
type printer struct {
	g     *Graph
	title map[Node]string
}

func newPrinter(g *Graph) *printer {
	p := &printer{g: g, title: make(map[Node]string)}
	count := make(map[string]int)
	for pass := range 2 {
		seen := make(map[string]int)
		for _, n := range g.All() {
			r := g.Record(n)
			if r.Name() == 0 {
				continue
			}
			title := fmt.Sprintf("%s %s", kindName(r), g.table.Bytes(r.Name()))
			if seen[title]++; pass == 0 {
				count[title]++
				continue
			}
			if p.title[n] = title; count[title] > 1 {
				p.title[n] = fmt.Sprintf("%s#%d", title, seen[title])
			}
		}
	}
	return p
}

func kindName(r Record) string {
	if r.Kind() == Fwd && r.Flag() {
		return "declared union"
	}
	names := map[Kind]string{
		Int: "int", Ptr: "ptr", Array: "array", Struct: "struct", Union: "union", Enum: "enum", Fwd: "declared struct",
		Typedef: "typedef", Volatile: "volatile", Const: "const", Restrict: "restrict", FuncProto: "proto",
		Float: "float", DeclTag: "tag", TypeTag: "typetag", Enum64: "enum64",
	}
	return names[r.Kind()]
}

func (p *printer) ref(n Node) string {
	switch {
	case n == 0:
		return "void"
	case p.title[n] != "":
		return p.title[n]
	}
	return p.body(n)
}

func (p *printer) body(n Node) string {
	r := p.g.Record(n)
	s := p.title[n]
	if s == "" {
		s = kindName(r)
	}
	var elements []string
	for i := range r.Len() {
		e := r.Element(i)
		text := string(p.g.table.Bytes(e.Name))
		switch r.Kind() {
		case Enum, Enum64:
			text += fmt.Sprint("=", int64(e.Value))
		case FuncProto:
			text += ":" + p.ref(e.Type)
		default:
			text += fmt.Sprintf("@%d", e.BitOffset)
			if e.BitSize != 0 {
				text += fmt.Sprintf("/%d", e.BitSize)
			}
			text += ":" + p.ref(e.Type)
		}
		elements = append(elements, text)
	}
	switch r.Kind() {
	case Int, Float, Struct, Union, Enum, Enum64:
		s += fmt.Sprintf(" %d", r.Size())
	case Array:
		s += fmt.Sprintf("[%d]", r.Size())
	}
	switch r.Kind() {
	case Ptr, Const, Volatile, Restrict, Typedef, TypeTag, Array, DeclTag, FuncProto:
		s += "(" + p.ref(r.Ref()) + ")"
	}
	if len(elements) > 0 {
		s += "{" + strings.Join(elements, " ") + "}"
	}
	return s
}

// lines spells all types of a graph, in their order.
func lines(g *Graph) []string {
	p := newPrinter(g)
	var list []string
	for _, n := range g.All() {
		list = append(list, p.body(n))
	}
	return list
}
