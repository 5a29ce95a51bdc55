package vmcoretest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// machine is RAM from 0x1000 to 0x9000: text, two excluded pages, zeros, and
// text again.
func machine(arch vmcore.Arch) *vmcoretest.Dump {
	return &vmcoretest.Dump{
		Arch: arch,
		Memory: map[vmcore.PhysAddr][]byte{
			0x1000: bytes.Repeat([]byte("kdbg"), 1024),
			0x2ff0: []byte("the end of a run"),
			0x5000: make([]byte, 0x3000),
			0x8123: []byte("text"),
		},
		Excluded:   vmcoretest.Pages(0x3000, 0x5000),
		CPUs:       []vmcoretest.CPU{{PID: 7, Registers: make([]uint64, 27)}},
		VMCOREINFO: "OSRELEASE=6.12.0-test\nPAGESIZE=4096\n",
		Uname:      vmcoretest.Uname{Release: "6.12.0-test", Machine: arch.Name},
	}
}

// compare reads page by page what a literal states and what its file holds.
func compare(t *testing.T, want *vmcoretest.Dump, got *vmcore.Dump) {
	t.Helper()
	phys := want.Phys()
	for a := vmcore.PhysAddr(0); a < 0xb000; a += 0x1000 {
		wantPage, gotPage := make([]byte, 4096), make([]byte, 4096)
		_, wantErr := phys.ReadPhys(wantPage, a)
		_, gotErr := got.ReadPhys(gotPage, a)
		if state(wantErr) != state(gotErr) || !bytes.Equal(wantPage, gotPage) {
			t.Errorf("%v: got %.8q, %v; want %.8q, %v", a, gotPage, gotErr, wantPage, wantErr)
		}
	}
	if release := got.Info().Release(); want.VMCOREINFO != "" && release != "6.12.0-test" {
		t.Errorf("release %q in VMCOREINFO", release)
	}
}

func state(err error) vmcore.PageState {
	if pf, ok := err.(*vmcore.PhysFaultError); ok {
		return pf.State
	}
	return vmcore.Present
}

func open(t *testing.T, raw []byte) *vmcore.Dump {
	t.Helper()
	d, err := vmcore.New(bytes.NewReader(raw), int64(len(raw)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

var machines = []vmcore.Arch{
	vmcoretest.X86_64, vmcoretest.I686, vmcoretest.ARM, vmcoretest.S390X, vmcoretest.PPC,
}

func TestRoundTripELF(t *testing.T) {
	for _, arch := range machines {
		for _, opts := range []*vmcoretest.ELFOptions{
			nil, {ProgramHeaders: 0x1230}, {SectionsFirst: true}, {ExtendedCount: true},
			{ExtendedCount: true, SectionsFirst: true, ProgramHeaders: 0x800},
		} {
			t.Run(fmt.Sprintf("%s %+v", arch.Name, opts), func(t *testing.T) {
				d := machine(arch)
				compare(t, d, open(t, d.ELF(opts)))
				flat := vmcoretest.Flatten(d.ELF(opts), &vmcoretest.FlattenOptions{RecordSize: 777, Shuffle: 3, Overwrite: true})
				compare(t, d, open(t, flat))
			})
		}
	}
}

func TestRoundTripKdump(t *testing.T) {
	all := []vmcoretest.Compression{vmcoretest.Zlib, vmcoretest.LZO, vmcoretest.Snappy, vmcoretest.Zstd, vmcoretest.None}
	for _, arch := range machines {
		for version := 1; version <= 6; version++ {
			t.Run(fmt.Sprintf("%s version %d", arch.Name, version), func(t *testing.T) {
				d := machine(arch)
				if version < 3 {
					d.VMCOREINFO = ""
				}
				opts := &vmcoretest.KdumpOptions{Version: version, Compression: all, Packed: arch.Name == "i686"}
				compare(t, d, open(t, d.Kdump(opts)))
				compare(t, d, open(t, vmcoretest.Flatten(d.Kdump(opts), &vmcoretest.FlattenOptions{Shuffle: 5})))
			})
		}
	}
}

func TestRoundTripIncomplete(t *testing.T) {
	d := machine(vmcoretest.X86_64)
	d.Missing = []vmcore.PhysAddr{0x9000}
	compare(t, d, open(t, d.Kdump(nil)))
}

func TestRoundTripSplit(t *testing.T) {
	d := machine(vmcoretest.X86_64)
	dir := t.TempDir()
	var names []string
	for i, raw := range d.Split(3, nil) {
		name := filepath.Join(dir, fmt.Sprintf("dump.%d", i))
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	got, err := vmcore.OpenSet(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	compare(t, d, got)
}

func TestRoundTripKcore(t *testing.T) {
	d := machine(vmcoretest.X86_64)
	d.Excluded = nil // a running kernel has all of its memory
	const module = vmcore.Addr(0xffffffffc0000000)
	d.Segments = []vmcoretest.Segment{{Virt: module, Phys: vmcoretest.NoPhys, Data: []byte("a module")}}
	got := open(t, d.Kcore(0xffff888000000000))
	compare(t, d, got)
	if got.Format().Name != "/proc/kcore" {
		t.Errorf("format %v", got.Format())
	}
	p := make([]byte, 8)
	if _, err := got.Virtual().ReadMemory(p, module); err != nil || string(p) != "a module" {
		t.Errorf("module area: %q, %v", p, err)
	}
}
