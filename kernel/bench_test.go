package kernel_test

import (
	"io"
	"testing"

	"github.com/kdbg/kdbg/kernel"
)

// BenchmarkOpen opens a dump and prints one variable, which is what a person
// waits for: vmcore, symbols, types, page tables.
func BenchmarkOpen(b *testing.B) {
	for _, test := range []struct{ dump, variable string }{
		{"vars-7.2-amd64", "init_task"},
		{"debian-6.12-amd64", "runqueues"},
	} {
		b.Run(test.dump, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k, err := kernel.Open(b.Context(), kernel.Options{Files: []string{"../testdata/dumps/" + test.dump + ".kdump"}})
				if err != nil {
					b.Fatal(err)
				}
				v, err := k.Var(test.variable)
				if err == nil && v.PerCPU() {
					v, err = k.PerCPU(v, 0)
				}
				if err != nil {
					b.Fatal(err)
				}
				if err := v.Format(io.Discard, nil); err != nil {
					b.Fatal(err)
				}
				k.Close()
			}
		})
	}
}

// BenchmarkFormat prints a large structure.
func BenchmarkFormat(b *testing.B) {
	k := openDump(b, "vars-7.2-amd64")
	v, err := k.Var("init_task")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("C", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v.Format(io.Discard, nil)
		}
	})
	b.Run("JSON", func(b *testing.B) {
		b.ReportAllocs()
		var out []byte
		for b.Loop() {
			out = v.AppendJSON(out[:0])
		}
	})
}
