package kernel_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// The synthetic kernel: tables of symbols, a page of data, the per-CPU memory of
// CPUs 0 and 2, and a page that a filter left out.
const (
	tables   vmcore.Addr = 0xffffffff81800000
	data     vmcore.Addr = 0xffffffff82000000
	excluded vmcore.Addr = 0xffffffff82001000
	cpu0     vmcore.Addr = 0xffff888010000000
	cpu2     vmcore.Addr = 0xffff888020000000

	deviceAt  = data
	firstBuf  = data + 0x100
	secondBuf = data + 0x110
	listAt    = data + 0x200
	lostAt    = excluded + 0x10
	masks     = data + 0x300
	offsets   = data + 0x340
	notes     = data + 0x380
	notesAt   = 0x200 // in per-CPU memory
)

var testSymbols = []kallsymstest.Symbol{
	{Addr: 0, Type: 'A', Name: "__per_cpu_start"},
	{Addr: 0x40, Type: 'A', Name: "counter"},
	{Addr: 0x1000, Type: 'A', Name: "__per_cpu_end"},
	{Addr: 0xffffffff81000000, Type: 'T', Name: "_stext"},
	{Addr: 0xffffffff81000100, Type: 'T', Name: "probe"},
	{Addr: 0xffffffff81001000, Type: 'T', Name: "_etext"},
	{Addr: data, Type: 'D', Name: "_sdata"},
	{Addr: deviceAt, Type: 'D', Name: "device"},
	{Addr: firstBuf, Type: 'd', Name: "buf"},
	{Addr: secondBuf, Type: 'd', Name: "buf"},
	{Addr: data + 0x180, Type: 'D', Name: "assembly"},
	{Addr: listAt, Type: 'D', Name: "devices"},
	{Addr: masks, Type: 'D', Name: "__cpu_online_mask"},
	{Addr: masks + 8, Type: 'D', Name: "__cpu_possible_mask"},
	{Addr: offsets, Type: 'D', Name: "__per_cpu_offset"},
	{Addr: notes, Type: 'D', Name: "crash_notes"},
	{Addr: lostAt, Type: 'D', Name: "lost"},
	{Addr: excluded + 0x1000, Type: 'D', Name: "_edata"},
}

// sparse is memory made of pieces. excluded is left out of it on purpose.
type sparse map[vmcore.Addr][]byte

