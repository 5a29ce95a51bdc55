package rawbtf

import "fmt"

// checkRecord checks what the kernel checks of each record by itself, for every
// BTF: built in, of a module, loaded.
func (v *verifier) checkRecord() {
	t := v.t
	if t.Name != 0 && !v.checkStr(t.Name, "name") {
		return
	}
	if t.Vlen > maxVlen {
		v.failBefore(linux7_2, "it has %d elements, %d are allowed", t.Vlen, maxVlen)
	}
	switch t.Kind {
	case KindInt:
		v.checkInt()
	case KindPtr, KindConst, KindVolatile, KindRestrict:
		v.noName()
		v.noVlen()
		v.noFlag(Release{})
		v.checkRef(t.Ref(), "it refers to what")
	case KindTypedef:
		v.needName()
		v.noVlen()
		v.noFlag(Release{})
		v.checkRef(t.Ref(), "it refers to what")
	case KindTypeTag, KindDeclTag:
		v.checkTag()
	case KindArray:
		v.checkArray()
	case KindStruct, KindUnion:
		v.checkComposite()
	case KindEnum, KindEnum64:
		v.checkEnum()
	case KindFwd:
		v.needName()
		v.noVlen()
		if t.Flag {
			v.noFlag(linux5_0)
		}
		if t.Size != 0 {
			v.fail("it has a type")
		}
	case KindFuncProto:
		v.noName()
		v.noFlag(Release{})
		v.checkRef(t.Ref(), "what it returns")
		for i := range t.Vlen {
			v.checkRef(t.Param(i).Type, "a parameter")
		}
	case KindFunc:
		v.checkFunc()
	case KindVar:
		v.checkVar()
	case KindDatasec:
		v.checkDatasec()
	case KindFloat:
		v.since(linux5_13)
		v.noVlen()
		v.noFlag(Release{})
		if s := t.Size; s != 2 && s != 4 && s != 8 && s != 12 && s != 16 {
			v.fail("its size is %d", s)
		}
	default:
		v.fail("its kind is not known")
	}
}

// since notes that kernels before r do not know the kind.
func (v *verifier) since(r Release) { v.failBefore(r, "the kind %v is not known", v.t.Kind) }

func (v *verifier) checkInt() {
	v.noVlen()
	v.noFlag(Release{})
	word := v.t.word(0)
	enc, offset, bits := v.t.Int()
	if word>>28 != 0 {
		v.fail("its encoding word is %#x", word)
	}
	if enc &= 0xf; enc != 0 && enc != Signed && enc != Char && enc != Bool {
		v.fail("its encoding is %d: more than one", enc)
	}
	if n := uint32(offset) + uint32(bits); n > 128 {
		v.fail("it has %d bits, 128 are allowed", n)
	} else if (n+7)/8 > v.t.Size {
		v.fail("it has %d bits in %d bytes", n, v.t.Size)
	}
}

func (v *verifier) checkTag() {
	if v.t.Kind == KindTypeTag {
		v.since(linux5_17)
	} else {
		v.since(linux5_16)
		if c := v.t.Component(); c < -1 {
			v.fail("it is for component %d", c)
		}
	}
	v.noVlen()
	v.noFlag(linux6_15)
	if len(v.b.NameBytes(v.t.Name)) == 0 {
		v.fail("it has no value")
	}
	v.checkRef(v.t.Ref(), "it refers to what")
}

func (v *verifier) checkArray() {
	v.noName()
	v.noVlen()
	v.noFlag(Release{})
	if v.t.Size != 0 {
		v.fail("its size is %d, must be 0", v.t.Size)
	}
	elem, index, _ := v.t.Array()
	if elem == 0 {
		v.fail("its elements are void")
	}
	if index == 0 {
		v.fail("its index is void")
	}
	v.checkRef(elem, "the elements")
	v.checkRef(index, "the index")
}

func (v *verifier) checkComposite() {
	t := v.t
	v.mayHaveName()
	if t.Flag {
		v.noFlag(linux5_0)
	}
	last := uint32(0)
	for i := range t.Vlen {
		m := t.Member(i)
		if m.Name != 0 {
			v.checkName(m.Name, "name of a member")
		}
		if m.Type == 0 {
			v.fail("%s is void", v.memberName(i, m))
		}
		v.checkRef(m.Type, "a member")
		switch at := m.BitOffset; {
		case t.Kind == KindUnion && at != 0:
			v.fail("%s is at bit %d of a union", v.memberName(i, m), at)
		case at < last:
			v.fail("%s is at bit %d, before the last at %d", v.memberName(i, m), at, last)
		case at/8+(at%8+7)/8 > t.Size:
			v.fail("%s is at bit %d of %d bytes", v.memberName(i, m), at, t.Size)
		}
		last = m.BitOffset
	}
}

