package inspect

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// line is what a type, function or variable is called, and what it is.
type line struct{ name, body string }

func (l line) String() string { return l.name + " " + l.body }

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
		printExamples(&examples, onlyA, onlyB, show)
	}
	fmt.Fprintf(tab, "total\t%d\t%d\t%d\t\n", total[0], total[1], total[2])
	tab.Flush()
	w.WriteString(examples.String())
	return total[1] == 0 && total[2] == 0
}

// printExamples prints lines of one BTF (-) and of the other (+). Of two with the
// same name it prints the name, and where they differ.
func printExamples(w io.Writer, a, b map[line]int, show int) {
	other := map[string]line{}
	for l := range b {
		other[l.name] = l
	}
	for i, l := range sorted(a) {
		pair, ok := other[l.name]
		delete(b, pair)
		switch {
		case i >= show:
		case !ok:
			fmt.Fprintf(w, "- %s\n", escape(l.String()))
		default:
			was, is := difference(l.body, pair.body)
			fmt.Fprintf(w, "  %s\n-     %s\n+     %s\n", escape(l.name), escape(was), escape(is))
		}
	}
	for i, l := range sorted(b) {
		if i >= show {
			break
		}
		fmt.Fprintf(w, "+ %s\n", escape(l.String()))
	}
}

func sorted(lines map[line]int) []line {
	return slices.SortedFunc(maps.Keys(lines), func(a, b line) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.body, b.body))
	})
}

// difference returns the parts of two lines between the words that both begin
// with and the words that both end with.
func difference(a, b string) (string, string) {
	n, word := 0, 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		if n++; a[n-1] == ';' || a[n-1] == '{' || a[n-1] == '(' || a[n-1] == ',' || a[n-1] == ':' {
			word = n
		}
	}
	a, b = a[word:], b[word:]
	n, word = 0, 0
	for n < min(len(a), len(b)) && a[len(a)-1-n] == b[len(b)-1-n] {
		if c := a[len(a)-1-n]; c == ';' || c == '}' || c == ')' || c == ',' {
			word = n
		}
		n++
	}
	return strings.TrimSpace(a[:len(a)-word]), strings.TrimSpace(b[:len(b)-word])
}

// compare counts the lines that two sets share, and returns what is left of each.
func compare(a, b map[line]int) (both int, onlyA, onlyB map[line]int) {
	onlyA, onlyB = map[line]int{}, map[line]int{}
	for l, n := range a {
		both += min(n, b[l])
		if n > b[l] {
			onlyA[l] = n - b[l]
		}
	}
	for l, n := range b {
		if n > a[l] {
			onlyB[l] = n - a[l]
		}
	}
	return both, onlyA, onlyB
}

func count(lines map[line]int) (n int) {
	for _, c := range lines {
		n += c
	}
	return n
}

// canonical returns the lines of a BTF's own types, by kind, and how often each
// is there.
func canonical(b *rawbtf.Blob) map[string]map[line]int {
	c := &canon{b: b, refs: map[rawbtf.ID]string{}}
	lines := map[string]map[line]int{}
	add := func(kind string, l line) {
		if lines[kind] == nil {
			lines[kind] = map[line]int{}
		}
		lines[kind][l]++
	}
	for id, t := range b.All() {
		switch {
		case t.Kind == rawbtf.KindDatasec:
			for i := range t.Vlen {
				e := t.Entry(i)
				v := c.line(e.Var, 0)
				add("place", line{fmt.Sprintf("%s+%#x", b.Name(t.Name), e.Offset), fmt.Sprintf("%d bytes, %s", e.Size, v)})
			}
		case t.Name != 0:
			add(t.Kind.String(), c.line(id, 0))
		}
	}
	return lines
}

// canon writes types without numbers.
type canon struct {
	b    *rawbtf.Blob
	refs map[rawbtf.ID]string // how anonymous types are referred to: in full
}

// maxDepth bounds anonymous types in one another, maxRef how long one of them may
// be: a few that contain each other twice would be endless.
const (
	maxDepth = 64
	maxRef   = 1 << 20
)

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
		if s = c.line(id, depth+1).String(); len(s) > maxRef {
			s = s[:maxRef] + "..."
		}
		c.refs[id] = s
	}
	return s
}

// line writes a type in full.
func (c *canon) line(id rawbtf.ID, depth int) line {
	t := c.b.Type(id)
	name := strings.TrimSuffix(t.Kind.String()+" "+c.b.Name(t.Name), " ")
	var s strings.Builder
	switch t.Kind {
	case rawbtf.KindInt:
		enc, offset, bits := t.Int()
		fmt.Fprintf(&s, "%d bytes, bits %d+%d, encoding %d", t.Size, offset, bits, enc)
	case rawbtf.KindFloat:
		fmt.Fprintf(&s, "%d bytes", t.Size)
	case rawbtf.KindArray:
		elem, _, n := t.Array()
		fmt.Fprintf(&s, "of %d %s", n, c.ref(elem, depth))
	case rawbtf.KindStruct, rawbtf.KindUnion:
		c.members(&s, t, depth)
	case rawbtf.KindEnum, rawbtf.KindEnum64:
		name = strings.TrimSuffix("enum "+c.b.Name(t.Name), " ")
		fmt.Fprintf(&s, "%d bytes {", t.Size)
		for i := range t.Vlen {
			e := t.Enumerator(i)
			fmt.Fprintf(&s, " %s=%s,", c.b.Name(e.Name), enumValue(t, e))
		}
		s.WriteString(" }")
	case rawbtf.KindFwd:
		name = fwdTag(t) + " " + c.b.Name(t.Name)
		s.WriteString("not defined")
	case rawbtf.KindFuncProto:
		c.prototype(&s, t, depth)
	case rawbtf.KindFunc, rawbtf.KindVar:
		fmt.Fprintf(&s, "%s, %s", linkage(t.Linkage()), c.ref(t.Ref(), depth))
	case rawbtf.KindDeclTag:
		fmt.Fprintf(&s, "of %s, component %d%s", c.ref(t.Ref(), depth), t.Component(), attribute(t))
	default:
		fmt.Fprintf(&s, "of %s%s", c.ref(t.Ref(), depth), attribute(t))
	}
	return line{name, s.String()}
}

func (c *canon) members(s *strings.Builder, t rawbtf.Type, depth int) {
	fmt.Fprintf(s, "%d bytes {", t.Size)
	for i := 0; i < t.Vlen && s.Len() < maxRef; i++ {
		m := t.Member(i)
		fmt.Fprintf(s, " %s %s@%d", c.ref(m.Type, depth), c.b.Name(m.Name), m.BitOffset)
		if m.BitSize != 0 {
			fmt.Fprintf(s, ":%d", m.BitSize)
		}
		s.WriteByte(';')
	}
	s.WriteString(" }")
}

func (c *canon) prototype(s *strings.Builder, t rawbtf.Type, depth int) {
	s.WriteByte('(')
	for i := 0; i < t.Vlen && s.Len() < maxRef; i++ {
		if p := t.Param(i); p.Type == 0 {
			s.WriteString("...")
		} else {
			fmt.Fprintf(s, "%s %s, ", c.ref(p.Type, depth), c.b.Name(p.Name))
		}
	}
	fmt.Fprintf(s, ") returns %s", c.ref(t.Ref(), depth))
}

func attribute(t rawbtf.Type) string {
	if t.Flag && (t.Kind == rawbtf.KindDeclTag || t.Kind == rawbtf.KindTypeTag) {
		return ", attribute"
	}
	return ""
}
