package kernel

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// maxObject bounds the bytes that are read of one object. The BTF format itself
// allows no structure over 16 MiB (BTF_MAX_SIZE, kernel/bpf/btf.c); arrays may
// be larger and are then looked at by slices.
const maxObject = 64 << 20

// Bytes returns the bytes of the whole object in the target's byte order. Of a
// bit-field, they are the bytes it lies in.
func (v Value) Bytes() ([]byte, error) {
	size, err := v.extent()
	if err != nil {
		return nil, err
	}
	switch {
	case v.kind == absent:
		return nil, v.err
	case v.kind == immediate:
		if uint64(len(v.data)) < size {
			return nil, typeErrorf("%s needs %d bytes, the value has %d", v.TypeName(), size, len(v.data))
		}
		return v.data[:size], nil
	case v.percpu:
		return nil, &TypeError{Msg: "a per-CPU variable has one value for each CPU", Do: "pick a CPU, as in runqueues:0 or per_cpu(runqueues, 0)"}
	case size > maxObject:
		return nil, &TypeError{Msg: fmt.Sprintf("%s has %d bytes, more than %d", v.TypeName(), size, maxObject), Do: "look at a part, as in a[0..16]"}
	}
	if w, ok := v.mem.(*window); ok {
		if b := w.slice(v.addr, size); b != nil {
			return b, nil
		}
	}
	b := make([]byte, size)
	if _, err := v.mem.ReadMemory(b, v.addr); err != nil {
		return nil, err
	}
	return b, nil
}

// extent returns how many bytes hold the value.
func (v Value) extent() (uint64, error) {
	if v.bitSize != 0 {
		return (v.bitOff + v.bitSize + 7) / 8, nil
	}
	return v.Size()
}

// Uint returns the value of an integer, enumeration, boolean, character or
// pointer, sign-extended to 64 bits if its type is signed. The value of an array
// or a function is its address.
func (v Value) Uint() (uint64, error) {
	switch t := btfsrc.Strip(v.typ).(type) {
	case *btf.Array, *btf.Func, *btf.FuncProto:
		if v.kind != reference {
			return 0, typeErrorf("a computed %s has no address", v.TypeName())
		}
		return uint64(v.addr), nil
	case *btf.Float:
		f, err := v.Float()
		return uint64(int64(f)), err
	case *btf.Int, *btf.Enum, *btf.Pointer:
	default:
		return 0, typeErrorf("%s is not a number", typeWord(t, v))
	}
	u, bits, err := v.raw()
	if err != nil {
		return 0, err
	}
	if isSigned(v.typ) {
		return uint64(int64(u<<(64-bits)) >> (64 - bits)), nil
	}
	return u, nil
}

// Int returns the value as [Value.Uint] does, as a signed number.
func (v Value) Int() (int64, error) {
	u, err := v.Uint()
	return int64(u), err
}

// Float returns the value of a floating-point number, and of an integer
// converted to one.
func (v Value) Float() (float64, error) {
	if _, ok := btfsrc.Strip(v.typ).(*btf.Float); !ok {
		i, err := v.Int()
		if err == nil && !isSigned(v.typ) {
			return float64(uint64(i)), nil
		}
		return float64(i), err
	}
	u, bits, err := v.raw()
	if err != nil {
		return 0, err
	}
	if bits == 32 {
		return float64(math.Float32frombits(uint32(u))), nil
	}
	return math.Float64frombits(u), nil
}

// raw returns the bits of a scalar without sign extension, and their number.
func (v Value) raw() (u uint64, bits uint64, err error) {
	b, err := v.Bytes()
	if err != nil {
		return 0, 0, err
	}
	if len(b) == 0 || v.bitSize > 64 || v.bitSize == 0 && len(b) > 8 {
		return 0, 0, &TypeError{Msg: fmt.Sprintf("%s of %d bytes is not supported as a number", v.TypeName(), len(b)), Do: "look at its bytes with x"}
	}
	if v.bitSize == 0 {
		return v.k.getUint(b), uint64(len(b)) * 8, nil
	}
	// A bit-field of up to 64 bits may touch 9 bytes.
	shift := v.bitOff
	if v.k.layout.BigEndian {
		shift = uint64(len(b))*8 - v.bitOff - v.bitSize
	}
	for i := range v.bitSize {
		at := shift + i
		if !v.k.layout.BigEndian {
			u |= uint64(b[at/8]>>(at%8)&1) << i
		} else {
			u |= uint64(b[uint64(len(b))-1-at/8]>>(at%8)&1) << i
		}
	}
	return u, v.bitSize, nil
}

// getUint decodes up to 8 bytes in the target's byte order.
func (k *Kernel) getUint(b []byte) uint64 {
	var u uint64
	for i := range b {
		if k.layout.BigEndian {
			u = u<<8 | uint64(b[i])
		} else {
			u |= uint64(b[i]) << (8 * i)
		}
	}
	return u
}

// putUint encodes the low size bytes of u, size being at most 8.
func (k *Kernel) putUint(u uint64, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		if k.layout.BigEndian {
			b[size-1-i] = byte(u >> (8 * i))
		} else {
			b[i] = byte(u >> (8 * i))
		}
	}
	return b
}

