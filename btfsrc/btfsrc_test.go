package btfsrc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
)

// eachForm runs a test over the sample in both byte orders and word sizes, with
// both headers.
func eachForm(t *testing.T, test func(t *testing.T, b *builder)) {
	for _, layout := range []vmcore.Layout{little64, big64, little32} {
		for _, n := range []int{headerLen, headerLayoutLen, 40} {
			t.Run(fmt.Sprintf("%v/word%d/header%d", layout.ByteOrder(), layout.WordSize, n), func(t *testing.T) {
				b := sample(layout)
				b.headerLen = n
				test(t, b)
			})
		}
	}
}

func TestLookup(t *testing.T) {
	tests := []struct {
		kind Kind
		name string
		want string
	}{
		{KindAny, "int", "int of 4"},
		{KindInt, "unsigned int", "unsigned int of 4"},
		{KindStruct, "list_head", "struct list_head of 16"},
		{KindAny, "u8", "u8 of 1, u8 of 1"},
		{KindStruct, "event", "struct event of 4, struct event of 8"},
		{KindUnion, "event", ""},
		{KindStruct, "device", "struct device"},
		{KindUnion, "either", "union either"},
		{KindEnum, "wide", "enum wide of 8"},
		{KindFloat, "double", "double of 8"},
		{KindTypedef, "atomic_t", "atomic_t of 4"},
		{KindFunc, "printk", "int (const char *fmt, ...)"},
		{KindAny, "printk", ""},
		{KindAny, "jiffies", ""},
		{KindAny, "tagged", ""},
		{KindAny, "", ""},
		{KindAny, "list_hea", ""},
	}
	types := sample(little64).load(t)
	for _, tt := range tests {
		var got []string
		for _, typ := range types.Lookup(tt.kind, tt.name) {
			if f, ok := typ.(*btf.Func); ok {
				typ = f.Type
			}
			text := TypeName(typ)
			if n, err := types.Sizeof(typ); err == nil {
				text += fmt.Sprintf(" of %d", n)
			}
			got = append(got, text)
		}
		if got := strings.Join(got, ", "); got != tt.want {
			t.Errorf("Lookup(%d, %q) = %s, want %s", tt.kind, tt.name, got, tt.want)
		}
	}
}

// One id gives one type, however it is reached: callers compare types by
// identity.
func TestLookupIdentity(t *testing.T) {
	types := sample(little64).load(t)
	list := types.Lookup(KindStruct, "list_head")[0]
	next, err := Find(list, "next")
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Type.(*btf.Pointer).Target; got != list {
		t.Errorf("next points to %p, want %p", got, list)
	}
}

func TestNames(t *testing.T) {
	types := sample(little64).load(t)
	split := sample(little64).split()
	split.composite(kindStruct, "u9", 0)
	if err := types.AddSplit("m", SourceModule, split.bytes()); err != nil {
		t.Fatal(err)
	}
	structs := slices.Collect(types.Names(KindStruct))
	if !slices.Contains(structs, "list_head") || structs[len(structs)-1] != "u9" {
		t.Errorf("structs are %q", structs)
	}
	if slices.Contains(structs, "u8") || !slices.Contains(slices.Collect(types.Names(KindTypedef)), "u8") {
		t.Error("u8 is no typedef")
	}
}

func TestLoadErrors(t *testing.T) {
	tests := []struct {
		name   string
		modify func(b *builder)
		damage func(raw []byte) []byte
		want   string
	}{
		{"empty", nil, func([]byte) []byte { return nil }, "offset 0x0: 0 bytes are too few for a BTF header"},
		{"magic", nil, func(raw []byte) []byte { raw[0]++; return raw }, "offset 0x0: magic 0xeba0 is not BTF's 0xeb9f"},
		{"byte order", nil, func([]byte) []byte { return sample(big64).bytes() }, "offset 0x0: BTF is of the other byte order than the kernel's machine"},
		{"version", nil, func(raw []byte) []byte { raw[2] = 2; return raw }, "offset 0x2: BTF version 2 is not 1"},
		{"header length", nil, func(raw []byte) []byte { raw[4] = 23; return raw }, "offset 0x4: header length 23 of 45 bytes"},
		{"types outside", nil, func(raw []byte) []byte { raw[15] = 0xff; return raw }, "offset 0x8: type section 0x18+0xff000010 is outside the 0x2d bytes of the blob"},
		{"strings cut", nil, func(raw []byte) []byte { return raw[:len(raw)-1] }, "offset 0x10: string section 0x28+0x5 is outside the 0x2c bytes of the blob"},
		{"strings not ended", nil, func(raw []byte) []byte { raw[len(raw)-1] = 'x'; return raw }, "offset 0x2d: string section does not end with a zero byte"},
		{"strings not begun", func(b *builder) { b.strs[0] = 'x' }, nil, "offset 0x28: string section does not begin with the empty string"},
		{"record cut", func(b *builder) { b.types = append(b.types, 0, 0, 0, 0) }, nil, "offset 0x28: type header cut short"},
		{"vlen too large", func(b *builder) { b.add("", kindStruct, 0xffffff, 4) }, nil, "offset 0x28: type 2 of kind 4 and 16777215 elements runs past the type section"},
		{"unknown kind", func(b *builder) { b.add("", 100, 1, 4, 7) }, nil, "offset 0x28: type 2 has the unknown kind 100, and no layout section gives its size"},
		{"kind 0", func(b *builder) { b.add("", 0, 0, 0) }, nil, "offset 0x28: type 2 has the unknown kind 0, and no layout section gives its size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBuilder(little64)
			b.integer("int", 4, true)
			if tt.modify != nil {
				tt.modify(b)
			}
			raw := b.bytes()
			if tt.damage != nil {
				raw = tt.damage(raw)
			}
			_, err := Load(raw, little64)
			if err == nil || err.Error() != "kernel BTF: "+tt.want {
				t.Errorf("got  %v\nwant kernel BTF: %s", err, tt.want)
			}
			if _, ok := errors.AsType[*vmcore.FormatError](err); !ok {
				t.Errorf("error is %T, want *vmcore.FormatError within", err)
			}
		})
	}
}

