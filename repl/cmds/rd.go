package cmds

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "rd",
		Args: "[-adDNpRsSux] [-8|-16|-32|-64] [-o OFFSET] [-e END] ADDRESS [COUNT]",
		Help: "show memory in rows",
		Doc: `rd shows memory from an address on: COUNT units, 1 if it is left out. Addresses
are hexadecimal, with or without 0x, symbols, or expressions. x does the same in
gdb's way.

    -8 -16 -32 -64  units of so many bits; those of a pointer if left out
    -d  signed decimal          -D  unsigned decimal
    -x  without the characters at the end of rows
    -s  values that point into the kernel as symbols
    -S  as -s, and those that point to slab objects as [cache]
    -a  characters, up to the first that cannot be printed unless COUNT is given
    -N  in network byte order (16 and 32 bits)
    -R  the COUNT units that end with the one at the address
    -p  the address is physical
    -u  the address is of the current task's program
    -o OFFSET  added to the address
    -e END     up to this address
    -r FILE    write the bytes to a file; COUNT is then their number

    rd jiffies                    a variable
    rd -s ffffa31c8048be00 64     a piece of a stack
    rd -p 1000000 16              physical memory
    rd -r vmlinux.text -e _etext _stext

What the dump does not hold is passed over: a row says what state it is in.`,
		Run: runRd,
	})
}

// reading is what rd was asked for.
type reading struct {
	env   *Env
	mem   vmcore.Memory
	opts  flags
	width int // bytes of a unit
	start uint64
	size  uint64 // bytes
}

func runRd(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("rd", args, "adDNRsSuxp812346o:e:r:")
	if err != nil {
		return err
	}
	if len(rest) == 0 || len(rest) > 2 {
		return usage("rd", "rd takes an address and a count")
	}
	r := &reading{env: env, opts: opts, width: unitWidth(env.Kernel.Arch().Layout.WordSize, opts)}
	if r.mem, err = env.memory(opts); err != nil {
		return err
	}
	if err := r.bounds(ctx, rest); err != nil {
		return err
	}
	switch {
	case opts.has('r'):
		return r.save(ctx, opts.value('r'))
	case opts.has('a'):
		return r.text(ctx, len(rest) == 1 && !opts.has('e'))
	}
	return r.rows(ctx, r.start, r.size)
}

// unitWidth returns the bytes of a unit by the options -8, -16, -32 and -64.
func unitWidth(word int, opts flags) int {
	switch {
	case opts.has('a'), opts.has('8'):
		return 1
	case opts.has('1'):
		return 2
	case opts.has('3'):
		return 4
	case opts.has('6'):
		return 8
	}
	return word
}

// bounds finds where to read, and how much.
func (r *reading) bounds(ctx context.Context, rest []string) (err error) {
	if r.start, err = r.env.hexAddress(ctx, rest[0]); err != nil {
		return err
	}
	if r.opts.has('o') {
		off, err := strconv.ParseInt(r.opts.value('o'), 0, 64)
		if err != nil {
			return usage("rd", "-o wants a number of bytes, not %q", r.opts.value('o'))
		}
		r.start += uint64(off)
	}
	unit := uint64(r.width)
	if r.opts.has('r') {
		unit = 1
	}
	count := uint64(1)
	switch {
	case len(rest) == 2:
		if count, err = strconv.ParseUint(rest[1], 0, 64); err != nil || count == 0 || count > math.MaxInt64/unit {
			return usage("rd", "the count is a number, not %q", rest[1])
		}
	case r.opts.has('a'):
		count = maxString
	case r.opts.has('r') && !r.opts.has('e'):
		return usage("rd", "-r needs to know how much: a number of bytes, or -e END")
	}
	r.size = count * unit
	if r.opts.has('e') {
		end, err := r.env.hexAddress(ctx, r.opts.value('e'))
		if err != nil {
			return err
		}
		if end <= r.start {
			return usage("rd", "the end %#x is not above the address %#x", end, r.start)
		}
		r.size = (end - r.start + unit - 1) / unit * unit
	}
	if r.opts.has('R') {
		r.start -= (count - 1) * unit
	}
	r.size = min(r.size, -r.start-1) // the address space ends
	return nil
}

// pieces reads memory piece by piece and calls have with the bytes that are
// there, and gap for those that are not, which end with a page.
func (r *reading) pieces(ctx context.Context, a, size uint64, step int, have func(a uint64, b []byte) error, gap func(a, size uint64, err error) error) error {
	buf := make([]byte, step)
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(size, uint64(step))]
		n, readErr := r.mem.ReadMemory(p, vmcore.Addr(a))
		if n = n / r.width * r.width; n > 0 {
			if err := have(a, p[:n]); err != nil {
				return err
			}
		}
		a, size = a+uint64(n), size-uint64(n)
		if readErr == nil {
			continue
		}
		bad := min(size, 4096-a%4096)
		if err := gap(a, bad, readErr); err != nil {
			return err
		}
		a, size = a+bad, size-bad
	}
	return nil
}

// rows shows size bytes in rows.
func (r *reading) rows(ctx context.Context, a, size uint64) error {
	return r.pieces(ctx, a, size, 16, r.row, func(a, bad uint64, err error) error {
		if bad == size { // nothing can be shown
			return err
		}
		return r.gap(a, bad, err)
	})
}

// gap shows a row for bytes that cannot be read.
func (r *reading) gap(a, size uint64, err error) error {
	state := kernel.ErrorKind(err)
	if r.env.JSON {
		return r.env.Object(memoryRow{Address: hex(a), Unit: r.width, Error: state, Size: size})
	}
	return r.env.Printf("%16x:  (%s, %d bytes)\n", a, state, size)
}

