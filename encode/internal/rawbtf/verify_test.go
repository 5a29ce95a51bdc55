package rawbtf

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// ints adds int (1), char (2) and a 3-bit int (3), which most cases begin with.
func ints(b *Builder) {
	b.Int(b.String("int"), 4, Signed, 0, 32)
	b.Int(b.String("char"), 1, 0, 0, 8)
	b.Int(b.String("three"), 4, 0, 0, 3)
}

// verifyCases are BTFs and what is wrong with them. Types are numbered on from
// the three of ints.
var verifyCases = []struct {
	name  string
	add   func(*Builder)
	patch func(raw []byte) []byte // changes what Builder made
	want  string                  // lines, joined by "; "
}{
	{name: "every kind", add: func(b *Builder) {
		m := b.Next() - 1
		everyKindAt(b, m)
	}},

	// Sections.
	{name: "no types", patch: func([]byte) []byte {
		raw, _ := NewBuilder(nil).Bytes()
		return raw
	}, want: "there are no types"},
	{name: "flags", patch: set8(3, 1), want: "header flags are 0x1"},
	{name: "long header of zeros", patch: longHeader(0)},
	{name: "long header", patch: longHeader(1), want: "the header goes on after what is known"},
	{name: "bytes at the end", patch: func(raw []byte) []byte { return append(raw, 0) }, want: "the sections end at 0x40, the BTF at 0x41"},
	{name: "overlap", patch: func(raw []byte) []byte {
		le.PutUint32(raw[16:], le.Uint32(raw[16:])-4)
		le.PutUint32(raw[20:], le.Uint32(raw[20:])+4)
		return raw
	}, want: "a section begins at 0x2c, the one before ends at 0x30; the strings do not begin with the empty string"},
	{name: "no end of strings", patch: func(raw []byte) []byte { raw[len(raw)-1] = 'x'; return raw }, want: "the last string has no end"},
	{name: "no empty string", patch: func(raw []byte) []byte {
		raw[24+int(le.Uint32(raw[16:]))] = 'x'
		return raw
	}, want: "the strings do not begin with the empty string"},
	{name: "name beyond the strings", patch: set32(24, 1<<20), want: "[1] int (anon): name is at 0x100000, the strings end at 0x10"},

	// Ints and floats.
	{name: "int of no bits", add: func(b *Builder) { b.Int(b.String("x"), 0, 0, 0, 0) }},
	{name: "int encoding", add: func(b *Builder) { b.Int(b.String("x"), 4, Signed|Bool, 0, 32) },
		want: "[4] int x: its encoding is 5: more than one"},
	{name: "int bits", add: func(b *Builder) { b.Int(b.String("x"), 32, 0, 120, 9) }, want: "[4] int x: it has 129 bits, 128 are allowed"},
	{name: "int size", add: func(b *Builder) { b.Int(b.String("x"), 1, 0, 0, 9) }, want: "[4] int x: it has 9 bits in 1 bytes"},
	{name: "int without name", add: func(b *Builder) { b.Int(0, 4, 0, 0, 32) }},
	{name: "float size", add: func(b *Builder) { b.Float(b.String("f"), 10) }, want: "[4] float f: its size is 10"},

	// Names.
	{name: "typedef without name", add: func(b *Builder) { b.Typedef(0, 1) }, want: "[4] typedef (anon): it has no name"},
	{name: "typedef name", add: func(b *Builder) { b.Typedef(b.String("a-b"), 1) }, want: `[4] typedef a-b: name "a-b" is no identifier`},
	{name: "name that begins with a digit", add: func(b *Builder) { b.Struct(b.String("0bad"), 0, nil) },
		want: `[4] struct 0bad: name "0bad" is no identifier`},
	{name: "name with dots", add: func(b *Builder) { b.FuncProto(0, nil); b.Func(b.String(".f.isra.0"), 4, Static) }},
	{name: "longest name", add: func(b *Builder) { b.Typedef(b.String(strings.Repeat("x", 512)), 1) }},
	{name: "name too long", add: func(b *Builder) { b.Typedef(b.String(strings.Repeat("x", 513)), 1) },
		want: "[4] typedef " + strings.Repeat("x", 513) + ": name has 513 bytes, 512 are allowed"},
	{name: "forward declaration without name", add: func(b *Builder) { b.Fwd(0, true) }, want: "[4] fwd (anon): it has no name"},
	{name: "named pointer", add: func(b *Builder) { b.ref(KindPtr, b.String("p"), false, 1) }, want: "[4] ptr p: ptr has a name"},
	{name: "section name", add: func(b *Builder) {
		b.Var(b.String("v"), 1, Global)
		b.Datasec(b.String("__a (b)+"), 4, []Entry{{4, 0, 4}})
	}},
	{name: "section name that does not print", add: func(b *Builder) {
		b.Var(b.String("v"), 1, Global)
		b.Datasec(b.String(".a\n"), 4, []Entry{{4, 0, 4}})
	}, want: "[5] datasec .a\n: its name \".a\\n\" does not print"},
	{name: "member name", add: func(b *Builder) { b.Struct(0, 4, []Member{{b.String("a b"), 1, 0, 0}}) },
		want: `[4] struct (anon): name of a member "a b" is no identifier`},
	{name: "enumerator without name", add: func(b *Builder) { b.Enum(0, 4, false, []Enumerator{{0, 1}}) },
		want: "[4] enum (anon): value 0 has no name"},
	{name: "tag without value", add: func(b *Builder) { b.TypeTag(0, 1, false) }, want: "[4] type_tag (anon): it has no value"},
	{name: "any tag value", add: func(b *Builder) { b.TypeTag(b.String("address_space(1)"), 1, true) }},

	// References.
	{name: "reference beyond the types", add: func(b *Builder) { b.Ptr(9) }, want: "[4] ptr (anon): it refers to what is type 9, there are 5"},
	{name: "pointer to a variable", add: func(b *Builder) { b.Var(b.String("v"), 1, Global); b.Ptr(4) },
		want: "[5] ptr (anon): it refers to a var (BPF_BTF_LOAD)"},
	{name: "pointer to itself", add: func(b *Builder) { b.Ptr(4) },
		want: "[4] ptr (anon): it contains or points to nothing but itself, through type 4 (BPF_BTF_LOAD)"},
	{name: "pointers in a circle", add: func(b *Builder) { b.Ptr(5); b.Qualifier(KindConst, 6); b.Ptr(4) },
		want: "[6] ptr (anon): it contains or points to nothing but itself, through type 4 (BPF_BTF_LOAD)"},
	{name: "struct in itself", add: func(b *Builder) { b.Struct(b.String("s"), 4, []Member{{0, 4, 0, 0}}) },
		want: "[4] struct s: it contains or points to nothing but itself, through type 4 (BPF_BTF_LOAD)"},
	{name: "pointer to its struct", add: func(b *Builder) { b.Struct(b.String("s"), 8, []Member{{0, 5, 0, 0}}); b.Ptr(4) }},
	{name: "typedef of itself", add: func(b *Builder) { b.Typedef(b.String("t"), 4) },
		want: "[4] typedef t: more than 32 qualifiers, tags and typedefs, or a cycle of them; " +
			"[4] typedef t: it contains or points to nothing but itself, through type 4 (BPF_BTF_LOAD)"},
	{name: "32 pointers", add: pointers(32)},
	{name: "33 pointers", add: pointers(33), want: "[35] ptr (anon): more than 32 types in one another (BPF_BTF_LOAD)"},

	// Arrays.
	{name: "array of void", add: func(b *Builder) { b.Array(0, 1, 1) }, want: "[4] array (anon): its elements are void"},
	{name: "array of const void", add: func(b *Builder) { b.Qualifier(KindConst, 0); b.Array(4, 1, 1) },
		want: "[5] array (anon): its elements are of kind void, which has no size (BPF_BTF_LOAD)"},
	{name: "array by struct", add: func(b *Builder) { b.Struct(0, 0, nil); b.Array(1, 4, 1) },
		want: "[5] array (anon): its index is a struct (BPF_BTF_LOAD)"},
	{name: "array of odd ints", add: func(b *Builder) { b.Array(3, 1, 1) },
		want: "[4] array (anon): its elements are ints of odd size (BPF_BTF_LOAD)"},
	{name: "array size", add: func(b *Builder) { b.Array(1, 1, 1<<30) },
		want: "[4] array (anon): its size is 4294967296 (BPF_BTF_LOAD)"},
	{name: "largest array", add: func(b *Builder) { b.Array(1, 1, 1<<30-1) }},
	{name: "array of arrays", add: func(b *Builder) { b.Array(5, 1, 4); b.Array(2, 1, 6); b.Struct(0, 24, []Member{{0, 4, 0, 0}}) }},
	{name: "array of arrays too large", add: func(b *Builder) { b.Array(5, 1, 4); b.Array(2, 1, 6); b.Struct(0, 23, []Member{{0, 4, 0, 0}}) },
		want: "[6] struct (anon): member 0 ends at byte 24 of 23 (BPF_BTF_LOAD)"},

	// Members.
	{name: "void member", add: func(b *Builder) { b.Struct(0, 4, []Member{{0, 0, 0, 0}}) }, want: "[4] struct (anon): member 0 is void"},
	{name: "members out of order", add: func(b *Builder) { b.Struct(0, 8, []Member{{0, 1, 32, 0}, {0, 1, 0, 0}}) },
		want: "[4] struct (anon): member 1 is at bit 0, before the last at 32"},
	{name: "member after the end", add: func(b *Builder) { b.Struct(0, 4, []Member{{0, 1, 64, 0}}) },
		want: "[4] struct (anon): member 0 is at bit 64 of 4 bytes"},
	{name: "member over the end", add: func(b *Builder) { b.Struct(0, 4, []Member{{0, 1, 8, 0}}) },
		want: "[4] struct (anon): member 0 ends at byte 5 of 4 (BPF_BTF_LOAD)"},
	{name: "empty member at the end", add: func(b *Builder) { b.Array(2, 1, 0); b.Struct(0, 4, []Member{{0, 1, 0, 0}, {0, 4, 32, 0}}) }},
	{name: "union member", add: func(b *Builder) { b.Union(0, 8, []Member{{0, 1, 32, 0}}) },
		want: "[4] union (anon): member 0 is at bit 32 of a union"},
	{name: "member that is declared only", add: func(b *Builder) { b.Fwd(b.String("f"), false); b.Struct(0, 4, []Member{{0, 4, 0, 0}}) },
		want: "[5] struct (anon): member 0 has no size (BPF_BTF_LOAD)"},
	{name: "member within a byte", add: func(b *Builder) { b.Struct(0, 9, nil); b.Struct(0, 16, []Member{{0, 4, 3, 0}}) },
		want: "[5] struct (anon): member 0 is at bit 3, within a byte (BPF_BTF_LOAD)"},
	{name: "float not aligned", add: func(b *Builder) { b.Float(b.String("f"), 8); b.Struct(0, 16, []Member{{0, 4, 32, 0}}) },
		want: "[5] struct (anon): member 0 is at bit 32, not aligned (BPF_BTF_LOAD)"},

	// Bit-fields, both ways of writing them.
	{name: "bit-field", add: func(b *Builder) { b.Struct(0, 4, []Member{{0, 1, 0, 3}, {0, 1, 3, 29}}) }},
	{name: "bit-field over the end", add: func(b *Builder) { b.Struct(0, 4, []Member{{0, 1, 0, 3}, {0, 1, 3, 30}}) },
		want: "[4] struct (anon): member 1 ends at byte 5 of 4 (BPF_BTF_LOAD)"},
	{name: "bit-field of too many bits", add: func(b *Builder) { b.Struct(0, 8, []Member{{0, 1, 0, 33}}) },
		want: "[4] struct (anon): member 0 has 33 of 32 bits (BPF_BTF_LOAD)"},
	{name: "bit-field of a pointer", add: func(b *Builder) { b.Ptr(1); b.Struct(0, 8, []Member{{0, 4, 0, 33}}) },
		want: "[5] struct (anon): member 0 is a bit-field of kind ptr (BPF_BTF_LOAD)"},
	{name: "bit-field of an odd int", add: func(b *Builder) { b.Struct(0, 8, []Member{{0, 3, 0, 3}}) },
		want: "[4] struct (anon): member 0 is an int of odd size (BPF_BTF_LOAD)"},
	{name: "odd int as bit-field", add: func(b *Builder) { b.Struct(0, 4, []Member{{0, 1, 0, 0}, {0, 3, 29, 0}}) }},
	{name: "odd int over the end", add: func(b *Builder) { b.Struct(0, 4, []Member{{0, 3, 30, 0}}) },
		want: "[4] struct (anon): member 0 ends at byte 5 of 4 (BPF_BTF_LOAD)"},
	{name: "small enum beside bit-fields", add: func(b *Builder) {
		b.Enum(0, 1, false, []Enumerator{{b.String("A"), 0}})
		b.Struct(0, 2, []Member{{0, 2, 0, 3}, {0, 4, 8, 0}})
	}, want: "[5] struct (anon): member 1 ends at byte 5 of 2 (BPF_BTF_LOAD)"},
	{name: "small enum", add: func(b *Builder) {
		b.Enum(0, 1, false, []Enumerator{{b.String("A"), 0}})
		b.Struct(0, 2, []Member{{0, 2, 0, 0}, {0, 4, 8, 0}})
	}},
	{name: "int within a byte beside bit-fields", add: func(b *Builder) { b.Struct(0, 8, []Member{{0, 1, 0, 3}, {0, 1, 3, 0}}) },
		want: "[4] struct (anon): member 1 is at bit 3, within a byte (BPF_BTF_LOAD)"},

	// Enums.
	{name: "enum size", add: func(b *Builder) { b.Enum(0, 3, false, nil) }, want: "[4] enum (anon): its size is 3"},
	{name: "enum of no size", add: func(b *Builder) { b.Enum64(0, 0, false, nil) }, want: "[4] enum64 (anon): its size is 0"},

	// Functions.
	{name: "function of an int", add: func(b *Builder) { b.Func(b.String("f"), 1, Static) },
		want: "[4] func f: its prototype is a int (BPF_BTF_LOAD)"},
	{name: "extern function", add: func(b *Builder) { b.FuncProto(0, nil); b.Func(b.String("f"), 4, Extern) },
		want: "[5] func f: its linkage is 2"},
	{name: "parameter without name", add: func(b *Builder) { b.FuncProto(0, []Param{{0, 1}}); b.Func(b.String("f"), 4, Static) },
		want: "[5] func f: parameter 0 has no name (BPF_BTF_LOAD)"},
	{name: "parameter name", add: func(b *Builder) { b.FuncProto(0, []Param{{b.String("a b"), 1}}) },
		want: `[4] func_proto (anon): name of a parameter "a b" is no identifier (BPF_BTF_LOAD)`},
	{name: "variadic function", add: func(b *Builder) { b.FuncProto(0, []Param{{0, 1}, {0, 0}}) }},
	{name: "void parameter", add: func(b *Builder) { b.FuncProto(0, []Param{{0, 0}, {0, 1}}) },
		want: "[4] func_proto (anon): parameter 0 is void (BPF_BTF_LOAD)"},
	{name: "named void parameter", add: func(b *Builder) { b.FuncProto(0, []Param{{b.String("a"), 0}}) },
		want: "[4] func_proto (anon): parameter 0 is void (BPF_BTF_LOAD)"},
	{name: "returns const void", add: func(b *Builder) { b.Qualifier(KindConst, 0); b.FuncProto(4, nil) },
		want: "[5] func_proto (anon): what it returns is of kind void, which has no size (BPF_BTF_LOAD)"},

	// Variables and sections.
	{name: "void variable", add: func(b *Builder) { b.Var(b.String("v"), 0, Global) }, want: "[4] var v: it is void"},
	{name: "variable of const void", add: func(b *Builder) { b.Qualifier(KindConst, 0); b.Var(b.String("v"), 4, Global) },
		want: "[5] var v: it is of kind void, which has no size (BPF_BTF_LOAD)"},
	{name: "extern variable", add: func(b *Builder) { b.Var(b.String("v"), 1, Extern) }, want: "[4] var v: its linkage is 2"},
	{name: "variables of one address", add: section(20, 0, 4, 0, 4),
		want: "[6] datasec .data: variable b at 0x0 begins before the end of a, 0x4"},
	{name: "variables that overlap", add: section(20, 0, 4, 2, 4),
		want: "[6] datasec .data: variable b at 0x2 begins before the end of a, 0x4"},
	{name: "variables side by side", add: section(8, 0, 4, 4, 4)},
	{name: "variable after the section", add: section(8, 0, 4, 8, 4),
		want: "[6] datasec .data: variable b at 0x8 begins after the section's size, 0x8"},
	{name: "variable over the section's end", add: section(8, 0, 4, 5, 4),
		want: "[6] datasec .data: variable b at 0x5 ends after the section's size, 0x8"},
	{name: "variable of no size", add: section(8, 0, 4, 4, 0), want: "[6] datasec .data: variable b at 0x4 has no size"},
	{name: "variable smaller than its type", add: section(8, 0, 4, 4, 3),
		want: "[6] datasec .data: variable b has 3 bytes, its type 4 (BPF_BTF_LOAD)"},
	{name: "section of no size", add: func(b *Builder) { b.Datasec(b.String(".data"), 0, nil) }, want: "[4] datasec .data: its size is 0"},
	{name: "empty section", add: func(b *Builder) { b.Datasec(b.String(".data"), 4, nil) }},
	{name: "type in a section", add: func(b *Builder) { b.Datasec(b.String(".data"), 4, []Entry{{1, 0, 4}}) },
		want: "[4] datasec .data: entry 0 is of kind int (BPF_BTF_LOAD)"},

	// Tags.
	{name: "tag of a pointer", add: func(b *Builder) { b.Ptr(1); b.DeclTag(b.String("t"), 4, -1, false) },
		want: "[5] decl_tag t: it is for a ptr (BPF_BTF_LOAD)"},
	{name: "tag of no member", add: func(b *Builder) {
		b.Struct(0, 4, []Member{{0, 1, 0, 0}})
		b.DeclTag(b.String("t"), 4, 1, false)
	}, want: "[5] decl_tag t: it is for component 1 of 1 (BPF_BTF_LOAD)"},
	{name: "tag of a parameter", add: func(b *Builder) {
		b.FuncProto(0, []Param{{b.String("a"), 1}})
		b.Func(b.String("f"), 4, Static)
		b.DeclTag(b.String("t"), 5, 0, false)
	}},
	{name: "tag of a typedef's member", add: func(b *Builder) { b.Typedef(b.String("t"), 1); b.DeclTag(b.String("t"), 4, 0, false) },
		want: "[5] decl_tag t: it is for component 0 of 0 (BPF_BTF_LOAD)"},
	{name: "tag of component -2", add: func(b *Builder) { b.Typedef(b.String("t"), 1); b.DeclTag(b.String("t"), 4, -2, false) },
		want: "[5] decl_tag t: it is for component -2"},
	{name: "attribute", add: func(b *Builder) { b.Typedef(b.String("t"), 1); b.DeclTag(b.String("a b"), 4, -1, true) }},
}

