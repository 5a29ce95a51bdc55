package encode

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
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

// TestManyVariables has more variables in one section than a DATASEC of kernels
// before 7.2 lists.
func TestManyVariables(t *testing.T) {
	const n, at = maxEntries + 3, 0x10000
	var info strings.Builder
	info.WriteString("unit\ncompile_unit language:data1=12\n\tbase_type @char name:string=\"char\" byte_size:data1=1 encoding:data1=6\n")
	symbols := make([]dwarftest.Symbol, n)
	for i := range symbols {
		name := fmt.Sprintf("v%d", i)
		fmt.Fprintf(&info, "\tvariable name:string=%q type:ref4=@char external:flag_present location:exprloc={03 addr:%#x}\n", name, at+i)
		symbols[i] = dwarftest.Symbol{Name: name, Section: ".data", Value: at + uint64(i), Size: 1, Type: elf.STT_OBJECT, Bind: elf.STB_GLOBAL}
	}
	r := encodeText(t, dwarftest.File{
		Type: elf.ET_EXEC, Info: info.String(), Symbols: symbols,
		Sections: []dwarftest.Section{{Name: ".data", Flags: elf.SHF_ALLOC | elf.SHF_WRITE, Addr: at, Data: make([]byte, n)}},
	}, &Options{Vars: VarsBuiltin, Features: DefaultFeatures()})
	blob, err := rawbtf.Parse(r.BTF, nil)
	if err != nil {
		t.Fatal(err)
	}
	if found := rawbtf.Verify(blob, rawbtf.Release{Major: 6, Minor: 12}); len(found) > 0 {
		t.Errorf("%d violations, the first %v", len(found), found[0])
	}
	var sections []string
	next := uint32(0)
	for _, typ := range blob.All() {
		if typ.Kind != rawbtf.KindDatasec {
			continue
		}
		sections = append(sections, fmt.Sprintf("%s %d", blob.Name(typ.Name), typ.Vlen))
		for i := range typ.Vlen {
			if e := typ.Entry(i); e.Offset != next {
				t.Fatalf("entry %d is at %d, want %d", i, e.Offset, next)
			}
			next++
		}
	}
	if diff := cmp.Diff([]string{".data 65535", ".data 3"}, sections); diff != "" {
		t.Error(diff)
	}
}
