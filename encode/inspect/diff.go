package inspect

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// diff compares two BTFs up to the numbers of their types. Each named type,
// function, tag and variable is written as one line, in which other named types
// stand by kind and name, and anonymous ones in full; so what is the same has the
// same line whatever its number, and lines can be counted.
func diff(w *bufio.Writer, a, b *rawbtf.Blob, show int) (same bool) {
	la, lb := canonical(a), canonical(b)
	kinds := slices.Sorted(maps.Keys(la))
	for k := range lb {
		if _, ok := la[k]; !ok {
			kinds = append(kinds, k)
		}
	}
	slices.Sort(kinds)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "kind\tboth\tonly first\tonly second\t")
	var total [3]int
	var examples strings.Builder
	for _, k := range kinds {
		both, onlyA, onlyB := compare(la[k], lb[k])
		n := [3]int{both, count(onlyA), count(onlyB)}
		fmt.Fprintf(tab, "%s\t%d\t%d\t%d\t\n", k, n[0], n[1], n[2])
		for i := range total {
			total[i] += n[i]
		}
		for i, only := range []map[string]int{onlyA, onlyB} {
			lines := slices.Sorted(maps.Keys(only))
			for _, line := range lines[:min(show, len(lines))] {
				fmt.Fprintf(&examples, "%c %s\n", "-+"[i], escape(line))
			}
		}
	}
	fmt.Fprintf(tab, "total\t%d\t%d\t%d\t\n", total[0], total[1], total[2])
	tab.Flush()
	w.WriteString(examples.String())
	return total[1] == 0 && total[2] == 0
}

// compare counts the lines that two sets share, and returns what is left of each.
func compare(a, b map[string]int) (both int, onlyA, onlyB map[string]int) {
	onlyA, onlyB = map[string]int{}, map[string]int{}
	for line, n := range a {
		both += min(n, b[line])
		if n > b[line] {
			onlyA[line] = n - b[line]
		}
	}
	for line, n := range b {
		if n > a[line] {
			onlyB[line] = n - a[line]
		}
	}
	return both, onlyA, onlyB
}

func count(lines map[string]int) (n int) {
	for _, c := range lines {
		n += c
	}
	return n
}

// canonical returns the lines of a BTF's own types, by kind, and how often each
// is there.
func canonical(b *rawbtf.Blob) map[string]map[string]int {
	c := &canon{b: b, refs: map[rawbtf.ID]string{}}
	lines := map[string]map[string]int{}
	add := func(kind, line string) {
		if lines[kind] == nil {
			lines[kind] = map[string]int{}
		}
		lines[kind][line]++
	}
	for id, t := range b.All() {
		switch {
		case t.Kind == rawbtf.KindDatasec:
			for i := range t.Vlen {
				e := t.Entry(i)
				add("place", fmt.Sprintf("%s+%#x %d bytes: %s", b.Name(t.Name), e.Offset, e.Size, c.body(e.Var, 0)))
			}
		case t.Name != 0:
			add(t.Kind.String(), c.body(id, 0))
		}
	}
	return lines
}

// canon writes types without numbers.
type canon struct {
	b    *rawbtf.Blob
	refs map[rawbtf.ID]string // how anonymous types are referred to: in full
}

// maxDepth bounds anonymous types in one another.
const maxDepth = 64

// ref writes a reference to a type.
func (c *canon) ref(id rawbtf.ID, depth int) string {
	t := c.b.Type(id)
	switch t.Kind {
	case rawbtf.KindVoid:
		return "void"
	case rawbtf.KindFwd: // what is declared here may be defined there
		return fwdTag(t) + " " + c.b.Name(t.Name)
	case rawbtf.KindEnum64:
		t.Kind = rawbtf.KindEnum
	case rawbtf.KindTypeTag:
		t.Name = 0
	}
	if t.Name != 0 {
		return t.Kind.String() + " " + c.b.Name(t.Name)
	}
	s, ok := c.refs[id]
	if !ok {
		if depth > maxDepth {
			return "..."
		}
		s = c.body(id, depth+1)
		c.refs[id] = s
	}
	return s
}

// body writes a type in full.
func (c *canon) body(id rawbtf.ID, depth int) string {
	t := c.b.Type(id)
	name := c.b.Name(t.Name)
	var s strings.Builder
	switch t.Kind {
	case rawbtf.KindInt:
		enc, offset, bits := t.Int()
		fmt.Fprintf(&s, "int %s %d bytes, bits %d+%d, encoding %d", name, t.Size, offset, bits, enc)
	case rawbtf.KindFloat:
		fmt.Fprintf(&s, "float %s %d bytes", name, t.Size)
	case rawbtf.KindArray:
		elem, _, n := t.Array()
		fmt.Fprintf(&s, "array of %d %s", n, c.ref(elem, depth))
	case rawbtf.KindStruct, rawbtf.KindUnion:
		fmt.Fprintf(&s, "%v %s %d bytes {", t.Kind, name, t.Size)
		for i := range t.Vlen {
			m := t.Member(i)
			fmt.Fprintf(&s, " %s %s@%d", c.ref(m.Type, depth), c.b.Name(m.Name), m.BitOffset)
			if m.BitSize != 0 {
				fmt.Fprintf(&s, ":%d", m.BitSize)
			}
			s.WriteByte(';')
		}
		s.WriteString(" }")
	case rawbtf.KindEnum, rawbtf.KindEnum64:
		fmt.Fprintf(&s, "enum %s %d bytes {", name, t.Size)
		for i := range t.Vlen {
			e := t.Enumerator(i)
			fmt.Fprintf(&s, " %s=%s,", c.b.Name(e.Name), enumValue(t, e))
		}
		s.WriteString(" }")
	case rawbtf.KindFwd:
		fmt.Fprintf(&s, "%s %s, not defined", fwdTag(t), name)
	case rawbtf.KindFuncProto:
		s.WriteString("function (")
		for i := range t.Vlen {
			if p := t.Param(i); p.Type == 0 {
				s.WriteString("...")
			} else {
				fmt.Fprintf(&s, "%s %s, ", c.ref(p.Type, depth), c.b.Name(p.Name))
			}
		}
		fmt.Fprintf(&s, ") returns %s", c.ref(t.Ref(), depth))
	case rawbtf.KindFunc, rawbtf.KindVar:
		fmt.Fprintf(&s, "%s %v %s: %s", linkage(t.Linkage()), t.Kind, name, c.ref(t.Ref(), depth))
	case rawbtf.KindDeclTag:
		fmt.Fprintf(&s, "tag %q of %s, component %d%s", name, c.ref(t.Ref(), depth), t.Component(), attribute(t))
	case rawbtf.KindTypeTag:
		fmt.Fprintf(&s, "tag %q%s of %s", name, attribute(t), c.ref(t.Ref(), depth))
	default:
		fmt.Fprintf(&s, "%v", t.Kind)
		if name != "" {
			fmt.Fprintf(&s, " %s", name)
		}
		fmt.Fprintf(&s, " of %s", c.ref(t.Ref(), depth))
	}
	return s.String()
}

func attribute(t rawbtf.Type) string {
	if t.Flag {
		return ", attribute"
	}
	return ""
}
