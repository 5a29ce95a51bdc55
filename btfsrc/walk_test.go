package btfsrc

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
)

func describeFields(fields []Field) string {
	var s []string
	for _, f := range fields {
		text := fmt.Sprintf("%s@%d", f.Name, f.BitOffset)
		if f.BitSize != 0 {
			text += fmt.Sprintf(":%d", f.BitSize)
		}
		s = append(s, text)
	}
	return strings.Join(s, " ")
}

func TestFields(t *testing.T) {
	tests := []struct{ name, want string }{
		{"task", "state@0 tasks@64 @192 exiting@224:1 policy@225:3 hits@256 handler@320 comm@512 tail@760"},
		{"legacy", "low@0:2 high@2:3"},
		{"atomic_t", "counter@0"},
		{"int", ""},
	}
	eachForm(t, func(t *testing.T, b *builder) {
		types := b.load(t)
		for _, tt := range tests {
			if diff := cmp.Diff(tt.want, describeFields(Fields(types.Lookup(KindAny, tt.name)[0]))); diff != "" {
				t.Errorf("Fields(%s): %s", tt.name, diff)
			}
		}
	})
}

func TestFind(t *testing.T) {
	tests := []struct{ typ, member, want string }{
		{"task", "policy", "policy@225:3"},
		{"task", "usage", "usage@192"}, // in the anonymous union
		{"atomic_t", "counter", "counter@0"},
		{"task", "next", `struct task has no member "next"`},
		{"task", "", `struct task has no member ""`},
		{"int", "x", "int has no members: not a struct or union"},
	}
	types := sample(little64).load(t)
	for _, tt := range tests {
		f, err := Find(types.Lookup(KindAny, tt.typ)[0], tt.member)
		got := describeFields([]Field{f})
		if err != nil {
			got = err.Error()
			if !errors.Is(err, vmcore.ErrNotFound) {
				t.Errorf("%v is not ErrNotFound", err)
			}
		}
		if got != tt.want {
			t.Errorf("Find(%s, %q) = %s, want %s", tt.typ, tt.member, got, tt.want)
		}
	}
}

func TestSizeof(t *testing.T) {
	integer := &btf.Int{Name: "int", Size: 4}
	typedefs := btf.Type(integer)
	for range 30 {
		typedefs = &btf.Typedef{Name: "t", Type: typedefs}
	}
	self := &btf.Array{Nelems: 1}
	self.Type = self
	loop := &btf.Typedef{Name: "loop"}
	loop.Type = loop
	huge := &btf.Array{Nelems: 1 << 31, Type: &btf.Array{Nelems: 1 << 31, Type: &btf.Array{Nelems: 1 << 31, Type: integer}}}
	tests := []struct {
		typ  btf.Type
		want string
	}{
		{&btf.Pointer{}, "4"}, // of the layout
		{typedefs, "4"},
		{&btf.Array{Nelems: 3, Type: &btf.Const{Type: &btf.Array{Nelems: 2, Type: integer}}}, "24"},
		{&btf.Array{Type: integer}, "0"},
		{&btf.Var{Type: integer}, "4"},
		{&btf.Struct{Size: 40}, "40"},
		{nil, "void: incomplete type"},
		{(*btf.Void)(nil), "void: incomplete type"},
		{&btf.Array{Nelems: 2, Type: &btf.Fwd{Name: "f"}}, "struct f: incomplete type"},
		{&btf.FuncProto{Return: integer}, "int (void): incomplete type"},
		{self, "type contains itself"},
		{loop, "loop: incomplete type"},
		{huge, "array of 2^64 elements or more"},
	}
	types := Empty(little32)
	for _, tt := range tests {
		n, err := types.Sizeof(tt.typ)
		got := fmt.Sprint(n)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("Sizeof(%s) = %s, want %s", TypeName(tt.typ), got, tt.want)
		}
	}
}

func TestStrip(t *testing.T) {
	integer := &btf.Int{Name: "int", Size: 4}
	got := Strip(&btf.Const{Type: &btf.Typedef{Type: &btf.Volatile{Type: &btf.TypeTag{Type: &btf.Restrict{Type: integer}}}}})
	if got != integer {
		t.Errorf("Strip = %v, want %v", got, integer)
	}
	loop := &btf.Const{}
	loop.Type = loop
	if got := Strip(loop); !isVoid(got) {
		t.Errorf("Strip of a loop = %v, want void", got)
	}
}

// A struct that contains itself without a name ends the search all the same.
func TestFindCycle(t *testing.T) {
	loop := &btf.Struct{Name: "loop"}
	loop.Members = []btf.Member{{Type: loop}, {Type: loop, Offset: 8}, {Name: "x", Type: &btf.Int{Name: "int"}}}
	if f, err := Find(loop, "x"); err != nil || f.BitOffset != 0 {
		t.Errorf("Find(x) = %v, %v", f, err)
	}
	if _, err := Find(loop, "y"); !errors.Is(err, vmcore.ErrNotFound) {
		t.Errorf("Find(y): %v", err)
	}
}
