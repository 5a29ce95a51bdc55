package expr

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// show returns a value's type and content: numbers as decimals, pointers as
// hexadecimals, everything else by its address.
func show(v kernel.Value) string {
	name := v.TypeName()
	switch t := btfsrc.Strip(v.Type()).(type) {
	case *btf.Pointer:
		u, err := v.Uint()
		return result(name, fmt.Sprintf("%#x", u), err)
	case *btf.Float:
		f, err := v.Float()
		return result(name, fmt.Sprint(f), err)
	case *btf.Enum:
		i, err := v.Int()
		return result(name, fmt.Sprint(i), err)
	case *btf.Int:
		i, err := v.Int()
		switch {
		case t.Size > 8:
		case t.Encoding&btf.Signed == 0:
			return result(name, fmt.Sprint(uint64(i)), err)
		default:
			return result(name, fmt.Sprint(i), err)
		}
	}
	if a, ok := v.Addr(); ok {
		return fmt.Sprintf("%s at %v", name, a)
	}
	b, err := v.Bytes()
	return result(name, fmt.Sprintf("%q", b), err)
}

func result(typ, text string, err error) string {
	if err != nil {
		text = "!" + err.Error()
	}
	return typ + " " + text
}

func evalString(t testing.TB, k *kernel.Kernel, s Scope, src string) (kernel.Value, error) {
	e, err := Parse(src, Oracle(k))
	if err != nil {
		return kernel.Value{}, err
	}
	return e.Eval(t.Context(), k, s)
}

