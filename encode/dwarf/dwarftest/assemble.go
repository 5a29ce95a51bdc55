package dwarftest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/encode/dwarf"
)

// assembler turns text into sections. It panics on a mistake in the text: that
// is a mistake in a test.
type assembler struct {
	file   *File
	out    map[string]*output
	names  []string // of out, in the order they came
	labels map[string]label
	fixups []fixup
	unit   unit
}

// output is a section being written.
type output struct {
	bytes.Buffer
	relocs []relocation
}

// relocation is one to be made in an ET_REL file.
type relocation struct {
	off    int
	symbol string // or a section
	addend uint64
	size   int
}

// label is the place of an entry.
type label struct {
	section   string
	off, unit int
}

// fixup is a reference to a label that may come later.
type fixup struct {
	section   string
	off, size int
	unit      int // offset of the unit it is relative to, −1 for the section
	leb       bool
	label     string
}

// unit is the unit being written.
type unit struct {
	version, offSize int
	section          string
	begin            int
	code             uint64 // of the next abbreviation
	depth            int
	open             bool
}

func (a *assembler) section(name string) *output {
	if a.out[name] == nil {
		a.out[name] = &output{}
		a.names = append(a.names, name)
	}
	return a.out[name]
}

func (a *assembler) assemble(text string) {
	a.out, a.labels = make(map[string]*output), make(map[string]label)
	for _, name := range []string{".debug_info", ".debug_abbrev", ".debug_str"} {
		a.section(name)
	}
	a.section(".debug_str").WriteByte(0) // so that no string is at 0
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		depth := indent(line)
		switch fields := split(line[depth:]); {
		case len(fields) == 0:
		case fields[0] == "unit":
			a.endUnit()
			a.beginUnit(fields[1:])
		default:
			a.entry(depth, fields, i+1 < len(lines) && indent(lines[i+1]) > depth)
		}
	}
	a.endUnit()
	for _, f := range a.fixups {
		a.fix(f)
	}
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, "\t")) }

// split cuts a line at spaces outside quotes and braces.
func split(line string) []string {
	var fields []string
	quoted, depth, start := false, 0, 0
	for i, c := range line + " " {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ' ' && depth == 0:
			if start < i {
				fields = append(fields, line[start:i])
			}
			start = i + 1
		}
	}
	return fields
}

func (a *assembler) beginUnit(facts []string) {
	version := a.file.Version
	if version == 0 {
		version = 5
	}
	a.unit = unit{version: version, offSize: 4, section: ".debug_info", code: 1, open: true}
	u := &a.unit
	if a.file.Dwarf64 {
		u.offSize = 8
	}
	kind, abbrev := 1, a.section(".debug_abbrev").Len()
	var sig uint64
	var typ string
	for _, fact := range facts {
		name, value, _ := strings.Cut(fact, "=")
		switch name {
		case "version":
			u.version = int(number(value))
		case "dwarf64":
			u.offSize = 8
		case "partial":
			kind = 3
		case "types":
			u.section = ".debug_types"
		case "section":
			u.section = fmt.Sprintf(".debug_info#%d", len(a.names))
		case "sig":
			kind, sig = 2, number(value)
		case "type":
			typ = value
		case "codes":
			u.code = number(value)
		default:
			panic("unknown fact of a unit: " + fact)
		}
	}
	o := a.section(u.section)
	u.begin = o.Len()
	a.initialLength()
	a.put(o, 2, uint64(u.version))
	if u.version >= 5 {
		o.WriteByte(byte(kind))
		o.WriteByte(byte(a.file.AddrSize()))
	}
	a.putOffset(o, ".debug_abbrev", uint64(abbrev))
	if u.version < 5 {
		o.WriteByte(byte(a.file.AddrSize()))
	}
	if kind == 2 {
		a.put(o, 8, sig)
		a.ref(typ, u.offSize, u.begin)
	}
}

func (a *assembler) initialLength() {
	o := a.section(a.unit.section)
	if a.unit.offSize == 8 {
		a.put(o, 4, 0xffffffff)
	}
	a.put(o, a.unit.offSize, 0)
}

// endUnit ends the open parents and the abbreviations, and stores the length.
func (a *assembler) endUnit() {
	u := &a.unit
	if !u.open {
		return
	}
	u.open = false
	o := a.section(u.section)
	for ; u.depth > 0; u.depth-- {
		o.WriteByte(0)
	}
	a.section(".debug_abbrev").WriteByte(0)
	at := u.begin
	if u.offSize == 8 {
		at += 4
	}
	a.putAt(o.Bytes()[at:], u.offSize, uint64(o.Len()-at-u.offSize))
}

// entry writes an entry, which has an abbreviation of its own.
func (a *assembler) entry(depth int, fields []string, children bool) {
	u := &a.unit
	o, abbrev := a.section(u.section), a.section(".debug_abbrev")
	for ; u.depth > depth; u.depth-- {
		o.WriteByte(0)
	}
	tag, ok := tags[fields[0]]
	if !ok {
		panic("unknown tag " + fields[0])
	}
	at := o.Len()
	putULEB(&o.Buffer, u.code)
	putULEB(&abbrev.Buffer, u.code)
	u.code++
	putULEB(&abbrev.Buffer, uint64(tag))
	if children {
		abbrev.WriteByte(1)
	} else {
		abbrev.WriteByte(0)
	}
	for _, field := range fields[1:] {
		if name, ok := strings.CutPrefix(field, "@"); ok {
			a.labels[name] = label{section: u.section, off: at, unit: u.begin}
			continue
		}
		a.attribute(field)
	}
	abbrev.Write([]byte{0, 0})
	if u.depth = depth; children {
		u.depth++
	}
}

func (a *assembler) attribute(field string) {
	o, abbrev := a.section(a.unit.section), a.section(".debug_abbrev")
	left, value, _ := strings.Cut(field, "=")
	name, form, _ := strings.Cut(left, ":")
	attr, ok := attrs[name]
	if !ok {
		n, err := strconv.ParseUint(name, 0, 16)
		if err != nil {
			panic("unknown attribute " + field)
		}
		attr = dwarf.Attr(n)
	}
	putULEB(&abbrev.Buffer, uint64(attr))
	if rest, ok := strings.CutPrefix(form, "indirect/"); ok {
		putULEB(&abbrev.Buffer, uint64(dwarf.FormIndirect))
		putULEB(&o.Buffer, uint64(formOf(rest)))
		form = rest
	} else {
		putULEB(&abbrev.Buffer, uint64(formOf(form)))
	}
	if formOf(form) == dwarf.FormImplicitConst {
		putSLEB(&abbrev.Buffer, int64(number(value)))
		return
	}
	a.value(formOf(form), value)
}

func formOf(name string) dwarf.Form {
	if f, ok := forms[name]; ok {
		return f
	}
	n, err := strconv.ParseUint(name, 0, 16)
	if err != nil {
		panic("unknown form " + name)
	}
	return dwarf.Form(n)
}

// number parses a decimal or hexadecimal number, perhaps negative.
func number(s string) uint64 {
	if n, err := strconv.ParseUint(s, 0, 64); err == nil {
		return n
	}
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		panic("bad number " + s)
	}
	return uint64(n)
}
