package btfsrc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func describe(vars []Var) string {
	var s []string
	for _, v := range vars {
		text := fmt.Sprintf("%s at %s+%#x of %d, from %s", Declaration(v.Type, v.Name), v.Section, v.Offset, v.Size, v.Source)
		if v.Module != "" {
			text += " " + v.Module
		}
		s = append(s, text)
	}
	return strings.Join(s, "\n")
}

func TestVars(t *testing.T) {
	tests := []struct{ name, want string }{
		{"jiffies", "volatile unsigned int jiffies at .data+0x0 of 4, from btf"},
		{"count", "int count at .data+0x8 of 4, from btf\nunsigned int count at .bss+0x10 of 4, from btf"},
		{"hooks", "int (*hooks)(void *, const char *) at .bss+0x18 of 8, from btf"}, // weak and strong, alike
		{"int", ""},
		{"nosuch", ""},
		{"", ""},
	}
	types := sample(little64).load(t)
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, describe(types.Vars(tt.name))); diff != "" {
			t.Errorf("Vars(%q): %s", tt.name, diff)
		}
	}
	if got, want := types.NumVars(), 5; got != want {
		t.Errorf("NumVars = %d, want %d", got, want)
	}
	if diff := cmp.Diff([]string{".bss", ".data"}, types.Sections()); diff != "" {
		t.Error(diff)
	}
	want := "volatile unsigned int jiffies at .data+0x0 of 4, from btf\nint count at .data+0x8 of 4, from btf"
	if diff := cmp.Diff(want, describe(slices.Collect(types.Section(".data")))); diff != "" {
		t.Error(diff)
	}
}

// A DATASEC of more entries than 16 bits count.
func TestVarsLargeSection(t *testing.T) {
	b := newBuilder(little64)
	integer := b.integer("int", 4, true)
	const n = 70_000
	entries := make([]uint32, 0, 3*n)
	for i := range uint32(n) {
		entries = append(entries, b.variable("v", integer), 4*i, 4)
	}
	b.variable("v", integer) // in no section
	b.section(".data", entries...)
	vars := b.load(t).Vars("v")
	if len(vars) != n+1 {
		t.Fatalf("%d variables, want %d", len(vars), n+1)
	}
	want := "int v at .data+0x445bc of 4, from btf\nint v at +0x0 of 0, from btf"
	if diff := cmp.Diff(want, describe(vars[n-1:])); diff != "" {
		t.Error(diff)
	}
}

func TestAddSplit(t *testing.T) {
	eachForm(t, func(t *testing.T, base *builder) {
		types := base.load(t)
		list := uint32(8)
		file, module := base.split(), base.split()
		file.section(".data", file.variable("count", file.pointer(list)), 64, 8)
		fs := module.composite(kindStruct, "xfs_mount", 96, member{name: "m_list", id: list})
		module.section(".data", module.variable("count", fs), 32, 96)
		alone := newBuilder(base.layout)
		alone.section("alone", alone.variable("mine", alone.integer("long", 8, true)), 0, 8)

		for _, err := range []error{
			types.AddSplit("extra.btf", SourceFile, file.bytes()),
			types.AddSplit("alone.btf", SourceFile, alone.bytes()),
			types.AddSplit("xfs", SourceModule, module.bytes()),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		want := `int count at .data+0x8 of 4, from btf
unsigned int count at .bss+0x10 of 4, from btf
struct xfs_mount count at .data+0x20 of 96, from module xfs
struct list_head *count at .data+0x40 of 8, from file extra.btf
long mine at alone+0x0 of 8, from file alone.btf`
		if diff := cmp.Diff(want, describe(append(types.Vars("count"), types.Vars("mine")...))); diff != "" {
			t.Error(diff)
		}
		m, err := Find(types.Lookup(KindStruct, "xfs_mount")[0], "m_list")
		if err != nil || m.Type != types.Lookup(KindStruct, "list_head")[0] {
			t.Errorf("m_list is %v (%v), want the kernel's list_head", m.Type, err)
		}
	})
}

func TestAddSplitErrors(t *testing.T) {
	base := newBuilder(little64)
	integer := base.integer("int", 4, true)
	proto := base.proto(integer)
	section := base.section(".data")
	tests := []struct {
		name  string
		write func(b *builder)
		want  string
	}{
		{"id past the end", func(b *builder) { b.pointer(5) }, "type 4: it refers to type 5 of 4"},
		{"member is a function", func(b *builder) { b.composite(kindStruct, "s", 4, member{name: "f", id: proto}) }, "type 4: it refers to type 2 of kind 13"},
		{"variable is a section", func(b *builder) { b.variable("v", section) }, "type 4: it refers to type 3 of kind 15"},
		{"section lists a type", func(b *builder) { b.section(".data", integer, 0, 4) }, "type 4: it refers to type 1 of kind 1"},
		{"array of void", func(b *builder) { b.array(0, integer, 2) }, "type 4: it refers to type 0 of kind 0"},
		{"name past the end", func(b *builder) { b.words(0xffff, kindStruct<<24, 0) }, "type 4: its name is at 0xffff, past the strings"},
	}
	types := base.load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := base.split()
			tt.write(b)
			err := types.AddSplit("xfs", SourceModule, b.bytes())
			want := "BTF of xfs does not fit this kernel's BTF: " + tt.want
			if _, ok := errors.AsType[*BaseError](err); !ok || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
	if n := types.NumTypes(); n != 3 {
		t.Errorf("%d types after refused modules, want 3", n)
	}
}
