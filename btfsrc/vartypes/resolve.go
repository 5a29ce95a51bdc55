package vartypes

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
)

// errSpelling reports a spelling that is not one of the table's.
var errSpelling = errors.New("malformed type in the table")

// resolve returns the types of a kernel that a spelling stands for: one, or
// several where the kernel has different structs of the name. The error is
// [vmcore.ErrNotFound] when the kernel lacks a type.
func resolve(types *btfsrc.Types, text string) ([]btf.Type, error) {
	var found []btf.Type
	for nth := 0; ; nth++ {
		p := parser{types: types, rest: text, nth: nth}
		t := p.parse(0)
		if p.err == nil && p.rest != "" {
			p.err = errSpelling
		}
		if p.err != nil {
			return nil, p.err
		}
		found = append(found, t)
		if nth+1 >= p.several {
			return found, nil
		}
	}
}

// parser reads a spelling, and makes the types that BTF need not hold, such as
// pointers and arrays, around those that it holds.
type parser struct {
	types   *btfsrc.Types // nil: only check the grammar
	rest    string
	nth     int // which type of a name to take, where there are several
	several int // the most types of one name
	err     error
}

func (p *parser) fail(err error) btf.Type {
	if p.err == nil {
		p.err = err
	}
	p.rest = ""
	return (*btf.Void)(nil)
}

func (p *parser) parse(depth int) btf.Type {
	if depth > maxDepth || p.rest == "" || p.err != nil {
		return p.fail(errSpelling)
	}
	mark := p.rest[0]
	if mark == '{' || mark == '<' {
		return p.unnamed(mark, depth)
	}
	p.rest = p.rest[1:]
	switch mark {
	case markVoid:
		return (*btf.Void)(nil)
	case markInt:
		return p.named(btfsrc.KindInt, btfsrc.KindFloat)
	case markStruct:
		return p.named(btfsrc.KindStruct)
	case markUnion:
		return p.named(btfsrc.KindUnion)
	case markEnum:
		return p.named(btfsrc.KindEnum)
	case markTypedef:
		return p.named(btfsrc.KindTypedef)
	case '=':
		return p.unnamedEnum()
	case markPointer:
		return &btf.Pointer{Target: p.parse(depth + 1)}
	case markArray:
		n, err := strconv.ParseUint(p.until("]"), 10, 32)
		if err != nil {
			return p.fail(errSpelling)
		}
		return p.array(n, p.parse(depth+1))
	case markConst:
		return &btf.Const{Type: p.parse(depth + 1)}
	case markVolatile:
		return &btf.Volatile{Type: p.parse(depth + 1)}
	case markRestrict:
		return &btf.Restrict{Type: p.parse(depth + 1)}
	case markFunc:
		return p.function(depth)
	}
	return p.fail(errSpelling)
}

// until returns what comes before a terminator, and skips both.
func (p *parser) until(end string) string {
	text, rest, ok := strings.Cut(p.rest, end)
	if !ok {
		p.fail(errSpelling)
		return ""
	}
	p.rest = rest
	return text
}

func (p *parser) named(kinds ...btfsrc.Kind) btf.Type {
	name := p.until(";")
	if p.err != nil || p.types == nil {
		return (*btf.Void)(nil)
	}
	for _, kind := range kinds {
		if found := p.types.Lookup(kind, name); len(found) > 0 {
			return p.choose(found)
		}
	}
	return p.fail(fmt.Errorf("type %q: %w", name, vmcore.ErrNotFound))
}

func (p *parser) choose(found []btf.Type) btf.Type {
	p.several = max(p.several, len(found))
	return found[min(p.nth, len(found)-1)]
}

// array returns an array, indexed as all are in BTF.
func (p *parser) array(n uint64, elem btf.Type) btf.Type {
	return &btf.Array{Index: &btf.Int{Name: "unsigned int", Size: 4}, Type: elem, Nelems: uint32(min(n, math.MaxUint32))}
}

func (p *parser) function(depth int) btf.Type {
	f := &btf.FuncProto{}
	for p.err == nil && !strings.HasPrefix(p.rest, ")") {
		if strings.HasPrefix(p.rest, ".") {
			p.rest = p.rest[1:]
			f.Params = append(f.Params, btf.FuncParam{Type: (*btf.Void)(nil)})
			continue
		}
		f.Params = append(f.Params, btf.FuncParam{Type: p.parse(depth + 1)})
	}
	p.until(")")
	f.Return = p.parse(depth + 1)
	return f
}

// unnamed finds a struct or union by its members. What is inside is not resolved
// by itself: a type that is spelled alike is the one.
func (p *parser) unnamed(mark byte, depth int) btf.Type {
	start := p.rest
	p.rest = p.rest[1:]
	end, kind := "}", btfsrc.KindStruct
	if mark == '<' {
		end, kind = ">", btfsrc.KindUnion
	}
	inner := parser{rest: p.rest} // for the grammar only
	first, members := "", 0
	for ; inner.err == nil && !strings.HasPrefix(inner.rest, end); members++ {
		name := inner.until(" ")
		if members == 0 {
			first = name
		}
		inner.parse(depth + 1)
	}
	inner.until(end)
	if inner.err != nil || members == 0 {
		return p.fail(errSpelling)
	}
	p.rest = inner.rest
	if p.types == nil {
		return (*btf.Void)(nil)
	}
	want := start[:len(start)-len(p.rest)]
	for _, t := range p.types.Unnamed(kind, first, members) {
		if text, ok := Spell(t); ok && text == want {
			return t
		}
	}
	return p.fail(fmt.Errorf("an unnamed type of the members %s: %w", want, vmcore.ErrNotFound))
}

func (p *parser) unnamedEnum() btf.Type {
	first := p.until(";")
	if p.err != nil || p.types == nil {
		return (*btf.Void)(nil)
	}
	if enum, _, ok := p.types.Enumerator(first); ok && enum.Name == "" && enum.Values[0].Name == first {
		return enum
	}
	return p.fail(fmt.Errorf("an enum of %s: %w", first, vmcore.ErrNotFound))
}
