package expr

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// declared returns the declarations in text as C, and its errors behind "error: ".
func declared(file, text string) []string {
	var got []string
	for d, err := range Declarations(file, text, testTypedefs) {
		if err != nil {
			got = append(got, "error: "+err.Error())
			continue
		}
		got = append(got, d.String())
	}
	return got
}

func TestDeclarations(t *testing.T) {
	for _, tc := range []struct {
		src  string
		want []string
	}{
		{"struct list_head modules;", []string{"struct list_head modules"}},
		{"struct list_head modules", []string{"struct list_head modules"}},
		{" ; ;; ", nil},
		{"int a, *b, c[4][2], (*d)[3], *e[3];", []string{"int a", "int *b", "int c[4][2]", "int (*d)[3]", "int *e[3]"}},
		{"int a; u64 b;\nunsigned c", []string{"int a", "u64 b", "unsigned int c"}},
		{"extern const char *const names[];", []string{"const char *const names[]"}},
		{"static struct kmem_cache *cachep __read_mostly, *other __aligned(8);", []string{"struct kmem_cache *cachep", "struct kmem_cache *other"}},
		{"static __read_mostly int x; int __ro_after_init y; int __z;", []string{"int x", "int y", "int __z"}},
		{"struct rq __percpu *runqueues __attribute__((aligned(1 << (6))));", []string{"struct rq *runqueues"}},
		{"void (*fn)(struct foo *f, int (*cb)(int x), u8 n[4], ...);", []string{"void (*fn)(struct foo *, int (*)(int), u8[4], ...)"}},
		{"int (*(*get)(void))[4];", []string{"int (*(*get)(void))[4]"}},
		{"int (x), ((*y));", []string{"int x", "int *y"}},
		{"int a /* one; */ ; // int b;\n/* int\nc; */ int d", []string{"int a", "int d"}},
		{"struct foo#2 x#3; int `a.b`#2;", []string{"struct foo#2 x#3", "int `a.b`#2"}},
		{"char b[sizeof(struct foo) * 2];", []string{"char b[sizeof(struct foo) * 2]"}},
		{"typeof(init_task) t; enum color c; union u x", []string{"typeof(init_task) t", "enum color c", "union u x"}},

		{"int a; int 3; int b;", []string{"int a", "error: column 12: '3' where the name of a variable should be", "int b"}},
		{"int *;", []string{"error: column 6: the expression ends where the name of a variable should be"}},
		{"int x = 3;", []string{"error: column 7: a variable has the value that the dump holds"}},
		{"int f(void);", []string{"error: column 5: f is declared as a function"}},
		{"struct foo { int a; } x; int y;", []string{"error: column 12: a type cannot be defined here", "int y"}},
		{"typedef int t;", []string{"error: column 1: a type cannot be defined here"}},
		{"int a b;", []string{"error: column 7: 'b' where ',' or ';' should be"}},
		{"#include <x>", []string{"error: column 1: unexpected character '#'"}},
		{"modules;", []string{"error: column 8: the expression ends where the name of a variable should be"}},
		{"int x __attribute__((a", []string{"int x"}},
	} {
		if diff := cmp.Diff(tc.want, declared("", tc.src)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.src, diff)
		}
	}
}

// TestDeclarationPlace checks that an error in a file says where, with a caret.
func TestDeclarationPlace(t *testing.T) {
	const text = "/* of\n * 6.12 */\nint a;\n\tint b,\n\t\t*3 c; // here\nint d;\n"
	var at *Error
	for _, err := range Declarations("types.h", text, testTypedefs) {
		if err != nil && !errors.As(err, &at) {
			t.Fatal(err)
		}
	}
	const want = "types.h:5:4: '3' where the name of a variable should be"
	if at == nil || at.Error() != want {
		t.Fatalf("error is %v, want %s", at, want)
	}
	if want := "  *3 c; // here\n   ^"; at.Caret() != want {
		t.Errorf("caret is\n%s\nwant\n%s", at.Caret(), want)
	}
}

// FuzzDeclarations checks that what is accepted prints as C that means the same,
// and that errors lie in the text.
func FuzzDeclarations(f *testing.F) {
	for _, src := range []string{
		"struct list_head modules;", "int a, *b, c[4][2], (*d)[3];", "extern const char *const names[];",
		"void (*fn)(struct foo *f, int (*cb)(int x), u8 n[4], ...) __read_mostly;", "int (*(*get)(void))[4];",
		"/* a */ struct foo#2 `x.y`#3; // b\n int c", "typeof(a.b[1]) t;", "int 3; int b", "int x = {;};",
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		for d, err := range Declarations("", src, testTypedefs) {
			if err != nil {
				var at *Error
				if !errors.As(err, &at) || at.Pos < 0 || at.Pos > at.End || at.End > len(src) {
					t.Fatalf("%q: error %#v is out of place", src, err)
				}
				at.Caret()
				continue
			}
			text := d.String()
			if again := declared("", text); len(again) != 1 || again[0] != text {
				t.Fatalf("%q is printed as %q, and that as %q", src, text, strings.Join(again, "; "))
			}
		}
	})
}
