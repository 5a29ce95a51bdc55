package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/encode"
	"github.com/kdbg/kdbg/encode/batch"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
	"github.com/kdbg/kdbg/kernel"
)

// TestSplitVariables encodes variables on top of the BTF of a dump and adds them
// to the dump: what the encoder records of the base is what the debugger asks for.
// Two of its variables are in the DWARF, where the dump's symbols say.
func TestSplitVariables(t *testing.T) {
	const dumps = "../../testdata/dumps/"
	ctx := context.Background()
	dir := t.TempDir()
	k, err := kernel.Open(ctx, kernel.Options{Files: []string{dumps + "debian-6.12-amd64.kdump"}})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	address := func(name string) uint64 {
		syms := k.Lookup(name)
		if len(syms) != 1 {
			t.Fatalf("%d symbols %s", len(syms), name)
		}
		return uint64(syms[0].Addr)
	}
	start, stop := address("__start_BTF"), address("__stop_BTF")
	raw := make([]byte, stop-start)
	if _, err := k.Memory().ReadMemory(raw, k.Lookup("__start_BTF")[0].Addr); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, "vmlinux.btf")
	write := func(name string, data []byte) {
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(base, raw)

	// The addresses of the linked file do not matter, their distances do.
	const data, rodata = 0xffffffff82000000, 0xffffffff81800000
	distance := address("max_threads") - address("nr_threads")
	if distance > 1<<20 {
		t.Fatalf("nr_threads and max_threads are %#x apart", distance)
	}
	object := dwarftest.File{
		Type: elf.ET_EXEC,
		Info: `unit
compile_unit language:data1=12
	base_type @int name:string="int" byte_size:data1=4 encoding:data1=5
	variable name:string="nr_threads" type:ref4=@int external:flag_present location:exprloc={03 addr:` + fmt.Sprintf("%#x", uint64(data)) + `}
	variable name:string="max_threads" type:ref4=@int external:flag_present location:exprloc={03 addr:` + fmt.Sprintf("%#x", data+distance) + `}
`,
		Sections: []dwarftest.Section{
			{Name: ".data", Flags: elf.SHF_ALLOC | elf.SHF_WRITE, Addr: data, Data: make([]byte, distance+8)},
			{Name: ".rodata", Flags: elf.SHF_ALLOC, Addr: rodata, Data: []byte("Linux version 6.12.107-test (us@here) #1\x00")},
		},
		Symbols: []dwarftest.Symbol{
			{Name: "nr_threads", Section: ".data", Value: data, Size: 4, Type: elf.STT_OBJECT, Bind: elf.STB_GLOBAL},
			{Name: "max_threads", Section: ".data", Value: data + distance, Size: 4, Type: elf.STT_OBJECT, Bind: elf.STB_GLOBAL},
			{Name: "linux_banner", Section: ".rodata", Value: rodata, Size: 41, Type: elf.STT_OBJECT, Bind: elf.STB_GLOBAL},
		},
	}
	vmlinux, split := filepath.Join(dir, "vmlinux"), filepath.Join(dir, "vars.btf")
	write(vmlinux, object.Bytes())
	results, err := batch.Run(ctx, []string{vmlinux}, &batch.Options{
		Encode: encode.Options{Vars: encode.VarsSplit}, BaseFile: base, Output: split, Verify: true,
	})
	if err := errors.Join(err, results[0].Err); err != nil {
		t.Fatal(err)
	}

	if err := k.AddBTF(split); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nr_threads", "max_threads"} {
		v, err := k.Var(name)
		if err != nil || v.Source() != btfsrc.SourceFile || v.TypeName() != "int" {
			t.Errorf("%s is %s from %q: %v", name, v.TypeName(), v.Source(), err)
		}
	}

	others, err := filepath.Glob(dumps + "vars-*.kdump")
	if err != nil || len(others) == 0 {
		t.Fatalf("no dump of another kernel: %v", err)
	}
	other, err := kernel.Open(ctx, kernel.Options{Files: others[:1]})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	err = other.AddBTF(split)
	if _, ok := errors.AsType[*btfsrc.BaseError](err); !ok || !strings.Contains(err.Error(), "Linux 6.12.107-test") || !strings.Contains(err.Error(), other.Release()) {
		t.Errorf("added to Linux %s: %v", other.Release(), err)
	}
}
