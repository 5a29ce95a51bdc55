package encode

import (
	"debug/elf"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

const functionsA = `
struct point { int x, y; };
#define keep __attribute__((noinline, noclone, used))

keep int plain(int a, const char *text) { return a + *text; }
keep void nothing(void) {}
keep int variadic(const char *format, ...) { return *format; }
keep long by_value(struct point p, int n) { return p.x + p.y + n; }

keep static int local(int n) { return n + 1; }
keep static int twice(int n) { return n + 2; }

// The weak definition loses; parameters are named as in the other.
__attribute__((weak, noinline)) int chosen(int loser) { return loser; }

static inline __attribute__((always_inline)) int unit_a(long n) { return n; }
keep static int differs(int n) { return unit_a(n); }
keep int agrees(const int n, struct point *const p) { return n + p->x; }

// Always called with 7: a copy without that parameter takes its place.
struct point *kept;
static __attribute__((noinline)) int reduced(struct point *p, int seven) { kept = p; return p->y * seven; }
int caller(struct point *p) { return reduced(p, 7) + differs(2) + local(1) + twice(1); }

static inline __attribute__((always_inline)) int inlined(int n) { return n * 3; }
int user(int n) { return inlined(n); }
`

const functionsB = `
struct point;
#define keep __attribute__((noinline, noclone, used))
keep int chosen(int winner) { return winner * 2; }
keep static int twice(int n) { return n + 3; }
// The same name, of which only the other unit has a symbol.
static inline __attribute__((always_inline)) int differs(const char *s) { return *s; }
int other(const char *s) { return differs(s) + twice(1); }
`

// dwarfFlags make a compiler write DWARF in every version, and across units.
var dwarfFlags = []string{"-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gz", "-flto -flto-partition=none", "-flto -flto-partition=max -fno-ipa-icf"}

func TestFunctions(t *testing.T) {
	want := lines(`
		int agrees(const int n, struct point *const p)
		long int by_value(struct point p, int n)
		int caller(struct point *p)
		int chosen(int winner)
		int local(int n)
		void nothing()
		int other(const char *s)
		int plain(int a, const char *text)
		int user(int n)
		int variadic(const char *format, ...)
		`)
	for _, flags := range dwarfFlags {
		name := compile(t, true, flags+" -Wl,-u,caller,-u,user,-u,other", functionsA, functionsB)
		r := encodeFile(t, name, &Options{Features: DefaultFeatures()})
		if diff := cmp.Diff(want, functionLines(t, r.BTF)); diff != "" {
			t.Errorf("%s: %s", flags, diff)
		}
		skipped := map[string]int{"ambiguous address": 1, "inconsistent prototype": 1, "optimized parameters": 1}
		if diff := cmp.Diff(skipped, r.Stats.Skipped); diff != "" {
			t.Errorf("%s: %s", flags, diff)
		}
	}
}

// TestInconsistentKept: without the feature, the first unit decides.
func TestInconsistentKept(t *testing.T) {
	name := compile(t, true, "", functionsA, functionsB)
	r := encodeFile(t, name, &Options{})
	if got := functionLines(t, r.BTF); !strings.Contains(got, "int differs(int n)\n") {
		t.Error(got)
	}
}

// TestModuleFunctions: addresses of an object file are relative to sections, so
// two functions may be at the same one.
func TestModuleFunctions(t *testing.T) {
	name := compile(t, false, "", `
		__attribute__((section(".init.text"))) int start(int n) { return n; }
		int stop(int n) { return -n; }
		static __attribute__((noinline, used)) int same(int a) { return a; }
		`, `
		static __attribute__((noinline, used, section(".init.text.2"))) int same(int a) { return a; }
		`)
	r := encodeFile(t, name, &Options{Features: DefaultFeatures()})
	want := lines(`
		int start(int n)
		int stop(int n)
		`)
	if diff := cmp.Diff(want, functionLines(t, r.BTF)); diff != "" {
		t.Error(diff)
	}
}

// oneFunction is a function f(int a, int b) at 0x1000.
func oneFunction(machine elf.Machine, symbol, attributes, first, second string) dwarftest.File {
	return dwarftest.File{
		Machine: machine,
		Big:     machine == elf.EM_S390,
		Info: lines(fmt.Sprintf(`
			unit
			compile_unit name:string="a.c"
				base_type @int name:string="int" byte_size:data1=4 encoding:data1=5
				subprogram name:string="f" type:ref4=@int low_pc:addr=0x1000 %s
					formal_parameter name:string="a" type:ref4=@int %s
					formal_parameter name:string="b" type:ref4=@int %s
			`, attributes, first, second)),
		Sections: []dwarftest.Section{{Name: ".text", Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addr: 0x1000, Data: make([]byte, 16)}},
		Symbols:  []dwarftest.Symbol{{Name: symbol, Section: ".text", Value: 0x1000, Size: 16, Type: elf.STT_FUNC, Bind: elf.STB_LOCAL}},
	}
}

// TestParameterLocations goes through the ways that a parameter may be found
// where the calling convention does not have it.
func TestParameterLocations(t *testing.T) {
	const x86, arm64, s390 = elf.EM_X86_64, elf.EM_AARCH64, elf.EM_S390
	tests := []struct {
		name    string
		machine elf.Machine
		symbol  string
		attr    string
		a, b    string // attributes of the parameters
		skipped string
	}{
		{name: "registers of x86-64", machine: x86, symbol: "f", a: "location:exprloc={55}", b: "location:exprloc={54}"},
		{name: "registers of arm64", machine: arm64, symbol: "f", a: "location:exprloc={50}", b: "location:exprloc={51}"},
		{name: "registers of s390x", machine: s390, symbol: "f", a: "location:exprloc={52}", b: "location:exprloc={53}"},
		{name: "another register of x86-64", machine: x86, symbol: "f", a: "location:exprloc={55}", b: "location:exprloc={51}", skipped: "unexpected register"},
		{name: "another register of arm64", machine: arm64, symbol: "f", a: "location:exprloc={51}", b: "location:exprloc={51}", skipped: "unexpected register"},
		{name: "another register of s390x", machine: s390, symbol: "f", a: "location:exprloc={52}", b: "location:exprloc={54}", skipped: "unexpected register"},
		{name: "any register of a machine without table", machine: elf.EM_PPC64, symbol: "f", a: "location:exprloc={5f}", b: "location:exprloc={5f}"},
		{name: "value at the start", machine: x86, symbol: "f", a: "location:exprloc={a3 01 55 9f}", b: "location:exprloc={f3 01 54 9f}"},
		{name: "value of another register at the start", machine: x86, symbol: "f", a: "location:exprloc={a3 01 54 9f}", b: "location:exprloc={54}", skipped: "unexpected register"},
		{name: "spilled at once", machine: x86, symbol: "f", a: "location:exprloc={91 7c}", b: "location:exprloc={54}"},
		{name: "not used", machine: x86, symbol: "f", a: "", b: "const_value:data1=3"},
		{name: "copy that lost a parameter", machine: x86, symbol: "f.isra.0", a: "location:exprloc={55}", b: "", skipped: "optimized parameters"},
		{name: "copy with a constant", machine: x86, symbol: "f.constprop.0", a: "location:exprloc={55}", b: "const_value:data1=3", skipped: "optimized parameters"},
		{name: "copy that kept all", machine: x86, symbol: "f.constprop.0.isra.1", a: "location:exprloc={55}", b: "location:exprloc={54}"},
		{name: "clang changed the convention", machine: x86, symbol: "f", attr: "calling_convention:data1=3", a: "location:exprloc={55}", b: "", skipped: "optimized parameters"},
		{name: "cold part is no function", machine: x86, symbol: "f.cold", a: "location:exprloc={55}", b: "location:exprloc={54}", skipped: "no symbol"},
		{name: "part is no function", machine: x86, symbol: "f.part.0", a: "location:exprloc={55}", b: "location:exprloc={54}", skipped: "no symbol"},
		{name: "renamed for link-time optimisation", machine: x86, symbol: "f.lto_priv.0", a: "location:exprloc={55}", b: "location:exprloc={54}"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := encodeText(t, oneFunction(test.machine, test.symbol, test.attr, test.a, test.b), &Options{Features: DefaultFeatures()})
			want := "int f(int a, int b)\n"
			if test.skipped != "" {
				want = ""
			}
			if diff := cmp.Diff(want, functionLines(t, r.BTF)); diff != "" {
				t.Error(diff)
			}
			if test.skipped != "" && test.skipped != "no symbol" && r.Stats.Skipped[test.skipped] != 1 {
				t.Errorf("skipped %v, want 1 for %q", r.Stats.Skipped, test.skipped)
			}
		})
	}
}