func TestEval(t *testing.T) {
	k, s := newTestKernel(t, testMemory())
	for _, tc := range []struct{ src, want string }{
		{"42", "int 42"},
		{"2147483648", "long int 2147483648"},
		{"0x80000000", "unsigned int 2147483648"},
		{"0xffffffffffffffff", "long unsigned int 18446744073709551615"},
		{"10u", "unsigned int 10"},
		{"10ll", "long long 10"},
		{"0b101 + 017", "int 20"},
		{"'a'", "int 97"},
		{`'\xff'`, "int -1"},
		{"1.5", "double 1.5"},
		{"1.5f * 2", "float 3"},
		{"7 / 2.0", "double 3.5"},
		{"(int)-2.9", "int -2"},
		{"-1 > 0u", "int 1"},
		{"-1 > 0l", "int 0"},
		{"count + 1", "unsigned int 0"},
		{"minus + count", "unsigned int 4294967294"},
		{"-7 / 2", "int -3"},
		{"-7 % 3", "int -1"},
		{"1 << 31 >> 31", "int -1"},
		{"~0u >> 28", "unsigned int 15"},
		{"0 && 1 / 0", "int 0"},
		{"1 ? 2 : 1 / 0", "int 2"},
		{"1 ? 2 : 3ul", "long unsigned int 2"},
		{"0 ? current : 0", "struct task * 0x0"},

		{"init", "struct task at 0xffff888000001000"},
		{"init.pid", "int 42"},
		{"init.comm", "char [16] at 0xffff888000001008"},
		{"init.comm[1]", "char 119"},
		{"init.comm[0..4]", "char [4] at 0xffff888000001008"},
		{"init.grid[1][2]", "long int -6"},
		{"init.grid[1]", "long int [3] at 0xffff888000001068"},
		{"*init.grid[1] + **init.grid", "long int 5"},
		{"init.a", "unsigned int 5"},
		{"init.b", "int -3"},
		{"init.c", "unsigned int 11259375"},
		{"init.a - 6", "int -1"},
		{"init.lo", "unsigned int 1432778632"},
		{"init.parent->parent->hi", "unsigned int 287454020"},
		{"init.parent.pid", "int 42"},
		{"init->pid", "int 42"},
		{"(*current).both", "long unsigned int 1234605616436508552"},
		{"current[0].pid", "int 42"},
		{"current[2].pid", "int -1"},
		{"name[1]", "const char 119"},
		{"init.flag + init.s", "int 198"},
		{"init.state", "enum state 128"},
		{"init.state == DEAD", "int 1"},
		{"RUNNING - SLEEPING", "int -1"},
		{"DEAD", "int 128"},
		{"init.state - 129", "unsigned int 4294967295"},
		{"NEG", "int -1"},
		{"!init.ok", "int 0"},
		{"(_Bool)0.5 + (_Bool)256", "int 2"},
		{"holder.task->pid", "int 42"},
		{"volatile_one + 0", "int -1"},
		{"foo#2.a", "long int 4294967295"},

		{"&init", "struct task * 0xffff888000001000"},
		{"&init.grid[1][1]", "long int * 0xffff888000001070"},
		{"&init.comm", "char (*)[16] 0xffff888000001008"},
		{"&*current", "struct task * 0xffff888000001000"},
		{"*&init.pid", "int 42"},
		{"init + 1", "struct task * 0xffff888000001080"},
		{"1 + init", "struct task * 0xffff888000001080"},
		{"init.grid + 1", "long int (*)[3] 0xffff888000001068"},
		{"current - 1", "struct task * 0xffff888000000f80"},
		{"name + minus", "const char * 0xffff888000001007"},
		{"&current[3] - current", "long int 3"},
		{"current - &current[3]", "long int -3"},
		{"current == init", "int 1"},
		{"current == 0", "int 0"},
		{"!current", "int 0"},
		{"current > &init.comm", "int 0"},
		{"current && init.pid == 42", "int 1"},
		{"(char *)current + 8 == name", "int 1"},
		{`init.comm == "swapper/0"`, "int 1"},
		{`"swapper" == name`, "int 0"},
		{`name != "init"`, "int 1"},
		{`sizeof "abc"`, "long unsigned int 4"},
		{`"abc"[2]`, "char 99"},
		{`"abc"`, `char [4] "abc\x00"`},
		{"NULL", "void * 0x0"},
		{"init.tasks.next == NULL", "int 0"},

		{"schedule", "int schedule(int n) at 0xffffffff81000000"},
		{"&schedule", "int (*)(int n) 0xffffffff81000000"},
		{"*schedule", "int schedule(int n) at 0xffffffff81000000"},
		{"schedule + 4", "int (*)(int n) 0xffffffff81000004"},
		{"init.fn == schedule", "int 1"},
		{"*init.fn", "int (int n) at 0xffffffff81000000"},
		{"asm_entry", "void * 0xffffffff81000100"},
		{"&asm_entry", "void * 0xffffffff81000100"},
		{"(unsigned long)asm_entry", "long unsigned int 18446744071578845440"},
		{"&raw", "void * 0xffff888000001160"},
		{"(int)raw", "int 1684234849"},
		{"(char[4])raw", "char [4] at 0xffff888000001160"},
		{"*(short *)&raw", "short int 25185"},
		{"(struct task *)raw", "struct task * 0x64636261"},

		{"*(struct task *)0xffff888000001000", "struct task at 0xffff888000001000"},
		{"((struct task *)0xffff888000001000)->pid", "int 42"},
		{"(unsigned char)-1", "unsigned char 255"},
		{"(u64)minus", "u64 18446744073709551615"},
		{"(u64)minus + 1", "long long unsigned int 0"},
		{"(u8)0x1ff", "u8 255"},
		{"(char)200", "char -56"},
		{"(long)(int)0xffffffff", "long int -1"},
		{"(unsigned long)current & 0xfff", "long unsigned int 0"},
		{"(enum state)1", "enum state 1"},
		{"(int (*)(int))0xffffffff81000000", "int (*)(int) 0xffffffff81000000"},
		{"(void *)-1", "void * 0xffffffffffffffff"},
		{"(const char *)name + 1", "const char * 0xffff888000001009"},
		{"(bool)5", "_Bool 1"},

		{"sizeof(struct task)", "long unsigned int 128"},
		{"sizeof init.comm", "long unsigned int 16"},
		{"sizeof *init.tasks.prev", "long unsigned int 16"},
		{"sizeof gone + sizeof(int[3][2])", "long unsigned int 28"},
		{"sizeof init.comm[0..init.pid - 40]", "long unsigned int 2"},
		{"sizeof (1 / 0)", "long unsigned int 4"},
		{"sizeof ('a' + 1l)", "long unsigned int 8"},
		{"sizeof(struct foo#2)", "long unsigned int 8"},
		{"sizeof(void)", "long unsigned int 1"},
		{"&(int)raw_percpu", "int * 0x1000"},
		{"(typeof(init.s))70000", "short int 4464"},
		{"*(typeof(init) *)0xffff888000001000", "struct task at 0xffff888000001000"},
		{"offsetof(struct task, grid[1][2])", "long unsigned int 120"},
		{"offsetof(struct task, hi)", "long unsigned int 44"},
		{"offsetof(struct task, tasks.prev)", "long unsigned int 32"},
		{"container_of(init.tasks.next, struct task, tasks)->pid", "int 42"},
		{"container_of(&init.tasks.prev, struct task, tasks.prev)", "struct task * 0xffff888000001000"},
		{"container_of(0xffff888000001018, struct task, tasks)", "struct task * 0xffff888000001000"},

		{"$ + $1", "long int 44"},
		{"$$.pid + $$2", "int 53"},
		{"$t = init.pid", "int 42"},
		{"$t + 1", "int 43"},
		{"$p = &init", "struct task * 0xffff888000001000"},
		{"$p->comm[0]", "char 115"},
		{"sizeof($t = 1l)", "long unsigned int 8"},
		{"$t", "int 42"},
		{"wide", "__int128 at 0xffff888000001000"},
	} {
		v, err := evalString(t, k, s, tc.src)
		if err != nil {
			t.Errorf("%s: %v", tc.src, err)
			continue
		}
		if got := show(v); got != tc.want {
			t.Errorf("%s = %s, want %s", tc.src, got, tc.want)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	k, s := newTestKernel(t, testMemory())
	for _, tc := range []struct{ src, kind, want, hint string }{
		{"nosuch", "not-found", `column 1: no symbol "nosuch"`, ""},
		{"1 + ffff888000001000", "not-found", `column 5: no symbol "ffff888000001000"`, "a hexadecimal number is written 0xffff888000001000"},
		{"u64 + 1", "not-found", `column 1: no symbol "u64"`, "u64 is a type: sizeof(u64) is a value"},
		{"twice", "ambiguous", `column 1: "twice" stands for 2 variables`, "…"},
		{"raw + 1", "untyped", `column 1: "raw" at 0xffff888000001160 has no type: no BTF describes it`, "declare TYPE raw; or cast it, (TYPE)raw; or name a BTF of this kernel's variables with --btf"},
		{"sizeof(struct foo)", "ambiguous", "column 8: struct foo stands for 2 types", "choose one by its number: struct foo#1 (4 bytes) struct foo#2 (8 bytes)"},
		{"sizeof(struct foo#3)", "not-found", "column 8: struct foo has 2 candidates", ""},
		{"(union task *)0", "not-found", `column 2: no union "task"`, "did you mean struct task?"},
		{"sizeof(struct nosuch)", "not-found", `column 8: no struct "nosuch"`, ""},
		{"(nosuch_t *)0", "not-found", `column 2: no type "nosuch_t"`, "the name of a struct, union or enum wants that word: (struct task_struct *)x"},
		{"init.pod", "not-found", `column 6: no member "pod" in struct task`, "did you mean pid?"},
		{"init.pid.x", "type", "column 10: int has no members", ""},
		{"1 + gone", "excluded", "column 5: address 0xffffffff82000000: page excluded from the dump", ""},
		{"init.tasks.prev->next->next", "excluded", "column 1: address 0xffffffff82000000: page excluded from the dump", ""},
		{`name != "x" && init.tasks.prev->prev`, "excluded", "column 16: address 0xffffffff82000008: page excluded from the dump", ""},
		{"*init.pid", "type", "column 2: int is not a pointer", "cast it to one: *(struct task_struct *)0xffff…"},
		{"*(void *)0", "type", "column 2: what void * points to has no type", "cast the pointer: *(unsigned long *)p"},
		{"1 / (init.pid - 42)", "type", "column 6: division by zero", ""},
		{"1 % 0", "type", "column 5: division by zero", ""},
		{"1 / 0.0", "type", "column 5: division by zero", ""},
		{"1 << 32", "type", "column 6: a shift of 32 is too large for int, which has 32 bits", "make it wider: (unsigned long long)x"},
		{"1l >> -1", "type", "column 7: a shift of -1 is too large for long, which has 64 bits", ""},
		{"1.5 % 2", "type", "column 1: '%' wants integers", ""},
		{"~1.5", "type", "column 1: '~' wants an integer", ""},
		{"(int)1e10", "type", "column 6: 1e+10 does not fit in int", ""},
		{"(enum state)-1.0", "type", "column 13: -1 does not fit in enum state", ""},
		{"(void *)1.5", "type", "column 9: double is not an address", ""},
		{"init * 2", "type", "column 1: a number is needed, this is struct task", "take a member of it, or cast it"},
		{"(int)init", "type", "", "…"},
		{"current + current", "type", "column 1: struct task * + struct task * is not C", "cast a pointer to unsigned long to compute with its bits"},
		{"current - name", "type", "column 1: struct task * - const char * has no unit", "cast both to char * to count in bytes"},
		{"current + 1.5", "type", "column 11: an integer is needed here", ""},
		{"&1", "type", "column 1: a computed value has no address", ""},
		{"&init.a", "type", "column 1: a bit-field has no address", ""},
		{"sizeof init.a", "type", "column 8: a bit-field has no size", ""},
		{"offsetof(struct task, a)", "type", "column 23: a bit-field has no offset in bytes", ""},
		{"offsetof(struct task, parent.pid)", "type", "column 30: struct task * has no members", ""},
		{"offsetof(struct task, parent[1])", "type", "column 23: struct task * is not an array", ""},
		{"init.comm[4..2]", "type", "", ""},
		{"init.comm[0..99999999999]", "type", "", ""},
		{"(int[-1])raw", "type", "column 6: an array cannot have -1 elements of 4 bytes", ""},
		{"sizeof(void[2])", "type", "column 12: no array can be made of void", ""},
		{"(int (*)(int)(int))0", "type", "column 9: no function returns int (int)", ""},
		{"wide + 1", "type", "column 1: __int128 can be printed, not computed with", ""},
		{"(__int128)1", "type", "column 11: nothing can be cast to __int128", ""},
		{"$nosuch", "not-found", "column 1: $nosuch is not set", "set it with $nosuch = …"},
		{"$17", "io", "column 1: no such value in history", ""},
		{"per_cpu(init, 0)", "type", "column 1: not a per-CPU variable", "leave the CPU out"},
		{"per_cpu_ptr(init.pid, 0)", "type", "column 13: int is not a pointer", "write per_cpu_ptr(&x, cpu), or per_cpu(x, cpu) for a variable"},
		{"current:-1", "syntax", "column 8: ':' without '?', and no CPU number joined to it", "a per-CPU variable on one CPU is written runqueues:0, without blanks"},
	} {
		v, err := evalString(t, k, s, tc.src)
		if err == nil {
			t.Errorf("%s = %s, want an error", tc.src, show(v))
			continue
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %T, want an *Error", tc.src, err)
			continue
		}
		if tc.want != "" && e.Error() != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.src, e, tc.want)
		}
		if got := kernel.ErrorKind(err); got != tc.kind {
			t.Errorf("%s: kind %s, want %s (%v)", tc.src, got, tc.kind, err)
		}
		if got := kernel.Hint(err); tc.hint != "…" && got != tc.hint {
			t.Errorf("%s: hint %q, want %q", tc.src, got, tc.hint)
		}
	}
}

