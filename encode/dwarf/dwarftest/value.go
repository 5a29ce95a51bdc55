package dwarftest

import (
	"bytes"
	"debug/elf"
	"fmt"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/encode/dwarf"
)

// value writes the value of an attribute.
func (a *assembler) value(form dwarf.Form, value string) {
	u, o := &a.unit, a.section(a.unit.section)
	switch form {
	case dwarf.FormBlock1, dwarf.FormBlock2, dwarf.FormBlock4, dwarf.FormBlock, dwarf.FormExprloc:
		a.block(form, value)
		return
	}
	if strings.HasPrefix(value, "{") {
		o.Write(a.bytes(value).Bytes())
		return
	}
	switch form {
	case dwarf.FormFlagPresent:
	case dwarf.FormData1, dwarf.FormFlag:
		a.put(o, 1, number(value))
	case dwarf.FormData2:
		a.put(o, 2, number(value))
	case dwarf.FormData4:
		a.put(o, 4, number(value))
	case dwarf.FormData8, dwarf.FormRefSig8:
		a.put(o, 8, number(value))
	case dwarf.FormData16:
		a.put(o, 8, number(value))
		a.put(o, 8, 0)
	case dwarf.FormUdata, dwarf.FormLoclistx, dwarf.FormRnglistx:
		putULEB(&o.Buffer, number(value))
	case dwarf.FormSdata:
		putSLEB(&o.Buffer, int64(number(value)))
	case dwarf.FormAddr:
		a.address(o, value)
	case dwarf.FormAddrx, dwarf.FormGNUAddrIndex:
		putULEB(&o.Buffer, a.addrIndex(value))
	case dwarf.FormAddrx1, dwarf.FormAddrx2, dwarf.FormAddrx3, dwarf.FormAddrx4:
		a.put(o, int(form-dwarf.FormAddrx1)+1, a.addrIndex(value))
	case dwarf.FormString:
		o.WriteString(text(value) + "\x00")
	case dwarf.FormStrp:
		a.putOffset(o, ".debug_str", a.str(".debug_str", text(value)))
	case dwarf.FormLineStrp:
		a.putOffset(o, ".debug_line_str", a.str(".debug_line_str", text(value)))
	case dwarf.FormStrx, dwarf.FormGNUStrIndex:
		putULEB(&o.Buffer, a.strIndex(text(value)))
	case dwarf.FormStrx1, dwarf.FormStrx2, dwarf.FormStrx3, dwarf.FormStrx4:
		a.put(o, int(form-dwarf.FormStrx1)+1, a.strIndex(text(value)))
	case dwarf.FormGNUStrpAlt, dwarf.FormStrpSup:
		at := bytes.Index(a.file.Alt, []byte(text(value)+"\x00"))
		a.put(o, u.offSize, uint64(at))
	case dwarf.FormGNURefAlt:
		a.put(o, u.offSize, number(value))
	case dwarf.FormRefSup4:
		a.put(o, 4, number(value))
	case dwarf.FormRefSup8:
		a.put(o, 8, number(value))
	case dwarf.FormRef1, dwarf.FormRef2, dwarf.FormRef4, dwarf.FormRef8:
		a.ref(value, 1<<(form-dwarf.FormRef1), u.begin)
	case dwarf.FormRefUdata:
		a.fixups = append(a.fixups, fixup{section: u.section, off: o.Len(), size: 3, unit: u.begin, leb: true, label: value})
		o.Write([]byte{0x80, 0x80, 0})
	case dwarf.FormRefAddr:
		size := u.offSize
		if u.version == 2 {
			size = a.file.AddrSize()
		}
		a.ref(value, size, -1)
	case dwarf.FormSecOffset:
		a.put(o, u.offSize, number(value))
	default:
		panic(fmt.Sprintf("the value of form %#x must be bytes", uint16(form)))
	}
}

// text unquotes a string.
func text(s string) string {
	t, err := strconv.Unquote(s)
	if err != nil {
		panic("bad string " + s)
	}
	return t
}

// str returns the offset of a string, which it adds if it is new.
func (a *assembler) str(section, s string) uint64 {
	o := a.section(section)
	if o.Len() == 0 {
		o.WriteByte(0)
	}
	if i := bytes.Index(o.Bytes(), []byte("\x00"+s+"\x00")); i >= 0 {
		return uint64(i) + 1
	}
	at := o.Len()
	o.WriteString(s + "\x00")
	return uint64(at)
}

// strIndex adds a string to .debug_str_offsets, whose header it writes first,
// and returns its index.
func (a *assembler) strIndex(s string) uint64 {
	at := a.str(".debug_str", s)
	o := a.section(".debug_str_offsets")
	a.tableHeader(o)
	i := (o.Len() - a.headerSize()) / a.unit.offSize
	a.putOffset(o, ".debug_str", at)
	return uint64(i)
}

// addrIndex adds an address to .debug_addr and returns its index.
func (a *assembler) addrIndex(value string) uint64 {
	o := a.section(".debug_addr")
	a.tableHeader(o)
	i := (o.Len() - a.headerSize()) / a.file.AddrSize()
	a.address(o, value)
	return uint64(i)
}

