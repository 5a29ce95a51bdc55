package kallsyms_test

import (
	"slices"
	"testing"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/vmcore"
)

// checkInvariants checks what holds for every table, whatever it is made from.
func checkInvariants(t *testing.T, table *kallsyms.Table) {
	t.Helper()
	n, last := 0, vmcore.Addr(0)
	for s := range table.All() {
		if n++; n > 2000 {
			break // enough; lookups of a name that all symbols share are slow
		}
		if s.Addr < last {
			t.Fatalf("%v is behind a symbol at %v", s, last)
		}
		last = s.Addr
		if !slices.Contains(table.Lookup(s.Name), s) {
			t.Fatalf("%v is not found by its name", s)
		}
		if !slices.Contains(table.At(s.Addr), s) {
			t.Fatalf("%v is not found by its address", s)
		}
		if r, offset, ok := table.Resolve(s.Addr); ok && (offset != 0 || r.Addr != s.Addr) {
			t.Fatalf("%v resolves to %v+%d", s, r, offset)
		}
		if s.Size > 0 {
			end := s.Addr + vmcore.Addr(s.Size)
			if r, offset, ok := table.Resolve(end - 1); ok && r.Addr+vmcore.Addr(offset) != end-1 {
				t.Fatalf("the last byte of %v resolves to %v+%d", s, r, offset)
			}
		}
	}
}

// fuzzKernels are the kernels whose tables the fuzzer spoils.
func fuzzKernels(f *testing.F) []*kallsymstest.Image {
	var images []*kallsymstest.Image
	for i, tt := range kernels {
		images = append(images, write(tt.kernel))
		f.Add(uint8(i), uint16(0), []byte{})
		f.Add(uint8(i), uint16(0x10), []byte{0xff, 0xff, 0x80, 0})
	}
	return images
}

// spoiled returns an image with bytes overwritten.
func spoiled(img *kallsymstest.Image, at uint16, b []byte) *kallsymstest.Image {
	copied := *img
	copied.Bytes = slices.Clone(img.Bytes)
	copy(copied.Bytes[int(at)%len(copied.Bytes):], b)
	return &copied
}

func FuzzLoad(f *testing.F) {
	images := fuzzKernels(f)
	f.Fuzz(func(t *testing.T, which uint8, at uint16, b []byte) {
		i := int(which) % len(images)
		img := spoiled(images[i], at, b)
		info := vmcore.ParseVMCOREINFO([]byte(img.VMCOREINFO))
		if table, err := kallsyms.Load(img, info, kernels[i].kernel.Layout); err == nil {
			checkInvariants(t, table)
		}
	})
}

func FuzzScan(f *testing.F) {
	images := fuzzKernels(f)
	f.Fuzz(func(t *testing.T, which uint8, at uint16, b []byte) {
		i := int(which) % len(images)
		img := spoiled(images[i], at, b)
		start := textStart(kernels[i].kernel)
		if table, err := kallsyms.Scan(img, start, start+1<<17, nil, kernels[i].kernel.Layout); err == nil {
			checkInvariants(t, table)
			if s := table.Lookup("_stext"); len(s) == 0 {
				t.Fatal("a table without _stext")
			}
		}
	})
}

func FuzzLoadModule(f *testing.F) {
	layouts := []vmcore.Layout{le64, be64, le32, be32}
	f.Add(uint8(0), uint64(0), uint16(0), []byte{})
	f.Add(uint8(7), uint64(20), uint16(24), []byte{0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, how uint8, extra uint64, at uint16, b []byte) {
		layout, types := layouts[how%4], kallsymstest.TypeHome(how/4%3)
		img, spec := kallsymstest.Module(layout, types, 0x8000, moduleSymbols)
		spec.NumSymbols += extra
		spec.Sections = moduleSections
		if table, err := kallsyms.LoadModule(spoiled(img, at, b), layout, spec); err == nil {
			checkInvariants(t, table)
		}
	})
}
