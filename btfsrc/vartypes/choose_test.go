package vartypes

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

var layout = vmcore.Layout{WordSize: 8}

var noTypes = btfsrc.Empty(layout)

// Types of a small kernel.
var (
	intType  = &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	uintType = &btf.Int{Name: "unsigned int", Size: 4}
	longType = &btf.Int{Name: "long int", Size: 8, Encoding: btf.Signed}
	boolType = &btf.Int{Name: "_Bool", Size: 1, Encoding: btf.Bool}
	charType = &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	small    = &btf.Struct{Name: "small", Size: 8, Members: []btf.Member{{Name: "n", Type: longType}}}
	large    = &btf.Struct{Name: "large", Size: 24, Members: []btf.Member{
		{Name: "n", Type: longType}, {Name: "p", Type: &btf.Pointer{Target: small}, Offset: 64}, {Name: "m", Type: longType, Offset: 128},
	}}
	// two structs of one name, as those private to two files
	twice  = &btf.Struct{Name: "twice", Size: 8, Members: []btf.Member{{Name: "a", Type: longType}}}
	twice2 = &btf.Struct{Name: "twice", Size: 16, Members: []btf.Member{{Name: "a", Type: longType}, {Name: "b", Type: longType, Offset: 64}}}
	list   = &btf.Struct{Name: "list_head", Size: 16}
	// struct { struct small s; union { int i; long l; }; } and enum { RED, GREEN }
	choice  = &btf.Union{Size: 8, Members: []btf.Member{{Name: "i", Type: intType}, {Name: "l", Type: longType}}}
	unnamed = &btf.Struct{Size: 16, Members: []btf.Member{{Name: "s", Type: small}, {Type: choice, Offset: 64}}}
	colour  = &btf.Enum{Size: 4, Values: []btf.EnumValue{{Name: "RED"}, {Name: "GREEN", Value: 1}}}
	u32     = &btf.Typedef{Name: "u32", Type: uintType}
	fn      = &btf.FuncProto{Return: intType, Params: []btf.FuncParam{{Type: &btf.Pointer{Target: small}}, {Type: (*btf.Void)(nil)}}}
)

func init() {
	ptr := &btf.Pointer{Target: list}
	list.Members = []btf.Member{{Name: "next", Type: ptr}, {Name: "prev", Type: ptr, Offset: 64}}
}

