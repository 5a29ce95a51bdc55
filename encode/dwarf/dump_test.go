package dwarf_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// dump writes all entries of a file as text: a line each, a tab for each
// parent, and what the slots say. References are given by the name (or else the
// tag) of the entry they lead to.
func dump(f *dwarf.File) (string, error) {
	var b strings.Builder
	var r, other dwarf.Reader
	for _, u := range f.Units() {
		for r.Reset(u); r.Next(); {
			fmt.Fprintf(&b, "%s%s", strings.Repeat("\t", r.Depth), r.Entry.Tag.String()[len("DW_TAG_"):])
			other.Reset(u)
			describe(&b, f, &r.Entry, &other)
			b.WriteByte('\n')
		}
		if err := r.Err(); err != nil {
			return b.String(), err
		}
	}
	return b.String(), nil
}

// describe appends what the slots of e say.
func describe(b *strings.Builder, f *dwarf.File, e *dwarf.Entry, r *dwarf.Reader) {
	ref := func(what string, at dwarf.Ref) {
		switch {
		case at == 0:
		case !r.Seek(at):
			fmt.Fprintf(b, " %s=none(%v)", what, r.Err())
		case r.Entry.Name() != 0:
			fmt.Fprintf(b, " %s=%s", what, f.String(r.Entry.Name()))
		default:
			fmt.Fprintf(b, " %s=%s", what, r.Entry.Tag.String()[len("DW_TAG_"):])
		}
	}
	str := func(what string, s dwarf.StringRef) {
		if s != 0 {
			fmt.Fprintf(b, " %s=%q", what, f.String(s))
		}
	}
	num := func(what string, s dwarf.Slot, v any) {
		if e.Has(s) {
			fmt.Fprintf(b, " %s=%v", what, v)
		}
	}
	str("name", e.Name())
	str("linkage", e.LinkageName())
	ref("type", e.Type())
	ref("spec", e.Specification())
	ref("origin", e.AbstractOrigin())
	ref("annotation", e.Annotation())
	ref("signature", e.Signature())
	ref("import", e.Import())
	ref("sibling", e.Sibling())
	num("size", dwarf.SlotByteSize, e.ByteSize())
	num("bits", dwarf.SlotBitSize, e.BitSize())
	num("bitoff", dwarf.SlotBitOffset, e.BitOffset())
	num("databit", dwarf.SlotDataBitOffset, e.DataBitOffset())
	num("upper", dwarf.SlotUpperBound, e.UpperBound().Int())
	num("count", dwarf.SlotCount, e.Count().Uint())
	num("encoding", dwarf.SlotEncoding, e.Encoding())
	num("cc", dwarf.SlotCallingConvention, e.CallingConvention())
	if at, ok := e.MemberLocation(); ok {
		fmt.Fprintf(b, " at=%d", at)
	}
	if e.Has(dwarf.SlotConstValue) {
		fmt.Fprintf(b, " const=%d/%d", e.ConstValue().Int(), e.ConstValue().Uint())
	}
	if pc, ok := e.EntryPC(); ok {
		fmt.Fprintf(b, " pc=%s", address(f, pc))
	}
	if x, ok := e.Location(); ok {
		fmt.Fprintf(b, " loc=[%s]", expr(f, x))
	}
	if l, ok := e.LocationList(); ok {
		fmt.Fprintf(b, " locs=%s", list(f, l))
	}
	if l, ok := e.Ranges(); ok {
		fmt.Fprintf(b, " ranges=%s", list(f, l))
	}
	for i, flag := range []bool{e.Declaration(), e.External(), e.Artificial(), e.Prototyped(), e.Has(dwarf.SlotVector)} {
		if flag {
			b.WriteString(" " + []string{"declaration", "external", "artificial", "prototyped", "vector"}[i])
		}
	}
}

// address writes an address, with the section that a relocation names.
func address(f *dwarf.File, a dwarf.Address) string {
	s := fmt.Sprintf("%#x", a.Value)
	if sections := f.Sections(); a.Section > 0 && a.Section < len(sections) {
		s = sections[a.Section].Name + "+" + s
	} else if a.Section != 0 {
		s = fmt.Sprintf("<%#x>+%s", a.Section, s)
	}
	return s
}

var opNames = map[dwarf.OpCode]string{
	dwarf.OpPlusUconst: "plus_uconst", dwarf.OpFbreg: "fbreg", dwarf.OpStackValue: "stack_value",
	dwarf.OpPiece: "piece", dwarf.OpFormTLS: "tls", dwarf.OpCallFrameCFA: "cfa", dwarf.OpConstu: "constu",
	dwarf.OpConst4s: "const4s", dwarf.OpRegx: "reg", dwarf.OpImplicitPtr: "implicit_pointer",
}

func expr(f *dwarf.File, x dwarf.Expr) string {
	var ops []string
	for {
		o, ok := x.Next()
		if !ok {
			break
		}
		switch o.Code {
		case dwarf.OpAddr, dwarf.OpAddrx:
			ops = append(ops, "addr "+address(f, o.Addr))
		case dwarf.OpBregx:
			ops = append(ops, fmt.Sprintf("breg%d%+d", o.Arg, int64(o.Arg2)))
		case dwarf.OpRegx:
			ops = append(ops, fmt.Sprintf("reg%d", o.Arg))
		case dwarf.OpEntryValue:
			ops = append(ops, fmt.Sprintf("entry(%s)", expr(f, o.Sub)))
		case dwarf.OpImplicitValue:
			ops = append(ops, fmt.Sprintf("implicit % x", o.Sub.Bytes()))
		case dwarf.OpStackValue, dwarf.OpFormTLS, dwarf.OpCallFrameCFA:
			ops = append(ops, opNames[o.Code])
		default:
			name, ok := opNames[o.Code]
			if !ok {
				name = fmt.Sprintf("%#x", uint8(o.Code))
			}
			ops = append(ops, fmt.Sprintf("%s %d", name, int64(o.Arg)))
		}
	}
	if err := x.Err(); err != nil {
		ops = append(ops, err.Error())
	}
	return strings.Join(ops, ", ")
}

func list(f *dwarf.File, l dwarf.List) string {
	var parts []string
	for {
		r, ok := l.Next()
		if !ok {
			break
		}
		s := fmt.Sprintf("%s-%#x", address(f, r.Low), r.High)
		if r.Default {
			s = "default"
		}
		if r.Expr.Len() > 0 {
			s += " " + expr(f, r.Expr)
		}
		parts = append(parts, s)
	}
	if err := l.Err(); err != nil {
		parts = append(parts, err.Error())
	}
	return "(" + strings.Join(parts, "; ") + ")"
}

// assemble reads the file that text describes.
func assemble(t *testing.T, d dwarftest.File) *dwarf.File {
	t.Helper()
	f, err := dwarf.New(d.Bytes(), "")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// lines removes the indentation that a literal has in its test.
func lines(s string) string {
	s = strings.TrimLeft(s, "\n")
	prefix := s[:len(s)-len(strings.TrimLeft(s, "\t"))]
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n\t"), "\n") {
		out = append(out, strings.TrimPrefix(line, prefix))
	}
	return strings.Join(out, "\n") + "\n"
}
