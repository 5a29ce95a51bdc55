package kernel

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// maxLeaves bounds the numbers and strings in the JSON of one value.
const maxLeaves = 1 << 20

// AppendJSON appends the value as JSON, by the rules of docs/json.md: integers
// as exact numbers, pointers as hexadecimal strings, enumerators by name, arrays
// of char as strings, structures as objects with the members of anonymous members
// among their own. A part that cannot be read is {"error": kind, "address": …}.
func (v Value) AppendJSON(b []byte) []byte {
	j := jsonWriter{out: b}
	j.value(v.Snapshot(), 0)
	return j.out
}

type jsonWriter struct {
	out    []byte
	leaves int
}

func (j *jsonWriter) value(v Value, depth int) {
	if j.leaves++; j.leaves > maxLeaves || depth > maxNesting {
		j.fail(v, typeErrorf("the value is too large"))
		return
	}
	switch t := btfsrc.Strip(v.typ).(type) {
	case *btf.Struct, *btf.Union:
		if err := v.unreadable(); err != nil {
			j.fail(v, err)
			return
		}
		j.out = append(j.out, '{')
		first := true
		j.members(v, depth, &first)
		j.out = append(j.out, '}')
	case *btf.Array:
		j.array(v, t, depth)
	case *btf.Func, *btf.FuncProto:
		j.hex(v.addr)
	case *btf.Fwd, *btf.Void, nil:
		j.out = append(j.out, "null"...)
	default:
		j.scalar(v)
	}
}

func (j *jsonWriter) members(v Value, depth int, first *bool) {
	if depth > maxNesting {
		return
	}
	for _, f := range btfsrc.Fields(v.typ) {
		m := v.field(f)
		if f.Name == "" {
			if isComposite(f.Type) {
				j.members(m, depth+1, first)
			}
			continue
		}
		if !*first {
			j.out = append(j.out, ',')
		}
		*first = false
		j.out = appendJSONString(j.out, f.Name)
		j.out = append(j.out, ':')
		j.value(m, depth+1)
	}
}

func (j *jsonWriter) array(v Value, t *btf.Array, depth int) {
	if isChar(t.Type) {
		s, err := v.cstring(int(t.Nelems)) // "" for a flexible array
		if err != nil {
			j.fail(v, err)
			return
		}
		j.out = appendJSONLatin1(j.out, s)
		return
	}
	if t.Nelems > 0 {
		if err := v.unreadable(); err != nil {
			j.fail(v, err)
			return
		}
	}
	j.out = append(j.out, '[')
	for i := range int64(t.Nelems) {
		if i > 0 {
			j.out = append(j.out, ',')
		}
		e, err := v.element(t.Type, i)
		if err != nil {
			j.fail(v, err)
			break
		}
		j.value(e, depth+1)
		if j.leaves > maxLeaves {
			break
		}
	}
	j.out = append(j.out, ']')
}

func (j *jsonWriter) scalar(v Value) {
	if _, ok := btfsrc.Strip(v.typ).(*btf.Float); ok {
		x, err := v.Float()
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			j.fail(v, err)
			return
		}
		// With an exponent: written out, digits that are not in x would look exact.
		j.out = strconv.AppendFloat(j.out, x, 'g', -1, 64)
		return
	}
	u, bits, err := v.raw()
	if err != nil {
		if n, ok := v.bigInt(); ok {
			j.out = n.Append(j.out, 10)
			return
		}
		j.fail(v, err)
		return
	}
	switch t := btfsrc.Strip(v.typ).(type) {
	case *btf.Pointer:
		j.hex(vmcore.Addr(u))
		return
	case *btf.Enum:
		if name := enumerator(t, u, v); name != "" {
			j.out = appendJSONString(j.out, name)
			return
		}
	}
	switch {
	case isBool(v.typ):
		j.out = strconv.AppendBool(j.out, u != 0)
	case isSigned(v.typ):
		j.out = strconv.AppendInt(j.out, int64(u<<(64-bits))>>(64-bits), 10)
	default:
		j.out = strconv.AppendUint(j.out, u, 10)
	}
}

func (j *jsonWriter) hex(a vmcore.Addr) {
	j.out = append(j.out, '"', '0', 'x')
	j.out = strconv.AppendUint(j.out, uint64(a), 16)
	j.out = append(j.out, '"')
}

// fail puts an error in the place of a value.
func (j *jsonWriter) fail(v Value, err error) {
	kind := KindIO
	if err != nil {
		kind = ErrorKind(err)
	}
	j.out = append(j.out, `{"error":`...)
	j.out = appendJSONString(j.out, kind)
	if v.kind == reference {
		j.out = append(j.out, `,"address":`...)
		j.hex(v.addr)
	}
	j.out = append(j.out, '}')
}

// appendJSONLatin1 appends the bytes of s as a JSON string, those over 0x7f as
// the characters of Latin-1, so that no byte is lost.
func appendJSONLatin1(out []byte, s string) []byte {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			r := make([]rune, len(s))
			for i := range len(s) {
				r[i] = rune(s[i])
			}
			return appendJSONString(out, string(r))
		}
	}
	return appendJSONString(out, s)
}

// appendJSONString appends s as a JSON string.
func appendJSONString(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if enc.Encode(s) != nil {
				return append(out, `""`...)
			}
			return append(out, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
		}
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"')
}