func testTypes(t testing.TB, more ...btf.Type) *btfsrc.Types {
	t.Helper()
	all := append([]btf.Type{intType, uintType, longType, boolType, charType, small, large, twice, twice2, list, unnamed, colour, u32}, more...)
	b, err := btf.NewBuilder(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	types, err := btfsrc.Load(raw, layout)
	if err != nil {
		t.Fatal(err)
	}
	return types
}

// TestSpell spells types and finds them again.
func TestSpell(t *testing.T) {
	types := testTypes(t)
	for _, test := range []struct {
		typ  btf.Type
		want string
	}{
		{intType, "iint;"},
		{u32, "tu32;"},
		{&btf.Pointer{Target: (*btf.Void)(nil)}, "*v"},
		{&btf.Array{Nelems: 3, Type: &btf.Pointer{Target: &btf.Const{Type: charType}}}, "[3]*cichar;"},
		{&btf.Const{Type: &btf.Array{Nelems: 2, Type: &btf.Const{Type: small}}}, "[2]cssmall;"},
		{&btf.Volatile{Type: longType}, "Vilong int;"},
		{&btf.Pointer{Target: fn}, "*(*ssmall;.)iint;"},
		{unnamed, "{s ssmall; <i iint;l ilong int;>}"},
		{colour, "=RED;"},
		{&btf.TypeTag{Value: "rcu", Type: small}, "ssmall;"},
	} {
		got, ok := Spell(test.typ)
		if !ok || got != test.want {
			t.Errorf("Spell(%s) = %q, %v, want %q", btfsrc.TypeName(test.typ), got, ok, test.want)
		}
		found, err := resolve(types, got)
		if err != nil || len(found) != 1 {
			t.Errorf("resolve(%q) = %v, %v", got, found, err)
			continue
		}
		if again, _ := Spell(found[0]); again != got {
			t.Errorf("%q resolves to %q", got, again)
		}
	}
	loop := &btf.Pointer{}
	loop.Target = loop
	for _, typ := range []btf.Type{loop, &btf.Struct{}, &btf.Datasec{Name: ".data"}, &btf.Fwd{}} {
		if got, ok := Spell(typ); ok {
			t.Errorf("Spell(%T) = %q", typ, got)
		}
	}
}

func TestResolve(t *testing.T) {
	types := testTypes(t)
	if found, err := resolve(types, "stwice;"); err != nil || len(found) != 2 {
		t.Errorf("two structs of a name: %v, %v", found, err)
	}
	for _, text := range []string{"snosuch;", "*snosuch;", "usmall;", "{s ssmall;}", "{other ssmall; <i iint;l ilong int;>}", "=GREEN;", "(*snosuch;)v"} {
		if found, err := resolve(types, text); !errors.Is(err, vmcore.ErrNotFound) {
			t.Errorf("resolve(%q) = %v, %v", text, found, err)
		}
	}
	for _, text := range []string{"", "s", "ssmall", "[", "[x]v", "[-1]v", "*", "(", "(v", "()", "{", "{}", "<a iint;}", "vv", "?", "[99999999999999]v"} {
		if found, err := resolve(types, text); !errors.Is(err, errSpelling) {
			t.Errorf("resolve(%q) = %v, %v", text, found, err)
		}
	}
}

func FuzzResolve(f *testing.F) {
	for _, text := range []string{"[3]*cichar;", "{s ssmall; <i iint;l ilong int;>}", "*(*ssmall;.)iint;", "=RED;", "<<<<"} {
		f.Add(text)
	}
	types := testTypes(f)
	f.Fuzz(func(t *testing.T, text string) {
		found, err := resolve(types, text)
		for _, typ := range found {
			if again, ok := Spell(typ); err == nil && ok && again == "" {
				t.Errorf("%q resolves to what has no spelling", text)
			}
		}
	})
}

// TestGuards types a variable at 0x1000 from the table by what is in memory and
// how much room there is.
func TestGuards(t *testing.T) {
	const at = 0x1000
	types := testTypes(t)
	word := func(words ...uint64) (b []byte) {
		for _, w := range words {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		return b
	}
	one := func(spelling string) []Variant { return []Variant{{spelling, 2}} }
	both := func(newer, older string) []Variant { return []Variant{{newer, 2}, {older, 1}} }
	for _, test := range []struct {
		name     string
		variants []Variant
		class    kallsyms.Class
		room     uint64
		memory   []byte // zeros follow
		want     string // "" if untyped
	}{
		{"one that fits", one("ssmall;"), kallsyms.BSS, 8, nil, "struct small"},
		{"too large", one("slarge;"), kallsyms.BSS, 16, nil, ""},
		{"no such type", one("snosuch;"), kallsyms.BSS, 16, nil, ""},
		{"room unknown", one("ssmall;"), kallsyms.BSS, 0, nil, "struct small"},
		{"padding", one("iint;"), kallsyms.BSS, 32, nil, "int"},
		{"a function", one("ssmall;"), kallsyms.Text, 8, nil, ""},
		{"per-CPU", one("ssmall;"), kallsyms.PerCPU, 8, nil, ""},
		{"more behind it in BSS", one("ssmall;"), kallsyms.BSS, 24, word(1, 2, 3), ""},
		{"more behind it in data", one("ssmall;"), kallsyms.Data, 24, word(1, 2, 3), "struct small"},
		{"by size", both("slarge;", "ssmall;"), kallsyms.BSS, 8, nil, "struct small"},
		{"by contents behind the smaller", both("ssmall;", "slarge;"), kallsyms.Data, 32, word(1, 0, 3), "struct large"},
		{"by a pointer to nowhere", both("slarge;", "[3]ilong int;"), kallsyms.Data, 24, word(1, 2, 3), "long int [3]"},
		{"no evidence", both("slarge;", "[3]ilong int;"), kallsyms.BSS, 24, nil, ""},
		{"two structs of a name, by size", one("stwice;"), kallsyms.BSS, 16, word(0, 1), "struct twice"},
		{"two structs of a name", one("*stwice;"), kallsyms.BSS, 8, nil, ""},
		{"a truth value", one("i_Bool;"), kallsyms.Data, 1, []byte{1}, "_Bool"},
		{"no truth value", one("i_Bool;"), kallsyms.Data, 1, []byte{2}, ""},
		{"a truth value or a number, alike", both("i_Bool;", "iint;"), kallsyms.BSS, 4, []byte{1}, "_Bool"},
		{"a number of either sign, alike", both("iunsigned int;", "iint;"), kallsyms.Data, 4, []byte{5}, "unsigned int"},
		{"a negative number or not", both("iunsigned int;", "iint;"), kallsyms.Data, 4, []byte{0xff, 0xff, 0xff, 0xff}, ""},
		{"an empty list", one("slist_head;"), kallsyms.Data, 16, word(at, at), "struct list_head"},
		{"no list", one("slist_head;"), kallsyms.Data, 16, word(at+8, at), ""},
		{"const by the section", both("cssmall;", "ssmall;"), kallsyms.Data, 8, word(1), "struct small"},
		{"const in rodata", both("ssmall;", "cssmall;"), kallsyms.ROData, 8, word(1), "const struct small"},
		{"a length that is too large", one("[4]ilong int;"), kallsyms.BSS, 16, nil, "long int [2]"},
		{"a length that is too small", one("[2]ilong int;"), kallsyms.ROData, 32, word(1, 2, 3, 4), "long int [4]"},
		{"numbers end with the last", one("[1]ilong int;"), kallsyms.ROData, 64, word(1, 2, 3, 4, 5), "long int [5]"},
		{"an open length", one("[0]ichar;"), kallsyms.ROData, 32, []byte("text"), "char [5]"},
		{"a known length among several", both("[4]ilong int;", "[3]ilong int;"), kallsyms.ROData, 32, word(1, 2, 3), "long int [3]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			table := newTable(t, Entry{"variable", test.variants})
			mem := make(memory, 0x100)
			copy(mem, test.memory)
			s := kallsyms.Symbol{Name: "variable", Addr: at, Size: test.room, Class: test.class}
			got := ""
			typ, src, ok := table.Typer(types, mem, "").VarType(s)
			if ok {
				got = btfsrc.TypeName(typ)
			}
			if got != test.want || ok != (src == btfsrc.SourceTable) {
				t.Errorf("type %q of source %v, want %q", got, src, test.want)
			}
		})
	}
}

// TestDescribed types what the BTF of a kernel leaves out that has its variables:
// an array only where no other length would explain the room.
func TestDescribed(t *testing.T) {
	types := testTypes(t, &btf.Var{Name: "init_task", Type: small, Linkage: btf.GlobalVar})
	for _, test := range []struct {
		name, spelling string
		room           uint64
		memory         []byte
		want           string // "" if untyped
	}{
		{"no array", "ssmall;", 8, nil, "struct small"},
		{"an array that fills the room", "[2]ilong int;", 16, []byte{1, 0, 0, 0, 0, 0, 0, 0, 2}, "long int [2]"},
		{"one with an empty element at its end", "[2]ilong int;", 16, []byte{1}, ""},
		{"one with padding for another element", "[2]ilong int;", 32, []byte{1, 0, 0, 0, 0, 0, 0, 0, 2}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			mem := make(memory, 0x100)
			copy(mem, test.memory)
			s := kallsyms.Symbol{Name: "variable", Addr: 0x1000, Size: test.room, Class: kallsyms.ROData}
			typ, _, ok := newTable(t, Entry{"variable", []Variant{{test.spelling, 2}}}).Typer(types, mem, "").VarType(s)
			got := ""
			if ok {
				got = btfsrc.TypeName(typ)
			}
			if got != test.want {
				t.Errorf("type %q, want %q", got, test.want)
			}
		})
	}
}

