package inspect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// write writes a BTF to a file and returns its name.
func write(t *testing.T, name string, base *rawbtf.Blob, add func(*rawbtf.Builder)) string {
	t.Helper()
	b := rawbtf.NewBuilder(&rawbtf.BuilderOptions{Base: base})
	add(b)
	raw, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func member(name rawbtf.Str, typ rawbtf.ID, bit uint32, bits uint8) rawbtf.Member {
	return rawbtf.Member{Name: name, Type: typ, BitOffset: bit, BitSize: bits}
}

func param(name rawbtf.Str, typ rawbtf.ID) rawbtf.Param { return rawbtf.Param{Name: name, Type: typ} }

func value(name rawbtf.Str, v uint64) rawbtf.Enumerator {
	return rawbtf.Enumerator{Name: name, Value: v}
}

func entry(v rawbtf.ID, offset, size uint32) rawbtf.Entry {
	return rawbtf.Entry{Var: v, Offset: offset, Size: size}
}

// kernel is a small kernel's BTF.
func kernel(b *rawbtf.Builder) {
	n := b.String
	b.Int(n("int"), 4, rawbtf.Signed, 0, 32)                                                                                                                   // 1
	b.Int(n("char"), 1, 0, 0, 8)                                                                                                                               // 2
	b.Struct(n("task"), 48, []rawbtf.Member{member(n("comm"), 4, 0, 0), member(n("list"), 6, 128, 0), member(n("on"), 1, 256, 1), member(n("fn"), 9, 320, 0)}) // 3
	b.Array(2, 1, 16)                                                                                                                                          // 4
	b.Ptr(6)                                                                                                                                                   // 5
	b.Struct(n("list_head"), 16, []rawbtf.Member{member(n("next"), 5, 0, 0), member(n("prev"), 5, 64, 0)})                                                     // 6
	b.Ptr(3)                                                                                                                                                   // 7
	b.FuncProto(1, []rawbtf.Param{param(0, 7), param(0, 11), {}})                                                                                              // 8
	b.Ptr(8)                                                                                                                                                   // 9
	b.Qualifier(rawbtf.KindConst, 2)                                                                                                                           // 10
	b.Ptr(10)                                                                                                                                                  // 11
	b.Typedef(n("task_t"), 3)                                                                                                                                  // 12
	b.Struct(n("task"), 0, nil)                                                                                                                                // 13: another of the name
	b.Ptr(13)                                                                                                                                                  // 14
	b.Typedef(n("other_t"), 14)                                                                                                                                // 15
	b.Enum(0, 4, true, []rawbtf.Enumerator{value(n("NONE"), ^uint64(0)), value(n("ONE"), 1)})                                                                  // 16
	b.Enum64(n("big"), 8, false, []rawbtf.Enumerator{value(n("TOP"), 1<<63)})                                                                                  // 17
	b.Fwd(n("opaque"), true)                                                                                                                                   // 18
	b.Ptr(18)                                                                                                                                                  // 19
	b.Qualifier(rawbtf.KindConst, 19)                                                                                                                          // 20
	b.Union(0, 8, []rawbtf.Member{member(n("p"), 20, 0, 0), member(n("e"), 16, 0, 0)})                                                                         // 21
	b.Typedef(n("both_t"), 21)                                                                                                                                 // 22
	b.Array(4, 1, 3)                                                                                                                                           // 23
	b.Ptr(23)                                                                                                                                                  // 24
	b.FuncProto(24, []rawbtf.Param{param(n("t"), 7), param(n("both"), 22)})                                                                                    // 25
	b.Func(n("names_of"), 25, rawbtf.Static)                                                                                                                   // 26
	b.Func(n("names_of.isra.0"), 25, rawbtf.Static)                                                                                                            // 27
	b.Var(n("init_task"), 12, rawbtf.Global)                                                                                                                   // 28
	b.Var(n("names"), 23, rawbtf.Static)                                                                                                                       // 29
	b.Datasec(n(".data"), 96, []rawbtf.Entry{entry(28, 0, 48), entry(29, 48, 48)})                                                                             // 30
	b.DeclTag(n("bpf_kfunc"), 26, -1, false)                                                                                                                   // 31
	b.Float(n("double"), 8)                                                                                                                                    // 32
}

const kernelC = `struct list_head;
struct list_head {
	struct list_head *next; /* 0 */
	struct list_head *prev; /* 8 */
}; /* 16 bytes */

struct task;
struct task {
	char comm[16]; /* 0 */
	struct list_head list; /* 16 */
	int on : 1; /* 32:0 */
	int (*fn)(struct task *, const char *, ...); /* 40 */
}; /* 48 bytes */

typedef struct task task_t;

struct task___2 {
}; /* 0 bytes */

typedef struct task___2 *other_t;

enum big {
	TOP = 9223372036854775808ULL,
};

union opaque;
typedef union {
	union opaque *const p; /* 0 */
	enum {
		NONE = -1,
		ONE = 1,
	} e; /* 0 */
} both_t;

char (*names_of(struct task *t, both_t both))[3][16];
/* char (*names_of_isra_0(struct task *t, both_t both))[3][16]; names_of.isra.0 */
extern task_t init_task;
extern char names[3][16];
`

func TestDumpC(t *testing.T) {
	var out strings.Builder
	if err := Dump(&out, write(t, "k.btf", nil, kernel), true, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kernelC, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// layouts has structs that C lays out only if it is told how.
func layouts(b *rawbtf.Builder) {
	n := b.String
	b.Int(n("int"), 4, rawbtf.Signed, 0, 32)                                                                               // 1
	b.Int(n("char"), 1, 0, 0, 8)                                                                                           // 2
	b.Int(n("long int"), 8, rawbtf.Signed, 0, 64)                                                                          // 3
	b.Struct(n("tight"), 13, []rawbtf.Member{member(n("c"), 2, 0, 0), member(n("l"), 3, 8, 0), member(n("i"), 1, 72, 0)})  // 4
	b.Struct(n("wide"), 64, []rawbtf.Member{member(n("i"), 1, 0, 0), member(n("l"), 3, 256, 0)})                           // 5
	b.Struct(n("bits"), 12, []rawbtf.Member{member(n("a"), 1, 3, 4), member(n("b"), 1, 20, 12), member(n("i"), 1, 64, 0)}) // 6
	b.Struct(n("holds"), 80, []rawbtf.Member{member(0, 5, 0, 0), member(n("t"), 4, 512, 0)})                               // 7
	b.Union(n("large"), 16, []rawbtf.Member{member(n("x"), 1, 0, 0), member(n("y"), 2, 0, 0)})                             // 8
	b.Int(n("long int"), 8, rawbtf.Signed, 0, 3)                                                                           // 9
	b.Struct(n("odd"), 8, []rawbtf.Member{member(n("n"), 9, 61, 0)})                                                       // 10
	b.Struct(n("across"), 5, []rawbtf.Member{member(n("a"), 1, 0, 30), member(n("b"), 1, 30, 10)})                         // 11
}

const layoutsC = `struct tight {
	char c; /* 0 */
	long int l; /* 1 */
	int i; /* 9 */
} __attribute__((packed)); /* 13 bytes */

struct wide {
	int i; /* 0 */
	char __fill_1[28];
	long int l; /* 32 */
	char __fill_2[24];
}; /* 64 bytes */

struct bits {
	char : 3;
	int a : 4; /* 0:3 */
	char : 1;
	char __fill_3[1];
	char : 4;
	int b : 12; /* 2:4 */
	char __fill_4[4];
	int i; /* 8 */
}; /* 12 bytes */

struct holds {
	struct {
		int i; /* 0 */
		char __fill_5[28];
		long int l; /* 32 */
		char __fill_6[24];
	}; /* 0 */
	struct tight t; /* 64 */
}; /* 80 bytes */

union large {
	int x; /* 0 */
	char y; /* 0 */
	char __fill_7[16];
}; /* 16 bytes */

struct odd {
	char __fill_8[7];
	char : 5;
	long int n : 3; /* 7:5 */
}; /* 8 bytes */

struct across {
	int a : 30; /* 0:0 */
	int b : 10; /* 3:6 */
} __attribute__((packed)); /* 5 bytes */

`

func TestDumpLayout(t *testing.T) {
	var out strings.Builder
	if err := Dump(&out, write(t, "k.btf", nil, layouts), true, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(layoutsC, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDumpCompiles has compilers read what is printed as C, and put every member
// where the BTF has it.
func TestDumpCompiles(t *testing.T) {
	files := []string{write(t, "k.btf", nil, kernel), write(t, "layouts.btf", nil, layouts)}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err == nil {
		files = append(files, "/sys/kernel/btf/vmlinux")
	}
	for _, compiler := range []string{"gcc", "clang"} {
		path, err := exec.LookPath(compiler)
		if err != nil {
			if os.Getenv("KDBG_REQUIRE_TOOLS") != "" && compiler == "gcc" {
				t.Fatal(err)
			}
			continue
		}
		for _, name := range files {
			var text strings.Builder
			if err := Dump(&text, name, true, nil); err != nil {
				t.Fatal(err)
			}
			assertLayout(t, &text, name)
			cmd := exec.Command(path, "-fsyntax-only", "-w", "-x", "c", "-")
			cmd.Stdin = strings.NewReader(text.String())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%.2000s", name, compiler, err, out)
			}
		}
	}
}

// assertLayout adds to C what makes it an error if a struct of a BTF has another
// size, or a member another place.
func assertLayout(t *testing.T, w io.Writer, name string) {
	b, err := rawbtf.ReadFile(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range b.All() {
		tag := b.Name(s.Name)
		if s.Kind != rawbtf.KindStruct && s.Kind != rawbtf.KindUnion && s.Kind != rawbtf.KindEnum && s.Kind != rawbtf.KindEnum64 || tag == "" {
			continue
		}
		if first := !seen[tag]; !first || strings.HasPrefix(s.Kind.String(), "enum") {
			seen[tag] = true
			continue
		}
		seen[tag] = true
		fmt.Fprintf(w, "_Static_assert(sizeof(%v %s) == %d, \"size of %s\");\n", s.Kind, tag, s.Size, tag)
		for i := range s.Vlen {
			if m := s.Member(i); m.Name != 0 && m.BitSize == 0 && m.BitOffset%8 == 0 {
				fmt.Fprintf(w, "_Static_assert(__builtin_offsetof(%v %s, %s) == %d, \"%s of %s\");\n",
					s.Kind, tag, b.Name(m.Name), m.BitOffset/8, b.Name(m.Name), tag)
			}
		}
	}
}

func TestDumpRecords(t *testing.T) {
	var out strings.Builder
	if err := Dump(&out, write(t, "k.btf", nil, kernel), false, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"[1] int \"int\" size=4 bits=32 signed\n",
		"[3] struct \"task\" size=48\n\t\"comm\" type=4 bit=0\n\t\"list\" type=6 bit=128\n\t\"on\" type=1 bit=256 bits=1\n",
		"[4] array \"\" type=2 index=1 n=16\n",
		"[8] func_proto \"\" type=1\n\t\"\" type=7\n\t\"\" type=11\n\t\"\" type=0\n",
		"[16] enum \"\" size=4 signed\n\t\"NONE\" -1\n\t\"ONE\" 1\n",
		"[18] fwd \"opaque\" union\n",
		"[28] var \"init_task\" type=12 global\n",
		"[30] datasec \".data\" size=96\n\t\"init_task\" type=28 offset=0 size=48\n",
		"[31] decl_tag \"bpf_kfunc\" type=26 component=-1\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not printed: %s", want)
		}
	}
}

func TestDiff(t *testing.T) {
	a := write(t, "a.btf", nil, kernel)
	// The same with other numbers: everything moves up by two.
	moved := write(t, "moved.btf", nil, func(b *rawbtf.Builder) {
		b.Int(b.String("int"), 4, rawbtf.Signed, 0, 32)
		b.Struct(b.String("s"), 4, []rawbtf.Member{member(b.String("x"), 1, 0, 0)})
		b.Ptr(2)
		b.Var(b.String("v"), 3, rawbtf.Static)
		b.Datasec(b.String(".bss"), 16, []rawbtf.Entry{entry(4, 8, 8)})
	})
	same := write(t, "same.btf", nil, func(b *rawbtf.Builder) {
		b.Var(b.String("v"), 3, rawbtf.Static)
		b.Datasec(b.String(".bss"), 16, []rawbtf.Entry{entry(1, 8, 8)})
		b.Ptr(4)
		b.Struct(b.String("s"), 4, []rawbtf.Member{member(b.String("x"), 5, 0, 0)})
		b.Int(b.String("int"), 4, rawbtf.Signed, 0, 32)
	})
	other := write(t, "other.btf", nil, func(b *rawbtf.Builder) {
		b.Int(b.String("int"), 4, rawbtf.Signed, 0, 32)
		b.Struct(b.String("s"), 8, []rawbtf.Member{member(b.String("x"), 1, 0, 0), member(b.String("y"), 1, 32, 0)})
		b.Ptr(2)
		b.Var(b.String("v"), 3, rawbtf.Global)
		b.Typedef(b.String("new_t"), 1)
	})
	for _, test := range []struct {
		name, a, b string
		show       int
		same       bool
		want       string
	}{
		{"itself", a, a, 9, true, ""},
		{"other numbers", moved, same, 9, true, ""},
		{"other types", moved, other, 9, false, `     kind  both  only first  only second
      int     1           0            0
    place     0           1            0
   struct     0           1            1
  typedef     0           0            1
      var     0           1            1
    total     1           3            3
- .bss+0x8 8 bytes, var v static, ptr of struct s
  struct s
-     4 bytes { int int x@0;
+     8 bytes { int int x@0; int int y@32;
+ typedef new_t of int int
  var v
-     static,
+     global,
`},
		{"not shown", moved, other, 0, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			same, err := Diff(&out, test.a, test.b, test.show, nil)
			if err != nil || same != test.same {
				t.Errorf("same %v, %v", same, err)
			}
			if diff := cmp.Diff(test.want, out.String()); test.want != "" && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if test.show == 0 && strings.ContainsAny(out.String(), "+-") {
				t.Errorf("shows examples:\n%s", out.String())
			}
		})
	}
}

func TestVerify(t *testing.T) {
	good := write(t, "good.btf", nil, kernel)
	bad := write(t, "bad.btf", nil, func(b *rawbtf.Builder) { b.Typedef(b.String("a\x1b[31m"), 0); b.Float(b.String("f"), 3) })
	for _, test := range []struct {
		name, file, kernel string
		ok                 bool
		want               string
	}{
		{"good", good, "", true, ""},
		{"old kernel", good, "5.12", false, "[17] enum64 big: the kind enum64 is not known (before Linux 6.0)\n" +
			"[27] func names_of.isra.0: name \"names_of.isra.0\" has a dot (before Linux 6.5)\n" +
			"[31] decl_tag bpf_kfunc: the kind decl_tag is not known (before Linux 5.16)\n" +
			"[32] float double: the kind float is not known (before Linux 5.13)\n"},
		{"bad", bad, "7.2", false, `[1] typedef a\x1b[31m: name \"a\\x1b[31m\" is no identifier` + "\n[2] float f: its size is 3\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			ok, err := Verify(&out, test.file, test.kernel, nil)
			if err != nil || ok != test.ok {
				t.Errorf("%v, %v", ok, err)
			}
			got := out.String()
			if test.kernel == "5.12" { // the enum with a sign, too
				got = strings.Replace(got, "[16] enum (anon): kind_flag is set (before Linux 6.0)\n", "", 1)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := Verify(new(strings.Builder), good, "six", nil); err == nil || err.Error() != `"six" is no version of a kernel, such as 6.12` {
		t.Errorf("version six: %v", err)
	}
}

func TestBase(t *testing.T) {
	name := write(t, "k.btf", nil, kernel)
	base, err := rawbtf.ReadFile(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	module := write(t, "m.btf", base, func(b *rawbtf.Builder) {
		b.Struct(b.String("mine"), 48, []rawbtf.Member{member(b.String("task"), 12, 0, 0)})
		b.Var(b.String("mine"), base.End(), rawbtf.Static)
	})
	var out strings.Builder
	if err := Dump(&out, module, true, &Options{Base: name}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasSuffix(got, "struct mine {\n\ttask_t task; /* 0 */\n}; /* 48 bytes */\n\nextern struct mine mine;\n") ||
		strings.Contains(got, "both_t") {
		t.Errorf("a module's types and what they need are\n%s", got)
	}
	var split *rawbtf.SplitError
	if err := Dump(&out, module, true, nil); !errors.As(err, &split) || split.Hint() == "" {
		t.Errorf("without its base: %v", err)
	}
	if err := Dump(&out, filepath.Join(t.TempDir(), "none"), true, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := Dump(&out, module, true, &Options{Base: "inspect.go"}); err == nil || !strings.Contains(err.Error(), "read base: inspect.go: BTF, offset 0x0: no BTF") {
		t.Errorf("wrong base: %v", err)
	}
}

// TestDoubling reads types that, written in full, would be too much for any file.
func TestDoubling(t *testing.T) {
	name := write(t, "k.btf", nil, func(b *rawbtf.Builder) {
		b.Int(b.String("int"), 4, 0, 0, 32)
		for id := rawbtf.ID(1); id < 50; id++ {
			b.Union(0, 4, []rawbtf.Member{member(0, id, 0, 0), member(0, id, 0, 0)})
		}
		b.Typedef(b.String("t"), 50)
	})
	var out strings.Builder
	if err := Dump(&out, name, true, nil); err != nil || out.Len() > 100<<20 {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	if same, err := Diff(&out, name, name, 1, nil); err != nil || !same {
		t.Errorf("same %v, %v", same, err)
	}
}

// FuzzDump prints any BTF as C and as records, and compares it with itself.
func FuzzDump(f *testing.F) {
	b := rawbtf.NewBuilder(nil)
	kernel(b)
	raw, err := b.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		name := filepath.Join(t.TempDir(), "btf")
		if err := os.WriteFile(name, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, asC := range []bool{true, false} {
			var out strings.Builder
			if Dump(&out, name, asC, nil) == nil && strings.ContainsFunc(out.String(), func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) {
				t.Errorf("control characters are printed: %q", out.String())
			}
		}
		if same, err := Diff(new(strings.Builder), name, name, 5, nil); err == nil && !same {
			t.Error("it is not the same as itself")
		}
	})
}