// headerSize is the size of the header of .debug_str_offsets and .debug_addr,
// which came with DWARF 5.
func (a *assembler) headerSize() int {
	switch {
	case a.unit.version < 5:
		return 0
	case a.unit.offSize == 8:
		return 16
	}
	return 8
}

func (a *assembler) tableHeader(o *output) {
	if o.Len() == 0 {
		o.Write(make([]byte, a.headerSize())) // nobody reads it
	}
}

// block writes a block or an expression.
func (a *assembler) block(form dwarf.Form, value string) {
	o := a.section(a.unit.section)
	content := a.bytes(value)
	n := uint64(content.Len())
	switch form {
	case dwarf.FormBlock1:
		a.put(o, 1, n)
	case dwarf.FormBlock2:
		a.put(o, 2, n)
	case dwarf.FormBlock4:
		a.put(o, 4, n)
	default:
		putULEB(&o.Buffer, n)
	}
	for _, r := range content.relocs {
		r.off += o.Len()
		o.relocs = append(o.relocs, r)
	}
	o.Write(content.Bytes())
}

// bytes assembles {…}.
func (a *assembler) bytes(value string) *output {
	o := &output{}
	for item := range strings.FieldsSeq(strings.Trim(value, "{}")) {
		kind, n, ok := strings.Cut(item, ":")
		if !ok {
			kind, n = "", "0x"+item
		}
		switch kind {
		case "":
			o.WriteByte(byte(number(n)))
		case "addr":
			a.address(o, n)
		case "addrx":
			putULEB(&o.Buffer, a.addrIndex(n))
		case "uleb":
			putULEB(&o.Buffer, number(n))
		case "sleb":
			putSLEB(&o.Buffer, int64(number(n)))
		case "u2", "u4", "u8":
			a.put(o, int(kind[1]-'0'), number(n))
		default:
			panic("bad item of a block: " + item)
		}
	}
	return o
}

// address writes an address: a number, or a symbol and perhaps an addend.
func (a *assembler) address(o *output, value string) {
	if value[0] >= '0' && value[0] <= '9' {
		a.put(o, a.file.AddrSize(), number(value))
		return
	}
	name, addend, _ := strings.Cut(value, "+")
	r := relocation{off: o.Len(), symbol: name, size: a.file.AddrSize()}
	if addend != "" {
		r.addend = number(addend)
	}
	o.relocs = append(o.relocs, r)
	a.put(o, a.file.AddrSize(), 0)
}

// putOffset writes an offset in another section, in an ET_REL file by a
// relocation.
func (a *assembler) putOffset(o *output, section string, off uint64) {
	if a.file.Type == elf.ET_REL {
		o.relocs = append(o.relocs, relocation{off: o.Len(), symbol: section, addend: off, size: a.unit.offSize})
		off = 0
	}
	a.put(o, a.unit.offSize, off)
}

// ref writes a reference to a label, relative to the unit or to the section.
func (a *assembler) ref(label string, size, unit int) {
	o := a.section(a.unit.section)
	a.fixups = append(a.fixups, fixup{section: a.unit.section, off: o.Len(), size: size, unit: unit, label: label})
	a.put(o, size, 0)
}

func (a *assembler) fix(f fixup) {
	l, ok := a.labels[strings.TrimPrefix(f.label, "@")]
	var v uint64
	switch {
	case !ok && !strings.HasPrefix(f.label, "@"):
		v = number(f.label)
	case !ok:
		panic("no label " + f.label)
	case f.unit >= 0:
		v = uint64(l.off - f.unit)
	case a.file.Type == elf.ET_REL:
		o := a.out[f.section]
		o.relocs = append(o.relocs, relocation{off: f.off, symbol: l.section, addend: uint64(l.off), size: f.size})
	default:
		v = uint64(l.off)
	}
	p := a.out[f.section].Bytes()[f.off:]
	if !f.leb {
		a.putAt(p, f.size, v)
		return
	}
	p[0], p[1], p[2] = byte(v)|0x80, byte(v>>7)|0x80, byte(v>>14)&0x7f
}

func (a *assembler) put(o *output, size int, v uint64) {
	var p [8]byte
	a.putAt(p[:], size, v)
	o.Write(p[:size])
}

// putAt stores the low size bytes of v.
func (a *assembler) putAt(p []byte, size int, v uint64) {
	for i := range size {
		at := i
		if a.file.Big {
			at = size - 1 - i
		}
		p[at] = byte(v >> (8 * i))
	}
}

func putULEB(b *bytes.Buffer, v uint64) {
	for ; v >= 0x80; v >>= 7 {
		b.WriteByte(byte(v) | 0x80)
	}
	b.WriteByte(byte(v))
}

func putSLEB(b *bytes.Buffer, v int64) {
	for ; v < -0x40 || v >= 0x40; v >>= 7 {
		b.WriteByte(byte(v) | 0x80)
	}
	b.WriteByte(byte(v) & 0x7f)
}
