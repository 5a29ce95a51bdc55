package btfsrc

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// maxDeclaration bounds the length of a declaration, in bytes; the longest of
// Linux 6.18 has 425. What is beyond is written as "…".
const maxDeclaration = 8 << 10

// maxParamDepth bounds function pointers that take function pointers.
const maxParamDepth = 8

// TypeName returns the C spelling of a type, such as "const char *",
// "struct list_head [4]" or "int (*)(void)". A struct, union or enum without a
// name gives "struct {...}". Type tags are left out.
func TypeName(typ btf.Type) string { return Declaration(typ, "") }

// Declaration returns the C declaration of a name of a type, such as
// "int (*name[3])(void)". The name of a function or variable type replaces an
// empty one.
func Declaration(typ btf.Type, name string) string {
	var d declarer
	return d.declare(typ, name)
}

// declarer writes C declarations, which are read from the name outwards:
// declare wraps the name in one layer of its type after the other.
type declarer struct {
	tags bool                      // write type tags as the kernel's sources do: __percpu
	body func(typ btf.Type) string // writes a struct, union or enum in full; nil or "": as its name
	size int                       // of all that was written, in bytes
	deep int                       // in parameters of parameters
}

// declare returns text, a name or nothing, declared as typ.
func (d *declarer) declare(typ btf.Type, text string) string {
	var quals, tags []string // of the layer that comes next
	for range maxDepth {
		switch t := typ.(type) {
		case *btf.Const:
			quals, typ = qualify(quals, "const"), t.Type
		case *btf.Volatile:
			quals, typ = qualify(quals, "volatile"), t.Type
		case *btf.Restrict:
			quals, typ = qualify(quals, "restrict"), t.Type
		case *btf.TypeTag:
			if d.tags && isIdentifier(t.Value) {
				tags = qualify(tags, "__"+t.Value)
			}
			typ = t.Type
		case *btf.Pointer:
			if quals = append(tags, quals...); len(quals) > 0 {
				text = " " + join(strings.Join(quals, " "), text)
			}
			text, quals, tags, typ = "*"+text, nil, nil, t.Target
		case *btf.Array:
			dim := ""
			if t.Nelems != 0 {
				dim = strconv.FormatUint(uint64(t.Nelems), 10)
			}
			text, typ = parenthesize(text)+"["+dim+"]", t.Type
		case *btf.FuncProto:
			text, quals, tags, typ = parenthesize(text)+"("+d.params(t)+")", nil, nil, t.Return
		case *btf.Func:
			text, typ = cmp.Or(text, t.Name), t.Type
		case *btf.Var:
			text, typ = cmp.Or(text, t.Name), t.Type
		default:
			return d.clip(join(strings.Join(quals, " "), d.base(typ), strings.Join(tags, " "), text))
		}
	}
	return d.clip(join("…", text))
}

func (d *declarer) params(proto *btf.FuncProto) string {
	if len(proto.Params) == 0 {
		return "void"
	}
	if d.deep == maxParamDepth {
		return "…"
	}
	var params []string
	for i, p := range proto.Params {
		if d.size > maxDeclaration {
			params = append(params, "…")
			break
		}
		if i == len(proto.Params)-1 && p.Name == "" && isVoid(p.Type) {
			params = append(params, "...") // variable arguments
			break
		}
		inner := declarer{tags: d.tags, size: d.size, deep: d.deep + 1}
		params = append(params, inner.declare(p.Type, p.Name))
		d.size = inner.size
	}
	return strings.Join(params, ", ")
}

// base returns what stands left of all declarators.
func (d *declarer) base(typ btf.Type) string {
	if d.body != nil {
		if text := d.body(typ); text != "" {
			return text
		}
	}
	if isVoid(typ) {
		return "void"
	}
	switch t := typ.(type) {
	case *btf.Struct:
		return tag("struct", t.Name)
	case *btf.Union:
		return tag("union", t.Name)
	case *btf.Enum:
		return tag("enum", t.Name)
	case *btf.Fwd:
		return tag(t.Kind.String(), t.Name)
	case *btf.Datasec:
		return "section " + t.Name
	}
	return cmp.Or(typ.TypeName(), "<unnamed>")
}

// clip counts text against the bound, and shortens it to that, but for the
// bodies, which have a bound of their own.
func (d *declarer) clip(text string) string {
	d.size += len(text)
	if d.body == nil && len(text) > maxDeclaration {
		return text[:maxDeclaration] + "…"
	}
	return text
}

// qualify adds a qualifier once: a constant array of constants is
// const → array → const in BTF, and one const in C.
func qualify(quals []string, q string) []string {
	if slices.Contains(quals, q) {
		return quals
	}
	return append(quals, q)
}

func tag(keyword, name string) string {
	return keyword + " " + cmp.Or(name, "{...}")
}

// parenthesize keeps a pointer's star apart from the brackets that follow.
func parenthesize(text string) string {
	if strings.HasPrefix(text, "*") {
		return "(" + text + ")"
	}
	return text
}

// join joins what is not empty with blanks.
func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

func isIdentifier(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
