package encode

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
	"github.com/kdbg/kdbg/encode/internal/tooltest"
)

// TestVariablesSplitConfirm has bpftool read a split BTF with its base: the string
// that says which base that is does not disturb it.
func TestVariablesSplitConfirm(t *testing.T) {
	name := compile(t, true, "-Wl,--defsym=missing=0", variablesA, variablesB)
	raw := encodeFile(t, name, &Options{Vars: VarsPerCPU, Features: DefaultFeatures()}).BTF
	blob, err := rawbtf.Parse(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	base, err := NewBase(blob)
	if err != nil {
		t.Fatal(err)
	}
	split := encodeFile(t, name, &Options{Vars: VarsSplit, Base: base, Features: DefaultFeatures()}).BTF
	own, err := rawbtf.Parse(split, blob)
	if err != nil {
		t.Fatal(err)
	}
	if made, ok := own.MadeFor(); !ok || made != blob.Identity() {
		t.Errorf("it is made for %v, %v; want %v", made, ok, blob.Identity())
	}

	dir := t.TempDir()
	for file, data := range map[string][]byte{"base.btf": raw, "split.btf": split} {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var dump struct {
		Types []struct {
			ID   rawbtf.ID
			Kind string
			Name string
			Type rawbtf.ID `json:"type_id"`
		}
	}
	out := tooltest.Run(t, dir, "bpftool", "-j", "-B", "base.btf", "btf", "dump", "file", "split.btf", "format", "raw")
	if err := json.Unmarshal([]byte(out), &dump); err != nil {
		t.Fatal(err)
	}
	type variable struct {
		ID, Type rawbtf.ID
		Name     string
	}
	var got, want []variable
	for _, typ := range dump.Types {
		if typ.Kind == "VAR" {
			got = append(got, variable{typ.ID, typ.Type, typ.Name})
		}
	}
	for id, typ := range own.All() {
		if typ.Kind == rawbtf.KindVar {
			want = append(want, variable{id, typ.Ref(), own.Name(typ.Name)})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("%d variables (-want +got):\n%s", len(got), diff)
	}
}
