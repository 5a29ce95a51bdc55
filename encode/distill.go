package encode

import (
	"encoding/binary"
	"fmt"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// distill makes a BTF that is split on a whole kernel's independent of it, for a
// module that is loaded into other builds of the kernel. What the module refers to
// in the kernel goes into a small base, by name and size only, and the kernel
// finds it again when the module is loaded (btf_relocate, since Linux 6.11). What
// has no name is copied into the module's own.
func distill(split *rawbtf.Blob) (own, base []byte, err error) {
	d := &distiller{
		split: split, first: split.First(),
		use: make([]use, split.First()), ids: make([]rawbtf.ID, split.End()),
	}
	for id, t := range split.All() {
		if err := d.visit(id, t, 0); err != nil {
			return nil, nil, err
		}
	}
	if base, err = d.writeBase(); err != nil {
		return nil, nil, err
	}
	blob, err := rawbtf.Parse(base, nil)
	if err != nil {
		return nil, nil, err
	}
	own, err = d.writeSplit(blob)
	return own, base, err
}

// use says what is to become of a type of the base.
type use uint8

const (
	unused   use = iota
	isNamed      // goes into the distilled base
	isCopied     // goes into the module's own BTF
)

type distiller struct {
	split *rawbtf.Blob
	first rawbtf.ID // of the module's own
	use   []use
	ids   []rawbtf.ID // new numbers
	next  rawbtf.ID
}

const maxChain = 64 // of types without name that lead to one another

// visit marks what a type of the module, or one that is copied, refers to.
func (d *distiller) visit(id rawbtf.ID, t rawbtf.Type, depth int) error {
	if depth > maxChain {
		return fmt.Errorf("type %d: chain of more than %d types without name", id, maxChain)
	}
	for ref := range t.Refs() {
		if ref == 0 || ref >= d.first || d.use[ref] != unused {
			continue
		}
		target := d.split.Type(ref)
		switch target.Kind {
		case rawbtf.KindFunc, rawbtf.KindVar, rawbtf.KindDatasec:
			return fmt.Errorf("type %d: refers to %v %q of the base", id, target.Kind, d.split.Name(target.Name))
		case rawbtf.KindInt, rawbtf.KindFloat, rawbtf.KindFwd:
			d.use[ref] = isNamed
			continue
		case rawbtf.KindStruct, rawbtf.KindUnion, rawbtf.KindEnum, rawbtf.KindEnum64:
			if target.Name != 0 {
				d.use[ref] = isNamed
				continue
			}
		}
		d.use[ref] = isCopied
		if err := d.visit(ref, target, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// writeBase writes what the module needs of the base, and numbers it. All structs
// have their size: the kernel looks at it only if one is part of another, but
// finds no struct with bit-fields, and hardly any union, by a declaration. An
// enum's size tells which kind it is.
func (d *distiller) writeBase() ([]byte, error) {
	b := rawbtf.NewBuilder(&rawbtf.BuilderOptions{Order: order(d.split)})
	for id := rawbtf.ID(1); id < d.first; id++ {
		if d.use[id] != isNamed {
			continue
		}
		t := d.split.Type(id)
		name := b.Str(d.split.NameBytes(t.Name))
		switch t.Kind {
		case rawbtf.KindStruct:
			d.ids[id] = b.Struct(name, t.Size, nil)
		case rawbtf.KindUnion:
			d.ids[id] = b.Union(name, t.Size, nil)
		case rawbtf.KindEnum, rawbtf.KindEnum64:
			d.ids[id] = b.Enum(name, t.Size, false, nil)
		default:
			d.ids[id] = d.copy(b, t)
		}
	}
	d.next = b.Next()
	return b.Bytes()
}

// writeSplit writes the module's own types, and behind them what is copied.
func (d *distiller) writeSplit(base *rawbtf.Blob) ([]byte, error) {
	var order []rawbtf.ID
	for id := range d.split.All() {
		order = append(order, id)
	}
	for id := rawbtf.ID(1); id < d.first; id++ {
		if d.use[id] == isCopied {
			order = append(order, id)
		}
	}
	for i, id := range order {
		d.ids[id] = d.next + rawbtf.ID(i)
	}
	b := rawbtf.NewBuilder(&rawbtf.BuilderOptions{Base: base})
	for _, id := range order {
		d.copy(b, d.split.Type(id))
	}
	return b.Bytes()
}

func order(b *rawbtf.Blob) binary.ByteOrder {
	if b.BigEndian() {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// copy writes t with its new references.
func (d *distiller) copy(b *rawbtf.Builder, t rawbtf.Type) rawbtf.ID {
	str := func(s rawbtf.Str) rawbtf.Str { return b.Str(d.split.NameBytes(s)) }
	name, ref := str(t.Name), d.ids[t.Ref()]
	switch t.Kind {
	case rawbtf.KindInt:
		enc, offset, bits := t.Int()
		return b.Int(name, t.Size, enc, offset, bits)
	case rawbtf.KindFloat:
		return b.Float(name, t.Size)
	case rawbtf.KindPtr:
		return b.Ptr(ref)
	case rawbtf.KindConst, rawbtf.KindVolatile, rawbtf.KindRestrict:
		return b.Qualifier(t.Kind, ref)
	case rawbtf.KindTypedef:
		return b.Typedef(name, ref)
	case rawbtf.KindTypeTag:
		return b.TypeTag(name, ref, t.Flag)
	case rawbtf.KindDeclTag:
		return b.DeclTag(name, ref, t.Component(), t.Flag)
	case rawbtf.KindFwd:
		return b.Fwd(name, t.Flag)
	case rawbtf.KindFunc:
		return b.Func(name, ref, t.Linkage())
	case rawbtf.KindVar:
		return b.Var(name, ref, t.Linkage())
	case rawbtf.KindArray:
		elem, index, n := t.Array()
		return b.Array(d.ids[elem], d.ids[index], n)
	}
	return d.copyElements(b, t, name, str)
}

func (d *distiller) copyElements(b *rawbtf.Builder, t rawbtf.Type, name rawbtf.Str, str func(rawbtf.Str) rawbtf.Str) rawbtf.ID {
	switch t.Kind {
	case rawbtf.KindStruct, rawbtf.KindUnion:
		list := make([]rawbtf.Member, t.Vlen)
		for i := range list {
			list[i] = t.Member(i)
			list[i].Name, list[i].Type = str(list[i].Name), d.ids[list[i].Type]
		}
		if t.Kind == rawbtf.KindUnion {
			return b.Union(name, t.Size, list)
		}
		return b.Struct(name, t.Size, list)
	case rawbtf.KindEnum, rawbtf.KindEnum64:
		list := make([]rawbtf.Enumerator, t.Vlen)
		for i := range list {
			list[i] = t.Enumerator(i)
			list[i].Name = str(list[i].Name)
		}
		if t.Kind == rawbtf.KindEnum64 {
			return b.Enum64(name, t.Size, t.Flag, list)
		}
		return b.Enum(name, t.Size, t.Flag, list)
	case rawbtf.KindFuncProto:
		list := make([]rawbtf.Param, t.Vlen)
		for i := range list {
			list[i] = t.Param(i)
			list[i].Name, list[i].Type = str(list[i].Name), d.ids[list[i].Type]
		}
		return b.FuncProto(d.ids[t.Ref()], list)
	default: // KindDatasec
		list := make([]rawbtf.Entry, t.Vlen)
		for i := range list {
			list[i] = t.Entry(i)
			list[i].Var = d.ids[list[i].Var]
		}
		return b.Datasec(name, t.Size, list)
	}
}