// memoryRow is a row of rd in JSON.
type memoryRow struct {
	Address string `json:"address"`
	Unit    int    `json:"unit"`
	Values  []any  `json:"values,omitempty"`
	Error   string `json:"error,omitempty"` // why there are no values
	Size    uint64 `json:"size,omitempty"`  // bytes that cannot be read
}

// row shows the bytes of a row.
func (r *reading) row(a uint64, b []byte) error {
	if r.env.JSON {
		return r.env.Object(r.object(a, b))
	}
	var line strings.Builder
	fmt.Fprintf(&line, "%16x:  ", a)
	for i := 0; i < 16; i += r.width {
		if i < len(b) {
			line.WriteString(r.cell(r.number(b[i:])) + " ")
		} else if r.characters() {
			fmt.Fprintf(&line, "%*s ", 2*r.width, "")
		}
	}
	if r.characters() {
		line.WriteString("  " + dots(b))
	}
	return r.env.Printf("%s\n", strings.TrimRight(line.String(), " "))
}

// characters reports whether rows end with the bytes as characters.
func (r *reading) characters() bool {
	return !r.opts.has('x') && !r.opts.has('d') && !r.opts.has('D') && !r.opts.has('s') && !r.opts.has('S')
}

// dots returns bytes as characters, with dots for what cannot be printed.
func dots(b []byte) string {
	text := make([]byte, len(b))
	for i, c := range b {
		if c < ' ' || c > '~' {
			c = '.'
		}
		text[i] = c
	}
	return string(text)
}

// number decodes a unit.
func (r *reading) number(b []byte) uint64 {
	l := r.env.Kernel.Arch().Layout
	if r.opts.has('N') {
		l.BigEndian = true
	}
	return unsigned(l, b[:r.width])
}

// cell writes a unit.
func (r *reading) cell(u uint64) string {
	width := 2 * r.width
	switch {
	case r.opts.has('d'):
		return fmt.Sprintf("%*d", width, r.signed(u))
	case r.opts.has('D'):
		return fmt.Sprintf("%*d", width, u)
	case r.opts.has('s') || r.opts.has('S'):
		if name := r.name(u); name != "" {
			return fmt.Sprintf("%-*s", width, name)
		}
	}
	return fmt.Sprintf("%0*x", width, u)
}

func (r *reading) signed(u uint64) int64 {
	unused := 64 - 8*r.width
	return int64(u<<unused) >> unused
}

// name returns the symbol or slab cache that a value points into, "" for none.
func (r *reading) name(u uint64) string {
	if r.width != r.env.Kernel.Arch().Layout.WordSize {
		return ""
	}
	if name := r.env.Kernel.SymbolName(vmcore.Addr(u)); name != "" {
		return name
	}
	if r.opts.has('S') {
		if cache := r.env.Memory.CacheCovering(vmcore.Addr(u)); cache != "" {
			return "[" + cache + "]"
		}
	}
	return ""
}

func (r *reading) object(a uint64, b []byte) memoryRow {
	o := memoryRow{Address: hex(a), Unit: r.width}
	for ; len(b) >= r.width; b = b[r.width:] {
		u := r.number(b)
		switch {
		case r.opts.has('d'):
			o.Values = append(o.Values, r.signed(u))
		case r.opts.has('D'):
			o.Values = append(o.Values, u)
		default:
			o.Values = append(o.Values, hex(u))
		}
	}
	return o
}

// textRow is how many characters -a shows in a row.
const textRow = 60

var errEndOfText = errors.New("end of the text")

// text shows memory as characters, up to the first that cannot be printed if
// stop is set.
func (r *reading) text(ctx context.Context, stop bool) error {
	err := r.pieces(ctx, r.start, r.size, textRow, func(a uint64, b []byte) error {
		ended := false
		if stop {
			for i, c := range b {
				if c < ' ' || c > '~' {
					b, ended = b[:i], true
					break
				}
			}
		}
		if len(b) > 0 {
			if err := r.textRow(a, b); err != nil {
				return err
			}
		}
		if ended {
			return errEndOfText
		}
		return nil
	}, func(a, size uint64, err error) error {
		if stop {
			return err
		}
		return r.gap(a, size, err)
	})
	if err == errEndOfText {
		return nil
	}
	return err
}

func (r *reading) textRow(a uint64, b []byte) error {
	if r.env.JSON {
		return r.env.Object(memoryRow{Address: hex(a), Unit: 1, Values: []any{latin1(b)}})
	}
	return r.env.Printf("%16x:  %s\n", a, dots(b))
}

// saveStep is how much is read at a time where memory goes to a file.
const saveStep = 1 << 20

// save writes memory to a file. What cannot be read is left as a hole.
func (r *reading) save(ctx context.Context, name string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r.width = 1
	w := bufio.NewWriterSize(f, saveStep)
	var saved, holes uint64
	err = r.pieces(ctx, r.start, r.size, saveStep, func(_ uint64, b []byte) error {
		saved += uint64(len(b))
		_, err := w.Write(b)
		return err
	}, func(_, size uint64, readErr error) error {
		if holes += size; holes == size {
			r.env.Problem(readErr)
		}
		_, err := w.Write(make([]byte, size))
		return err
	})
	if err = errors.Join(err, w.Flush()); err != nil {
		return err
	}
	if r.env.JSON {
		return r.env.Object(struct {
			File  string `json:"file"`
			Bytes uint64 `json:"bytes"`
			Zeros uint64 `json:"unreadable"`
		}{name, saved + holes, holes})
	}
	text := fmt.Sprintf("%d bytes copied from %#x to %s", saved+holes, r.start, name)
	if holes > 0 {
		text += fmt.Sprintf("; %d of them could not be read and are zeros", holes)
	}
	return r.env.Printf("%s\n", text)
}
