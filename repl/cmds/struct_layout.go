package cmds

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// layout returns the definition of a structure with the offset of each member in
// brackets, or its address where base says where the structure is.
func (e *Env) layout(spec structSpec, base *vmcore.Addr) (string, error) {
	size, err := e.Kernel.Types().Sizeof(spec.typ)
	if err != nil {
		return "", err
	}
	l := layoutWriter{base: base}
	l.width = len(l.place(size)) + len("  ")
	fmt.Fprintf(&l, "%s {\n", btfsrc.TypeName(spec.typ))
	if len(spec.paths) == 0 {
		l.fields(spec.typ, 0, 0)
	}
	for _, path := range spec.paths {
		f, err := e.memberField(spec.typ, path)
		if err != nil {
			return "", err
		}
		f.Name = path
		l.field(f, 0)
	}
	l.WriteString("};")
	return l.String(), nil
}

// layoutWriter writes members, each behind its place.
type layoutWriter struct {
	strings.Builder
	base  *vmcore.Addr
	width int // of the places
}

// Bounds on what is written of a type, for types made to harm.
const (
	maxLayout       = 1 << 20
	maxLayoutNested = 16
)

// place returns an offset in brackets, or the address there.
func (l *layoutWriter) place(offset uint64) string {
	if l.base != nil {
		return fmt.Sprintf("[%x]", uint64(*l.base)+offset)
	}
	return fmt.Sprintf("[%d]", offset)
}

// fields writes the members of a structure that begins at a bit.
func (l *layoutWriter) fields(t btf.Type, bit uint64, depth int) {
	for _, f := range btfsrc.Fields(t) {
		if l.Len() > maxLayout {
			return
		}
		f.BitOffset += bit
		l.field(f, depth)
	}
}

func (l *layoutWriter) field(f btfsrc.Field, depth int) {
	indent := strings.Repeat("    ", depth)
	if word := unnamed(f.Type); word != "" && depth < maxLayoutNested {
		fmt.Fprintf(l, "%*s %s%s {\n", l.width, "", indent, word)
		l.fields(f.Type, f.BitOffset, depth+1)
		end := "}"
		if f.Name != "" {
			end += " " + f.Name
		}
		fmt.Fprintf(l, "%*s %s%s;\n", l.width, "", indent, end)
		return
	}
	text := btfsrc.Declaration(f.Type, f.Name)
	if f.BitSize != 0 {
		text += fmt.Sprintf(" : %d", f.BitSize)
	}
	fmt.Fprintf(l, "%*s %s%s;\n", l.width, l.place(f.BitOffset/8), indent, text)
}

// unnamed returns struct or union for a type of that kind that has no name.
func unnamed(t btf.Type) string {
	switch t := t.(type) {
	case *btf.Struct:
		if t.Name == "" {
			return "struct"
		}
	case *btf.Union:
		if t.Name == "" {
			return "union"
		}
	}
	return ""
}
