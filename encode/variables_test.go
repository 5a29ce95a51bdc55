package encode

import (
	"bytes"
	"debug/elf"
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

const variablesA = `
typedef unsigned long u64;
struct empty {};
struct flexible { int n; char text[]; };
#define percpu __attribute__((section(".data..percpu")))

int global = 1;
static int hidden = 2;
static u64 same = 3;
const int chosen __attribute__((weak)) = 4;
extern const char banner[];
const char banner[] = "version";
struct empty nothing;
struct flexible flex = { 3, "abc" };
__thread int per_thread = 5;
percpu int cpu_number = 6;
percpu static long counter = 7;
int __UNIQUE_ID_x1 = 8;
const char __tpstrtab_x[] = "x";
static int __exitcall_a = 9;
volatile u64 ticks = 10;
extern volatile u64 ticks_alias __attribute__((alias("ticks")));
int *function(void)
{
	static int calls = 11;
	static struct { long a; } inner;
	calls += hidden++ + same++ + inner.a++ + counter++ + __exitcall_a++ + per_thread;
	return &calls;
}
`

const variablesB = `
typedef unsigned long u64;
static u64 same = 13;
const int chosen = 14;
extern char table[], start[], missing[];
extern long label;
u64 *user(void) { same += table[0] + start[0] + label + missing[0]; return &same; }
asm(".pushsection .data\n"
    ".globl table\n.type table, @object\ntable: .zero 16\n.size table, 16\n"
    ".globl label\nlabel: .quad 1\n"
    ".globl start\nstart:\n"
    ".popsection\n");
`

// wantVariables are what variablesA and variablesB define.
var wantVariables = map[VarsMode]string{
	VarsOff: "",
	VarsPerCPU: `
		.data..percpu:
			int cpu_number // 4
			static long int counter // 8
		`,
	VarsBuiltin: `
		.data..percpu:
			int cpu_number // 4
			static long int counter // 8
		.data:
			struct flexible flex // 4
			int global // 4
			static int hidden // 4
			static u64 same // 8
			static u64 same // 8
			volatile u64 ticks // 8
		.rodata:
			const const char banner[8] // 8
			const int chosen // 4
		`,
}

func TestVariables(t *testing.T) {
	for _, flags := range dwarfFlags {
		for _, link := range []bool{true, false} {
			if !link && strings.Contains(flags, "-flto") {
				continue
			}
			keep := " -Wl,--defsym=missing=0,-u,global,-u,chosen,-u,banner,-u,flex,-u,cpu_number,-u,function,-u,user"
			name := compile(t, link, flags+keep, variablesA, variablesB)
			for mode, want := range wantVariables {
				r := encodeFile(t, name, &Options{Vars: mode, Features: DefaultFeatures()})
				if diff := cmp.Diff(bySection(lines(want)), bySection(variableLines(t, r.BTF))); diff != "" {
					t.Errorf("%s, link %t, mode %d: %s", flags, link, mode, diff)
				}
			}
		}
	}
}

// bySection returns the lines of each section, sorted: addresses are the
// linker's affair.
func bySection(text string) map[string]string {
	sections := make(map[string]string)
	name := ""
	for line := range strings.Lines(text) {
		if line[0] != '\t' {
			name = line
			sections[name] += ""
			continue
		}
		sections[name] += line
	}
	for name, text := range sections {
		sections[name] = sorted(text)
	}
	return sections
}

// TestVariablesSplit: on top of a kernel's BTF there are variables only, and not
// those that the kernel lists.
func TestVariablesSplit(t *testing.T) {
	name := compile(t, true, "-Wl,--defsym=missing=0", variablesA, variablesB)
	raw := encodeFile(t, name, &Options{Vars: VarsPerCPU, Features: DefaultFeatures()}).BTF
	blob, err := rawbtf.Parse(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	base, err := NewBase(blob)
	if err != nil {
		t.Fatal(err)
	}
	split := encodeFile(t, name, &Options{Vars: VarsSplit, Base: base, Features: DefaultFeatures()}).BTF
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	spec, err = btf.LoadSplitSpecFromReader(bytes.NewReader(split), spec)
	if err != nil {
		t.Fatal(err)
	}
	want := bySection(lines(wantVariables[VarsBuiltin]))
	delete(want, ".data..percpu:\n")
	if diff := cmp.Diff(want, bySection(variableLinesOf(t, decodedSpec(t, spec)))); diff != "" {
		t.Error(diff)
	}
	own, err := rawbtf.Parse(split, blob)
	if err != nil {
		t.Fatal(err)
	}
	for id, typ := range own.All() {
		if typ.Kind != rawbtf.KindVar && typ.Kind != rawbtf.KindDatasec {
			t.Errorf("type %d is a %s", id, typ.Kind)
		}
	}
}

// TestVariablesExtra: statics of functions, aliases, and what assembly defines.
func TestVariablesExtra(t *testing.T) {
	name := compile(t, true, "-Wl,--defsym=missing=0", variablesA, variablesB)
	r := encodeFile(t, name, &Options{Vars: VarsBuiltin, VarsExtra: true, Features: DefaultFeatures()})
	got := variableLines(t, r.BTF)
	for _, want := range []string{
		"\tstatic int calls // 4\n",           // of a function
		"\tstatic struct  inner // 8\n",       // of an anonymous type
		"\tchar table[16] // 16\n",            // an object of assembly, its size from the symbol
		"\tlong int label // 8\n",             // without type or size in the symbol table
		"\nchar start[0]\n",                   // an address: nothing is there
		"\nvolatile u64 ticks_alias\n",        // shares its bytes with ticks
		"\tvolatile u64 ticks // 8\n",         //
		"\tconst const char banner[8] // 8\n", //
		"\tconst int chosen // 4\n",           // once
		"\tint cpu_number // 4\n",             //
		"\tconst const char __tpstrtab_x[2]",  // the name of a tracepoint
	} {
		if !strings.Contains("\n"+got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestVariablesExtraPerCPU: what is added is of the sections that are asked for.
func TestVariablesExtraPerCPU(t *testing.T) {
	name := compile(t, true, "-Wl,--defsym=missing=0", variablesA, variablesB)
	r := encodeFile(t, name, &Options{Vars: VarsPerCPU, VarsExtra: true, Features: DefaultFeatures()})
	want := bySection(lines(wantVariables[VarsPerCPU]))
	if diff := cmp.Diff(want, bySection(variableLines(t, r.BTF))); diff != "" {
		t.Error(diff)
	}
}

// TestVariableSymbols: every VAR is where a symbol of its name is.
func TestVariableSymbols(t *testing.T) {
	for _, link := range []bool{true, false} {
		name := compile(t, link, "-Wl,--defsym=missing=0", variablesA, variablesB)
		f, err := dwarf.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		type where struct {
			section, name string
			offset        uint64
		}
		symbols := make(map[where]bool)
		for s := range f.Symbols() {
			if s.Type == elf.STT_OBJECT && s.Section < len(f.Sections()) {
				sec := f.Sections()[s.Section]
				off := s.Value
				if !link {
					off += sec.Addr
				}
				symbols[where{sec.Name, string(s.Name), off - sec.Addr}] = true
			}
		}
		r := encodeFile(t, name, &Options{Vars: VarsBuiltin})
		for _, e := range entries(t, r.BTF) {
			if !symbols[where{e.section, e.name, uint64(e.offset)}] {
				t.Errorf("link %t: no symbol for %+v", link, e)
			}
		}
	}
}

// placed is an executable with one 16-byte section .data at 0x1000 and a unit
// that has the entries of info.
func placed(info string, symbols ...dwarftest.Symbol) dwarftest.File {
	for i := range symbols {
		symbols[i].Section, symbols[i].Type = ".data", elf.STT_OBJECT
	}
	return dwarftest.File{
		Info: "unit\ncompile_unit name:string=\"a.c\"\n" +
			"\tbase_type @int name:string=\"int\" byte_size:data1=4 encoding:data1=5\n" +
			"\tbase_type @long name:string=\"long\" byte_size:data1=8 encoding:data1=5\n" + info,
		Sections: []dwarftest.Section{
			{Name: ".zero", Data: make([]byte, 64)}, // not in memory: holds no variable
			{Name: ".data", Flags: elf.SHF_ALLOC | elf.SHF_WRITE, Addr: 0x1000, Data: make([]byte, 16)},
		},
		Symbols: symbols,
	}
}

// TestVariablePlaces goes through what decides which of several variables is at
// an address.
func TestVariablePlaces(t *testing.T) {
	tests := []struct {
		name    string
		info    string
		symbols []dwarftest.Symbol
		want    string
	}{{
		name: "the symbol's name wins",
		info: `
			variable name:string="a" type:ref4=@int location:exprloc={03 addr:0x1000}
			variable name:string="b" type:ref4=@int location:exprloc={03 addr:0x1000}
			`,
		symbols: []dwarftest.Symbol{{Name: "b", Value: 0x1000, Size: 4}},
		want:    ".data:\n\tstatic int b // 4\n",
	}, {
		name: "the symbol's size wins",
		info: `
			variable name:string="a" type:ref4=@int location:exprloc={03 addr:0x1000}
			variable name:string="a" type:ref4=@long location:exprloc={03 addr:0x1000}
			`,
		symbols: []dwarftest.Symbol{{Name: "a", Value: 0x1000, Size: 8}},
		want:    ".data:\n\tstatic long a // 8\n",
	}, {
		name: "overlapping: that with a symbol of its size wins",
		info: `
			variable name:string="a" type:ref4=@long location:exprloc={03 addr:0x1000}
			variable name:string="b" type:ref4=@int location:exprloc={03 addr:0x1004}
			variable name:string="c" type:ref4=@int location:exprloc={03 addr:0x1008}
			`,
		symbols: []dwarftest.Symbol{{Name: "a", Value: 0x1000, Size: 4}, {Name: "b", Value: 0x1004, Size: 4}},
		want:    ".data:\n\tstatic int b // 4\n\tstatic int c // 4\n",
	}, {
		name: "an offset from an address",
		info: `
			variable name:string="a" type:ref4=@int location:exprloc={03 addr:0x1000 23 08}
			`,
		want: ".data:\n\tstatic int a // 4\n",
	}, {
		name: "not an address",
		info: `
			variable name:string="a" type:ref4=@int location:exprloc={91 10}
			variable name:string="b" type:ref4=@int location:exprloc={03 addr:0x1000 9f}
			variable name:string="c" type:ref4=@int location:exprloc={03 addr:0x1000 e0}
			variable name:string="d" type:ref4=@int const_value:data1=1
			`,
	}, {
		name: "what the linker left out has address 0",
		info: `
			variable name:string="a" type:ref4=@int location:exprloc={03 addr:0}
			variable name:string="b" type:ref4=@int location:exprloc={03 addr:0x2000}
			`,
	}, {
		name: "names that the kernel refuses, and no type",
		info: `
			variable name:string="a b" type:ref4=@int location:exprloc={03 addr:0x1000}
			variable name:string="0" type:ref4=@int location:exprloc={03 addr:0x1004}
			variable name:string="c" location:exprloc={03 addr:0x1008}
			`,
	}, {
		name: "a specification names it, and the declaration's type is completed",
		info: `
			array_type @open type:ref4=@int
				subrange_type
			array_type @full type:ref4=@int
				subrange_type count:data1=3
			variable @decl name:string="a" type:ref4=@open external:flag_present declaration:flag_present
			variable specification:ref4=@decl type:ref4=@full location:exprloc={03 addr:0x1000}
			`,
		want: ".data:\n\tint a[3] // 12\n",
	}, {
		name: "an array without length has that of its symbol",
		info: `
			array_type @open type:ref4=@int
				subrange_type
			const_type @const type:ref4=@open
			variable name:string="a" type:ref4=@const external:flag_present location:exprloc={03 addr:0x1000}
			`,
		symbols: []dwarftest.Symbol{{Name: "a", Value: 0x1000, Size: 8, Bind: elf.STB_GLOBAL}},
		want:    ".data:\n\tconst int a[2] // 8\n",
	}, {
		name: "of two definitions, that with a length of its own wins",
		info: `
			array_type @open type:ref4=@int
				subrange_type
			array_type @full type:ref4=@int
				subrange_type count:data1=2
			typedef @two name:string="two" type:ref4=@full
			variable name:string="a" type:ref4=@open external:flag_present location:exprloc={03 addr:0x1000}
			variable name:string="a" type:ref4=@two external:flag_present location:exprloc={03 addr:0x1000}
			`,
		symbols: []dwarftest.Symbol{{Name: "a", Value: 0x1000, Size: 8, Bind: elf.STB_GLOBAL}},
		want:    ".data:\n\ttwo a // 8\n",
	}, {
		name: "artificial",
		info: `
			variable name:string="__func__" type:ref4=@int artificial:flag_present location:exprloc={03 addr:0x1000}
			`,
	}, {
		name: "tags",
		info: `
			variable name:string="a" type:ref4=@int location:exprloc={03 addr:0x1000}
				LLVM_annotation name:string="btf_decl_tag" const_value:string="mine"
			`,
		want: ".data:\n\tstatic int a [\"mine\"] // 4\n",
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := encodeText(t, placed(indented(test.info), test.symbols...), &Options{Vars: VarsBuiltin, Features: DefaultFeatures()})
			if diff := cmp.Diff(test.want, variableLines(t, r.BTF)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestVariableErrors: without EncodeForce, what cannot be encoded is an error.
func TestVariableErrors(t *testing.T) {
	for text, want := range map[string]string{
		`variable name:string="a b" type:ref4=@int location:exprloc={03 addr:0x1000}`: `variable "a b": the name is no identifier of C`,
		`variable name:string="c" location:exprloc={03 addr:0x1008}`:                  `variable "c": the type is void`,
	} {
		f, err := dwarf.New(bytesOf(placed("\t"+text+"\n")), "test")
		if err != nil {
			t.Fatal(err)
		}
		_, err = Encode(t.Context(), f, &Options{Vars: VarsBuiltin})
		var e *VariableError
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func bytesOf(d dwarftest.File) []byte { return d.Bytes() }

// indented is lines for the children of a unit.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(lines(text)) {
		b.WriteString("\t" + line)
	}
	return b.String()
}