// TestFault checks that an error of the memory can be asked for its address.
func TestFault(t *testing.T) {
	k, s := newTestKernel(t, testMemory())
	_, err := evalString(t, k, s, "1 + *init.tasks.prev->next")
	var fault *vmcore.FaultError
	if !errors.As(err, &fault) || fault.Addr != lost || !errors.Is(err, vmcore.ErrExcluded) {
		t.Errorf("got %v, want a fault at %v", err, lost)
	}
}

// TestNoScope checks that an expression without names needs no session.
func TestNoScope(t *testing.T) {
	k, _ := newTestKernel(t, testMemory())
	for src, want := range map[string]string{
		"((struct task *)0xffff888000001000)->pid + 1": "int 43",
		"$t = 1": "int 1",
	} {
		v, err := evalString(t, k, nil, src)
		if err != nil || show(v) != want {
			t.Errorf("%s = %v, %v, want %s", src, v, err, want)
		}
	}
	for _, src := range []string{"init", "$", "$t"} {
		if v, err := evalString(t, k, nil, src); err == nil {
			t.Errorf("%s = %v, want an error", src, v)
		}
	}
}

func TestParseType(t *testing.T) {
	k, s := newTestKernel(t, testMemory())
	for _, tc := range []struct{ src, want string }{
		{"struct task", "struct task"},
		{"struct task const * volatile", "const struct task * volatile"},
		{"unsigned long [4]", "long unsigned int [4]"},
		{"int (*)(void)", "int (*)(void)"},
		{"int (*[2])(char *, ...)", "int (*[2])(char *, ...)"},
		{"u64", "u64"},
		{"enum state", "enum state"},
		{"char []", "char []"},
		{"int [sizeof(int)][2]", "int [4][2]"},
		{"typeof(int *) *", "int **"},
		{"long long unsigned", "long long unsigned int"},
	} {
		typ, err := ParseType(tc.src, k)
		if err != nil {
			t.Errorf("ParseType(%q): %v", tc.src, err)
			continue
		}
		if got := btfsrc.TypeName(typ); got != tc.want {
			t.Errorf("ParseType(%q) = %s, want %s", tc.src, got, tc.want)
		}
	}
	for _, tc := range []struct{ src, want string }{
		{"struct task *", "struct task *"},
		{"init.tasks.prev->next->prev", "struct list_head *"},
		{"gone + 1l", "long int"},
	} {
		typ, err := TypeOf(t.Context(), tc.src, k, s)
		if err != nil || btfsrc.TypeName(typ) != tc.want {
			t.Errorf("TypeOf(%q) = %v, %v, want %s", tc.src, typ, err, tc.want)
		}
	}
	for _, src := range []string{"", "struct", "nosuch", "int x", "int)", "init"} {
		if typ, err := ParseType(src, k); err == nil {
			t.Errorf("ParseType(%q) = %s, want an error", src, btfsrc.TypeName(typ))
		}
	}
}

