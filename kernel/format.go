package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// FormatOptions says how [Value.Format] prints. The zero value is the default.
type FormatOptions struct {
	// Format is one of gdb's letters for numbers: x, d, u, o, t (binary),
	// c (character), a (address), s (string). 0: by type.
	Format byte
	// MaxDepth is the number of nested levels printed; 0: 20, negative: all.
	MaxDepth int
	// MaxElements is the number of elements printed of an array, and of
	// characters of a string; 0: 200, negative: all.
	MaxElements int
	// NoSymbols leaves out <symbol+0x10> and the strings behind pointers.
	NoSymbols bool
	// Hex writes integers in hexadecimal where no Format is given; characters,
	// strings, enumerators and pointers stay what they are.
	Hex bool
}

const (
	defaultDepth    = 20
	defaultElements = 200
	minRepeats      = 4  // equal elements in a row that are folded into one
	maxNesting      = 64 // structures within structures, against types made to harm
	maxPointed      = 64 // characters shown of a string behind a pointer
)

// Format writes the value as a C initialiser: members by name, runs of equal
// elements as [first ... last], characters as strings, enumerators by name. What
// a limit leaves out is counted in a comment, and what cannot be read is named
// in its place. Control characters are escaped.
func (v Value) Format(w io.Writer, opts *FormatOptions) error {
	f := formatter{k: v.k, w: w}
	if opts != nil {
		f.FormatOptions = *opts
	}
	f.MaxDepth = limit(f.MaxDepth, defaultDepth)
	f.MaxDepth = min(f.MaxDepth, maxNesting)
	f.MaxElements = limit(f.MaxElements, defaultElements)
	f.value(v.Snapshot(), 0)
	f.flush(0)
	return f.err
}

// limit resolves an option: 0 is its default, negative no limit.
func limit(n, def int) int {
	switch {
	case n == 0:
		return def
	case n < 0:
		return maxSlice
	}
	return n
}

// String returns the value as [Value.Format] prints it by default.
func (v Value) String() string {
	var b bytes.Buffer
	v.Format(&b, nil)
	return b.String()
}

// formatter prints one value.
type formatter struct {
	FormatOptions
	k   *Kernel
	w   io.Writer
	out []byte // not written yet
	err error  // of writing
}

// flushSize is how much text is collected before it is written.
const flushSize = 64 << 10

// flush writes what has been printed if that is more than limit bytes. It reports
// whether printing may go on: without limits a value can be gigabytes of text,
// and the writer is what a person interrupts.
func (f *formatter) flush(limit int) bool {
	if f.err == nil && len(f.out) > limit {
		_, f.err = f.w.Write(f.out)
		f.out = f.out[:0]
	}
	return f.err == nil
}

func (f *formatter) print(s string)                 { f.out = append(f.out, s...) }
func (f *formatter) printf(format string, a ...any) { f.out = fmt.Appendf(f.out, format, a...) }

func (f *formatter) newline(depth int) {
	f.out = append(f.out, '\n')
	for range depth {
		f.print("  ")
	}
}

// value prints v, which is depth levels deep.
func (f *formatter) value(v Value, depth int) {
	switch t := btfsrc.Strip(v.typ).(type) {
	case *btf.Struct, *btf.Union:
		f.composite(v, depth)
	case *btf.Array:
		f.array(v, t, depth)
	case *btf.Fwd:
		f.printf("<%s is not defined>", v.TypeName())
	case *btf.Func, *btf.FuncProto:
		f.printf("{%s} ", v.TypeName())
		f.address(vmcore.Addr(v.addr))
	case *btf.Void, nil:
		f.print("void")
	default:
		f.scalar(v)
	}
}

// composite prints a structure or union.
func (f *formatter) composite(v Value, depth int) {
	if err := v.unreadable(); err != nil {
		f.unreadable(err)
		return
	}
	fields := btfsrc.Fields(v.typ)
	if len(fields) == 0 {
		f.print("{}")
		return
	}
	if depth >= f.MaxDepth {
		f.printf("{ /* %s */ }", count(len(fields), "member"))
		return
	}
	f.print("{")
	for _, field := range fields {
		if field.Name == "" && !isComposite(field.Type) {
			continue // an unnamed bit-field is padding
		}
		if !f.flush(flushSize) {
			return
		}
		f.newline(depth + 1)
		if field.Name != "" {
			f.printf(".%s = ", field.Name)
		}
		f.value(v.field(field), depth+1)
		f.print(",")
	}
	f.newline(depth)
	f.print("}")
}

