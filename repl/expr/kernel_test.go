package expr

import (
	enc "encoding/binary"
	"errors"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// memory is one mapped region, and nothing around it.
type memory struct {
	start vmcore.Addr
	data  []byte
}

func (m *memory) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	n := 0
	if a >= m.start && a < m.start+vmcore.Addr(len(m.data)) {
		n = copy(p, m.data[a-m.start:])
	}
	if n < len(p) {
		return n, &vmcore.FaultError{Addr: a + vmcore.Addr(n), State: vmcore.Excluded}
	}
	return n, nil
}

func (m *memory) put(a vmcore.Addr, v any) {
	if _, err := enc.Encode(m.data[a-m.start:], enc.LittleEndian, v); err != nil {
		panic(err)
	}
}

// The C of the types and variables of the synthetic kernel, for the compiler
// that the results are held against.
const testC = `
struct list_head { struct list_head *next, *prev; };
enum state { RUNNING, SLEEPING, DEAD = 128 };
enum sign { NEG = -1, POS = 1 };
struct task {
	int pid;
	unsigned a : 3;
	int b : 5;
	unsigned c : 24;
	char comm[16];
	struct list_head tasks;
	union { unsigned long both; struct { unsigned lo, hi; }; };
	struct task *parent;
	enum state state;
	short s;
	unsigned char flag;
	_Bool ok;
	int (*fn)(int);
	unsigned char bytes[4];
	long grid[2][3];
} init = {
	.pid = 42, .a = 5, .b = -3, .c = 0xabcdef, .comm = "swapper/0", .both = 0x1122334455667788,
	.state = DEAD, .s = -2, .flag = 200, .ok = 1, .bytes = { 1, 2, 3, 255 },
	.grid = { { 1, 2, 3 }, { 4, 5, -6 } },
};
int minus = -1;
unsigned count = 0xffffffff;
unsigned long big = 0x8000000000000000;
double ratio = 1.5;
`

const (
	testBase  vmcore.Addr = 0xffff888000001000
	initAddr              = testBase
	otherAddr             = testBase + 0x100
	schedule  vmcore.Addr = 0xffffffff81000000
	lost      vmcore.Addr = 0xffffffff82000000 // not in the dump
)

