package expr

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// typedefs is an oracle that knows a few names.
type typedefs []string

func (t typedefs) IsType(name string, _ bool) bool { return slices.Contains(t, name) }

var testTypedefs = typedefs{"u8", "u64", "pid_t", "both"}

// TestParse checks how expressions print: with the parentheses they need.
func TestParse(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{"1+2*3", "1 + 2 * 3"},
		{"(1+2)*3", "(1 + 2) * 3"},
		{"1-(2-3)-4", "1 - (2 - 3) - 4"},
		{"a<b==c>d", "a < b == c > d"},
		{"a&b==c", "a & b == c"},
		{"(a&b)==c", "(a & b) == c"},
		{"a||b&&c|d^e&f", "a || b && c | d ^ e & f"},
		{"a?b:c?d:e", "a ? b : c ? d : e"},
		{"(a?b:c)?d:e", "(a ? b : c) ? d : e"},
		{"a?b?c:d:e", "a ? b ? c : d : e"},
		{"- -x", "- -x"},
		{"-+~!*&x", "-+~!*&x"},
		{"& &x", "& &x"},
		{"a - -b", "a - -b"},
		{"*p->a.b[1]", "*p->a.b[1]"},
		{"(*p).a", "(*p).a"},
		{"a[1][2..3]", "a[1][2..3]"},
		{"a[ x ? 1 : 2 .. n + 1 ]", "a[x ? 1 : 2..n + 1]"},
		{"a[1. .. .5]", "a[1.0..0.5]"},

		{"(u64)x+1", "(u64)x + 1"},
		{"(u64)(x+1)", "(u64)(x + 1)"},
		{"(u64)-1", "(u64)-1"},
		{"(x)-1", "x - 1"},
		{"((u64)x).y", "((u64)x).y"},
		{"(u64)x.y", "(u64)x.y"},
		{"(both)", "`both`"},
		{"(both)x", "(both)x"},
		{"both+1", "`both` + 1"},
		{"(unsigned)x", "(unsigned int)x"},
		{"(long int unsigned long)x", "(unsigned long long)x"},
		{"(int long)x", "(long)x"},
		{"(char signed)x", "(signed char)x"},
		{"(short const int)x", "(const short)x"},
		{"(struct task_struct*)0xffff", "(struct task_struct *)0xffff"},
		{"(struct foo#2 const*const*volatile)p", "(const struct foo#2 *const *volatile)p"},
		{"(u8 __percpu *)p", "(u8 *)p"},
		{"(int(*)(void))p", "(int (*)(void))p"},
		{"(void(*(*)[3])(struct foo*f,u8 n,...))p", "(void (*(*)[3])(struct foo *, u8, ...))p"},
		{"(int(*(*)(int))(char))p", "(int (*(*)(int))(char))p"},
		{"(int*(*)[2][3])p", "(int *(*)[2][3])p"},
		{"(typeof(a.b)*)p", "(typeof(a.b) *)p"},
		{"(typeof(u8)*)p", "(typeof(u8) *)p"},
		{"*(enum color*)p", "*(enum color *)p"},

		{"sizeof(struct page)", "sizeof(struct page)"},
		{"sizeof(x)", "sizeof x"},
		{"sizeof x+1", "sizeof x + 1"},
		{"sizeof(x+1)", "sizeof (x + 1)"},
		{"sizeof(x).y", "sizeof x.y"},
		{"(sizeof x)[1]", "(sizeof x)[1]"},
		{"sizeof((u8)x)", "sizeof ((u8)x)"},
		{"sizeof(u8[4])", "sizeof(u8[4])"},
		{"offsetof(struct a,b.c[2].d)", "offsetof(struct a, b.c[2].d)"},
		{"container_of(p->next,struct a,b[i+1].c)->d", "container_of(p->next, struct a, b[i + 1].c)->d"},
		{"runqueues:0", "per_cpu(runqueues, 0)"},
		{"runqueues:$i.nr", "per_cpu(runqueues, $i).nr"},
		{"runqueues:0.nr", "per_cpu(runqueues, 0).nr"},
		{"runqueues:12->nr", "per_cpu(runqueues, 12)->nr"},
		{"x?runqueues:0", "x ? runqueues : 0"},
		{"x?(runqueues:0):1", "x ? per_cpu(runqueues, 0) : 1"},
		{"per_cpu_ptr(p,1+1)", "per_cpu_ptr(p, 1 + 1)"},

		{"$", "$"},
		{"$$.a", "$$.a"},
		{"$12 + $$3 + $t", "$12 + $$3 + $t"},
		{"$t=$u=1", "$t = $u = 1"},
		{"($t=1)+1", "($t = 1) + 1"},

		{"0x1fUL+017+0b101+10llu", "0x1fUL + 017 + 0b101 + 10llu"},
		{"1.5e-3f", "1.5e-3f"},
		{`'a'+'\n'+'\x41'+'\\'+'\''+'"'`, `'a' + '\n' + '\x41' + '\\' + '\'' + '"'`},
		{`"a\tb"[0]`, `"a\tb"[0]`},
		{"__key.12", "__key.12"},
		{"`foo.isra.0`+4", "`foo.isra.0` + 4"},
		{"foo#2.a", "foo#2.a"},
	} {
		e, err := Parse(tc.src, testTypedefs)
		if err != nil {
			t.Errorf("Parse(%q): %v", tc.src, err)
			continue
		}
		if got := e.String(); got != tc.want {
			t.Errorf("Parse(%q) = %s, want %s", tc.src, got, tc.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	deep := strings.Repeat("(", 5000)
	for _, tc := range []struct{ src, at, want string }{
		{"1 +", "   ^", "column 4: the expression ends where an expression should be"},
		{"a.", "  ^", "column 3: the expression ends where the name of a member should be"},
		{"(1", "  ^", "column 3: the expression ends where ')' should be"},
		{"1)", " ^", "column 2: ')' where an operator should be"},
		{"a b", "  ^", "column 3: 'b' does not belong here"},
		{"a.b = 3", "    ^", "column 5: cannot assign: a dump is read only"},
		{"$t += 3", "   ^~", "column 4: no operator '+='"},
		{"x++", " ^~", "column 2: no operator '++': a dump is read only"},
		{"--x", "^~", "column 1: no operator '--': a dump is read only"},
		{"schedule()", "^~~~~~~~~", "column 1: a dump does not run: its functions cannot be called"},
		{"runqueues :0", "          ^", "column 11: ':' without '?', and no CPU number joined to it"},
		{"struct foo", "^~~~~~", "column 1: a type where a value should be"},
		{"sizeof(unsigned char int)", "       ^~~~~~~~~~~~~~~~~", "column 8: 'unsigned char int' is not a type of C"},
		{"(struct {int a;} *)p", "        ^", "column 9: a type cannot be defined here"},
		{"(struct foo){1}", "            ^", "column 13: a compound literal has no place in a dump"},
		{"08", "^~", "column 1: 08 is not a number"},
		{"1ffff", "^~~~~", "column 1: 1ffff is not a number"},
		{"0x10000000000000000", "^~~~~~~~~~~~~~~~~~~", "column 1: 0x10000000000000000 does not fit in 64 bits"},
		{"'ab'", "^~~~", "column 1: a character constant is one byte, this is 2"},
		{`"abc`, "^~~~", `column 1: a closing " is missing`},
		{`"\q"`, " ^~", `column 2: unknown escape \q`},
		{`'\400'`, ` ^~~~`, `column 2: \400 is not a byte`},
		{"a @ 3", "  ^", "column 3: unexpected character '@'"},
		{"$$t", "^~~", "column 1: $$t is neither history ($, $$, $1, $$1) nor a variable ($name)"},
		{"foo#0", "   ^~", "column 4: # wants the number of a candidate, from 1"},
		{"offsetof(struct a, b->c)", "                    ^~", "column 21: '->' where '.', '[' or ')' should be"},
		{"", "^", "column 1: the expression ends where an expression should be"},
		{deep, strings.Repeat(" ", 61) + "^", "column 101: nested too deeply"},
	} {
		_, err := Parse(tc.src, testTypedefs)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%q): %v, want an *Error", tc.src, err)
			continue
		}
		if e.Error() != tc.want {
			t.Errorf("Parse(%q):\n got %s\nwant %s", tc.src, e, tc.want)
		}
		if _, at, _ := strings.Cut(e.Caret(), "\n"); at != tc.at {
			t.Errorf("Parse(%q):\n %s\n got %s\nwant %s", tc.src, tc.src, at, tc.at)
		}
	}
}

