package kernel

import (
	"bytes"
	"math/big"
	"strconv"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// scalar prints a number, enumerator or pointer.
func (f *formatter) scalar(v Value) {
	if _, ok := btfsrc.Strip(v.typ).(*btf.Float); ok && f.Format == 0 {
		x, err := v.Float()
		if err != nil {
			f.unreadable(err)
			return
		}
		f.out = strconv.AppendFloat(f.out, x, 'g', -1, 64)
		return
	}
	u, bits, err := v.raw()
	if err != nil {
		f.wide(v, err)
		return
	}
	signed := int64(u<<(64-bits)) >> (64 - bits)
	switch f.Format {
	case 'x':
		f.printf("%#x", u)
	case 'd':
		f.printf("%d", signed)
	case 'u':
		f.printf("%d", u)
	case 'o':
		f.printf("%#o", u)
	case 't':
		f.printf("0b%b", u)
	case 'c':
		f.char(v, u, signed)
	case 'a':
		f.address(vmcore.Addr(u))
	default:
		f.byType(v, u, signed)
	}
}

// byType prints the scalar u, or signed if its type is, as its type asks.
func (f *formatter) byType(v Value, u uint64, signed int64) {
	switch t := btfsrc.Strip(v.typ).(type) {
	case *btf.Pointer:
		f.pointer(v, t, vmcore.Addr(u))
	case *btf.Enum:
		if name := enumerator(t, u, v); name != "" {
			f.print(name)
			return
		}
		f.number(v, u, signed)
	default:
		switch {
		case isBool(v.typ) && u <= 1:
			f.printf("%t", u == 1)
		case isChar(v.typ):
			f.char(v, u, signed)
		default:
			f.number(v, u, signed)
		}
	}
}

func (f *formatter) number(v Value, u uint64, signed int64) {
	switch {
	case f.Hex:
		f.printf("%#x", u)
	case isSigned(v.typ):
		f.out = strconv.AppendInt(f.out, signed, 10)
	default:
		f.out = strconv.AppendUint(f.out, u, 10)
	}
}

// wide prints an integer of more than 64 bits, and otherwise says why there is
// no number.
func (f *formatter) wide(v Value, err error) {
	n, ok := v.bigInt()
	if !ok {
		f.unreadable(err)
		return
	}
	if f.Format == 'x' || f.Format == 'a' {
		f.printf("%#x", n)
	} else {
		f.print(n.String())
	}
}

// bigInt returns the value of an integer of more than 64 bits.
func (v Value) bigInt() (*big.Int, bool) {
	t, ok := btfsrc.Strip(v.typ).(*btf.Int)
	if !ok || t.Size <= 8 || v.bitSize != 0 {
		return nil, false
	}
	b, err := v.Bytes()
	if err != nil {
		return nil, false
	}
	b = bytes.Clone(b)
	if !v.k.layout.BigEndian {
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	n := new(big.Int).SetBytes(b)
	if isSigned(v.typ) && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return n, true
}

// char prints a number and the character that it stands for.
func (f *formatter) char(v Value, u uint64, signed int64) {
	f.number(v, u, signed)
	f.print(" '")
	f.out = append(AppendCChar(f.out, byte(u), '\''), '\'')
}

// pointer prints an address, its symbol, and the string a char * points to.
func (f *formatter) pointer(v Value, t *btf.Pointer, a vmcore.Addr) {
	text := isUnsignedChar(t.Target) // of names as well as of mere bytes
	if f.Format == 's' || (isChar(t.Target) || text) && !f.NoSymbols && a != 0 {
		most := f.MaxElements
		if f.Format != 's' {
			most = min(most, maxPointed)
		}
		s, err := v.k.At(a, t.Target).cstring(most + 1)
		if err == nil && (f.Format == 's' || !text || isText(s)) {
			f.printf("%v ", a)
			f.quoted([]byte(s[:min(len(s), most)]), len(s) > most)
			return
		}
	}
	f.address(a)
}

// address prints an address and its symbol.
func (f *formatter) address(a vmcore.Addr) {
	f.print(a.String())
	if f.NoSymbols {
		return
	}
	if name := f.k.SymbolName(a); name != "" {
		f.printf(" <%s>", escape(name))
	}
}

// enumerator returns the name of the enumerator with value u of v's type.
func enumerator(t *btf.Enum, u uint64, v Value) string {
	bits := uint64(t.Size) * 8
	if v.bitSize != 0 {
		bits = v.bitSize
	}
	for _, e := range t.Values {
		if (e.Value^u)<<(64-bits) == 0 {
			return e.Name
		}
	}
	return ""
}

func isByte(t btf.Type) bool {
	i, ok := btfsrc.Strip(t).(*btf.Int)
	return ok && i.Size == 1
}

func isPointer(t btf.Type) bool {
	_, ok := btfsrc.Strip(t).(*btf.Pointer)
	return ok
}