// memberName names a member in a message.
func (v *verifier) memberName(i int, m Member) string {
	if m.Name == 0 {
		return fmt.Sprintf("member %d", i)
	}
	return fmt.Sprintf("member %d (%s)", i, v.b.Name(m.Name))
}

func (v *verifier) checkEnum() {
	t := v.t
	if t.Kind == KindEnum64 {
		v.since(linux6_0)
	} else if t.Flag {
		v.noFlag(linux6_0)
	}
	v.mayHaveName()
	if s := t.Size; s != 1 && s != 2 && s != 4 && s != 8 {
		v.fail("its size is %d", s)
	}
	for i := range t.Vlen {
		if e := t.Enumerator(i); e.Name == 0 {
			v.fail("value %d has no name", i)
		} else {
			v.checkName(e.Name, "name of a value")
		}
	}
}

func (v *verifier) checkFunc() {
	v.needName()
	v.noFlag(Release{})
	switch l := v.t.Linkage(); {
	case l > Global:
		v.fail("its linkage is %d", l)
	case l == Global:
		v.failBefore(linux5_6, "its linkage is %d", l)
	}
	v.checkRef(v.t.Ref(), "its prototype")
}

func (v *verifier) checkVar() {
	v.since(linux5_2)
	v.needName()
	v.noVlen()
	v.noFlag(Release{})
	if v.t.Ref() == 0 {
		v.fail("it is void")
	}
	if l := v.t.Linkage(); l != Static && l != Global {
		v.fail("its linkage is %d", l)
	}
	v.checkRef(v.t.Ref(), "it refers to what")
}

func (v *verifier) checkDatasec() {
	t := v.t
	v.since(linux5_2)
	v.noFlag(Release{})
	v.checkSectionName()
	if t.Size == 0 {
		v.fail("its size is 0")
	}
	end, last := uint64(0), -1
	for i := range t.Vlen {
		e := t.Entry(i)
		if e.Var == 0 {
			v.fail("variable %d is void", i)
		}
		v.checkRef(e.Var, "a variable")
		switch {
		case uint64(e.Offset) < end:
			v.fail("variable %s at %#x begins before the end of %s, %#x", v.varName(i), e.Offset, v.varName(last), end)
		case e.Offset >= t.Size:
			v.fail("variable %s at %#x begins after the section's size, %#x", v.varName(i), e.Offset, t.Size)
		case e.Size == 0:
			v.fail("variable %s at %#x has no size", v.varName(i), e.Offset)
		case uint64(e.Offset)+uint64(e.Size) > uint64(t.Size):
			v.fail("variable %s at %#x ends after the section's size, %#x", v.varName(i), e.Offset, t.Size)
		}
		end, last = uint64(e.Offset)+uint64(e.Size), i
	}
}

// varName returns the name of variable i of the section in hand.
func (v *verifier) varName(i int) string {
	if i < 0 {
		return ""
	}
	return v.b.Name(v.b.Type(v.t.Entry(i).Var).Name)
}

// checkSectionName checks the name of a section, which may be any that prints;
// before that was so, it had to be an identifier.
func (v *verifier) checkSectionName() {
	if v.t.Name == 0 {
		v.fail("it has no name")
		return
	}
	name := v.b.NameBytes(v.t.Name)
	v.checkLength(name, "name")
	plain := true
	for i, c := range name {
		if !printable(c) {
			v.fail("its name %q does not print", name)
			return
		}
		letter := c == '_' || c == '.' || 'a' <= c|0x20 && c|0x20 <= 'z'
		plain = plain && (letter || i > 0 && '0' <= c && c <= '9')
	}
	if !plain {
		v.failBefore(linux6_11, "its name %q is no identifier", name)
	}
}

// printable is isprint of lib/ctype.c, whose table is Latin-1.
func printable(c byte) bool { return c >= 0x20 && c < 0x7f || c >= 0xa0 }