func (m sparse) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	for start, b := range m {
		if a >= start && a < start+vmcore.Addr(len(b)) {
			if n := copy(p, b[a-start:]); n < len(p) {
				more, err := m.ReadMemory(p[n:], a+vmcore.Addr(n))
				return n + more, err
			}
			return len(p), nil
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	state := vmcore.Unmapped
	if a >= excluded && a < excluded+0x1000 {
		state = vmcore.Excluded
	}
	return 0, &vmcore.FaultError{Addr: a, State: state}
}

// words returns 64-bit words in little-endian order.
func words(w ...uint64) []byte {
	var b []byte
	for _, u := range w {
		b = binary.LittleEndian.AppendUint64(b, u)
	}
	return b
}

// newKernel returns the synthetic kernel.
func newKernel(t testing.TB) *kernel.Kernel {
	layout := vmcore.Layout{WordSize: 8}
	image := (&kallsymstest.Kernel{
		Era: kallsymstest.V604, Layout: layout, Encoding: kallsyms.AbsolutePerCPU, Start: tables, Symbols: testSymbols,
	}).Image()
	page := make([]byte, 0x1000)
	put := func(a vmcore.Addr, b []byte) { copy(page[a-data:], b) }
	put(deviceAt, []byte("eth0\x00\x00\x00\x00"))
	put(deviceAt+8, []byte{0x2b, 0xa5})                           // speed 3, duplex -3, up, mode 0xa5
	put(deviceAt+12, []byte{2, 0, 0, 0})                          // DOWN
	put(deviceAt+16, words(0xffffffff81000104, uint64(firstBuf))) // open, label
	put(deviceAt+32, words(7, 7, 7, 7, 7, 1))                     // stats
	put(deviceAt+80, words(uint64(listAt), uint64(listAt)))       // list
	put(deviceAt+96, words(1<<63, 1<<63|1))                       // wide
	put(firstBuf, []byte("first \x1b[31m"))
	put(secondBuf, []byte("second"))
	put(listAt, words(uint64(deviceAt+80), uint64(deviceAt+80)))
	put(masks, words(0b101, 0b101))
	put(notes, words(notesAt))
	put(offsets, words(uint64(cpu0), 0, uint64(cpu2)))
	mem := sparse{
		image.Start: image.Bytes, data: page,
		cpu0 + 0x40: words(100), cpu2 + 0x40: words(300),
	}
	syms, err := kallsyms.Load(mem, vmcore.ParseVMCOREINFO([]byte(image.VMCOREINFO)), layout)
	if err != nil {
		t.Fatal(err)
	}
	return kernel.New(kernel.Config{
		Arch: vmcore.Arch{Name: "x86_64", Layout: layout}, Mem: mem, Symbols: syms, Types: newTypes(t, binary.LittleEndian),
	})
}

// newTypes returns the BTF of the synthetic kernel.
func newTypes(t testing.TB, order binary.ByteOrder) *btfsrc.Types {
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	i32 := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	u64 := &btf.Int{Name: "unsigned long", Size: 8}
	char := &btf.Int{Name: "char", Size: 1}
	array := func(elem btf.Type, n uint32) btf.Type { return &btf.Array{Index: u32, Type: elem, Nelems: n} }
	list := &btf.Struct{Name: "list_head", Size: 16}
	list.Members = []btf.Member{
		{Name: "next", Type: &btf.Pointer{Target: list}},
		{Name: "prev", Type: &btf.Pointer{Target: list}, Offset: 64},
	}
	device := &btf.Struct{Name: "device", Size: 112, Members: []btf.Member{
		{Name: "name", Type: array(char, 8)},
		{Name: "speed", Type: u32, Offset: 64, BitfieldSize: 3},
		{Name: "duplex", Type: i32, Offset: 67, BitfieldSize: 3},
		{Type: &btf.Union{Size: 2, Members: []btf.Member{{Name: "mode", Type: char, Offset: 8}}}, Offset: 64},
		{Name: "state", Type: &btf.Enum{Name: "state", Size: 4, Values: []btf.EnumValue{{Name: "UP", Value: 1}, {Name: "DOWN", Value: 2}}}, Offset: 96},
		{Name: "open", Type: &btf.Pointer{Target: &btf.FuncProto{Return: i32}}, Offset: 128},
		{Name: "label", Type: &btf.Pointer{Target: &btf.Const{Type: char}}, Offset: 192},
		{Name: "stats", Type: array(u64, 6), Offset: 256},
		{Name: "list", Type: list, Offset: 640},
		{Name: "wide", Type: &btf.Int{Name: "__int128", Size: 16, Encoding: btf.Signed}, Offset: 768},
		{Name: "tail", Type: array(u32, 0), Offset: 896},
	}}
	buf := array(char, 16)
	variable := func(name string, typ btf.Type, offset uint32) btf.VarSecinfo {
		return btf.VarSecinfo{Type: &btf.Var{Name: name, Type: typ, Linkage: btf.GlobalVar}, Offset: offset, Size: 8}
	}
	sections := []btf.Type{
		&btf.Datasec{Name: ".data", Size: 0x2000, Vars: []btf.VarSecinfo{
			variable("device", device, 0), variable("buf", buf, 0x100), variable("buf", buf, 0x110),
			variable("devices", list, 0x200), variable("lost", device, 0x1010),
		}},
		&btf.Datasec{Name: ".data..percpu", Size: 0x1000, Vars: []btf.VarSecinfo{variable("counter", u64, 0x40)}},
	}
	b, err := btf.NewBuilder(sections, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: order})
	if err != nil {
		t.Fatal(err)
	}
	types, err := btfsrc.Load(raw, vmcore.Layout{BigEndian: order == binary.BigEndian, WordSize: 8})
	if err != nil {
		t.Fatal(err)
	}
	return types
}

