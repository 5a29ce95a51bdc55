package cmds

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/repl/expr"
	"github.com/kdbg/kdbg/vmcore"
)

// structSpec is a structure and what to show of it, as struct, list and tree are
// told by task_struct.pid,se.vruntime.
type structSpec struct {
	name  string
	typ   btf.Type
	paths []string // of members, such as se.vruntime; none: all of it
}

// structSpec reads the words of a structure and its members. The name is that of
// a structure, union or typedef, with the word struct in front or without.
func (e *Env) structSpec(word string) (structSpec, error) {
	word = strings.TrimPrefix(strings.TrimPrefix(word, "struct "), "union ")
	name, members, dotted := strings.Cut(word, ".")
	spec := structSpec{name: name}
	var err error
	if spec.typ, err = e.compositeType(name); err != nil {
		return spec, err
	}
	if !dotted {
		return spec, nil
	}
	for path := range strings.SplitSeq(members, ",") {
		path = strings.TrimPrefix(path, name+".") // module.name,module.state
		if _, err := e.memberField(spec.typ, path); err != nil {
			return spec, err
		}
		spec.paths = append(spec.paths, path)
	}
	return spec, nil
}

// compositeType returns the structure, union or typedef of a name.
func (e *Env) compositeType(name string) (btf.Type, error) {
	var first error
	for _, word := range []string{"struct ", "union ", ""} {
		t, err := expr.ParseType(word+name, e.Kernel)
		if err == nil {
			return t, nil
		}
		if first == nil {
			first = err
		}
		if kernel.ErrorKind(err) != kernel.KindNotFound {
			return nil, err
		}
	}
	if at, ok := errors.AsType[*kernel.NotFoundError](first); ok {
		return nil, at // the column would be that of what was tried
	}
	return nil, first
}

// memberField returns the member at the end of a path, with its offset from the
// start of t. A path that goes on behind a pointer has none: then it is that of
// the pointer, and ok is false.
func (e *Env) memberField(t btf.Type, path string) (f btfsrc.Field, err error) {
	var base uint64
	for part := range strings.SplitSeq(path, ".") {
		if p, ok := btfsrc.Strip(t).(*btf.Pointer); ok {
			t, base = p.Target, 0
		}
		name, index, err := cutIndex(part)
		if err != nil {
			return f, err
		}
		if f, err = btfsrc.Find(t, name); err != nil {
			_, err = e.Kernel.At(0, t).Field(name) // which knows similar names
			return f, err
		}
		f.BitOffset += base
		if index >= 0 {
			array, ok := btfsrc.Strip(f.Type).(*btf.Array)
			if !ok {
				return f, &kernel.TypeError{Msg: name + " is not an array"}
			}
			size, err := e.Kernel.Types().Sizeof(array.Type)
			if err != nil {
				return f, err
			}
			f.Type, f.BitOffset = array.Type, f.BitOffset+8*size*uint64(index)
		}
		t, base = f.Type, f.BitOffset
	}
	return f, nil
}

// cutIndex takes [3] off a name; the index is -1 where there is none.
func cutIndex(part string) (name string, index int64, err error) {
	name, rest, found := strings.Cut(part, "[")
	if !found {
		return part, -1, nil
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 0, 31)
	if err != nil || !strings.HasSuffix(rest, "]") {
		return "", 0, &UsageError{Msg: fmt.Sprintf("%q is not a member", part)}
	}
	return name, int64(n), nil
}

// memberValue returns the member at the end of a path, pointers followed.
func memberValue(v kernel.Value, path string) (kernel.Value, error) {
	for part := range strings.SplitSeq(path, ".") {
		name, index, err := cutIndex(part)
		if err != nil {
			return v, err
		}
		if v, err = v.Path(name); err != nil {
			return v, err
		}
		if index >= 0 {
			if v, err = v.Index(index); err != nil {
				return v, err
			}
		}
	}
	return v, nil
}

