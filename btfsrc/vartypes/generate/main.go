// Generate makes the table of package vartypes from kernels.
//
//	KDBG_KERNELS=/srv/kernels go generate ./btfsrc/vartypes
//	go run ./btfsrc/vartypes/generate -measure /srv/kernels 2>differences
//
// The folder has a vmlinux of each kernel under any name, with a symbol table and,
// in its .BTF, all its variables, which
//
//	kdbg encode --vars-extra vmlinux
//
// puts there from its DWARF; the DWARF is not needed any more. The table is the same
// bytes for the same kernels.
//
// With -measure nothing is written: each kernel is typed from the table of those of
// other versions, then from that of older versions, and held against its own DWARF.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/kdbg/kdbg/btfsrc/vartypes"
)

func main() {
	out := flag.String("o", "", "write the table to `FILE`")
	without := flag.String("without", "", "leave out the kernels of a `VERSION` such as 6.12")
	measured := flag.Bool("measure", false, "measure how the table does on each kernel without its own version")
	flag.Parse()
	if err := run(flag.Args(), *out, *without, *measured); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string, out, without string, measured bool) error {
	if len(args) == 0 || measured == (out != "") {
		return errors.New("give -o FILE or -measure, and the vmlinux of each kernel or their folder; see go doc")
	}
	kernels, err := readKernels(args)
	if err != nil {
		return err
	}
	if measured {
		return measureAll(kernels, os.Stdout, os.Stderr)
	}
	table, err := write(slices.DeleteFunc(kernels, func(k *kernel) bool { return k.version() == without }))
	if err != nil {
		return err
	}
	return os.WriteFile(out, table, 0o666)
}

// readKernels reads files and the files of folders. It returns the kernels by age:
// of types that a dump cannot tell apart, that of the last is taken.
func readKernels(args []string) ([]*kernel, error) {
	var kernels []*kernel
	for _, arg := range args {
		files := []string{arg}
		if entries, err := os.ReadDir(arg); err == nil {
			files = nil
			for _, e := range entries {
				files = append(files, filepath.Join(arg, e.Name()))
			}
		}
		for _, name := range files {
			k, err := readKernel(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			kernels = append(kernels, k)
		}
	}
	slices.SortFunc(kernels, func(a, b *kernel) int {
		return cmp.Or(slices.Compare(a.number(), b.number()), cmp.Compare(a.Release, b.Release))
	})
	return kernels, nil
}

// write returns the compressed table of kernels.
func write(kernels []*kernel) ([]byte, error) {
	var names []vartypes.Kernel
	for _, k := range kernels {
		names = append(names, k.Kernel)
	}
	return vartypes.Write(names, collect(kernels).entries())
}