// FuzzEval evaluates any expression over any memory. The type of a result must
// be that which is found without reading, its size that of sizeof, and a cast
// must give the size of its type.
func FuzzEval(f *testing.F) {
	for _, src := range []string{
		"init.tasks.next->prev - &init.tasks", "init.grid[1][2] / init.b", "(int[init.pid])raw", "container_of(current, struct task, hi)->c",
		"$t = name[0..init.a]", "per_cpu_ptr(&raw, 0)", "per_cpu(&raw, 0)", "schedule + init.both", `init.comm == "x"`, "init ? ratio : $$", "*init.parent->parent",
		"sizeof init.comm[0..minus]", "1 << init.pid", "(u8)ratio", "(bool)init.fn", "init.tasks - 1 > current", "(unsigned short)big % init.s",
	} {
		f.Add(src, []byte("0123456789abcdef"))
	}
	types := testTypes(f)
	f.Fuzz(func(t *testing.T, src string, content []byte) {
		m := testMemory()
		copy(m.data, content)
		k, s := newKernelOf(t, types, m)
		v, err := evalString(t, k, s, src)
		if err != nil {
			var at *Error
			if !errors.As(err, &at) {
				t.Fatalf("%q: %T %v", src, err, err)
			}
			at.Caret()
			return
		}
		_ = v.String()
		if strings.ContainsAny(src, "?$") {
			return // C wants the branches to have one type; assignments change types
		}
		typ, err := TypeOf(t.Context(), src, k, s)
		if err != nil || btfsrc.TypeName(typ) != v.TypeName() {
			t.Fatalf("%q is %s, TypeOf says %v, %v", src, v.TypeName(), typ, err)
		}
		if !isNumber(v) && !isPointer(v) {
			return
		}
		for _, name := range []string{"char", "unsigned short", "int", "u64", "void *", "enum state"} {
			want, err := evalString(t, k, s, "sizeof("+name+")")
			if err != nil {
				t.Fatal(err)
			}
			c, err := evalString(t, k, s, "("+name+")("+src+")")
			if err != nil {
				continue // unreadable, or a floating-point number that does not fit
			}
			size, err := c.Size()
			if u, _ := want.Uint(); err != nil || size != u {
				t.Fatalf("(%s)(%q) has %d bytes, %v", name, src, size, err)
			}
			if b, err := c.Bytes(); err != nil || uint64(len(b)) != size {
				t.Fatalf("(%s)(%q) holds %d bytes, %v", name, src, len(b), err)
			}
		}
	})
}

