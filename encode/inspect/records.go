package inspect

import (
	"bufio"
	"fmt"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// printRecords prints each record: its number, kind and name, and an indented
// line for each of its elements.
func printRecords(w *bufio.Writer, b *rawbtf.Blob) {
	for id, t := range b.All() {
		fmt.Fprintf(w, "[%d] %v %q", id, t.Kind, b.Name(t.Name))
		switch t.Kind {
		case rawbtf.KindInt:
			enc, offset, bits := t.Int()
			fmt.Fprintf(w, " size=%d bits=%d", t.Size, bits)
			if offset != 0 {
				fmt.Fprintf(w, " offset=%d", offset)
			}
			for bit, name := range []string{"signed", "char", "bool"} {
				if enc>>bit&1 != 0 {
					fmt.Fprintf(w, " %s", name)
				}
			}
		case rawbtf.KindArray:
			elem, index, n := t.Array()
			fmt.Fprintf(w, " type=%d index=%d n=%d", elem, index, n)
		case rawbtf.KindStruct, rawbtf.KindUnion, rawbtf.KindDatasec, rawbtf.KindFloat:
			fmt.Fprintf(w, " size=%d", t.Size)
		case rawbtf.KindEnum, rawbtf.KindEnum64:
			fmt.Fprintf(w, " size=%d", t.Size)
			if t.Flag {
				fmt.Fprint(w, " signed")
			}
		case rawbtf.KindFwd:
			fmt.Fprintf(w, " %s", fwdTag(t))
		case rawbtf.KindFunc, rawbtf.KindVar:
			fmt.Fprintf(w, " type=%d %s", t.Ref(), linkage(t.Linkage()))
		case rawbtf.KindDeclTag:
			fmt.Fprintf(w, " type=%d component=%d", t.Ref(), t.Component())
		default:
			fmt.Fprintf(w, " type=%d", t.Ref())
		}
		if t.Flag && (t.Kind == rawbtf.KindDeclTag || t.Kind == rawbtf.KindTypeTag) {
			fmt.Fprint(w, " attribute")
		}
		fmt.Fprintln(w)
		printElements(w, b, t)
	}
}

func printElements(w *bufio.Writer, b *rawbtf.Blob, t rawbtf.Type) {
	for i := range t.Vlen {
		switch t.Kind {
		case rawbtf.KindStruct, rawbtf.KindUnion:
			m := t.Member(i)
			fmt.Fprintf(w, "\t%q type=%d bit=%d", b.Name(m.Name), m.Type, m.BitOffset)
			if m.BitSize != 0 {
				fmt.Fprintf(w, " bits=%d", m.BitSize)
			}
			fmt.Fprintln(w)
		case rawbtf.KindEnum, rawbtf.KindEnum64:
			e := t.Enumerator(i)
			fmt.Fprintf(w, "\t%q %s\n", b.Name(e.Name), enumValue(t, e))
		case rawbtf.KindFuncProto:
			p := t.Param(i)
			fmt.Fprintf(w, "\t%q type=%d\n", b.Name(p.Name), p.Type)
		case rawbtf.KindDatasec:
			e := t.Entry(i)
			fmt.Fprintf(w, "\t%q type=%d offset=%d size=%d\n", b.Name(b.Type(e.Var).Name), e.Var, e.Offset, e.Size)
		default:
			return
		}
	}
}

// fwdTag returns struct or union, which a forward declaration is of.
func fwdTag(t rawbtf.Type) string {
	if t.Flag {
		return "union"
	}
	return "struct"
}

func linkage(l uint32) string {
	switch l {
	case rawbtf.Static:
		return "static"
	case rawbtf.Global:
		return "global"
	case rawbtf.Extern:
		return "extern"
	}
	return fmt.Sprintf("linkage=%d", l)
}

func enumValue(t rawbtf.Type, e rawbtf.Enumerator) string {
	if t.Flag {
		return fmt.Sprint(int64(e.Value))
	}
	return fmt.Sprint(e.Value)
}
