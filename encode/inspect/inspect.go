// Package inspect looks at BTF: it prints it as C or record by record, compares
// two of them up to the numbers of their types, and holds one against the rules
// of the kernel. It reads raw files and the .BTF of ELF files, and changes none.
//
// It is what kdbg btf does. Reading the format is package rawbtf's.
package inspect

import (
	"bufio"
	"fmt"
	"io"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// Options say how to read a file.
type Options struct {
	Base   string // file that a split BTF is split on; "": it is whole, or brings its base
	Second string // that of the second file that Diff compares; "": the same
}

func (o *Options) read(name string) (*rawbtf.Blob, error) {
	var base *rawbtf.Blob
	if o != nil && o.Base != "" {
		var err error
		if base, err = rawbtf.ReadFile(o.Base, nil); err != nil {
			return nil, fmt.Errorf("read base: %w", err)
		}
	}
	return rawbtf.ReadFile(name, base)
}

// Dump prints the BTF of a file: its types, functions and variables as C, or all
// its records. Of a split BTF it prints what is not in the base.
func Dump(w io.Writer, name string, asC bool, opts *Options) error {
	b, err := opts.read(name)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if asC {
		printC(out, b)
	} else {
		printRecords(out, b)
	}
	return out.Flush()
}

// Diff compares the BTF of two files and prints how many types, functions and variables they share, and up to show of
// those that only one has, of each kind. It reports whether they are the same.
func Diff(w io.Writer, nameA, nameB string, show int, opts *Options) (same bool, err error) {
	a, err := opts.read(nameA)
	if err != nil {
		return false, err
	}
	if opts != nil && opts.Second != "" {
		opts = &Options{Base: opts.Second}
	}
	b, err := opts.read(nameB)
	if err != nil {
		return false, err
	}
	out := bufio.NewWriter(w)
	same = diff(out, a, b, show)
	return same, out.Flush()
}

// ParseRelease reads the version of a kernel, such as 6.12; "" is the newest.
func ParseRelease(s string) (r rawbtf.Release, err error) {
	if s == "" {
		return r, nil
	}
	if n, _ := fmt.Sscanf(s, "%d.%d", &r.Major, &r.Minor); n != 2 || r.Major < 1 || r.Minor < 0 {
		return rawbtf.Release{}, fmt.Errorf("%q is no version of a kernel, such as 6.12", s)
	}
	return r, nil
}

// Verify prints why a kernel would refuse the BTF of a file, and reports whether
// it would not. kernel is its version; "" is the newest.
func Verify(w io.Writer, name, kernel string, opts *Options) (ok bool, err error) {
	release, err := ParseRelease(kernel)
	if err != nil {
		return false, err
	}
	b, err := opts.read(name)
	if err != nil {
		return false, err
	}
	out := bufio.NewWriter(w)
	found := rawbtf.Verify(b, release)
	for _, v := range found {
		fmt.Fprintln(out, escape(v.String()))
	}
	return len(found) == 0, out.Flush()
}

// escape replaces what does not print in a string of a file.
func escape(s string) string {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			q := fmt.Sprintf("%+q", s)
			return q[1 : len(q)-1]
		}
	}
	return s
}
