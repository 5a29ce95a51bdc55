// Generate makes the table of package vartypes from kernels.
//
//	go run ./generate -o table.zst VMLINUX...
//	go run ./generate -measure VMLINUX... 2>differences
//
// Each VMLINUX has a symbol table, and in its .BTF all its variables, which
//
//	kdbg encode --vars-extra VMLINUX
//
// puts there from its DWARF; the rest of the DWARF is not needed any more. The
// table is the same bytes for the same kernels in the same order, which is that of
// age: of types that a dump cannot tell apart the last one's is taken.
//
// With -measure nothing is written: each kernel is typed from the table of those of
// other versions, then from that of older versions, and held against its own DWARF.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
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

func run(files []string, out, without string, measured bool) error {
	if len(files) == 0 || measured == (out != "") {
		return errors.New("give -o FILE or -measure, and the vmlinux of each kernel, see go doc")
	}
	var kernels []*kernel
	for _, name := range files {
		k, err := readKernel(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		kernels = append(kernels, k)
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

// write returns the compressed table of kernels.
func write(kernels []*kernel) ([]byte, error) {
	var names []vartypes.Kernel
	for _, k := range kernels {
		names = append(names, k.Kernel)
	}
	return vartypes.Write(names, collect(kernels).entries())
}
