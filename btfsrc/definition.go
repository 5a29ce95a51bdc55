package btfsrc

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// DefinitionOptions says what a definition shows besides C. Nil is the same as
// the zero value.
type DefinitionOptions struct {
	Offsets bool // each member's offset and size in bytes, of bit-fields in bits; default: C only
	Holes   bool // bytes and bits that no member uses; default: not shown
}

const (
	maxDefinition = 1 << 20 // bytes; the longest of Linux 6.18 has 24,000
	maxNesting    = 16      // of anonymous structs in structs
	commentColumn = 48
)

// Definition returns the C definition of a type, as the C compiler would read
// it: structs and unions with their members, those without a name in place;
// enums with their values; typedefs; prototypes of functions. A pointer or array
// shows the struct that it leads to.
//
// The offset of a bit-field is written 16:3, for bit 3 of byte 16, counted as
// in [Field].
func (t *Types) Definition(typ btf.Type, opts *DefinitionOptions) string {
	if opts == nil {
		opts = &DefinitionOptions{}
	}
	d := &definer{types: t, opts: *opts, root: composite(typ)}
	if td, ok := typ.(*btf.Typedef); ok {
		return "typedef " + d.declare(td.Type, td.Name, 0) + ";" + d.total(typ)
	}
	return d.declare(typ, "", 0) + ";" + d.total(typ)
}

// definer writes one definition.
type definer struct {
	types *Types
	opts  DefinitionOptions
	root  btf.Type // the struct, union or enum that is written although it has a name; or nil
	level int      // of nesting
	size  int      // bytes written so far
}

// composite returns the struct, union or enum that pointers, arrays and
// qualifiers lead to, or nil.
func composite(typ btf.Type) btf.Type {
	for range maxDepth {
		switch t := typ.(type) {
		case *btf.Struct, *btf.Union, *btf.Enum:
			return t
		case *btf.Pointer:
			typ = t.Target
		case *btf.Array:
			typ = t.Type
		case *btf.Const:
			typ = t.Type
		case *btf.Volatile:
			typ = t.Type
		case *btf.Restrict:
			typ = t.Type
		case *btf.TypeTag:
			typ = t.Type
		default:
			return nil
		}
	}
	return nil
}

// declare writes a declaration with the types in it that have no other place:
// the root and those without a name. The struct begins at a bit offset.
func (d *definer) declare(typ btf.Type, name string, base uint64) string {
	decl := declarer{tags: true, body: func(typ btf.Type) string {
		if typ == nil || d.level > maxNesting || typ.TypeName() != "" && (d.level > 0 || typ != d.root) {
			return ""
		}
		d.level++
		defer func() { d.level-- }()
		switch t := typ.(type) {
		case *btf.Struct:
			return d.block(join("struct", t.Name), d.members(t.Members, base, 8*uint64(t.Size)))
		case *btf.Union:
			return d.block(join("union", t.Name), d.members(t.Members, base, 0))
		case *btf.Enum:
			return d.block(join("enum", t.Name), d.values(t))
		}
		return ""
	}}
	return decl.declare(typ, name)
}

func (d *definer) block(head string, lines []string) string {
	if len(lines) == 0 {
		return head + " {}"
	}
	var s strings.Builder
	s.WriteString(head + " {\n")
	for _, line := range lines {
		s.WriteString(line + "\n")
	}
	s.WriteString(d.indent(-1) + "}")
	return s.String()
}

// members writes the members of a struct of a number of bits, or of a union
// when that is 0, which begins at bit base.
func (d *definer) members(members []btf.Member, base, bits uint64) []string {
	var lines []string
	end := base // of the last member, in bits
	for _, m := range members {
		f := newField(m, base)
		if bits != 0 {
			lines = d.hole(lines, "hole", f.BitOffset, end)
		}
		if d.full(&lines) {
			return lines
		}
		lines = d.add(lines, d.member(f))
		end = max(end, f.BitOffset+d.bitsOf(f))
	}
	if bits != 0 {
		lines = d.hole(lines, "padding", base+bits, end)
	}
	return lines
}

func (d *definer) member(f Field) string {
	base := f.BitOffset
	if _, ok := Strip(f.Type).(*btf.Pointer); ok {
		base = 0 // what it points to has offsets of its own
	}
	line := d.indent(0) + d.declare(f.Type, f.Name, base)
	if f.BitSize != 0 {
		line += fmt.Sprintf(" : %d", f.BitSize)
	}
	line += ";"
	if !d.opts.Offsets {
		return line
	}
	bit, size := "", "?"
	if f.BitSize != 0 {
		bit, size = fmt.Sprintf(":%d", f.BitOffset%8), count(f.BitSize, "bit")
	} else if n, err := d.types.Sizeof(f.Type); err == nil {
		size = fmt.Sprint(n)
	}
	last := line[strings.LastIndexByte(line, '\n')+1:]
	pad := strings.Repeat(" ", max(commentColumn-len(last), 1))
	return line + pad + fmt.Sprintf("/* %5d%-3s%7s */", f.BitOffset/8, bit, size)
}

func (d *definer) bitsOf(f Field) uint64 {
	if f.BitSize != 0 {
		return f.BitSize
	}
	n, err := d.types.Sizeof(f.Type)
	if err != nil {
		return 0
	}
	return 8 * n
}

// hole adds a comment when something begins after the end of what came before.
func (d *definer) hole(lines []string, what string, start, end uint64) []string {
	if !d.opts.Holes || start <= end {
		return lines
	}
	size := count(start-end, "bit")
	if (start-end)%8 == 0 {
		size = count((start-end)/8, "byte")
	}
	return d.add(lines, fmt.Sprintf("%s/* %s: %s */", d.indent(0), what, size))
}

func (d *definer) values(e *btf.Enum) []string {
	var lines []string
	for _, v := range e.Values {
		if d.full(&lines) {
			return lines
		}
		value := fmt.Sprint(v.Value)
		if e.Signed {
			value = fmt.Sprint(int64(v.Value))
		}
		lines = d.add(lines, fmt.Sprintf("%s%s = %s,", d.indent(0), v.Name, value))
	}
	return lines
}

// indent returns the blanks before a line, some levels off from the current one.
func (d *definer) indent(levels int) string { return strings.Repeat("    ", d.level+levels) }

func (d *definer) add(lines []string, line string) []string {
	d.size += len(line)
	return append(lines, line)
}

// full reports whether the bound is reached, and says so in the definition.
func (d *definer) full(lines *[]string) bool {
	if d.size < maxDefinition {
		return false
	}
	*lines = append(*lines, d.indent(0)+"/* … */")
	return true
}

// total returns the comment with the size of the whole.
func (d *definer) total(typ btf.Type) string {
	if !d.opts.Offsets {
		return ""
	}
	if d.root != nil {
		typ = d.root
	}
	n, err := d.types.Sizeof(typ)
	if err != nil {
		return ""
	}
	return " /* size: " + fmt.Sprint(n) + " */"
}

func count(n uint64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