// Kinds of a later kernel are stepped over by the layout section.
func TestUnknownKind(t *testing.T) {
	eachForm(t, func(t *testing.T, b *builder) {
		if b.headerLen < headerLayoutLen {
			return // no layout section: see TestLoadErrors
		}
		b.kinds = make([]byte, 4*21)
		copy(b.kinds[4*20:], []byte{8, 4, 0, 0}) // kind 20: 8 bytes, and 4 for each element
		young := b.add("", 20, 3, 0, 1, 2, 3, 4, 5)
		b.composite(kindStruct, "after", 4, member{name: "strange", id: young})
		want := "struct after {\n    struct <type of kind 20> strange;\n};"
		types := b.load(t)
		if got := types.Definition(types.Lookup(KindStruct, "after")[0], nil); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

// References that lead nowhere spoil the type that has them and no other.
func TestBadReferences(t *testing.T) {
	b := newBuilder(little64)
	b.composite(kindStruct, "broken", 8, member{name: "a", id: 0xffffffff}, member{name: "b", id: b.add("", kindPtr, 0, 99)})
	b.words(0xabcdef, kindStruct<<24, 0)
	b.count++
	b.pointer(3)
	types := b.load(t)
	want := strings.Join([]string{
		"struct <bad type id 99> *;",
		"struct broken {\n    struct <bad type id 4294967295> a;\n    struct <bad type id 99> *b;\n};",
		"struct <bad name 0xabcdef> {};",
		"struct <bad name 0xabcdef> {} *;",
	}, "\n")
	var got []string
	for typ := range types.All() {
		got = append(got, types.Definition(typ, nil))
	}
	if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" {
		t.Error(diff)
	}
}

// A chain that a recursive reader dies of.
func TestDeepChain(t *testing.T) {
	b := newBuilder(little64)
	const n = 1_000_000
	for i := range uint32(n) {
		b.words(0, kindPtr<<24, (i+2)%(n+1)) // the last points to void
	}
	b.composite(kindStruct, "end", 8, member{name: "p", id: 1})
	types := b.load(t)
	f, err := Find(types.Lookup(KindStruct, "end")[0], "p")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := TypeName(f.Type), "… "+strings.Repeat("*", maxDepth); got != want {
		t.Errorf("TypeName = %s, want %s", got, want)
	}
}

func TestEmpty(t *testing.T) {
	types := Empty(little64)
	if n := types.NumTypes() + types.NumVars(); n != 0 || types.Lookup(KindAny, "int") != nil || types.Vars("jiffies") != nil {
		t.Errorf("%d types and variables, want none", n)
	}
	if err := types.AddSplit("vmlinux", SourceFile, sample(little64).bytes()); err != nil {
		t.Fatal(err)
	}
	if got := types.Vars("jiffies"); len(got) != 1 || got[0].Source != SourceFile {
		t.Errorf("Vars = %v, want one from the file", got)
	}
}

// Lookups and modules that arrive go on at the same time; run with -race.
func TestConcurrent(t *testing.T) {
	b := sample(little64)
	split := b.split()
	split.section(".data", split.variable("count", split.pointer(8)), 64, 8)
	types := b.load(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if err := types.AddSplit(fmt.Sprint("module", i), SourceModule, split.bytes()); err != nil {
				t.Error(err)
			}
			for typ := range types.All() {
				types.Definition(typ, nil)
			}
			if n := len(types.Vars("count")); n < 3 {
				t.Errorf("%d variables, want 3 or more", n)
			}
		})
	}
	group.Wait()
}
