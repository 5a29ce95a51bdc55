package btfsrc

import (
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// FuzzLoad gives any bytes as BTF, also split in two: what loads must agree
// with itself and with cilium's reader, and every text must keep its bound.
func FuzzLoad(f *testing.F) {
	for _, layout := range []vmcore.Layout{little64, big64, little32} {
		b := sample(layout)
		split := b.split()
		split.section(".data", split.variable("count", split.pointer(8)), 64, 8)
		f.Add(b.bytes(), split.bytes(), layout.BigEndian, layout.WordSize == 4)
		b.headerLen = headerLayoutLen
		b.kinds = make([]byte, 4*21)
		b.add("", 20, 0, 0)
		f.Add(b.bytes(), b.bytes(), layout.BigEndian, layout.WordSize == 4)
	}
	f.Fuzz(func(t *testing.T, raw, split []byte, bigEndian, word4 bool) {
		layout := vmcore.Layout{BigEndian: bigEndian, WordSize: 8}
		if word4 {
			layout.WordSize = 4
		}
		types, err := Load(raw, layout)
		if err != nil {
			return
		}
		compareWithReference(t, raw, layout)
		if err := types.AddSplit("split", SourceModule, split); err != nil {
			_ = types.AddSplit("file", SourceFile, split)
		}
		n := 0
		for typ := range types.All() {
			if n++; n > 1000 {
				break
			}
			checkType(t, types, typ)
		}
		checkVars(t, types)
	})
}

func checkType(t *testing.T, types *Types, typ btf.Type) {
	t.Helper()
	if n := len(TypeName(typ)); n == 0 || n > maxDeclaration+len("…") {
		t.Errorf("name of %d bytes", n)
	}
	opts := &DefinitionOptions{Offsets: true, Holes: true}
	if n := len(types.Definition(typ, opts)); n == 0 || n > 2*maxDefinition {
		t.Errorf("definition of %d bytes", n)
	}
	fields := Fields(typ)
	if _, err := types.Sizeof(typ); err != nil && len(fields) > 0 {
		t.Errorf("%s has members and no size: %v", TypeName(typ), err)
	}
	first := map[string]Field{}
	for _, field := range fields {
		if _, ok := first[field.Name]; !ok && field.Name != "" {
			first[field.Name] = field
		}
	}
	for name, want := range first {
		if got, err := Find(typ, name); err != nil || got != want {
			t.Errorf("Find(%s, %q) = %v, %v, want %v", TypeName(typ), name, got, err, want)
		}
	}
	if name := typ.TypeName(); name != "" && len(name) <= maxName {
		checkLookup(t, types, typ, name)
	}
}

// checkLookup verifies that a type with a name is found by it.
func checkLookup(t *testing.T, types *Types, typ btf.Type, name string) {
	t.Helper()
	switch typ.(type) {
	case *btf.Int, *btf.Float, *btf.Struct, *btf.Union, *btf.Enum, *btf.Typedef:
	default:
		return
	}
	if name[0] == '<' {
		return // may be our word for a name that is not there
	}
	for _, found := range types.Lookup(KindAny, name) {
		if found == typ {
			return
		}
	}
	t.Errorf("%s is not found by its name", TypeName(typ))
}

// checkVars verifies that each entry of a section is found by its name.
func checkVars(t *testing.T, types *Types) {
	t.Helper()
	for _, section := range types.Sections() {
		n := 0
		for v := range types.Section(section) {
			if n++; n > 100 {
				break
			}
			if v.Name == "" || v.Name[0] == '<' {
				continue
			}
			found := false
			for _, other := range types.Vars(v.Name) {
				found = found || other.Type == v.Type && other.Source == v.Source
			}
			if !found {
				t.Errorf("%s in %s is not found by its name", v.Name, section)
			}
		}
	}
}