// variable returns a variable of the synthetic kernel, or a member of one.
func variable(t testing.TB, k *kernel.Kernel, path string) kernel.Value {
	name, members, _ := strings.Cut(path, ".")
	v, err := k.Var(name)
	for m := range strings.SplitSeq(members, ".") {
		if err != nil {
			t.Fatal(err)
		}
		if m != "" {
			v, err = v.Field(m)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestFormat(t *testing.T) {
	k := newKernel(t)
	for _, test := range []struct {
		path string
		opts kernel.FormatOptions
		want string
	}{
		{"device", kernel.FormatOptions{}, `{
  .name = "eth0",
  .speed = 3,
  .duplex = -3,
  {
    .mode = 165 '\245',
  },
  .state = DOWN,
  .open = 0xffffffff81000104 <probe+0x4>,
  .label = 0xffffffff82000100 "first \033[31m",
  .stats = {[0 ... 4] = 7, 1},
  .list = {
    .next = 0xffffffff82000200 <devices>,
    .prev = 0xffffffff82000200 <devices>,
  },
  .wide = -170141183460469231704017187605319778304,
  .tail = {},
}`},
		{"device", kernel.FormatOptions{MaxDepth: 1, NoSymbols: true}, `{
  .name = "eth0",
  .speed = 3,
  .duplex = -3,
  { /* 1 member */ },
  .state = DOWN,
  .open = 0xffffffff81000104,
  .label = 0xffffffff82000100,
  .stats = {[0 ... 4] = 7, 1},
  .list = { /* 2 members */ },
  .wide = -170141183460469231704017187605319778304,
  .tail = {},
}`},
		{"device.stats", kernel.FormatOptions{MaxElements: 1}, `{[0 ... 4] = 7, /* 1 more element */}`},
		{"device.name", kernel.FormatOptions{MaxElements: 2}, `"et"… /* 2 more characters */`},
		{"device.name", kernel.FormatOptions{Format: 'x'}, `{0x65, 0x74, 0x68, 0x30, [4 ... 7] = 0x0}`},
		{"device.name", kernel.FormatOptions{Format: 'c'}, `{101 'e', 116 't', 104 'h', 48 '0', [4 ... 7] = 0 '\000'}`},
		{"device.duplex", kernel.FormatOptions{Format: 'x'}, `0x5`},
		{"device.duplex", kernel.FormatOptions{Format: 'u'}, `5`},
		{"device.duplex", kernel.FormatOptions{Format: 'd'}, `-3`},
		{"device.duplex", kernel.FormatOptions{Format: 't'}, `0b101`},
		{"device.state", kernel.FormatOptions{Format: 'o'}, `02`},
		{"device.open", kernel.FormatOptions{Format: 'd'}, `-2130706172`},
		{"device.list.next", kernel.FormatOptions{Format: 'a'}, `0xffffffff82000200 <devices>`},
		{"lost", kernel.FormatOptions{}, `<excluded from the dump>`},
		{"lost.stats", kernel.FormatOptions{}, `<excluded from the dump>`},
		{"counter", kernel.FormatOptions{}, `<a per-CPU variable has one value for each CPU>`},
	} {
		t.Run(fmt.Sprint(test.path, test.opts), func(t *testing.T) {
			var b strings.Builder
			if err := variable(t, k, test.path).Format(&b, &test.opts); err != nil {
				t.Fatal(err)
			}
			if b.String() != test.want {
				t.Errorf("got  %s\nwant %s", b.String(), test.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	k := newKernel(t)
	for _, test := range []struct{ path, want string }{
		{"device", `{"name":"eth0","speed":3,"duplex":-3,"mode":165,"state":"DOWN","open":"0xffffffff81000104",` +
			`"label":"0xffffffff82000100","stats":[7,7,7,7,7,1],"list":{"next":"0xffffffff82000200","prev":"0xffffffff82000200"},` +
			`"wide":-170141183460469231704017187605319778304,"tail":[]}`},
		{"buf#1", `"first \u001b[31m"`},
		{"lost", `{"error":"excluded","address":"0xffffffff82001010"}`},
		{"lost.state", `{"error":"excluded","address":"0xffffffff8200101c"}`},
	} {
		if got := string(variable(t, k, test.path).AppendJSON(nil)); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.path, got, test.want)
		}
	}
}

// TestJSONBool has a byte that is neither 0 nor 1, as one in a union can be: JSON
// knows no third value, and text shows it.
func TestJSONBool(t *testing.T) {
	k := newKernel(t)
	boolean := &btf.Int{Name: "_Bool", Size: 1, Encoding: btf.Bool}
	for u, want := range map[uint64]string{0: "false false", 1: "true true", 160: "true 160"} {
		v := k.Uint(boolean, u)
		if got := string(v.AppendJSON(nil)) + " " + v.String(); got != want {
			t.Errorf("%d is %s, want %s", u, got, want)
		}
	}
}

func TestVarErrors(t *testing.T) {
	k := newKernel(t)
	for _, test := range []struct{ name, kind, message, hint string }{
		{"devise", "not-found", `no symbol "devise"`, "did you mean device, devices?"},
		{"buf", "ambiguous", `"buf" stands for 2 variables`,
			"choose one by its number: buf#1 at 0xffffffff82000100 (char [16]) buf#2 at 0xffffffff82000110 (char [16])"},
		{"buf#3", "not-found", `no symbol "buf#3"`, ""},
		{"assembly", "untyped", `"assembly" at 0xffffffff82000180 has no type: no BTF describes it`, "declare TYPE assembly; or cast it, (TYPE)assembly; or name a BTF of this kernel's variables with --btf"},
	} {
		_, err := k.Var(test.name)
		if err == nil {
			t.Errorf("%s: no error", test.name)
			continue
		}
		if kind := kernel.ErrorKind(err); kind != test.kind {
			t.Errorf("%s: kind %s, want %s", test.name, kind, test.kind)
		}
		if err.Error() != test.message {
			t.Errorf("%s: %v\nwant %s", test.name, err, test.message)
		}
		if hint := kernel.Hint(err); hint != test.hint {
			t.Errorf("%s: hint %s\nwant %s", test.name, hint, test.hint)
		}
	}
}

func TestAmbiguousByNumber(t *testing.T) {
	k := newKernel(t)
	for name, want := range map[string]string{"buf#1": `"first \033[31m"`, "buf#2": `"second"`} {
		if got := variable(t, k, name).String(); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
}

func TestPerCPU(t *testing.T) {
	k := newKernel(t)
	cpus, err := k.OnlineCPUs()
	if got := kernel.CPUList(cpus); err != nil || got != "0,2" {
		t.Fatalf("online CPUs %s, %v", got, err)
	}
	counter := variable(t, k, "counter")
	if !counter.PerCPU() {
		t.Fatal("counter is not per-CPU")
	}
	ref, err := counter.Ref()
	if err != nil {
		t.Fatal(err)
	}
	for cpu, want := range map[int]string{0: "100", 2: "300"} {
		v, err := k.PerCPU(counter, cpu)
		if err != nil || v.String() != want {
			t.Errorf("counter on CPU %d = %v, %v; want %s", cpu, v, err, want)
		}
		if again, err := k.PerCPU(v, 2); err != nil || again.String() != "300" {
			t.Errorf("counter on CPU %d, then on CPU 2 = %v, %v", cpu, again, err)
		}
		p, err := k.PerCPU(ref, cpu)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := p.Deref(); err != nil || v.String() != want {
			t.Errorf("*&counter on CPU %d = %v, %v; want %s", cpu, v, err, want)
		}
	}
	if _, err := k.PerCPU(counter, 1); kernel.Hint(err) != "this machine has CPUs 0,2" {
		t.Errorf("CPU 1: %v, hint %q", err, kernel.Hint(err))
	}
}

func TestList(t *testing.T) {
	k := newKernel(t)
	device := variable(t, k, "device").Type()
	var names []string
	for v, err := range k.List(listAt, device, "list") {
		if err != nil {
			t.Fatal(err)
		}
		name, err := v.Field("name")
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.String())
	}
	if got := strings.Join(names, " "); got != `"eth0"` {
		t.Errorf("devices %s", got)
	}
}

// TestListDamaged changes pointers of a list of four nodes: what can be reached
// from either end is found.
func TestListDamaged(t *testing.T) {
	const head, poison = 0x1000, 0xdead000000000100
	types := newTypes(t, binary.LittleEndian)
	list := types.Lookup(btfsrc.KindStruct, "list_head")[0]
	for _, test := range []struct {
		name    string
		changed map[int]uint64 // the words next and prev of the head, then of each node
		want    string
	}{
		{"whole", nil, "1 2 3 4"},
		{"a cycle", map[int]uint64{6: 0x1010}, "1 2 3 [node 0x1030: its next node is 0x1010, before which is 0x1000] 4"},
		{"points to itself", map[int]uint64{2: 0x1010}, "1 [node 0x1010: its next node is 0x1010, before which is 0x1000] 2 3 4"},
		{"cut", map[int]uint64{4: head}, "1 2 [node 0x1020: its next node is 0x1000, before which is 0x1040] 3 4"},
		{"removed", map[int]uint64{4: poison, 5: poison}, "1 [node 0x1010: its next node is 0x1020, before which is 0xdead000000000100] 3 4"},
		{"leads to what was removed", map[int]uint64{4: poison}, "1 2 [node 0x1020: its next node is LIST_POISON1, of a node that was removed] 3 4"},
		{"unmapped", map[int]uint64{8: 0x2000}, "1 2 3 4 [node 0x1040: its next node cannot be read: address 0x2000: not mapped]"},
		{"NULL", map[int]uint64{0: 0}, "[node 0x1000: its next node is NULL] 1 2 3 4"},
		{"no way back", map[int]uint64{7: 0}, "1 2 [node 0x1020: its next node is 0x1030, before which is 0x0] 3 4"},
		{"broken twice", map[int]uint64{2: 0, 8: 0}, "1 [node 0x1010: its next node is NULL]"},
		{"its end is lost", map[int]uint64{1: poison}, "1 2 3 4 [node 0x1040: its next node is 0x1000, before which is 0xdead000000000100]"},
		{"empty", map[int]uint64{0: head, 1: head}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			const end = 5 * 16
			var nodes []uint64
			for at := uint64(0); at < end; at += 16 {
				nodes = append(nodes, head+(at+16)%end, head+(at+end-16)%end)
			}
			for i, to := range test.changed {
				nodes[i] = to
			}
			k := kernel.New(kernel.Config{Arch: vmcore.Arch{Layout: vmcore.Layout{WordSize: 8}}, Mem: sparse{head: words(nodes...)}, Types: types})
			got := collect(t, k.List(head, list, "next"), func(v kernel.Value) string {
				a, _ := v.Addr()
				return fmt.Sprint(uint64(a-head) / 16)
			})
			if got = strings.ReplaceAll(got, "list at 0x1000 is damaged: ", ""); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestBitFields reads bit-fields of both byte orders from the bytes that a
// compiler for the machine lays out for {speed: 3, duplex: -3}.
func TestBitFields(t *testing.T) {
	for _, test := range []struct {
		order binary.ByteOrder
		b     byte
	}{
		{binary.LittleEndian, 0b00101011}, // bit 0 is the lowest
		{binary.BigEndian, 0b01110100},    // bit 0 is the highest
	} {
		types := newTypes(t, test.order)
		device := types.Lookup(btfsrc.KindStruct, "device")[0]
		bytes := make([]byte, 112)
		bytes[8] = test.b
		k := kernel.New(kernel.Config{Arch: vmcore.Arch{Layout: types.Layout()}, Mem: sparse{data: bytes}, Types: types})
		for name, want := range map[string]string{"speed": "3", "duplex": "-3"} {
			v, err := k.At(data, device).Field(name)
			if err != nil || v.String() != want {
				t.Errorf("%v: %s = %v, %v; want %s", test.order, name, v, err, want)
			}
		}
	}
}

func TestCast(t *testing.T) {
	k := newKernel(t)
	for _, test := range []struct {
		value uint64
		from  string
		to    string
		want  string
	}{
		{0xffffffff, "unsigned int", "int", "-1"},
		{0xffffffff, "int", "unsigned long", "18446744073709551615"},
		{0x1ff, "unsigned int", "unsigned char", "255"},
		{2, "int", "_Bool", "true"},
		{0xffffffffffffffff, "long", "double", "-1"},
	} {
		v, err := k.Uint(k.BasicType(test.from), test.value).Cast(k.BasicType(test.to))
		if err != nil || v.String() != test.want {
			t.Errorf("(%s)(%s)%#x = %v, %v; want %s", test.to, test.from, test.value, v, err, test.want)
		}
	}
	half := k.Uint(k.BasicType("double"), math.Float64bits(0.5))
	if v, err := half.Cast(k.BasicType("_Bool")); err != nil || v.String() != "true" {
		t.Errorf("(_Bool)0.5 = %v, %v; want true", v, err)
	}
	if _, err := variable(t, k, "device").Cast(k.BasicType("int")); kernel.ErrorKind(err) != kernel.KindType {
		t.Errorf("a structure was cast to int: %v", err)
	}
}

func TestFloatJSON(t *testing.T) {
	k := newKernel(t)
	for x, want := range map[float64]string{
		0.5: "0.5", -3: "-3", -41690333743858936: "-4.1690333743858936e+16", 1e300: "1e+300",
	} {
		if got := string(k.Uint(k.BasicType("double"), math.Float64bits(x)).AppendJSON(nil)); got != want {
			t.Errorf("%v is %s, want %s", x, got, want)
		}
	}
}

// TestDerived keeps one thing of each type with a kernel.
func TestDerived(t *testing.T) {
	type first struct{ n int }
	type second struct{ n int }
	made := 0
	k := newKernel(t)
	for range 3 {
		a := kernel.Derived(k, func(*kernel.Kernel) *first { made++; return &first{made} })
		b := kernel.Derived(k, func(*kernel.Kernel) second { made++; return second{made} })
		if a.n != 1 || b.n != 2 {
			t.Errorf("%d and %d", a.n, b.n)
		}
	}
	if a := kernel.Derived(newKernel(t), func(*kernel.Kernel) *first { return &first{7} }); a.n != 7 {
		t.Errorf("another kernel has %d", a.n)
	}
}