// CString returns the characters of an array, or of what a pointer points to,
// up to the first NUL and at most limit bytes of them.
func (v Value) CString(limit int) (string, error) {
	switch t := btfsrc.Strip(v.typ).(type) {
	case *btf.Pointer:
		p, err := v.Deref()
		if err != nil {
			return "", err
		}
		return p.cstring(limit)
	case *btf.Array:
		if t.Nelems != 0 {
			limit = min(limit, int(t.Nelems))
		}
		return v.cstring(limit)
	}
	return "", typeErrorf("%s is not a string", v.TypeName())
}

// cstring reads up to a NUL from where v is, a piece at a time so that it does
// not fail on what lies behind the NUL.
func (v Value) cstring(limit int) (string, error) {
	if v.kind == immediate {
		b := v.data[:min(limit, len(v.data))]
		if i := bytes.IndexByte(b, 0); i >= 0 {
			b = b[:i]
		}
		return string(b), nil
	}
	if v.kind == absent {
		return "", v.err
	}
	if v.percpu {
		_, err := v.WithType(v.k.BasicType("char")).Bytes()
		return "", err
	}
	var out []byte
	for buf := make([]byte, 256); len(out) < limit; {
		p := buf[:min(len(buf), limit-len(out))]
		n, err := v.mem.ReadMemory(p, v.addr+vmcore.Addr(len(out)))
		if i := bytes.IndexByte(p[:n], 0); i >= 0 {
			return string(append(out, p[:i]...)), nil
		}
		out = append(out, p[:n]...)
		if err != nil {
			return string(out), err
		}
	}
	return string(out), nil
}

// Cast converts the value to type t as C does. Arrays and functions decay to
// pointers. A structure can only be cast to void or to itself.
func (v Value) Cast(t btf.Type) (Value, error) {
	if v.kind == absent {
		return Value{}, v.err
	}
	switch to := btfsrc.Strip(t).(type) {
	case *btf.Void:
		return v.k.Immediate(t, nil), nil
	case *btf.Float:
		f, err := v.Float()
		if err != nil {
			return Value{}, err
		}
		u := math.Float64bits(f)
		if to.Size == 4 {
			u = uint64(math.Float32bits(float32(f)))
		}
		return v.k.Uint(t, u), nil
	case *btf.Int, *btf.Enum, *btf.Pointer:
		if isBool(t) {
			truth, err := v.IsTrue()
			return v.k.Uint(t, boolBit(truth)), err
		}
		u, err := v.Uint()
		if err != nil {
			return Value{}, err
		}
		c := v.k.Uint(t, u)
		_, toPointer := to.(*btf.Pointer)
		c.percpu = toPointer && v.percpu
		return c, nil
	}
	if btfsrc.TypeName(btfsrc.Strip(t)) == btfsrc.TypeName(btfsrc.Strip(v.typ)) {
		return v.WithType(t), nil
	}
	return Value{}, &TypeError{
		Msg: fmt.Sprintf("a value of type %s cannot be cast to %s", v.TypeName(), btfsrc.TypeName(t)),
		Do:  fmt.Sprintf("see its bytes as that type with *(%s *)&…", btfsrc.TypeName(t)),
	}
}

// IsTrue reports whether the value counts as true in a C condition.
func (v Value) IsTrue() (bool, error) {
	if _, ok := btfsrc.Strip(v.typ).(*btf.Float); ok {
		f, err := v.Float()
		return f != 0, err
	}
	u, err := v.Uint()
	return u != 0, err
}

func boolBit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// typeWord names the value's type, or says "void" for what has none.
func typeWord(t btf.Type, v Value) string {
	if t == nil {
		return "a value with no type"
	}
	return v.TypeName()
}

// Enumerator returns the name of the enumerator that an enumeration's value has,
// or the number where none has it.
func (v Value) Enumerator() string {
	u, err := v.Uint()
	if err != nil {
		return "<" + ErrorKind(err) + ">"
	}
	if t, ok := btfsrc.Strip(v.typ).(*btf.Enum); ok {
		if name := enumerator(t, u, v); name != "" {
			return name
		}
	}
	return strconv.FormatUint(u, 10)
}

// isSigned reports whether numbers of type t are signed.
func isSigned(t btf.Type) bool {
	switch t := btfsrc.Strip(t).(type) {
	case *btf.Int:
		return t.Encoding&btf.Signed != 0 // a mask, BTF_INT_SIGNED
	case *btf.Enum:
		return t.Signed
	}
	return false
}

func isBool(t btf.Type) bool {
	i, ok := btfsrc.Strip(t).(*btf.Int)
	return ok && (i.Encoding&btf.Bool != 0 || i.Name == "_Bool" || i.Name == "bool")
}

// isUnsignedChar reports whether t is unsigned char and written so, as in the name
// of a struct qstr. The typedefs of it, such as u8, are numbers.
func isUnsignedChar(t btf.Type) bool {
	if c, ok := t.(*btf.Const); ok {
		t = c.Type
	}
	i, ok := t.(*btf.Int)
	return ok && i.Size == 1 && i.Name == "unsigned char"
}

// isText reports whether s has characters that are written, and no others.
func isText(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return s != ""
}

// isChar reports whether t is plain char, of which strings are made.
func isChar(t btf.Type) bool {
	i, ok := btfsrc.Strip(t).(*btf.Int)
	return ok && i.Size == 1 && i.Name == "char"
}
