package cmds

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "x",
		Args: "[/NFU] ADDRESS",
		Help: "show memory",
		Doc: `x shows memory at an address, which may be any expression. /NFU is, as in gdb, a
number of units, a format and the size of a unit, each of which may be left out:

    format  x  hexadecimal     d  signed decimal    u  unsigned decimal
            o  octal           t  binary            c  characters
            a  addresses, as symbols                s  strings
            i  instructions, as of command dis
    unit    b  1 byte          h  2 bytes           w  4 bytes
            g  8 bytes

    x/4xg &init_task          four hexadecimal words of 8 bytes
    x/s linux_banner          a string
    x/8a 0xffffffff82a00000   eight pointers with their symbols`,
		Expr:     true,
		Run:      runX,
		Complete: completeExpr,
	})
}

// dump is what x was asked for.
type dump struct {
	count  int
	format byte
	unit   int // bytes
}

// perLine is how many units gdb shows on a line.
func (d dump) perLine() int {
	switch {
	case d.format == 't':
		return max(1, 8/d.unit)
	case d.format == 'a', d.unit == 8:
		return 2
	case d.unit == 4:
		return 4
	}
	return 8
}

var units = map[byte]int{'b': 1, 'h': 2, 'w': 4, 'g': 8}

// parseDump reads the letters of /NFU. The default is one hexadecimal unit of 4
// bytes; addresses have the size of a pointer, characters one byte.
func parseDump(letters string, word int) (dump, error) {
	d := dump{count: 1, format: 'x'}
	digits := strings.TrimLeft(letters, "0123456789")
	if n := letters[:len(letters)-len(digits)]; n != "" {
		count, err := strconv.Atoi(n)
		if err != nil || count == 0 {
			return d, usage("x", "cannot show %s units", n)
		}
		d.count = count
	}
	for _, c := range []byte(digits) {
		switch {
		case units[c] != 0:
			d.unit = units[c]
		case strings.IndexByte(valueFormats, c) >= 0:
			d.format = c
		case c == 'i':
			d.format = c
		default:
			return d, usage("x", "no format or unit %q in /%s", string(rune(c)), letters)
		}
	}
	switch {
	case d.format == 'a':
		d.unit = word
	case d.unit != 0:
	case d.format == 'c' || d.format == 's':
		d.unit = 1
	default:
		d.unit = 4
	}
	return d, nil
}

// UnsupportedError says that kdbg does not do something yet.
type UnsupportedError struct{ Msg string }

func (e *UnsupportedError) Error() string { return e.Msg }

// Kind returns [kernel.KindUnsupported].
func (e *UnsupportedError) Kind() string { return kernel.KindUnsupported }

// maxValues bounds the values in one object of JSON, which is made in memory.
const maxValues = 1 << 20

func runX(ctx context.Context, env *Env, args string) error {
	letters, src := SplitFormat(args)
	d, err := parseDump(letters, env.Kernel.Arch().Layout.WordSize)
	if err != nil {
		return err
	}
	if src == "" {
		return usage("x", "x needs an address")
	}
	a, err := env.address(ctx, src)
	if err != nil {
		return err
	}
	if d.format == 'i' {
		c := code{env: env, mem: env.Kernel.Memory(), start: a, end: math.MaxUint64, count: d.count}
		return c.show(ctx)
	}
	rows := env.dumpRows
	if d.format == 's' {
		rows = env.dumpStrings
	}
	if !env.JSON {
		return rows(ctx, a, d, func(a vmcore.Addr, cells []any) error {
			return env.writeRow(a, d, cells)
		})
	}
	if d.count > maxValues {
		return usage("x", "cannot show %d units in one object of JSON", d.count)
	}
	o := struct {
		Expr    string `json:"expr"`
		Address string `json:"address"`
		Unit    int    `json:"unit"`
		Values  []any  `json:"values"`
	}{Expr: src, Address: a.String(), Unit: d.unit}
	err = rows(ctx, a, d, func(_ vmcore.Addr, cells []any) error {
		o.Values = append(o.Values, cells...)
		return nil
	})
	if err != nil {
		return err
	}
	return env.Object(o)
}

