package kernel

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// Path follows members by name, through pointers: t.Path("signal", "thread_head")
// is t->signal->thread_head. A name may itself be a path, as "mm.pgd" is.
// Members are asked for by name, so walkers fit every kernel that has them.
func (v Value) Path(members ...string) (Value, error) {
	var err error
	for _, names := range members {
		for name := range strings.SplitSeq(names, ".") {
			if isPointer(v.typ) {
				if v, err = v.Deref(); err != nil {
					return Value{}, err
				}
			}
			if v, err = v.Field(name); err != nil {
				return Value{}, err
			}
		}
	}
	return v, nil
}

// Has reports whether the value's type has the members that [Value.Path] would
// follow. Nothing is read: this is how walkers tell kernels apart.
func (v Value) Has(members ...string) bool {
	t := v.typ
	for _, names := range members {
		for name := range strings.SplitSeq(names, ".") {
			if p, ok := btfsrc.Strip(t).(*btf.Pointer); ok {
				t = p.Target
			}
			f, err := v.k.find(t, name)
			if err != nil {
				return false
			}
			t = f.Type
		}
	}
	return true
}

// UintAt returns the number or pointer that a path leads to. Of a structure
// that wraps one number, such as atomic_t, refcount_t or kuid_t, it is that.
func (v Value) UintAt(members ...string) (uint64, error) {
	m, err := v.Path(members...)
	for range 4 { // refcount_t holds an atomic_t, which holds its counter
		if err != nil {
			return 0, err
		}
		if !isComposite(m.typ) {
			return m.Uint()
		}
		var number string
		if number, err = wrapped(m.typ); err == nil {
			m, err = m.Field(number)
		}
	}
	return 0, typeErrorf("%s is not a number", v.TypeName())
}

// wrapped returns the member of a structure that is the number it wraps.
func wrapped(t btf.Type) (string, error) {
	for _, name := range []string{"counter", "refs", "val"} {
		if _, err := btfsrc.Find(t, name); err == nil {
			return name, nil
		}
	}
	if fields := btfsrc.Fields(t); len(fields) == 1 && fields[0].Name != "" {
		return fields[0].Name, nil
	}
	return "", typeErrorf("%s is not a number", btfsrc.TypeName(t))
}

// maxString bounds the strings that walkers read, PATH_MAX of Linux.
const maxString = 4096

// StringAt returns the characters of the array, or of what the pointer points
// to, at the end of a path, up to a NUL and at most 4096 bytes.
func (v Value) StringAt(members ...string) (string, error) {
	m, err := v.Path(members...)
	if err != nil {
		return "", err
	}
	return m.CString(maxString)
}

// Struct returns the first structure of a name: the kernel's own, or one of its
// modules'.
func (k *Kernel) Struct(name string) (btf.Type, error) {
	found := k.LookupType(btfsrc.KindStruct, name)
	if len(found) == 0 {
		if err := k.missing(partTypes); err != nil {
			return nil, err
		}
		return nil, &NotFoundError{What: "struct", Name: name}
	}
	return found[0], nil
}

// Enum returns the first enumeration of a name, as [Kernel.Struct] does.
func (k *Kernel) Enum(name string) (*btf.Enum, error) {
	for _, t := range k.LookupType(btfsrc.KindEnum, name) {
		if e, ok := btfsrc.Strip(t).(*btf.Enum); ok {
			return e, nil
		}
	}
	if err := k.missing(partTypes); err != nil {
		return nil, err
	}
	return nil, &NotFoundError{What: "enum", Name: name}
}

// Container returns the structure whose member, which may be a path in it, is at
// an address, as the kernel's container_of does.
func (k *Kernel) Container(a vmcore.Addr, structName, member string) (Value, error) {
	t, err := k.Struct(structName)
	if err != nil {
		return Value{}, err
	}
	offset, err := k.offsetOf(t, member)
	return k.At(a-offset, t), err
}

// Object returns the variable of a name for code that knows its type: it has
// the type t unless a BTF describes it. So walkers work on kernels whose BTF has
// no variables. Where statics share the name, it is the first that a BTF gives
// the type t, and an [*AmbiguousError] if none does.
func (k *Kernel) Object(name string, t btf.Type) (Value, error) {
	syms := dataSymbols(k.Lookup(name))
	if len(syms) == 0 {
		if err := k.missing(partSymbols); err != nil && k.syms.Len() == 0 {
			return Value{}, err
		}
		return Value{}, &NotFoundError{What: "symbol", Name: name}
	}
	vars := k.vars(name, syms)
	for _, s := range syms {
		if typ, src, ok := k.describedType(s, vars); ok && (len(syms) == 1 || btfsrc.TypeName(typ) == btfsrc.TypeName(t)) {
			return k.at(s, typ, src), nil
		}
	}
	if len(syms) > 1 {
		return Value{}, k.ambiguous(name, syms, vars)
	}
	return k.at(syms[0], t, btfsrc.SourceNone), nil
}

// ObjectOf is [Kernel.Object] for a variable that is a structure.
func (k *Kernel) ObjectOf(name, structName string) (Value, error) {
	t, err := k.Struct(structName)
	if err != nil {
		return Value{}, err
	}
	return k.Object(name, t)
}

// Pointer reads the pointer at an address.
func (k *Kernel) Pointer(a vmcore.Addr) (vmcore.Addr, error) {
	var buf [8]byte
	b := buf[:k.layout.WordSize]
	if _, err := k.mem.ReadMemory(b, a); err != nil {
		return 0, err
	}
	return vmcore.Addr(k.layout.Word(b)), nil
}
