package rawbtf

import (
	"os"
	"testing"
)

// benchBlob returns the BTF that KDBG_BENCH_BTF names, a raw file, or that of the
// running kernel.
func benchBlob(b *testing.B) *Blob {
	name := os.Getenv("KDBG_BENCH_BTF")
	if name == "" {
		name = "/sys/kernel/btf/vmlinux"
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		b.Skip(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	return mustParse(b, raw, nil)
}

func BenchmarkParse(b *testing.B) {
	blob := benchBlob(b)
	for b.Loop() {
		mustParse(b, blob.Raw(), nil)
	}
}

func BenchmarkIndexStrings(b *testing.B) {
	blob := benchBlob(b)
	for b.Loop() {
		mustParse(b, blob.Raw(), nil).index()
	}
}

func BenchmarkVerify(b *testing.B) {
	blob := benchBlob(b)
	for b.Loop() {
		Verify(blob, Release{})
	}
}