// array prints an array: of char as a string, of numbers on one line, of
// anything larger an element a line.
func (f *formatter) array(v Value, t *btf.Array, depth int) {
	if isChar(t.Type) && (f.Format == 0 || f.Format == 's') || f.Format == 's' && isByte(t.Type) {
		f.charArray(v, int(t.Nelems))
		return
	}
	if err := v.unreadable(); err != nil {
		f.unreadable(err)
		return
	}
	if t.Nelems == 0 {
		f.print("{}")
		return
	}
	elem := btfsrc.Strip(t.Type)
	_, nested := elem.(*btf.Array)
	large := nested && !isChar(elem.(*btf.Array).Type) || isComposite(elem)
	if large && depth >= f.MaxDepth {
		f.printf("{ /* %s */ }", count(int(t.Nelems), "element"))
		return
	}
	f.print("{")
	n := min(int64(t.Nelems), maxSlice)
	printed := 0
	for i := int64(0); i < n && f.flush(flushSize); {
		switch {
		case large:
			f.newline(depth + 1)
		case printed > 0:
			f.print(", ")
		}
		if printed == f.MaxElements {
			f.printf("/* %s */", count(int(int64(t.Nelems)-i), "more element"))
			break
		}
		e, err := v.element(t.Type, i)
		if err != nil {
			f.unreadable(err)
			break
		}
		run := v.repeats(t, e, i, n)
		switch {
		case run >= minRepeats:
			f.printf("[%d ... %d] = ", i, i+run-1)
		case large:
			run = 1
			f.printf("[%d] = ", i)
		default:
			run = 1
		}
		f.value(e, depth+1)
		if large {
			f.print(",")
		}
		i += run
		printed++
	}
	if large {
		f.newline(depth)
	}
	f.print("}")
}

// repeats returns how many elements from e, element i of n, on have its bytes.
func (v Value) repeats(t *btf.Array, e Value, i, n int64) int64 {
	first, err := e.Bytes()
	if err != nil || len(first) == 0 {
		return 1
	}
	run := int64(1)
	for ; i+run < n; run++ {
		next, err := v.element(t.Type, i+run)
		if err != nil {
			break
		}
		if b, err := next.Bytes(); err != nil || !bytes.Equal(b, first) {
			break
		}
	}
	return run
}

// charArray prints an array of char as a string: all of it up to the last byte
// that is not NUL.
func (f *formatter) charArray(v Value, n int) {
	if n == 0 {
		s, err := v.cstring(f.MaxElements)
		f.quoted([]byte(s), false)
		if err != nil {
			f.print(" ")
			f.unreadable(err)
		}
		return
	}
	b, err := v.Bytes()
	if err != nil {
		if s, cerr := v.cstring(min(n, f.MaxElements)); cerr == nil {
			b, err = []byte(s), nil
		}
	}
	if err != nil {
		f.unreadable(err)
		return
	}
	b = bytes.TrimRight(b, "\x00")
	f.quoted(b[:min(len(b), f.MaxElements)], len(b) > f.MaxElements)
	if len(b) > f.MaxElements {
		f.printf(" /* %s */", count(len(b)-f.MaxElements, "more character"))
	}
}

// quoted prints a string in quotes, control characters and bytes over 0x7e
// escaped in C's octal form, so that the next character cannot join the escape.
func (f *formatter) quoted(b []byte, cut bool) {
	f.out = append(f.out, '"')
	for _, c := range b {
		f.out = AppendCChar(f.out, c, '"')
	}
	f.out = append(f.out, '"')
	if cut {
		f.print("…")
	}
}

// AppendCChar appends one character as C writes it between quotes.
func AppendCChar(out []byte, c, quote byte) []byte {
	switch {
	case c == quote || c == '\\':
		return append(out, '\\', c)
	case c == '\n':
		return append(out, `\n`...)
	case c == '\t':
		return append(out, `\t`...)
	case c == '\r':
		return append(out, `\r`...)
	case c < 0x20 || c >= 0x7f:
		return fmt.Appendf(out, `\%03o`, c)
	}
	return append(out, c)
}

// unreadable prints why there is no value.
func (f *formatter) unreadable(err error) { f.printf("<%s>", unreadableText(err)) }

// unreadableText says in a word or two why a value could not be read.
func unreadableText(err error) string {
	switch {
	case errors.Is(err, vmcore.ErrExcluded):
		return "excluded from the dump"
	case errors.Is(err, vmcore.ErrMissing):
		return "missing from the file"
	case errors.Is(err, vmcore.ErrUnmapped):
		return "not mapped"
	}
	return err.Error()
}

// unreadable returns an error if none of an object within one page can be read;
// larger objects are printed part by part.
func (v Value) unreadable() error {
	if v.kind == absent {
		return v.err
	}
	size, err := v.extent()
	if err != nil {
		return err
	}
	if v.percpu {
		_, err := v.Bytes()
		return err
	}
	const page = 4096 // the smallest page of any architecture
	if v.kind != reference || size == 0 || uint64(v.addr)%page+size > page {
		return nil
	}
	var b [1]byte
	_, err = v.mem.ReadMemory(b[:], v.addr)
	return err
}

// count says "1 member", "3 more elements".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// escape makes a name from a dump safe for a terminal.
func escape(s string) string {
	q := strconv.QuoteToASCII(s)
	return q[1 : len(q)-1]
}