// dumpRows reads units and passes them on, a line at a time. Those in front of
// an unreadable address are passed on before its error is returned.
func (e *Env) dumpRows(ctx context.Context, a vmcore.Addr, d dump, row func(vmcore.Addr, []any) error) error {
	buf := make([]byte, d.perLine()*d.unit)
	for left := d.count; left > 0; left -= d.perLine() {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(left, d.perLine())*d.unit]
		n, readErr := e.Kernel.Memory().ReadMemory(p, a)
		var cells []any
		for i := 0; i+d.unit <= n; i += d.unit {
			cells = append(cells, e.cell(d, p[i:i+d.unit]))
		}
		if len(cells) > 0 {
			if err := row(a, cells); err != nil {
				return err
			}
		}
		if readErr != nil {
			return readErr
		}
		a += vmcore.Addr(len(p))
	}
	return nil
}

// maxString bounds one string of x/s.
const maxString = 64 << 10

// dumpStrings reads strings that follow each other, each up to its NUL.
func (e *Env) dumpStrings(ctx context.Context, a vmcore.Addr, d dump, row func(vmcore.Addr, []any) error) error {
	for range d.count {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := e.readString(a)
		if err != nil {
			return err
		}
		if err := row(a, []any{latin1(s)}); err != nil {
			return err
		}
		a += vmcore.Addr(len(s) + 1)
	}
	return nil
}

// readString reads up to a NUL, a piece at a time so that it does not fail on
// what lies behind the NUL.
func (e *Env) readString(a vmcore.Addr) ([]byte, error) {
	var s []byte
	var buf [256]byte
	for len(s) < maxString {
		n, err := e.Kernel.Memory().ReadMemory(buf[:], a+vmcore.Addr(len(s)))
		if i := bytes.IndexByte(buf[:n], 0); i >= 0 {
			return append(s, buf[:i]...), nil
		}
		s = append(s, buf[:n]...)
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// latin1 makes text of bytes, one character each.
func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// pointerCell is a unit in format a.
type pointerCell struct {
	addr   vmcore.Addr
	symbol string
}

// MarshalJSON returns the address alone, as for other pointers.
func (p pointerCell) MarshalJSON() ([]byte, error) { return marshal(p.addr.String()) }

// cell decodes one unit: a number for d and u, text otherwise.
func (e *Env) cell(d dump, b []byte) any {
	u := unsigned(e.Kernel.Arch().Layout, b)
	bits := 8 * d.unit
	signed := int64(u<<(64-bits)) >> (64 - bits)
	switch d.format {
	case 'd':
		return signed
	case 'u':
		return u
	case 'o':
		return fmt.Sprintf("0%0*o", (bits+2)/3, u)
	case 't':
		return fmt.Sprintf("%0*b", bits, u)
	case 'c':
		return fmt.Sprintf("%d %s", signed, quoted(latin1([]byte{byte(u)}), '\''))
	case 'a':
		return pointerCell{vmcore.Addr(u), e.Kernel.SymbolName(vmcore.Addr(u))}
	}
	return fmt.Sprintf("0x%0*x", bits/4, u)
}

// unsigned decodes 1, 2, 4 or 8 bytes.
func unsigned(l vmcore.Layout, b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(l.Uint16(b))
	case 4:
		return uint64(l.Uint32(b))
	}
	return l.Uint64(b)
}

// quoted writes text, of which each character is a byte, as C does.
func quoted(text string, quote byte) string {
	out := []byte{quote}
	for _, c := range text {
		out = kernel.AppendCChar(out, byte(c), quote)
	}
	return string(append(out, quote))
}

func (e *Env) writeRow(a vmcore.Addr, d dump, cells []any) error {
	var b strings.Builder
	b.WriteString(a.String())
	if s := e.Kernel.SymbolName(a); s != "" {
		fmt.Fprintf(&b, " <%s>", s)
	}
	b.WriteByte(':')
	for _, c := range cells {
		b.WriteByte('\t')
		switch c := c.(type) {
		case pointerCell:
			b.WriteString(c.addr.String())
			if c.symbol != "" {
				fmt.Fprintf(&b, " <%s>", c.symbol)
			}
		case string:
			if d.format == 's' {
				c = quoted(c, '"')
			}
			b.WriteString(c)
		default:
			fmt.Fprint(&b, c)
		}
	}
	return e.Printf("%s\n", b.String())
}
