package btfsrc

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

func TestDeclaration(t *testing.T) {
	integer := &btf.Int{Name: "int", Size: 4}
	char := &btf.Int{Name: "char", Size: 1}
	str := &btf.Pointer{Target: &btf.Const{Type: char}}
	handler := &btf.Pointer{Target: &btf.FuncProto{Return: integer, Params: []btf.FuncParam{{Name: "sig", Type: integer}}}}
	tests := []struct {
		typ        btf.Type
		name, want string
	}{
		{integer, "", "int"},
		{integer, "x", "int x"},
		{nil, "", "void"},
		{(*btf.Void)(nil), "", "void"},
		{&btf.Pointer{}, "p", "void *p"},
		{str, "", "const char *"},
		{&btf.Const{Type: str}, "", "const char * const"},
		{&btf.Const{Type: &btf.Volatile{Type: &btf.Pointer{Target: str}}}, "p", "const char ** const volatile p"},
		{&btf.Array{Nelems: 4, Type: &btf.Struct{Name: "list_head"}}, "", "struct list_head [4]"},
		{&btf.Array{Nelems: 2, Type: &btf.Array{Nelems: 3, Type: integer}}, "m", "int m[2][3]"},
		{&btf.Array{Type: char}, "tail", "char tail[]"},
		{&btf.Const{Type: &btf.Array{Nelems: 5, Type: char}}, "", "const char [5]"},
		{&btf.Const{Type: &btf.Array{Nelems: 5, Type: &btf.Const{Type: char}}}, "", "const char [5]"},
		{&btf.Pointer{Target: &btf.Array{Nelems: 5, Type: char}}, "p", "char (*p)[5]"},
		{&btf.Array{Nelems: 5, Type: &btf.Pointer{Target: char}}, "a", "char *a[5]"},
		{&btf.Pointer{Target: &btf.FuncProto{Return: integer}}, "", "int (*)(void)"},
		{&btf.Array{Nelems: 3, Type: handler}, "handlers", "int (*handlers[3])(int sig)"},
		{&btf.Pointer{Target: &btf.FuncProto{Return: handler, Params: []btf.FuncParam{{Type: integer}, {Name: "h", Type: handler}}}}, "signal", "int (*(*signal)(int, int (*h)(int sig)))(int sig)"},
		{&btf.FuncProto{Return: integer, Params: []btf.FuncParam{{Name: "fmt", Type: str}, {}}}, "", "int (const char *fmt, ...)"},
		{&btf.Func{Name: "printk", Type: &btf.FuncProto{Return: integer, Params: []btf.FuncParam{{Name: "fmt", Type: str}, {}}}}, "", "int printk(const char *fmt, ...)"},
		{&btf.Var{Name: "jiffies", Type: &btf.Volatile{Type: integer}}, "", "volatile int jiffies"},
		{&btf.Pointer{Target: &btf.Restrict{Type: &btf.Union{Name: "u"}}}, "", "restrict union u *"},
		{&btf.Pointer{Target: &btf.TypeTag{Value: "user", Type: char}}, "", "char *"},
		{&btf.Struct{}, "", "struct {...}"},
		{&btf.Enum{Name: "state"}, "s", "enum state s"},
		{&btf.Fwd{Name: "device"}, "", "struct device"},
		{&btf.Fwd{Name: "u", Kind: btf.FwdUnion}, "", "union u"},
		{&btf.Typedef{Name: "u8", Type: char}, "x", "u8 x"},
		{&btf.Float{Name: "double"}, "", "double"},
		{&btf.Datasec{Name: ".data"}, "", "section .data"},
		{&btf.Int{}, "", "<unnamed>"},
	}
	for _, tt := range tests {
		if got := Declaration(tt.typ, tt.name); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// Types that no C compiler would make give a bounded text.
func TestDeclarationBound(t *testing.T) {
	loop := &btf.Pointer{}
	loop.Target = loop
	self := &btf.FuncProto{}
	self.Return, self.Params = self, []btf.FuncParam{{Type: self}, {Type: self}, {Type: self}}
	wide := &btf.FuncProto{Params: make([]btf.FuncParam, 1<<16)}
	nested := &btf.FuncProto{Params: make([]btf.FuncParam, 1<<16)}
	for i := range nested.Params {
		nested.Params[i].Type = wide
	}
	for _, typ := range []btf.Type{loop, self, wide, nested, &btf.Struct{Name: strings.Repeat("x", maxName)}} {
		if n := len(TypeName(typ)); n > maxDeclaration+len("…") {
			t.Errorf("%T: %d bytes", typ, n)
		}
		if n := len(Empty(little64).Definition(typ, nil)); n > maxDefinition {
			t.Errorf("%T: definition of %d bytes", typ, n)
		}
	}
}

func TestDefinition(t *testing.T) {
	tests := []struct {
		kind Kind
		name string
		opts *DefinitionOptions
		want string
	}{
		{KindAny, "int", nil, `int;`},
		{KindAny, "int", &DefinitionOptions{Offsets: true}, `int; /* size: 4 */`},
		{KindStruct, "device", &DefinitionOptions{Offsets: true}, `struct device;`},
		{KindFunc, "printk", nil, `int printk(const char *fmt, ...);`},
		{KindEnum, "state", nil, `
enum state {
    DEAD = -1,
    RUNNING = 0,
};`},
		{KindEnum, "wide", nil, `
enum wide {
    TOP = 9223372036854775808,
};`},
		{KindTypedef, "atomic_t", &DefinitionOptions{Offsets: true}, `
typedef struct {
    int counter;                                /*     0         4 */
} atomic_t; /* size: 4 */`},
		{KindStruct, "legacy", &DefinitionOptions{Offsets: true, Holes: true}, `
struct legacy {
    <unnamed> low : 2;                          /*     0:0  2 bits */
    <unnamed> high : 3;                         /*     0:2  3 bits */
    /* padding: 27 bits */
}; /* size: 4 */`},
		{KindStruct, "task", nil, `
struct task {
    volatile enum state state;
    struct list_head tasks;
    union {
        unsigned int count;
        atomic_t usage;
    };
    unsigned int exiting : 1;
    unsigned int policy : 3;
    unsigned int __percpu *hits;
    int (*handler[2])(void *, const char *);
    char comm[16];
    u8 tail[];
};`},
		{KindStruct, "task", &DefinitionOptions{Offsets: true, Holes: true}, `
struct task {
    volatile enum state state;                  /*     0         4 */
    /* hole: 4 bytes */
    struct list_head tasks;                     /*     8        16 */
    union {
        unsigned int count;                     /*    24         4 */
        atomic_t usage;                         /*    24         4 */
    };                                          /*    24         4 */
    unsigned int exiting : 1;                   /*    28:0   1 bit */
    unsigned int policy : 3;                    /*    28:1  3 bits */
    /* hole: 28 bits */
    unsigned int __percpu *hits;                /*    32         8 */
    int (*handler[2])(void *, const char *);    /*    40        16 */
    /* hole: 8 bytes */
    char comm[16];                              /*    64        16 */
    /* hole: 15 bytes */
    u8 tail[];                                  /*    95         0 */
    /* padding: 1 byte */
}; /* size: 96 */`},
	}
	types := sample(little64).load(t)
	for _, tt := range tests {
		got := types.Definition(types.Lookup(tt.kind, tt.name)[0], tt.opts)
		if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// Offsets inside a named anonymous struct count from the outer one; behind a
// pointer they begin again.
func TestDefinitionNested(t *testing.T) {
	long := &btf.Int{Name: "long", Size: 8}
	inner := &btf.Struct{Size: 16, Members: []btf.Member{{Name: "a", Type: long}, {Name: "b", Type: long, Offset: 64}}}
	outer := &btf.Struct{Name: "outer", Size: 40, Members: []btf.Member{
		{Name: "first", Type: long},
		{Name: "pair", Type: &btf.Array{Nelems: 1, Type: inner}, Offset: 64},
		{Name: "next", Type: &btf.Pointer{Target: inner}, Offset: 192},
		{Type: &btf.Int{Name: "int", Size: 4}, Offset: 256, BitfieldSize: 5},
	}}
	want := `struct outer {
    long first;                                 /*     0         8 */
    struct {
        long a;                                 /*     8         8 */
        long b;                                 /*    16         8 */
    } pair[1];                                  /*     8        16 */
    struct {
        long a;                                 /*     0         8 */
        long b;                                 /*     8         8 */
    } *next;                                    /*    24         8 */
    int : 5;                                    /*    32:0  5 bits */
} **; /* size: 40 */`
	typ := &btf.Pointer{Target: &btf.Const{Type: &btf.Pointer{Target: outer}}}
	got := Empty(little64).Definition(typ, &DefinitionOptions{Offsets: true})
	if diff := cmp.Diff(strings.Replace(want, "**", "* const *", 1), got); diff != "" {
		t.Error(diff)
	}
}