// TestFunctionOrigins: a concrete instance takes what it lacks from the abstract
// one, which may come later, and parameters may be in another order.
func TestFunctionOrigins(t *testing.T) {
	d := oneFunction(elf.EM_X86_64, "f", "", "", "")
	d.Info = lines(`
		unit
		compile_unit name:string="a.c"
			subprogram abstract_origin:ref4=@abstract low_pc:addr=0x1000
				formal_parameter abstract_origin:ref4=@a location:exprloc={55}
				variable name:string="v" type:ref4=@int
				formal_parameter abstract_origin:ref4=@b location:exprloc={54}
				unspecified_parameters
			base_type @int name:string="int" byte_size:data1=4 encoding:data1=5
			subprogram @abstract name:string="f" type:ref4=@int inline:data1=1
				formal_parameter @a name:string="a" type:ref4=@int
				formal_parameter @b name:string="b" type:ref4=@int
				unspecified_parameters
		`)
	r := encodeText(t, d, &Options{Features: DefaultFeatures()})
	if diff := cmp.Diff("int f(int a, int b, ...)\n", functionLines(t, r.BTF)); diff != "" {
		t.Error(diff)
	}
	d.Info = strings.NewReplacer("=@a ", "=@b ", "=@b ", "=@a ").Replace(d.Info)
	r = encodeText(t, d, &Options{Features: DefaultFeatures()})
	if r.Stats.Functions != 0 || r.Stats.Skipped["reordered parameters"] != 1 {
		t.Errorf("reordered: %d functions, skipped %v", r.Stats.Functions, r.Stats.Skipped)
	}
}

