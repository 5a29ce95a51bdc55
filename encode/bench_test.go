package encode

import (
	"context"
	"os"
	"testing"

	"github.com/kdbg/kdbg/encode/dwarf"
)

// BenchmarkEncode encodes the kernel that KDBG_BENCH_VMLINUX names, with all of
// its variables, by one worker and by one for each processor.
func BenchmarkEncode(b *testing.B) {
	name := os.Getenv("KDBG_BENCH_VMLINUX")
	if name == "" {
		b.Skip("KDBG_BENCH_VMLINUX names no vmlinux")
	}
	for _, test := range []struct {
		name string
		jobs int
	}{{"one worker", 1}, {"all processors", 0}} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := dwarf.Open(name)
				if err != nil {
					b.Fatal(err)
				}
				r, err := Encode(context.Background(), f, &Options{
					Vars: VarsBuiltin, Features: DefaultFeatures(), Jobs: test.jobs, LangExclude: []int{dwarf.LanguageRust},
				})
				f.Close()
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(r.Stats.Bytes)
			}
		})
	}
}
