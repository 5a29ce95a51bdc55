package rawbtf

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rewrite writes the types of b anew.
func rewrite(t *testing.T, b *Blob) []byte {
	w := NewBuilder(&BuilderOptions{Order: b.order, Base: b.Base(), Layout: b.HasLayout(), WideVlen: true})
	name := func(s Str) Str { return w.Str(b.NameBytes(s)) }
	for _, t := range b.All() {
		var (
			n       = name(t.Name)
			members []Member
			values  []Enumerator
			params  []Param
			entries []Entry
		)
		for i := range t.Vlen {
			switch t.Kind {
			case KindStruct, KindUnion:
				m := t.Member(i)
				m.Name = name(m.Name)
				members = append(members, m)
			case KindEnum, KindEnum64:
				e := t.Enumerator(i)
				e.Name = name(e.Name)
				values = append(values, e)
			case KindFuncProto:
				p := t.Param(i)
				p.Name = name(p.Name)
				params = append(params, p)
			case KindDatasec:
				entries = append(entries, t.Entry(i))
			}
		}
		switch t.Kind {
		case KindInt:
			enc, offset, bits := t.Int()
			w.Int(n, t.Size, enc, offset, bits)
		case KindFloat:
			w.Float(n, t.Size)
		case KindPtr:
			w.Ptr(t.Ref())
		case KindConst, KindVolatile, KindRestrict:
			w.Qualifier(t.Kind, t.Ref())
		case KindTypedef:
			w.Typedef(n, t.Ref())
		case KindTypeTag:
			w.TypeTag(n, t.Ref(), t.Flag)
		case KindDeclTag:
			w.DeclTag(n, t.Ref(), t.Component(), t.Flag)
		case KindFwd:
			w.Fwd(n, t.Flag)
		case KindArray:
			w.Array(t.Array())
		case KindStruct:
			w.Struct(n, t.Size, members)
		case KindUnion:
			w.Union(n, t.Size, members)
		case KindEnum:
			w.Enum(n, t.Size, t.Flag, values)
		case KindEnum64:
			w.Enum64(n, t.Size, t.Flag, values)
		case KindFuncProto:
			w.FuncProto(t.Ref(), params)
		case KindFunc:
			w.Func(n, t.Ref(), t.Linkage())
		case KindVar:
			w.Var(n, t.Ref(), t.Linkage())
		case KindDatasec:
			w.Datasec(n, t.Size, entries)
		}
	}
	return mustBytes(t, w)
}

// FuzzBlob reads any bytes. What it reads and Verify accepts, Builder writes:
// with the same types, and with the same bytes once it has written them.
func FuzzBlob(f *testing.F) {
	for i := range verifyCases {
		f.Add(verifyCase(f, i))
	}
	for _, opts := range []*BuilderOptions{{Order: bigEndian}, {Layout: true}} {
		b := NewBuilder(opts)
		everyKind(b)
		f.Add(mustBytes(f, b))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := Parse(raw, nil)
		if format := (*FormatError)(nil); err != nil && !errors.As(err, &format) {
			t.Fatalf("%T %v", err, err)
		}
		if err != nil {
			return
		}
		for id := range b.End() + 2 { // nothing that Parse lets pass breaks reading
			ty := b.Type(id)
			b.Name(ty.Name)
			for range ty.Refs() {
			}
		}
		if len(Verify(b, Release{})) > 0 {
			return
		}
		once := rewrite(t, b)
		copied := mustParse(t, once, nil)
		if diff := cmp.Diff(lines(b), lines(copied)); diff != "" {
			t.Errorf("types (-read +written):\n%s", diff)
		}
		if twice := rewrite(t, copied); !bytes.Equal(once, twice) {
			t.Errorf("written once %x\nand twice %x", once, twice)
		}
	})
}