var le = binary.LittleEndian

func set8(off int, v byte) func([]byte) []byte {
	return func(raw []byte) []byte { raw[off] = v; return raw }
}

func set32(off int, v uint32) func([]byte) []byte {
	return func(raw []byte) []byte { le.PutUint32(raw[off:], v); return raw }
}

// longHeader makes the header 40 bytes, the last of them v.
func longHeader(v byte) func([]byte) []byte {
	return func(raw []byte) []byte {
		le.PutUint32(raw[4:], 40)
		more := make([]byte, 16)
		more[15] = v
		return append(append(bytes.Clone(raw[:24]), more...), raw[24:]...)
	}
}

// pointers adds n pointers, each to the next, the last to int.
func pointers(n int) func(*Builder) {
	return func(b *Builder) {
		for range n - 1 {
			b.Ptr(b.Next() + 1)
		}
		b.Ptr(1)
	}
}

// section adds .data with two ints, at offsets and of sizes given.
func section(size, off1, size1, off2, size2 uint32) func(*Builder) {
	return func(b *Builder) {
		b.Var(b.String("a"), 1, Global)
		b.Var(b.String("b"), 1, Static)
		b.Datasec(b.String(".data"), size, []Entry{{4, off1, size1}, {5, off2, size2}})
	}
}