// TestNestedSubprogram: parameters belong to the subprogram that they are
// children of, not to the one before them.
func TestNestedSubprogram(t *testing.T) {
	d := oneFunction(elf.EM_X86_64, "f", "", "", "")
	d.Info = lines(`
		unit
		compile_unit name:string="a.c"
			base_type @int name:string="int" byte_size:data1=4 encoding:data1=5
			subprogram name:string="f" type:ref4=@int low_pc:addr=0x1000
				formal_parameter name:string="a" type:ref4=@int location:exprloc={55}
				subprogram name:string="f" type:ref4=@int external:flag_present declaration:flag_present
					formal_parameter type:ref4=@int
				formal_parameter name:string="b" type:ref4=@int const_value:data1=0
		`)
	r := encodeText(t, d, &Options{Features: DefaultFeatures()})
	if diff := cmp.Diff("int f(int a, int b)\n", functionLines(t, r.BTF)); diff != "" {
		t.Error(diff)
	}
}

// TestFunctionTags reads declaration tags as clang writes them, and as GCC does.
func TestFunctionTags(t *testing.T) {
	clang := lines(`
		unit
		compile_unit name:string="a.c"
			base_type @int name:string="int" byte_size:data1=4 encoding:data1=5
			subprogram name:string="f" type:ref4=@int low_pc:addr=0x1000
				formal_parameter name:string="a" type:ref4=@int
				formal_parameter name:string="b" type:ref4=@int
					LLVM_annotation name:string="btf_decl_tag" const_value:string="second"
				LLVM_annotation name:string="btf_decl_tag" const_value:string="one"
				LLVM_annotation name:string="btf_decl_tag" const_value:string="two"
		`)
	gcc := lines(`
		unit
		compile_unit name:string="a.c"
			base_type @int name:string="int" byte_size:data1=4 encoding:data1=5
			subprogram name:string="f" type:ref4=@int low_pc:addr=0x1000 GNU_annotation:ref4=@one
				formal_parameter name:string="a" type:ref4=@int
				formal_parameter name:string="b" type:ref4=@int GNU_annotation:ref4=@second
			GNU_annotation @second name:string="btf_decl_tag" const_value:string="second"
			GNU_annotation @two name:string="btf_decl_tag" const_value:string="two"
			GNU_annotation @one name:string="btf_decl_tag" const_value:string="one" GNU_annotation:ref4=@two
		`)
	for name, info := range map[string]string{"clang": clang, "gcc": gcc} {
		d := oneFunction(elf.EM_X86_64, "f", "", "", "")
		d.Info = info
		r := encodeText(t, d, &Options{Features: DefaultFeatures()})
		want := "int f(int a, int b [\"second\"]) [\"one\" \"two\"]\n"
		if diff := cmp.Diff(want, functionLines(t, r.BTF)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestPackedParameter: where a packed structure on the stack is, BTF does not
// tell.
func TestPackedParameter(t *testing.T) {
	source := `
		struct packed { char c; long l; } __attribute__((packed));
		struct plain { long a, b, c; };
		int f(int a, int b, int c, int d, int e, int f, struct ATTR s) { return a; }
		`
	for word, functions := range map[string]int{"packed": 0, "plain": 1} {
		name := compile(t, true, "", strings.Replace(source, "ATTR", word, 1))
		r := encodeFile(t, name, &Options{Features: DefaultFeatures()})
		if r.Stats.Functions != functions {
			t.Errorf("%s: %d functions, skipped %v", word, r.Stats.Functions, r.Stats.Skipped)
		}
	}
}

// TestTrueSignature: a changed copy is written under its symbol's name, with the
// parameters that are left.
func TestTrueSignature(t *testing.T) {
	tests := []struct {
		name, symbol, a, b, want string
	}{
		{"kept all", "f.constprop.0", "location:exprloc={55}", "location:exprloc={54}", "int f.constprop.0(int a, int b)\n"},
		{"second is constant", "f.constprop.0", "location:exprloc={55}", "const_value:data1=3", "int f.constprop.0(int a)\n"},
		{"first is gone, second took its place", "f.isra.0", "", "location:exprloc={55}", "int f.isra.0(int b)\n"},
		{"second is gone or replaced", "f.isra.0", "location:exprloc={55}", "", ""},
		{"second is the address of something", "f.constprop.0", "location:exprloc={55}", "location:exprloc={03 addr:0x2000 9f}", "int f.constprop.0(int a)\n"},
		{"swapped", "f.isra.0", "location:exprloc={54}", "location:exprloc={55}", "int f.isra.0(int b, int a)\n"},
		{"first is replaced by something without name", "f.isra.0", "", "location:exprloc={54}", ""},
		{"both in one register", "f.isra.0", "location:exprloc={55}", "location:exprloc={55}", ""},
		{"no copy", "f", "location:exprloc={55}", "", "int f(int a, int b)\n"},
	}
	for _, test := range tests {
		o := &Options{Features: DefaultFeatures()}
		o.TrueSignature = true
		r := encodeText(t, oneFunction(elf.EM_X86_64, test.symbol, "", test.a, test.b), o)
		if diff := cmp.Diff(test.want, functionLines(t, r.BTF)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

// TestTrueSignatureOfCompiler: gcc's copy has the register of what it kept.
func TestTrueSignatureOfCompiler(t *testing.T) {
	name := compile(t, true, "", functionsA, functionsB)
	o := &Options{Features: DefaultFeatures()}
	o.TrueSignature = true
	got := functionLines(t, encodeFile(t, name, o).BTF)
	if want := "int reduced.constprop.0(struct point *p)\n"; !strings.Contains(got, want) {
		t.Errorf("no %q in\n%s", want, got)
	}
}
