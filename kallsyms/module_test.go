package kallsyms_test

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/vmcore"
)

// moduleSymbols are, after the null symbol, in the order of an ELF file.
var moduleSymbols = []kallsymstest.ModuleSymbol{
	{Addr: 0x2010, Type: 'd', Name: "state"},
	{Addr: 0x1000, Type: 't', Name: "init_one"},
	{Addr: 0x1000, Type: 't', Name: "$x"},
	{Addr: 0x1040, Type: 'T', Name: "mod_fn"},
	{Addr: 0x1040, Type: 't', Name: ".Lhere"},
	{Addr: 0x1040, Type: 't', Name: "mod_fn_alias"},
	{Addr: 0, Type: 'U', Name: "printk", Undefined: true},
	{Addr: 0x2000, Type: 'd', Name: ""},
	{Addr: 0x2000, Type: 'd', Name: "head"},
	{Addr: 0x38, Type: 'd', Name: "counter"},
	{Addr: 0x2100, Type: 'd', Name: strings.Repeat("long_", 40)},
}

var moduleSections = []kallsyms.Section{
	{Start: 0x1000, End: 0x1080, Class: kallsyms.Text},
	{Start: 0x2000, End: 0x2200, Class: kallsyms.Data},
	{Start: 0x30, End: 0x40, Class: kallsyms.PerCPU},
}

func TestLoadModule(t *testing.T) {
	want := `
38 d counter percpu 0x8
1000 t init_one text 0x40
1040 T mod_fn text 0x40
1040 t mod_fn_alias text 0x40
2000 d head data 0x10
2010 d state data 0xf0
2100 d ` + strings.Repeat("long_", 40) + ` data 0x100
`
	for _, layout := range []vmcore.Layout{le64, be64, le32, be32} {
		for _, types := range []kallsymstest.TypeHome{kallsymstest.Typetab, kallsymstest.StSize, kallsymstest.StInfo} {
			t.Run(fmt.Sprintf("%v/%v", layout, types), func(t *testing.T) {
				img, spec := kallsymstest.Module(layout, types, 0x8000, moduleSymbols)
				spec.Name, spec.Sections = "mod", moduleSections
				table, err := kallsyms.LoadModule(img, layout, spec)
				if err != nil {
					t.Fatal(err)
				}
				var got strings.Builder
				for s := range table.All() {
					fmt.Fprintf(&got, "%x %c %s %v %#x\n", uint64(s.Addr), s.Type, s.Name, s.Class, s.Size)
					if s.Module != "mod" {
						t.Errorf("%s is of module %q", s.Name, s.Module)
					}
				}
				if diff := gocmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got.String())); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if s, offset, ok := table.Resolve(0x1044); !ok || s.Name != "mod_fn" || offset != 4 {
					t.Errorf("0x1044 is in %v+%d, %v", s, offset, ok)
				}
				if s, _, ok := table.Resolve(0x38); ok {
					t.Errorf("a per-CPU offset is in %v", s)
				}
			})
		}
	}
}

func TestLoadModuleErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(img *kallsymstest.Image, spec *kallsyms.ModuleSpec)
		want  string
	}{
		{"symtab", func(_ *kallsymstest.Image, spec *kallsyms.ModuleSpec) { spec.Symtab = 0x100 },
			"symtab of module mod at 0x100: address 0x21f: not mapped"},
		{"typetab", func(_ *kallsymstest.Image, spec *kallsyms.ModuleSpec) { spec.Typetab = 0x100 },
			"typetab of module mod at 0x100: address 0x10b: not mapped"},
		{"count", func(_ *kallsymstest.Image, spec *kallsyms.ModuleSpec) { spec.NumSymbols = 1 << 40 },
			"symtab of module mod at 0x8000: more symbols than any module has"},
		{"no strtab", func(_ *kallsymstest.Image, spec *kallsyms.ModuleSpec) { spec.Strtab = 0x100 }, "0 symbols"},
		{"cut strtab", func(img *kallsymstest.Image, spec *kallsyms.ModuleSpec) {
			img.Bytes = img.Bytes[:spec.Strtab-img.Start+8] // NUL, "state", NUL, "i"
		}, "1 symbols"},
		{"nothing", func(_ *kallsymstest.Image, spec *kallsyms.ModuleSpec) { spec.NumSymbols = 0 }, "0 symbols"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			img, spec := kallsymstest.Module(le64, kallsymstest.Typetab, 0x8000, moduleSymbols)
			spec.Name = "mod"
			tt.spoil(img, &spec)
			table, err := kallsyms.LoadModule(img, le64, spec)
			got := fmt.Sprint(err)
			if err == nil {
				got = fmt.Sprintf("%d symbols", table.Len())
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