// verifyCase returns the BTF of case i.
func verifyCase(t testing.TB, i int) []byte {
	test := verifyCases[i]
	b := NewBuilder(nil)
	ints(b)
	if test.add != nil {
		test.add(b)
	}
	raw := mustBytes(t, b)
	if test.patch != nil {
		raw = test.patch(raw)
	}
	return raw
}

func messages(found []Violation) string {
	var s []string
	for _, f := range found {
		s = append(s, f.String())
	}
	return strings.Join(s, "; ")
}

func TestVerify(t *testing.T) {
	for i, test := range verifyCases {
		t.Run(test.name, func(t *testing.T) {
			got := messages(Verify(mustParse(t, verifyCase(t, i), nil), Release{}))
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestVerifyOlder checks what only older kernels refuse.
func TestVerifyOlder(t *testing.T) {
	for _, test := range []struct {
		name   string
		opts   *BuilderOptions
		add    func(*Builder)
		kernel Release
		want   string
	}{
		{"float", nil, func(b *Builder) { b.Float(b.String("f"), 8) }, Release{5, 12},
			"[4] float f: the kind float is not known (before Linux 5.13)"},
		{"float", nil, func(b *Builder) { b.Float(b.String("f"), 8) }, Release{5, 13}, ""},
		{"attribute", nil, func(b *Builder) { b.TypeTag(b.String("a"), 1, true) }, Release{6, 14},
			"[4] type_tag a: kind_flag is set (before Linux 6.15)"},
		{"tag below const", nil, func(b *Builder) { b.TypeTag(b.String("a"), 1, false); b.Qualifier(KindConst, 4) }, Release{7, 1},
			"[5] const (anon): a type tag follows a const (before Linux 7.2)"},
		{"tag below const", nil, func(b *Builder) { b.TypeTag(b.String("a"), 1, false); b.Qualifier(KindConst, 4) }, Release{7, 2}, ""},
		{"layout", &BuilderOptions{Layout: true}, nil, Release{7, 0}, "the header names a layout section (before Linux 7.1)"},
		{"layout", &BuilderOptions{Layout: true}, nil, Release{7, 1}, ""},
		{"many values", &BuilderOptions{WideVlen: true}, func(b *Builder) {
			b.Enum(0, 4, false, slicesOf(1<<16, Enumerator{b.String("A"), 0}))
		}, Release{7, 1}, "[4] enum (anon): it has 65536 elements, 65535 are allowed (before Linux 7.2)"},
		{"long name", nil, func(b *Builder) { b.Fwd(b.String(strings.Repeat("x", 129)), false) }, Release{5, 15},
			"[4] fwd " + strings.Repeat("x", 129) + ": name has 129 bytes, 128 are allowed (before Linux 6.1)"},
		{"dots", nil, func(b *Builder) { b.Fwd(b.String("a.b"), false); b.Var(b.String("a.b"), 1, Global) }, Release{6, 4},
			`[4] fwd a.b: name "a.b" has a dot (before Linux 6.5)`},
		{"enum64", nil, func(b *Builder) { b.Enum64(0, 8, false, nil) }, Release{5, 19},
			"[4] enum64 (anon): the kind enum64 is not known (before Linux 6.0)"},
	} {
		t.Run(test.name+" "+test.kernel.String(), func(t *testing.T) {
			b := NewBuilder(test.opts)
			ints(b)
			if test.add != nil {
				test.add(b)
			}
			if got := messages(Verify(mustParse(t, mustBytes(t, b), nil), test.kernel)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func slicesOf[T any](n int, v T) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// TestVerifySplit checks that the types of a base count, and are not checked.
func TestVerifySplit(t *testing.T) {
	b := NewBuilder(nil)
	ints(b)
	b.Typedef(b.String("bad name"), 1)
	base := mustParse(t, mustBytes(t, b), nil)
	b = NewBuilder(&BuilderOptions{Base: base})
	b.Var(b.String("v"), 4, Global)
	b.Datasec(b.String(".data"), 4, []Entry{{5, 0, 4}})
	b.Ptr(7 + 1)
	got := messages(Verify(mustParse(t, mustBytes(t, b), base), Release{}))
	if want := "[7] ptr (anon): it refers to what is type 8, there are 8"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
