package encode

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

const typesC = `
typedef unsigned int u32;
typedef _Bool bool_t;
struct declared;
union declared_u;
enum small { NEGATIVE = -1, ONE = 1, BIG = 0x7fffffff };
enum plain { A, B = 200, C = 0xffffffff };
enum __attribute__((packed)) tiny { T0, T1 = 255 };
enum wide { W0 = 1ull << 40, W1 = -1ll };
struct list { struct list *next, *prev; };
struct bits {
	unsigned a : 3, b : 29;
	long c : 40;
	struct { unsigned char d : 1; unsigned char e : 7; };
	union { int f : 5; u32 g; };
	bool_t h : 1;
	signed char last;
};
struct holder {
	struct list list;
	struct declared *declared;
	union declared_u *declared_u;
	int (*fn)(const char *, struct holder *, ...);
	void (*none)(void);
	void (*old)();
	const volatile u32 *volatile const cv;
	char *restrict r;
	enum small small; enum plain plain; enum tiny tiny; enum wide wide;
	float f; double d; long double ld; __int128 i128; bool_t b;
	struct { union { int x; char y[4]; }; } anonymous[2];
	int matrix[2][3][4];
	short zero[0];
	unsigned long long flexible[];
};
typedef struct { int only; } typedef_only;
union all { struct bits bits; typedef_only t; void *p; };
struct empty {};
struct holder holder; union all all; struct empty empty;
int local(int n) { struct in_function { int n; struct in_function *self; } s = { n, &s }; return s.self->n; }
`

