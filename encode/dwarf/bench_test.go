package dwarf

import (
	"os"
	"testing"
)

// vmlinux opens the kernel that KDBG_BENCH_VMLINUX names.
func vmlinux(tb testing.TB) *File {
	tb.Helper()
	name := os.Getenv("KDBG_BENCH_VMLINUX")
	if name == "" {
		tb.Skip("KDBG_BENCH_VMLINUX names no vmlinux")
	}
	f, err := Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return f
}

// BenchmarkWalk reads all entries of a vmlinux on one thread.
func BenchmarkWalk(b *testing.B) {
	f := vmlinux(b)
	b.SetBytes(int64(len(f.info.data)))
	b.ReportAllocs()
	var r Reader
	for b.Loop() {
		n := 0
		for _, u := range f.Units() {
			for r.Reset(u); r.Next(); {
				n++
			}
			if err := r.Err(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n), "entries")
	}
}

// BenchmarkOpen maps a vmlinux and reads the headers of its units.
func BenchmarkOpen(b *testing.B) {
	name := vmlinux(b).Name()
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(name)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