// TestBuildID types a variable of a kernel of the table itself, which needs no
// evidence.
func TestBuildID(t *testing.T) {
	table := newTable(t, Entry{"variable", []Variant{{"slarge;", 2}, {"[3]ilong int;", 1}}})
	s := kallsyms.Symbol{Name: "variable", Addr: 0x1000, Size: 24, Class: kallsyms.BSS}
	for id, want := range map[string]string{"aa": "long int [3]", "bb": "struct large", "cc": ""} {
		got := ""
		typer := table.Typer(testTypes(t), make(memory, 0x100), id)
		if typ, _, ok := typer.VarType(s); ok {
			got = btfsrc.TypeName(typ)
		}
		if got != want {
			t.Errorf("build ID %s: %q, want %q", id, got, want)
		}
		if n := len(typer.Candidates(s)); want == "" && n != 2 {
			t.Errorf("%d candidates, want 2", n)
		}
	}
}

// memory is what lies from 0x1000.
type memory []byte

func (m memory) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	n := 0
	if off := uint64(a) - 0x1000; off < uint64(len(m)) {
		n = copy(p, m[off:])
	}
	if n < len(p) {
		return n, &vmcore.FaultError{Addr: a + vmcore.Addr(n), State: vmcore.Unmapped}
	}
	return n, nil
}