// TestIncomplete checks which errors ask for another line.
func TestIncomplete(t *testing.T) {
	for src, want := range map[string]bool{
		"": false, " ": false, "1 +": true, "a[": true, "a[0..": true, "(struct foo *": true, "f(": false,
		"1 )": false, "'a": false, "sizeof": true, "container_of(p, struct foo,": true,
	} {
		_, err := Parse(src, testTypedefs)
		var e *Error
		if !errors.As(err, &e) || e.Incomplete != want {
			t.Errorf("Parse(%q): incomplete %v, want %v (%v)", src, !want, want, err)
		}
	}
}

func TestSourceLimit(t *testing.T) {
	long := strings.Repeat("1+", maxSource/2) + "1"
	if _, err := Parse(long, nil); err == nil {
		t.Errorf("Parse of %d bytes: no error", len(long))
	}
	if _, err := Parse(long[2:], nil); err != nil {
		t.Errorf("Parse of %d bytes: %v", len(long)-2, err)
	}
}

// FuzzParse checks that what an expression prints as parses to the same.
func FuzzParse(f *testing.F) {
	for _, src := range []string{
		"(void(*(*)[3])(struct foo*f,u8 n,...))p", "a?b:c?d:e", "sizeof(x).y[1..2]", "$t = `both` + both",
		"container_of(p->next, const struct a#2, b[i+1].c)->d:0", `"a\x41" == 'b'`, "x?runqueues:0:1", "1.e5 .. .5",
		"(typeof(((both))*x)*const)- -1", "sizeof (u8)x", "a[0..8]", "`a b`#3", "(bool)x",
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		e, err := Parse(src, testTypedefs)
		if err != nil {
			var at *Error
			if !errors.As(err, &at) || at.Pos < 0 || at.Pos > at.End || at.End > len(src) {
				t.Fatalf("Parse(%q): %#v is not placed in the source", src, err)
			}
			at.Caret()
			return
		}
		printed := e.String()
		again, err := Parse(printed, testTypedefs)
		if err != nil {
			if len(printed) > maxSource {
				return // blanks made it too long
			}
			t.Fatalf("Parse(%q) prints %q: %v", src, printed, err)
		}
		if s := again.String(); s != printed {
			t.Fatalf("Parse(%q) prints %q, that prints %q", src, printed, s)
		}
	})
}
