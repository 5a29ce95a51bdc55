package btfsrc

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// dumps are real kernels': their BTF is what the tests below read.
var dumps = []string{"debian-6.12-amd64.kdump", "vars-7.2-amd64.kdump"}

func dumpBTF(t testing.TB, name string) ([]byte, vmcore.Layout) {
	t.Helper()
	dump, err := vmcore.Open(filepath.Join("..", "testdata", "dumps", name), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dump.Close() })
	image, err := paging.NewImage(dump, dump.Arch(), dump.Info(), dump.Segments())
	if err != nil {
		t.Fatal(err)
	}
	start, end := image.Bounds()
	raw, _, err := Scan(image, start, end, dump.Arch().Layout)
	if err != nil {
		t.Fatal(err)
	}
	return raw, dump.Arch().Layout
}

// Each type that cilium's reader can read is the same as ours.
func TestReferenceReader(t *testing.T) {
	for _, name := range dumps {
		t.Run(name, func(t *testing.T) {
			raw, layout := dumpBTF(t, name)
			compareWithReference(t, raw, layout)
		})
	}
	for _, layout := range []vmcore.Layout{little64, big64} {
		compareWithReference(t, sample(layout).bytes(), layout)
	}
}

// compareWithReference skips what cilium's reader refuses.
func compareWithReference(t *testing.T, raw []byte, layout vmcore.Layout) {
	t.Helper()
	types, err := Load(raw, layout)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return
	}
	b := types.blobs[0]
	ids := map[btf.Type]uint32{}
	for id := range b.ids() {
		ids[types.decode(b, id)] = id
	}
	for id := range b.ids() {
		want, err := spec.TypeByID(btf.TypeID(id))
		if err != nil || b.record(id).kind() == kindDeclTag {
			continue
		}
		ours := outline(types.decode(b, id), func(typ btf.Type) uint32 { return ids[typ] })
		theirs := outline(want, func(typ btf.Type) uint32 {
			id, err := spec.TypeID(typ)
			if err != nil {
				t.Fatal(err)
			}
			return uint32(id)
		})
		if ours != theirs {
			t.Fatalf("type %d differs:\nours   %s\ntheirs %s", id, ours, theirs)
		}
	}
}

// outline writes one type with the types that it refers to as ids.
func outline(typ btf.Type, id func(btf.Type) uint32) string {
	members := func(members []btf.Member) (s string) {
		for _, m := range members {
			s += fmt.Sprintf(" %s@%d:%d=%d", m.Name, m.Offset, m.BitfieldSize, id(m.Type))
		}
		return s
	}
	switch t := typ.(type) {
	case *btf.Int:
		return fmt.Sprint("int ", t.Name, t.Size, t.Encoding)
	case *btf.Float:
		return fmt.Sprint("float ", t.Name, t.Size)
	case *btf.Fwd:
		return fmt.Sprint("forward ", t.Kind, t.Name)
	case *btf.Pointer:
		return fmt.Sprint("pointer ", id(t.Target))
	case *btf.Array:
		return fmt.Sprint("array ", t.Nelems, id(t.Type), id(t.Index))
	case *btf.Struct:
		return fmt.Sprint("struct ", t.Name, t.Size, members(t.Members))
	case *btf.Union:
		return fmt.Sprint("union ", t.Name, t.Size, members(t.Members))
	case *btf.Enum:
		return fmt.Sprint("enum ", t.Name, t.Size, t.Signed, t.Values)
	case *btf.Typedef:
		return fmt.Sprint("typedef ", t.Name, id(t.Type))
	case *btf.Const:
		return fmt.Sprint("const ", id(t.Type))
	case *btf.Volatile:
		return fmt.Sprint("volatile ", id(t.Type))
	case *btf.Restrict:
		return fmt.Sprint("restrict ", id(t.Type))
	case *btf.TypeTag:
		return fmt.Sprint("tag ", t.Value, id(t.Type))
	case *btf.Func:
		return fmt.Sprint("func ", t.Name, t.Linkage, id(t.Type))
	case *btf.Var:
		return fmt.Sprint("var ", t.Name, t.Linkage, id(t.Type))
	case *btf.FuncProto:
		s := fmt.Sprint("proto ", id(t.Return))
		for _, p := range t.Params {
			s += fmt.Sprint(" ", p.Name, "=", id(p.Type))
		}
		return s
	case *btf.Datasec:
		s := fmt.Sprint("datasec ", t.Name, t.Size)
		for _, v := range t.Vars {
			s += fmt.Sprint(" ", id(v.Type), v.Offset, v.Size)
		}
		return s
	}
	return fmt.Sprintf("%T", typ)
}
