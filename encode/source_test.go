package encode

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// compile compiles C sources, the text of each given, and returns the name of
// the object file, or of a static executable if link is set. Without gcc the test
// is skipped, or fails if KDBG_REQUIRE_TOOLS is set.
func compile(t *testing.T, link bool, flags string, sources ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		if os.Getenv("KDBG_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	args := append(strings.Fields("-g -O2 -fno-pic -fno-pie -fcf-protection=none -o out"), strings.Fields(flags)...)
	if link {
		args = append(args, strings.Fields("-nostdlib -static -Wl,-e0,--build-id=none,--unique=.data..percpu")...)
	} else {
		args = append(args, strings.Fields("-nostdlib -r")...)
	}
	for i, s := range sources {
		name := fmt.Sprintf("%c.c", 'a'+i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s), 0o666); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	cmd := exec.Command("gcc", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return filepath.Join(dir, "out")
}

func encodeFile(t *testing.T, name string, opts *Options) *Result {
	t.Helper()
	f, err := dwarf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return encodeDWARF(t, f, opts)
}

func encodeText(t *testing.T, d dwarftest.File, opts *Options) *Result {
	t.Helper()
	f, err := dwarf.New(d.Bytes(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return encodeDWARF(t, f, opts)
}

func encodeDWARF(t *testing.T, f *dwarf.File, opts *Options) *Result {
	t.Helper()
	r, err := Encode(context.Background(), f, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// decoded reads BTF back.
func decoded(t *testing.T, raw []byte) []btf.Type {
	t.Helper()
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return decodedSpec(t, spec)
}

func decodedSpec(t *testing.T, spec *btf.Spec) []btf.Type {
	t.Helper()
	var types []btf.Type
	for typ, err := range spec.All() {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, typ)
	}
	return types
}

// functionLines returns the functions of BTF as declarations, with their tags.
func functionLines(t *testing.T, raw []byte) string {
	t.Helper()
	var b strings.Builder
	for _, typ := range decoded(t, raw) {
		f, ok := typ.(*btf.Func)
		if !ok {
			continue
		}
		p := f.Type.(*btf.FuncProto)
		var params []string
		for i, q := range p.Params {
			s := "..."
			if q.Name != "" {
				s = spell(q.Type, q.Name)
			}
			if i < len(f.ParamTags) && len(f.ParamTags[i]) > 0 {
				s += fmt.Sprintf(" %q", f.ParamTags[i])
			}
			params = append(params, s)
		}
		b.WriteString(spell(p.Return, f.Name+"("+strings.Join(params, ", ")+")"))
		if len(f.Tags) > 0 {
			fmt.Fprintf(&b, " %q", f.Tags)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// variableLines returns the variables of BTF as declarations, under the sections
// that list them, and checks what the kernel wants of a DATASEC.
func variableLines(t *testing.T, raw []byte) string {
	t.Helper()
	return variableLinesOf(t, decoded(t, raw))
}

func variableLinesOf(t *testing.T, types []btf.Type) string {
	t.Helper()
	var b strings.Builder
	listed := make(map[*btf.Var]bool)
	for _, typ := range types {
		sec, ok := typ.(*btf.Datasec)
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "%s:\n", sec.Name)
		end := uint32(0)
		for _, e := range sec.Vars {
			v := e.Type.(*btf.Var)
			listed[v] = true
			if e.Offset < end || e.Size == 0 {
				t.Errorf("%s: %s at %d, before %d, or empty", sec.Name, v.Name, e.Offset, end)
			}
			end = e.Offset + e.Size
			fmt.Fprintf(&b, "\t%s // %d\n", variableLine(v), e.Size)
		}
		if end != sec.Size {
			t.Errorf("%s has %d bytes, want %d", sec.Name, sec.Size, end)
		}
	}
	for _, typ := range types {
		if v, ok := typ.(*btf.Var); ok && !listed[v] {
			fmt.Fprintf(&b, "%s\n", variableLine(v))
		}
	}
	return b.String()
}

func variableLine(v *btf.Var) string {
	s := spell(v.Type, v.Name)
	if v.Linkage == btf.StaticVar {
		s = "static " + s
	}
	if len(v.Tags) > 0 {
		s += fmt.Sprintf(" %q", v.Tags)
	}
	return s
}

// spell writes a declaration in C.
func spell(typ btf.Type, name string) string {
	switch typ := typ.(type) {
	case *btf.Void:
		return strings.TrimSpace("void " + name)
	case *btf.Pointer:
		switch typ.Target.(type) {
		case *btf.Array, *btf.FuncProto:
			return spell(typ.Target, "(*"+name+")")
		}
		return spell(typ.Target, "*"+name)
	case *btf.Array:
		return spell(typ.Type, fmt.Sprintf("%s[%d]", name, typ.Nelems))
	case *btf.Const:
		return qualified("const", typ.Type, name)
	case *btf.Volatile:
		return qualified("volatile", typ.Type, name)
	case *btf.TypeTag:
		return spell(typ.Type, fmt.Sprintf("%q %s", typ.Value, name))
	case *btf.FuncProto:
		var params []string
		for _, p := range typ.Params {
			params = append(params, spell(p.Type, p.Name))
		}
		return spell(typ.Return, name+"("+strings.Join(params, ", ")+")")
	case *btf.Struct:
		return strings.TrimSpace("struct " + typ.Name + " " + name)
	case *btf.Fwd:
		return strings.TrimSpace("struct " + typ.Name + "; " + name)
	}
	return strings.TrimSpace(typ.TypeName() + " " + name)
}

func qualified(word string, typ btf.Type, name string) string {
	if p, ok := typ.(*btf.Pointer); ok {
		return spell(p, word+" "+name)
	}
	return word + " " + spell(typ, name)
}

// lines strips the indentation that text has in the source of a test.
func lines(text string) string {
	text = strings.TrimPrefix(text, "\n")
	indent := len(text) - len(strings.TrimLeft(text, "\t"))
	var out []string
	for line := range strings.Lines(text) {
		out = append(out, line[min(indent, len(line)-len(strings.TrimLeft(line, "\t"))):])
	}
	return strings.TrimRight(strings.Join(out, ""), "\t")
}

// sorted returns the lines of a text in order.
func sorted(text string) string {
	list := slices.Sorted(strings.Lines(text))
	return strings.Join(list, "")
}

// entry is an entry of a DATASEC.
type entry struct {
	section, name string
	offset        uint32
}

func entries(t *testing.T, raw []byte) []entry {
	t.Helper()
	var list []entry
	for _, typ := range decoded(t, raw) {
		if sec, ok := typ.(*btf.Datasec); ok {
			for _, e := range sec.Vars {
				list = append(list, entry{sec.Name, e.Type.TypeName(), e.Offset})
			}
		}
	}
	return list
}