// typeLines spells the types of a BTF that have a name, in their order.
func typeLines(t *testing.T, raw []byte) (list []string) {
	t.Helper()
	b, err := rawbtf.Parse(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, typ := range b.All() {
		if typ.Name != 0 && typ.Kind != rawbtf.KindInt && typ.Kind != rawbtf.KindFloat && typ.Kind != rawbtf.KindFunc {
			list = append(list, defineRecord(b, id))
		}
	}
	return list
}

// defineRecord spells a type with its members, values or what it is a name of.
func defineRecord(b *rawbtf.Blob, id rawbtf.ID) string {
	t := b.Type(id)
	s := strings.TrimSpace(fmt.Sprint(t.Kind, " ", b.Name(t.Name)))
	switch t.Kind {
	case rawbtf.KindTypedef:
		return s + " = " + spellRecord(b, t.Ref())
	case rawbtf.KindStruct, rawbtf.KindUnion:
		s += fmt.Sprintf(" %d {", t.Size)
		for i := range t.Vlen {
			m := t.Member(i)
			s += fmt.Sprintf(" %s@%d", b.Name(m.Name), m.BitOffset)
			if m.BitSize > 0 {
				s += fmt.Sprintf("/%d", m.BitSize)
			}
			s += " " + spellRecord(b, m.Type) + ";"
		}
		return s + " }"
	case rawbtf.KindEnum, rawbtf.KindEnum64:
		s += fmt.Sprintf(" %d {", t.Size)
		for i := range t.Vlen {
			v := t.Enumerator(i)
			s += fmt.Sprintf(" %s=%d", b.Name(v.Name), int64(v.Value))
		}
		if t.Flag {
			s += " signed"
		}
		return s + " }"
	}
	return s
}

// spellRecord spells a type by its name, or by what it is made of, outermost first.
func spellRecord(b *rawbtf.Blob, id rawbtf.ID) string {
	t := b.Type(id)
	switch {
	case id == 0:
		return "void"
	case t.Kind == rawbtf.KindArray:
		elem, _, n := t.Array()
		return fmt.Sprintf("[%d]%s", n, spellRecord(b, elem))
	case t.Kind == rawbtf.KindPtr:
		return "*" + spellRecord(b, t.Ref())
	case t.Kind == rawbtf.KindFuncProto:
		var params []string
		for i := range t.Vlen {
			params = append(params, spellRecord(b, t.Param(i).Type))
		}
		return "func(" + strings.Join(params, ", ") + ") " + spellRecord(b, t.Ref())
	case t.Kind.IsModifier():
		return t.Kind.String() + " " + spellRecord(b, t.Ref())
	case t.Name != 0:
		return b.Name(t.Name)
	}
	return defineRecord(b, id)
}

// TestTypes has the same types in each version of DWARF: they differ in
// bit-fields, constants and member offsets.
func TestTypes(t *testing.T) {
	want, err := os.ReadFile("testdata/types.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range []string{
		"-gdwarf-2 -gstrict-dwarf", "-gdwarf-2", "-gdwarf-3 -gstrict-dwarf", "-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gdwarf64",
		"-gdwarf-4 -fdebug-types-section", "-gdwarf-5 -fdebug-types-section", "-gz=zlib", "-flto -flto-partition=none",
	} {
		t.Run(flags, func(t *testing.T) {
			r := encodeFile(t, compile(t, strings.Contains(flags, "-flto"), flags, typesC), &Options{Features: DefaultFeatures()})
			got := typeLines(t, r.BTF)
			if os.Getenv("KDBG_UPDATE") != "" {
				os.WriteFile("testdata/types.txt", []byte(strings.Join(got, "\n")), 0o666)
			}
			want := strings.Split(string(want), "\n")
			if strings.Contains(flags, "-gdwarf-2") {
				for i := range want { // DWARF 2 has no restrict
					want[i] = strings.ReplaceAll(want[i], "restrict ", "")
				}
			}
			if strings.Contains(flags, "types-section") {
				slices.Sort(want) // the order is that of the units of types
				slices.Sort(got)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error("(-want +got):\n" + d)
			}
		})
	}
}

// TestOptions shows one declaration for each option that changes types.
func TestOptions(t *testing.T) {
	const source = `
		enum wide { W = 1ull << 40 } wide;
		struct s { double d; int matrix[2][3]; int __kabi_hidden17; } s;`
	for _, test := range []struct {
		name string
		opts Options
		want []string // lines that must be there
	}{
		{"none", Options{}, []string{"struct s 40 { d@0 double; matrix@64 [2][3]int; __kabi_hidden17@256 int; }", "enum wide 8 { W=0 }"}},
		{"flat", Options{Arrays: ArraysFlat}, []string{"struct s 40 { d@0 double; matrix@64 [6]int; __kabi_hidden17@256 int; }"}},
		{"prefix", Options{KABIPrefix: "__kabi_hidden"}, []string{"struct s 40 { d@0 double; matrix@64 [2][3]int; __kabi_hidden@256 int; }"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := encodeFile(t, compile(t, false, "", source), &test.opts)
			got := typeLines(t, r.BTF)
			for _, line := range test.want {
				if !slices.Contains(got, line) {
					t.Errorf("no line %q in\n%s", line, strings.Join(got, "\n"))
				}
			}
		})
	}
}

// TestLanguage leaves out units of a language.
func TestLanguage(t *testing.T) {
	name := compile(t, false, "-std=c11", "struct s { int a; } s;")
	r := encodeFile(t, name, &Options{LangExclude: []int{dwarfLangC11}})
	if len(r.BTF) != 0 {
		t.Errorf("%d bytes, want none", len(r.BTF))
	}
}

const dwarfLangC11 = 0x1d

// TestJobs encodes with different numbers of workers.
func TestJobs(t *testing.T) {
	var sources []string
	for i := range 12 {
		sources = append(sources, fmt.Sprintf("struct common { struct common *c; struct priv *p; } c%d;\n"+
			"struct priv { int a[%d]; } p%d; struct own%d { struct common c; } o%d; int f%d(struct priv *p) { return p->a[0]; }", i, 1+i%3, i, i, i, i))
	}
	name := compile(t, false, "", sources...)
	opts := Options{Features: DefaultFeatures(), Jobs: 1, Vars: VarsBuiltin}
	want := encodeFile(t, name, &opts).BTF
	for _, jobs := range []int{0, 2, 8} {
		opts.Jobs = jobs
		calls := 0
		opts.Progress = func(done, total int64) {
			if calls++; done > total {
				t.Errorf("progress %d of %d", done, total)
			}
		}
		if !bytes.Equal(want, encodeFile(t, name, &opts).BTF) {
			t.Errorf("%d jobs: different bytes", jobs)
		}
		if calls == 0 {
			t.Error("no progress")
		}
	}
}

func TestCancel(t *testing.T) {
	f, err := dwarf.Open(compile(t, false, "", "int x;"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Encode(ctx, f, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// TestModule encodes what is split on a base: it has only what the base lacks.
func TestModule(t *testing.T) {
	const header = `
		struct later; struct task { struct task *next; struct later *later; int pid; };
		typedef struct { int counter; } atomic_t;`
	kernel := encodeFile(t, compile(t, false, "", header+"struct task init_task; atomic_t count;"), &Options{Features: DefaultFeatures()})
	blob, err := rawbtf.Parse(kernel.BTF, nil)
	if err != nil {
		t.Fatal(err)
	}
	base, err := NewBase(blob)
	if err != nil {
		t.Fatal(err)
	}
	module := compile(t, false, "", header+`
		struct later { atomic_t a; };
		struct mod { struct task *t; struct later l; } mod;
		int mod_init(struct task *t) { return t->later->a.counter; }`)
	r := encodeFile(t, module, &Options{Features: DefaultFeatures(), Base: base})
	split, err := rawbtf.Parse(r.BTF, blob)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, typ := range split.All() {
		got = append(got, strings.TrimSpace(fmt.Sprint(typ.Kind, " ", split.Name(typ.Name))))
	}
	want := []string{"struct later", "ptr", "struct mod", "func_proto", "func mod_init"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("(-want +got):\n" + d)
	}
}

// TestOffsets compares members of random structures with what the compiler says
// of them, and bit-fields across versions of DWARF.
func TestOffsets(t *testing.T) {
	source, members := randomC(rand.New(rand.NewPCG(1, 2)), 40)
	var first []string
	for _, version := range []string{"-gdwarf-2 -gstrict-dwarf", "-gdwarf-3 -gstrict-dwarf", "-gdwarf-4", "-gdwarf-5"} {
		name := compile(t, false, version, source)
		r := encodeFile(t, name, &Options{Features: DefaultFeatures()})
		if got := typeLines(t, r.BTF); first == nil {
			first = got
		} else if d := cmp.Diff(first, got); d != "" {
			t.Errorf("%s (-DWARF 2 +got):\n%s", version, d)
		}
		blob, err := rawbtf.Parse(r.BTF, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range readOffsets(t, name, len(members)) {
			if got, ok := memberOffset(blob, members[i]); !ok || got != want {
				t.Errorf("%s: %s at byte %d, the compiler says %d", version, members[i], got, want)
			}
		}
	}
}

// randomC returns structures and an array of the offsets of those of their
// members that are no bit-fields, with the names of these: "s3.m2".
func randomC(r *rand.Rand, n int) (source string, members []string) {
	types := []string{"char", "short", "int", "long", "long long", "float", "double", "void *", "unsigned char", "_Bool", "__int128"}
	var out strings.Builder
	kinds := make([]string, n)
	for i := range kinds {
		kinds[i] = []string{"struct", "struct", "struct", "union"}[r.IntN(4)]
	}
	for i, kind := range kinds {
		fmt.Fprintf(&out, "%s s%d {\n", kind, i)
		for m := range 1 + r.IntN(8) {
			typ := types[r.IntN(len(types))]
			if i > 0 && r.IntN(4) == 0 {
				to := r.IntN(n)
				typ = fmt.Sprintf("%s s%d *", kinds[to], to)
			}
			switch r.IntN(5) {
			case 0:
				fmt.Fprintf(&out, "\tunsigned int m%d : %d;\n", m, 1+r.IntN(31))
				continue
			case 1:
				fmt.Fprintf(&out, "\t%s m%d[%d][%d];\n", typ, m, 1+r.IntN(4), 1+r.IntN(4))
			case 2:
				fmt.Fprintf(&out, "\t%s m%d __attribute__((aligned(%d)));\n", typ, m, 1<<r.IntN(6))
			default:
				fmt.Fprintf(&out, "\t%s m%d;\n", typ, m)
			}
			members = append(members, fmt.Sprintf("%s s%d.m%d", kind, i, m))
		}
		packed := []string{"", "", "__attribute__((packed))"}[r.IntN(3)]
		fmt.Fprintf(&out, "} %s;\n%s s%d v%d;\n", packed, kind, i, i)
	}
	out.WriteString("const unsigned long offsets[] __attribute__((section(\".offsets\"))) = {\n")
	for _, m := range members {
		typ, member, _ := strings.Cut(m, ".")
		fmt.Fprintf(&out, "__builtin_offsetof(%s, %s),\n", typ, member)
	}
	out.WriteString("};\n")
	return out.String(), members
}

func readOffsets(t *testing.T, name string, n int) []uint64 {
	t.Helper()
	f, err := dwarf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, s := range f.Sections() {
		if s.Name == ".offsets" {
			data, err := s.Data()
			if err != nil || len(data) != 8*n {
				t.Fatalf("%d bytes of offsets, error %v", len(data), err)
			}
			list := make([]uint64, n)
			for i := range list {
				list[i] = binary.LittleEndian.Uint64(data[8*i:])
			}
			return list
		}
	}
	t.Fatal("no offsets")
	return nil
}

func memberOffset(b *rawbtf.Blob, name string) (uint64, bool) {
	title, member, _ := strings.Cut(name, ".")
	for _, typ := range b.All() {
		if fmt.Sprint(typ.Kind, " ", b.Name(typ.Name)) != title {
			continue
		}
		for i := range typ.Vlen {
			if m := typ.Member(i); b.Name(m.Name) == member {
				return uint64(m.BitOffset / 8), m.BitOffset%8 == 0 && m.BitSize == 0
			}
		}
	}
	return 0, false
}
