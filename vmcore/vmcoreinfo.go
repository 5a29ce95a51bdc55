package vmcore

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// maxVMCOREINFO bounds the text of a VMCOREINFO: the kernel gives it one page
// (VMCOREINFO_BYTES in include/linux/vmcore_info.h), and no page is larger.
const maxVMCOREINFO = 64 << 10

// VMCOREINFO is what a kernel says about itself for the readers of its dumps:
// KEY=value lines that kernel/vmcore_info.c writes at boot into one page. It
// is immutable. Where a key occurs more than once, the last line counts.
type VMCOREINFO struct {
	text   []byte
	source string
	values map[string]string
	cut    bool
}

// ParseVMCOREINFO reads the text of a VMCOREINFO note. Any text parses: lines
// that are not KEY=value are passed over, and the text ends at its first NUL.
//
// A kernel whose lines do not fit its page cuts the last one short. Such a
// line, which has no newline and ends a text that fills whole pages, is left
// out: half an address is worse than none.
func ParseVMCOREINFO(text []byte) *VMCOREINFO {
	return parseVMCOREINFO(text, "text")
}

func parseVMCOREINFO(text []byte, source string) *VMCOREINFO {
	if i := bytes.IndexByte(text, 0); i >= 0 {
		text = text[:i]
	}
	v := &VMCOREINFO{
		text:   bytes.Clone(text),
		source: source,
		values: make(map[string]string, bytes.Count(text, []byte("\n"))+1),
	}
	v.cut = len(text) > 0 && len(text)%4096 == 0 && text[len(text)-1] != '\n'
	lines := string(text)
	if v.cut {
		lines = lines[:strings.LastIndexByte(lines, '\n')+1]
	}
	for line := range strings.Lines(lines) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && key != "" {
			v.values[key] = value
		}
	}
	return v
}

// Empty reports whether v has no values: the dump has no VMCOREINFO.
func (v *VMCOREINFO) Empty() bool { return len(v.values) == 0 }

// Source says where v comes from: "note", "sub-header", "options", "text" or
// "memory at 0x…"; "" when v is empty.
func (v *VMCOREINFO) Source() string { return v.source }

// Text returns the text as it stands in the dump, up to the first NUL. The
// caller must not change it.
func (v *VMCOREINFO) Text() []byte { return v.text }

// Truncated reports whether the kernel ran out of room for its lines. Those of
// kallsyms are among the last, so they are lost first.
func (v *VMCOREINFO) Truncated() bool { return v.cut }

// Value returns the text after KEY=.
func (v *VMCOREINFO) Value(key string) (string, bool) {
	s, ok := v.values[key]
	return s, ok
}

// Symbol returns the address in SYMBOL(name), as relocated by KASLR.
func (v *VMCOREINFO) Symbol(name string) (Addr, bool) {
	u, ok := v.Hex("SYMBOL(" + name + ")")
	return Addr(u), ok
}

// Number returns NUMBER(name): a signed decimal number, or 0x and hexadecimal
// digits where an architecture writes it so. Numbers of 63 bits and more wrap
// around to negative ones; uint64 of the result gives the value back.
func (v *VMCOREINFO) Number(name string) (int64, bool) {
	s, ok := v.values["NUMBER("+name+")"]
	if !ok {
		return 0, false
	}
	if strings.HasPrefix(s, "-") {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil
	}
	u, ok := parseUint(s, 10)
	return int64(u), ok
}

// Size returns SIZE(name) in bytes, as of a structure.
func (v *VMCOREINFO) Size(name string) (uint64, bool) { return v.decimal("SIZE(" + name + ")") }

// Offset returns OFFSET(name) in bytes, as of "list_head.next".
func (v *VMCOREINFO) Offset(name string) (uint64, bool) { return v.decimal("OFFSET(" + name + ")") }

// Length returns LENGTH(name), the number of elements of an array.
func (v *VMCOREINFO) Length(name string) (uint64, bool) { return v.decimal("LENGTH(" + name + ")") }

// Hex returns the value of a key that is written as hexadecimal digits without
// a 0x, such as KERNELOFFSET.
func (v *VMCOREINFO) Hex(key string) (uint64, bool) {
	s, ok := v.values[key]
	if !ok {
		return 0, false
	}
	return parseUint(s, 16)
}

// Release returns the kernel's release as uname -r prints it; "" if unknown.
func (v *VMCOREINFO) Release() string { return v.values["OSRELEASE"] }

// BuildID returns the kernel's build ID in hexadecimal; "" if unknown. It is a
// hint only: several stable kernels print a wrong one (6.6.55 to 6.6.62, for
// example).
func (v *VMCOREINFO) BuildID() string { return v.values["BUILD-ID"] }

// CrashTime returns when the kernel crashed. Only a kernel that did crash, and
// was not dumped from outside, knows it.
func (v *VMCOREINFO) CrashTime() (time.Time, bool) {
	sec, err := strconv.ParseInt(v.values["CRASHTIME"], 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(sec, 0).UTC(), true
}

// PageSize returns the size of a page in bytes; 0 if unknown.
func (v *VMCOREINFO) PageSize() int {
	n, ok := v.decimal("PAGESIZE")
	if !ok || !validPageSize(n) {
		return 0
	}
	return int(n)
}

func (v *VMCOREINFO) decimal(key string) (uint64, bool) {
	s, ok := v.values[key]
	if !ok {
		return 0, false
	}
	return parseUint(s, 10)
}

// parseUint reads an unsigned number in the given base, or in base 16 after 0x.
func parseUint(s string, base int) (uint64, bool) {
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		s, base = digits, 16
	}
	u, err := strconv.ParseUint(s, base, 64)
	return u, err == nil
}

// validPageSize reports whether a Linux kernel may have pages of n bytes.
func validPageSize(n uint64) bool {
	return n >= 4<<10 && n <= 256<<10 && n&(n-1) == 0
}

// rank orders texts that claim to be the VMCOREINFO of one dump: 0 for one that
// no kernel of today wrote, more for a more complete one. A time of crash
// counts most: it marks the copy that the crashing kernel itself brought up to
// date, rather than what an older boot left in memory.
func (v *VMCOREINFO) rank() int {
	if v == nil {
		return 0
	}
	_, stext := v.Symbol("_stext")
	if v.Release() == "" || v.PageSize() == 0 || !stext {
		return 0
	}
	rank := len(v.values)
	if _, ok := v.CrashTime(); ok {
		rank += maxVMCOREINFO
	}
	return rank
}
