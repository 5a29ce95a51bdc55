package kernel_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// TestVarsInModule has a kernel whose variables are described by the BTF of a
// loaded module, as with CONFIG_DEBUG_INFO_BTF_VARS=m: that of this kernel, that
// says so, and that of another.
func TestVarsInModule(t *testing.T) {
	raw := baseOfModules(t)
	for _, test := range []struct{ name, madeFor, source, problem string }{
		{"no identity", "", "module", ""},
		{"this kernel", fmt.Sprintf("base:sha256:%x", sha256.Sum256(raw)), "module", ""},
		{"another kernel", fmt.Sprintf("base:sha256:%064x", 1), "", "BTF of module vmlinux_btf_vars: BTF of vmlinux_btf_vars does not fit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := kernelWithModule(t, raw, splitVars(raw, test.madeFor, "first", "second", "third"))
			for _, name := range []string{"first", "third"} {
				v, err := k.Var(name)
				switch {
				case test.source == "" && kernel.ErrorKind(err) != kernel.KindUntyped:
					t.Errorf("%s: %v, want untyped", name, err)
				case test.source != "" && (err != nil || v.Source().String() != test.source || v.TypeName() != "int"):
					t.Errorf("%s is %s from %q: %v", name, v.TypeName(), v.Source(), err)
				}
			}
			problems := fmt.Sprint(k.ModuleProblems())
			if strings.Contains(problems, "BTF of module") != (test.problem != "") || !strings.Contains(problems, test.problem) {
				t.Errorf("problems are %s", problems)
			}
		})
	}
}

// Where the variables and the list of the modules' BTF are.
const (
	varsAt   = data
	headAt   = data + 0x100 // btf_modules
	moduleAt = data + 0x200 // struct btf_module
	btfAt    = data + 0x300 // struct btf
	blobAt   = data + 0x400
)

// baseOfModules returns the BTF of a kernel that has no VAR.
func baseOfModules(t *testing.T) []byte {
	t.Helper()
	integer := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	char := &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	list := &btf.Struct{Name: "list_head", Size: 16}
	list.Members = []btf.Member{{Name: "next", Type: &btf.Pointer{Target: list}}, {Name: "prev", Type: &btf.Pointer{Target: list}, Offset: 64}}
	void := &btf.Pointer{Target: (*btf.Void)(nil)}
	loaded := &btf.Struct{Name: "btf", Size: 72, Members: []btf.Member{
		{Name: "data", Type: void}, {Name: "data_size", Type: integer, Offset: 64},
		{Name: "name", Type: &btf.Array{Index: integer, Type: char, Nelems: 56}, Offset: 128},
	}}
	module := &btf.Struct{Name: "btf_module", Size: 32, Members: []btf.Member{
		{Name: "list", Type: list}, {Name: "module", Type: void, Offset: 128}, {Name: "btf", Type: &btf.Pointer{Target: loaded}, Offset: 192},
	}}
	b, err := btf.NewBuilder([]btf.Type{integer, module}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// splitVars returns BTF split on base with an int for each name, in the section
// .data. madeFor begins what it says of its base; empty: it says nothing.
func splitVars(base []byte, madeFor string, names ...string) []byte {
	types, err := btfsrc.Load(base, vmcore.Layout{WordSize: 8})
	if err != nil {
		panic(err)
	}
	next, strs := uint32(types.NumTypes()+1), binary.LittleEndian.Uint32(base[20:])
	var text, records, entries []byte
	put := func(b []byte, words ...uint32) []byte {
		for _, w := range words {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	str := func(s string) uint32 {
		text = append(append(text, s...), 0)
		return strs + uint32(len(text)-len(s)-1)
	}
	if madeFor != "" {
		str(fmt.Sprintf("%s types=%d strings=%d", madeFor, next, strs))
	}
	for i, name := range names {
		records = put(records, str(name), 14<<24, 1, 1) // a VAR of type 1, which is int
		entries = put(entries, next+uint32(i), uint32(4*i), 4)
	}
	records = append(put(records, str(".data"), 15<<24|uint32(len(names)), uint32(4*len(names))), entries...)
	raw := put([]byte{0x9f, 0xeb, 1, 0}, 24, 0, uint32(len(records)), uint32(len(records)), uint32(len(text)))
	return append(append(raw, records...), text...)
}

// kernelWithModule returns a kernel with the variables first, second and third,
// and the BTF of a module.
func kernelWithModule(t *testing.T, base, split []byte) *kernel.Kernel {
	t.Helper()
	layout := vmcore.Layout{WordSize: 8}
	image := (&kallsymstest.Kernel{
		Era: kallsymstest.V604, Layout: layout, Encoding: kallsyms.AbsolutePerCPU, Start: tables, Symbols: []kallsymstest.Symbol{
			{Addr: 0xffffffff81000000, Type: 'T', Name: "_stext"},
			{Addr: 0xffffffff81001000, Type: 'T', Name: "_etext"},
			{Addr: varsAt, Type: 'D', Name: "first"},
			{Addr: varsAt + 4, Type: 'D', Name: "second"},
			{Addr: varsAt + 8, Type: 'D', Name: "third"},
			{Addr: headAt, Type: 'd', Name: "btf_modules"},
			{Addr: data + 0x1000, Type: 'D', Name: "_edata"},
		},
	}).Image()
	page := make([]byte, 0x1000)
	put := func(a vmcore.Addr, b []byte) { copy(page[a-data:], b) }
	put(headAt, words(uint64(moduleAt), uint64(moduleAt)))
	put(moduleAt, words(uint64(headAt), uint64(headAt), 0xffffffffc0000000, uint64(btfAt)))
	put(btfAt, words(uint64(blobAt), uint64(len(split))))
	put(btfAt+16, []byte("vmlinux_btf_vars"))
	put(blobAt, split)
	mem := sparse{image.Start: image.Bytes, data: page}
	syms, err := kallsyms.Load(mem, vmcore.ParseVMCOREINFO([]byte(image.VMCOREINFO)), layout)
	if err != nil {
		t.Fatal(err)
	}
	types, err := btfsrc.Load(base, layout)
	if err != nil {
		t.Fatal(err)
	}
	return kernel.New(kernel.Config{Arch: vmcore.Arch{Name: "x86_64", Layout: layout}, Mem: mem, Symbols: syms, Types: types})
}
