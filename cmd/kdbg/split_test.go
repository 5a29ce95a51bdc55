package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

	// The same file is found by the release of the dump, and left alone with
	// that of another kernel.
	found := filepath.Join(dir, "vars-"+k.Release()+".btf")
	if err := os.Rename(split, found); err != nil {
		t.Fatal(err)
	}
	same := openWith(t, kernel.Options{Files: []string{dumps + "debian-6.12-amd64.kdump"}, BTFPath: []string{"/nonexistent", dir}})
	if n := len(same.BTFFiles()); n > 0 {
		t.Errorf("%d files are read before a variable is asked for", n)
	}
	if v, err := same.Var("nr_threads"); err != nil || v.Source() != btfsrc.SourceFile || !slices.Equal(same.BTFFiles(), []string{found}) {
		t.Errorf("nr_threads is %s from %q, %q: %v", v.TypeName(), v.Source(), same.BTFFiles(), err)
	}

	other := openWith(t, kernel.Options{Files: []string{dumps + "vars-7.2-amd64.kdump"}, BTFPath: []string{dir}})
	wrong := func(err error) bool {
		_, ok := errors.AsType[*btfsrc.BaseError](err)
		return ok && strings.Contains(err.Error(), "Linux 6.12.107-test") && strings.Contains(err.Error(), other.Release())
	}
	if err := other.AddBTF(found); !wrong(err) {
		t.Errorf("added to Linux %s: %v", other.Release(), err)
	}
	if err := os.Rename(found, filepath.Join(dir, "vars-"+other.Release()+".btf")); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Var("rproc_serial_features"); kernel.ErrorKind(err) != kernel.KindUntyped {
		t.Errorf("a variable that only a file could type: %v", err)
	}
	if problems := other.BTFProblems(); len(other.BTFFiles()) > 0 || len(problems) != 1 || !wrong(problems[0]) {
		t.Errorf("found for Linux %s: %q, %v", other.Release(), other.BTFFiles(), problems)
	}
}

func openWith(t *testing.T, o kernel.Options) *kernel.Kernel {
	t.Helper()
	k, err := kernel.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}