// fieldOffset reads an offset, which is a number of bytes or struct.member.
func (e *Env) fieldOffset(command, word string) (vmcore.Addr, error) {
	if n, err := strconv.ParseUint(word, 0, 32); err == nil {
		return vmcore.Addr(n), nil
	}
	spec, err := e.structSpec(word)
	if err != nil {
		return 0, err
	}
	if len(spec.paths) != 1 {
		return 0, usage(command, "an offset is a number of bytes or struct.member, not %s", word)
	}
	f, err := e.memberField(spec.typ, spec.paths[0])
	return vmcore.Addr(f.BitOffset / 8), err
}

// showing is how structures are shown.
type showing struct {
	env    *Env
	spec   structSpec
	radix  byte // x for hexadecimal, d for decimal, 0 as the settings say
	follow bool // what pointers point to, too
}

// value shows a structure: all of it, or its members on lines of their own.
func (s *showing) value(v cpuValue) error {
	if s.env.JSON {
		o, err := s.object(v)
		if err != nil {
			return err
		}
		return s.env.Object(o)
	}
	if len(s.spec.paths) == 0 {
		text, err := s.text(v.Value)
		if err != nil {
			return err
		}
		return s.env.Printf("%s %s\n", v.TypeName(), text)
	}
	for _, path := range s.spec.paths {
		m, err := memberValue(v.Value, path)
		if err != nil {
			s.env.Problem(fmt.Errorf("%s: %w", path, err))
			continue
		}
		text, err := s.text(m)
		if err != nil {
			s.env.Problem(fmt.Errorf("%s: %w", path, err))
			continue
		}
		if _, pointer := btfsrc.Strip(m.Type()).(*btf.Pointer); pointer && s.follow {
			err = s.pointer(path, m, text)
		} else {
			err = s.env.Printf("  %s = %s\n", path, indent(text, "  "))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pointer shows a pointer with its type, and what it points to.
func (s *showing) pointer(path string, p kernel.Value, text string) error {
	if err := s.env.Printf("  %s = %s\n", btfsrc.Declaration(p.Type(), path), text); err != nil {
		return err
	}
	target, err := p.Deref()
	if err != nil {
		return err
	}
	a, _ := target.Addr()
	if _, err := target.Size(); err != nil || a == 0 { // void, or only declared
		return nil
	}
	inner, err := s.text(target)
	if err != nil {
		s.env.Problem(fmt.Errorf("what %s points to: %w", path, err))
		return nil
	}
	if name := s.env.Kernel.SymbolName(a); name != "" {
		inner = "<" + name + "> " + inner
	}
	return s.env.Printf("  -> %s\n", indent(inner, "     "))
}

// text writes a value as print does, in one piece.
func (s *showing) text(v kernel.Value) (string, error) {
	if err := s.env.unreadable(v); err != nil {
		return "", err
	}
	opts := s.env.Settings.formatOptions(0)
	if s.radix != 0 {
		opts.Format, opts.Hex = 0, s.radix == 'x'
	}
	var b bytes.Buffer
	err := v.Format(&b, opts)
	return b.String(), err
}

// indent puts blanks in front of each line but the first.
func indent(text, blanks string) string { return strings.ReplaceAll(text, "\n", "\n"+blanks) }

// object is a structure in JSON. Of chosen members, value has those, by path.
func (s *showing) object(v cpuValue) (ValueObject, error) {
	o := object(s.spec.name, v)
	if len(s.spec.paths) == 0 {
		if err := s.env.unreadable(v.Value); err != nil {
			return o, err
		}
		o.Value = v.AppendJSON(nil)
		return o, nil
	}
	b := []byte{'{'}
	for i, path := range s.spec.paths {
		m, err := memberValue(v.Value, path)
		if err != nil {
			m = s.env.Kernel.Absent(v.Type(), err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, path), ':')
		b = m.AppendJSON(b)
	}
	o.Value = append(b, '}')
	return o, nil
}
