package kernel_test

import (
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// TestSectionsInOne has the DATASEC that pahole's global_var writes of a vmlinux
// with two sections of a name: their variables are in one, each with the offset
// that it has in its own. A variable with a weak and a strong definition is in it
// twice. A VAR that it does not list is of the one symbol of its name.
func TestSectionsInOne(t *testing.T) {
	const first, second = data, data + 0x800
	layout := vmcore.Layout{WordSize: 8}
	image := (&kallsymstest.Kernel{
		Era: kallsymstest.V604, Layout: layout, Encoding: kallsyms.AbsolutePerCPU, Start: tables, Symbols: []kallsymstest.Symbol{
			{Addr: 0xffffffff81000000, Type: 'T', Name: "_stext"},
			{Addr: 0xffffffff81001000, Type: 'T', Name: "_etext"},
			{Addr: first, Type: 'D', Name: "_sdata"},
			{Addr: first, Type: 'd', Name: "a"},
			{Addr: first + 8, Type: 'd', Name: "b"},
			{Addr: first + 8, Type: 'D', Name: "alias"},
			{Addr: first + 16, Type: 'D', Name: "twice"},
			{Addr: second, Type: 'd', Name: "c"},
			{Addr: second + 8, Type: 'd', Name: "d"},
			{Addr: second + 0x100, Type: 'd', Name: "stray"},
			{Addr: second + 0x200, Type: 'd', Name: "two"},
			{Addr: second + 0x210, Type: 'd', Name: "two"},
			{Addr: data + 0x1000, Type: 'D', Name: "_edata"},
		},
	}).Image()
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	u64 := &btf.Int{Name: "unsigned long", Size: 8}
	variable := func(name string, typ btf.Type, offset uint32) btf.VarSecinfo {
		return btf.VarSecinfo{Type: &btf.Var{Name: name, Type: typ, Linkage: btf.GlobalVar}, Offset: offset, Size: 8}
	}
	unlisted := func(name string) btf.Type { return &btf.Var{Name: name, Type: u64, Linkage: btf.GlobalVar} }
	b, err := btf.NewBuilder([]btf.Type{&btf.Datasec{Name: ".data", Size: 0x100, Vars: []btf.VarSecinfo{
		variable("a", u64, 0), variable("c", u32, 0), variable("b", u64, 8), variable("d", u32, 8),
		variable("twice", u64, 16), variable("twice", u64, 16), variable("stray", u32, 24),
	}}, unlisted("alias"), unlisted("two")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	types, err := btfsrc.Load(raw, layout)
	if err != nil {
		t.Fatal(err)
	}
	mem := sparse{image.Start: image.Bytes, data: make([]byte, 0x1000)}
	syms, err := kallsyms.Load(mem, vmcore.ParseVMCOREINFO([]byte(image.VMCOREINFO)), layout)
	if err != nil {
		t.Fatal(err)
	}
	k := kernel.New(kernel.Config{Arch: vmcore.Arch{Name: "x86_64", Layout: layout}, Mem: mem, Symbols: syms, Types: types})
	for name, want := range map[string]string{
		"a": "unsigned long", "b": "unsigned long", "c": "unsigned int", "d": "unsigned int", "twice": "unsigned long", "stray": "untyped",
		"alias": "unsigned long", "two#1": "untyped",
	} {
		v, err := k.Var(name)
		got := ""
		if err == nil {
			got = v.TypeName()
		} else {
			got = kernel.ErrorKind(err)
		}
		if got != want {
			t.Errorf("%s is %s, want %s (%v)", name, got, want, err)
		}
	}
}