// testTypes returns the types of testC and a few more.
func testTypes(t testing.TB) *btfsrc.Types {
	integer := func(name string, size uint32, enc btf.IntEncoding) *btf.Int {
		return &btf.Int{Name: name, Size: size, Encoding: enc}
	}
	i32, u32 := integer("int", 4, btf.Signed), integer("unsigned int", 4, btf.Unsigned)
	char, uchar := integer("char", 1, btf.Signed), integer("unsigned char", 1, btf.Unsigned)
	long, ulong := integer("long int", 8, btf.Signed), integer("long unsigned int", 8, btf.Unsigned)
	array := func(elem btf.Type, n uint32) *btf.Array { return &btf.Array{Index: u32, Type: elem, Nelems: n} }
	list := &btf.Struct{Name: "list_head", Size: 16}
	list.Members = []btf.Member{
		{Name: "next", Type: &btf.Pointer{Target: list}},
		{Name: "prev", Type: &btf.Pointer{Target: list}, Offset: 64},
	}
	state := &btf.Enum{Name: "state", Size: 4, Values: []btf.EnumValue{{Name: "RUNNING"}, {Name: "SLEEPING", Value: 1}, {Name: "DEAD", Value: 128}}}
	sign := &btf.Enum{Name: "sign", Size: 4, Signed: true, Values: []btf.EnumValue{{Name: "NEG", Value: 1<<64 - 1}, {Name: "POS", Value: 1}}}
	halves := &btf.Struct{Size: 8, Members: []btf.Member{{Name: "lo", Type: u32}, {Name: "hi", Type: u32, Offset: 32}}}
	fn := &btf.FuncProto{Return: i32, Params: []btf.FuncParam{{Name: "n", Type: i32}}}
	task := &btf.Struct{Name: "task", Size: 128}
	task.Members = []btf.Member{
		{Name: "pid", Type: i32},
		{Name: "a", Type: u32, Offset: 32, BitfieldSize: 3},
		{Name: "b", Type: i32, Offset: 35, BitfieldSize: 5},
		{Name: "c", Type: u32, Offset: 40, BitfieldSize: 24},
		{Name: "comm", Type: array(char, 16), Offset: 8 * 8},
		{Name: "tasks", Type: list, Offset: 24 * 8},
		{Type: &btf.Union{Size: 8, Members: []btf.Member{{Name: "both", Type: ulong}, {Type: halves}}}, Offset: 40 * 8},
		{Name: "parent", Type: &btf.Pointer{Target: task}, Offset: 48 * 8},
		{Name: "state", Type: state, Offset: 56 * 8},
		{Name: "s", Type: integer("short int", 2, btf.Signed), Offset: 60 * 8},
		{Name: "flag", Type: uchar, Offset: 62 * 8},
		{Name: "ok", Type: integer("_Bool", 1, btf.Bool), Offset: 63 * 8},
		{Name: "fn", Type: &btf.Pointer{Target: fn}, Offset: 64 * 8},
		{Name: "bytes", Type: array(uchar, 4), Offset: 72 * 8},
		{Name: "grid", Type: array(array(long, 3), 2), Offset: 80 * 8},
	}
	u64 := &btf.Typedef{Name: "u64", Type: integer("long long unsigned int", 8, btf.Unsigned)}
	types := []btf.Type{
		task, state, sign, u64, uchar, ulong, &btf.Typedef{Name: "u8", Type: uchar},
		&btf.Struct{Name: "foo", Size: 4, Members: []btf.Member{{Name: "a", Type: i32}}},
		&btf.Struct{Name: "foo", Size: 8, Members: []btf.Member{{Name: "a", Type: long}}},
		&btf.Func{Name: "schedule", Type: fn},
		&btf.Struct{Name: "holder", Size: 8, Members: []btf.Member{{Name: "task", Type: &btf.Pointer{Target: &btf.Fwd{Name: "task"}}}}},
		&btf.Float{Name: "double", Size: 8}, integer("__int128", 16, btf.Signed),
	}
	b, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: enc.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	all, err := btfsrc.Load(raw, vmcore.Layout{WordSize: 8})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// testMemory returns memory with the variables of testC: init at initAddr and
// the others in a row from otherAddr on, each 16 bytes further.
func testMemory() *memory {
	m := &memory{start: testBase, data: make([]byte, 0x200)}
	m.put(initAddr, int32(42))
	m.put(initAddr+4, uint32(5|(-3&0x1f)<<3|0xabcdef<<8))
	copy(m.data[8:], "swapper/0")
	m.put(initAddr+24, []vmcore.Addr{initAddr + 24, lost})
	m.put(initAddr+40, uint64(0x1122334455667788))
	m.put(initAddr+48, initAddr)
	m.put(initAddr+56, uint32(128))
	m.put(initAddr+60, int16(-2))
	m.put(initAddr+62, []byte{200, 1})
	m.put(initAddr+64, schedule)
	m.put(initAddr+72, []byte{1, 2, 3, 255})
	m.put(initAddr+80, []int64{1, 2, 3, 4, 5, -6})

	m.put(otherAddr, int32(-1))
	m.put(otherAddr+0x10, uint32(0xffffffff))
	m.put(otherAddr+0x20, uint64(1<<63))
	m.put(otherAddr+0x30, 1.5)
	m.put(otherAddr+0x40, initAddr)
	m.put(otherAddr+0x50, initAddr+8)
	m.put(otherAddr+0x60, uint32(0x64636261))
	return m
}

// session is a scope over the synthetic kernel.
type session struct {
	vars    map[string]kernel.Value
	history []kernel.Value
	conv    map[string]kernel.Value
}

func (s *session) Var(name string) (kernel.Value, error) {
	switch name {
	case "raw":
		return kernel.Value{}, &kernel.UntypedError{Symbol: kallsyms.Symbol{Name: name, Addr: otherAddr + 0x60, Class: kallsyms.Data}}
	case "raw_percpu":
		return kernel.Value{}, &kernel.UntypedError{Symbol: kallsyms.Symbol{Name: name, Addr: 0x1000, Class: kallsyms.PerCPU}}
	case "asm_entry":
		return kernel.Value{}, &kernel.UntypedError{Symbol: kallsyms.Symbol{Name: name, Addr: schedule + 0x100, Class: kallsyms.Text}}
	case "twice":
		return kernel.Value{}, &kernel.AmbiguousError{Name: name, Candidates: make([]kernel.Candidate, 2)}
	}
	if v, ok := s.vars[name]; ok {
		return v, nil
	}
	return kernel.Value{}, &kernel.NotFoundError{What: "symbol", Name: name}
}

func (s *session) History(n int) (kernel.Value, error) {
	if n <= 0 {
		n += len(s.history)
	}
	if n < 1 || n > len(s.history) {
		return kernel.Value{}, errors.New("no such value in history")
	}
	return s.history[n-1], nil
}

func (s *session) Get(name string) (kernel.Value, bool) { v, ok := s.conv[name]; return v, ok }
func (s *session) Set(name string, v kernel.Value)      { s.conv[name] = v }

// newTestKernel returns the synthetic kernel and a session on it.
func newTestKernel(t testing.TB, m vmcore.Memory) (*kernel.Kernel, *session) {
	return newKernelOf(t, testTypes(t), m)
}

func newKernelOf(t testing.TB, types *btfsrc.Types, m vmcore.Memory) (*kernel.Kernel, *session) {
	k := kernel.New(kernel.Config{
		Arch: vmcore.Arch{Name: "x86_64", Layout: types.Layout()}, Mem: m, Types: types,
	})
	parse := func(src string) btf.Type {
		typ, err := ParseType(src, k)
		if err != nil {
			t.Fatal(err)
		}
		return typ
	}
	s := &session{vars: map[string]kernel.Value{}, conv: map[string]kernel.Value{}}
	for name, at := range map[string]struct {
		addr vmcore.Addr
		typ  string
	}{
		"init": {initAddr, "struct task"}, "minus": {otherAddr, "int"}, "count": {otherAddr + 0x10, "unsigned"},
		"big": {otherAddr + 0x20, "unsigned long"}, "ratio": {otherAddr + 0x30, "double"},
		"current": {otherAddr + 0x40, "struct task *"}, "name": {otherAddr + 0x50, "const char *"},
		"holder": {otherAddr + 0x40, "struct holder"}, "gone": {lost, "int"}, "wide": {testBase, "__int128"},
		"foo#2": {otherAddr, "struct foo#2"}, "volatile_one": {otherAddr, "volatile int"},
	} {
		s.vars[name] = k.At(at.addr, parse(at.typ))
	}
	s.vars["schedule"] = k.At(schedule, k.Types().Lookup(btfsrc.KindFunc, "schedule")[0])
	s.history = []kernel.Value{k.Uint(k.BasicType("int"), 11), s.vars["init"], k.Uint(k.BasicType("long"), 33)}
	return k, s
}