// TestEval32 checks the conversions of a 32-bit big-endian machine.
func TestEval32(t *testing.T) {
	k := kernel.New(kernel.Config{Arch: vmcore.Arch{Name: "ppc", Layout: vmcore.Layout{BigEndian: true, WordSize: 4}}})
	for _, tc := range []struct{ src, want string }{
		{"4294967295", "long long 4294967295"},
		{"0xffffffff + 1", "unsigned int 0"},
		{"-1l < 1u", "int 0"},
		{"-1ll < 1ul", "int 1"},
		{"sizeof(void *) + sizeof(long)", "unsigned long 8"},
		{"(char *)0 - 1", "char * 0xffffffff"},
		{"(char *)0xffffffff == (char *)-1ll", "int 1"},
		{"(int *)4 - (int *)8", "long -1"},
		{"(short)0x12345", "short 9029"},
		{"1.5f + 1", "float 2.5"},
	} {
		v, err := evalString(t, k, nil, tc.src)
		if err != nil || show(v) != tc.want {
			t.Errorf("%s = %v %v, want %s", tc.src, v, err, tc.want)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	k, s := newTestKernel(b, testMemory())
	e, err := Parse("container_of(init.tasks.next, struct task, tasks)->pid + 1", Oracle(k))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Eval(b.Context(), k, s); err != nil {
			b.Fatal(err)
		}
	}
}
