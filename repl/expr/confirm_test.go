package expr

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
)

// generator makes random integer expressions whose value C defines when signed
// arithmetic wraps: shifts stay below the width and divisors above zero.
type generator struct{ *rand.Rand }

func (g generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) expr(depth int) string {
	if depth == 0 {
		return g.leaf()
	}
	x := func() string { return g.expr(depth - 1) }
	switch g.IntN(10) {
	case 0:
		return g.pick("-", "~", "!", "+") + "(" + x() + ")"
	case 1, 2:
		return "(" + g.pick("char", "signed char", "unsigned char", "short", "unsigned short", "int", "unsigned",
			"long", "unsigned long", "long long", "unsigned long long", "_Bool", "enum state", "enum sign") + ")(" + x() + ")"
	case 3:
		return "(" + x() + ") " + g.pick("/", "%") + " (((" + x() + ") & 15) + 1)"
	case 4:
		return "(" + x() + ") " + g.pick("<<", ">>") + " ((" + x() + ") & 31)"
	case 5:
		return "(" + x() + ") ? " + x() + " : " + x()
	case 6:
		return "sizeof(" + x() + ")"
	case 7:
		return "(" + x() + ") " + g.pick("<", "<=", ">", ">=", "==", "!=", "&&", "||") + " (" + x() + ")"
	}
	return "(" + x() + ") " + g.pick("+", "-", "*", "&", "|", "^") + " (" + x() + ")"
}

func (g generator) leaf() string {
	if g.IntN(2) == 0 {
		return g.pick("init.pid", "(init.c + 0)", "init.s", "init.flag", "init.ok", "init.state", "init.both", "init.hi",
			"init.grid[1][2]", "init.bytes[3]", "init.comm[2]", "minus", "count", "big", "DEAD", "NEG", "SLEEPING",
			"(init.a + 0)", "(init.b + 0)", "(init.a - 6)", "'a'", `'\xff'`)
	}
	n := g.Uint64() >> g.IntN(64)
	suffix := g.pick("", "", "u", "l", "ul", "ll", "ull")
	if n > 1<<63-1 && !strings.Contains(suffix, "u") {
		n >>= 1 // no signed type of C holds it
	}
	return fmt.Sprintf(g.pick("%d", "%#x", "0%o"), n) + suffix
}

// TestConfirm compares types and values with those of a C compiler.
func TestConfirm(t *testing.T) {
	cc, err := exec.LookPath("gcc")
	if err != nil {
		if os.Getenv("KDBG_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("no gcc; KDBG_REQUIRE_TOOLS=1 makes that a failure")
	}
	g := generator{rand.New(rand.NewPCG(7, 11))}
	exprs := make([]string, 1000)
	for i := range exprs {
		exprs[i] = g.expr(1 + i%4)
	}
	want := compileAndRun(t, cc, exprs)
	k, s := newTestKernel(t, testMemory())
	bad := 0
	for i, src := range exprs {
		v, err := evalString(t, k, s, src)
		got := ""
		if err == nil {
			var u uint64
			u, err = v.Uint()
			got = fmt.Sprintf("%s %#x", cName(v.Type()), u)
		}
		if err != nil || got != want[i] {
			t.Errorf("%s\n got %s (%v)\nwant %s", src, got, err, want[i])
			if bad++; bad == 5 {
				t.Fatal("and so on")
			}
		}
	}
}

// compileAndRun returns "type value" of each expression, as C has it.
func compileAndRun(t *testing.T, cc string, exprs []string) []string {
	var b strings.Builder
	b.WriteString("#include <stdio.h>\n" + testC + `
#define T(e) _Generic((e), char: "char", signed char: "signed char", unsigned char: "unsigned char", \
	short: "short", unsigned short: "unsigned short", int: "int", unsigned: "unsigned int", \
	long: "long", unsigned long: "unsigned long", _Bool: "_Bool", \
	long long: "long long", unsigned long long: "unsigned long long")
#define P(e) printf("%s 0x%llx\n", T(e), (unsigned long long)(e))
int main(void) {
`)
	for _, src := range exprs {
		fmt.Fprintf(&b, "\tP(%s);\n", src)
	}
	b.WriteString("}\n")
	dir := t.TempDir()
	source, program := filepath.Join(dir, "confirm.c"), filepath.Join(dir, "confirm")
	if err := os.WriteFile(source, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-w", "-fwrapv", "-fsigned-char", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// cName returns the name that C has for a type: an enum is an integer to it.
func cName(typ btf.Type) string {
	switch t := btfsrc.Strip(typ).(type) {
	case *btf.Enum:
		if t.Signed {
			return "int"
		}
		return "unsigned int"
	case *btf.Int:
		if name, ok := builtinName(strings.Fields(t.Name)); ok {
			return name
		}
	}
	return btfsrc.TypeName(typ)
}
