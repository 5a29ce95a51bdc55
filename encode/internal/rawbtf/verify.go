package rawbtf

import (
	"cmp"
	"fmt"
	"slices"
)

// Release is a version of the kernel. The zero Release is later than all.
type Release struct{ Major, Minor int }

func (r Release) String() string { return fmt.Sprintf("%d.%d", r.Major, r.Minor) }

// Before reports whether r is earlier than s.
func (r Release) Before(s Release) bool {
	switch (Release{}) {
	case r:
		return false
	case s:
		return true
	}
	return cmp.Or(cmp.Compare(r.Major, s.Major), cmp.Compare(r.Minor, s.Minor)) < 0
}

// Releases that lifted a rule or brought a kind.
var (
	linux5_0  = Release{5, 0}  // kind_flag of structs and FWDs
	linux5_2  = Release{5, 2}  // VAR, DATASEC
	linux5_6  = Release{5, 6}  // FUNCs that are not static
	linux5_13 = Release{5, 13} // FLOAT
	linux5_16 = Release{5, 16} // DECL_TAG
	linux5_17 = Release{5, 17} // TYPE_TAG
	linux6_0  = Release{6, 0}  // ENUM64, signed ENUM
	linux6_1  = Release{6, 1}  // KSYM_NAME_LEN is 512, was 128
	linux6_5  = Release{6, 5}  // names with dots, of other things than variables
	linux6_11 = Release{6, 11} // section names with any printable character
	linux6_15 = Release{6, 15} // kind_flag of tags
	linux7_1  = Release{7, 1}  // layout section
	linux7_2  = Release{7, 2}  // 24-bit vlen, type tags after qualifiers
)

// A Violation is a reason for the kernel to refuse a BTF.
type Violation struct {
	ID   ID // the type; 0: the BTF as a whole
	Kind Kind
	Name string
	Msg  string

	// Before is the first release that no longer refuses it; zero if all do.
	Before Release
	// LoadOnly is what only BPF_BTF_LOAD refuses: the BTF that is built into a
	// kernel or module is not resolved.
	LoadOnly bool
}

func (v Violation) String() string {
	s := v.Msg
	if v.ID != 0 {
		s = fmt.Sprintf("[%d] %v %s: %s", v.ID, v.Kind, cmp.Or(v.Name, "(anon)"), v.Msg)
	}
	switch {
	case v.Before != Release{} && v.LoadOnly:
		s += fmt.Sprintf(" (BPF_BTF_LOAD before Linux %v)", v.Before)
	case v.Before != Release{}:
		s += fmt.Sprintf(" (before Linux %v)", v.Before)
	case v.LoadOnly:
		s += " (BPF_BTF_LOAD)"
	}
	return s
}

// maxViolations bounds what Verify returns for a BTF that is wrong throughout.
const maxViolations = 10_000

// Verify returns every reason for which a kernel of a release refuses b; the zero
// Release stands for the newest. b's base is taken as right. The rules are those
// of kernel/bpf/btf.c; where it depends on the order of types whether the kernel
// notices, Verify does. Not checked is what BPF_BTF_LOAD asks of structs that
// have BPF's own locks, timers and kptrs as members.
func Verify(b *Blob, kernel Release) []Violation {
	v := &verifier{b: b, kernel: kernel}
	v.checkSections()
	for id, t := range b.All() {
		v.id, v.t = id, t
		v.checkRecord()
	}
	if !slices.ContainsFunc(v.found, func(f Violation) bool { return !f.LoadOnly }) {
		v.checkChains()
		newResolver(v).checkAll() // needs references that lead somewhere
	}
	slices.SortStableFunc(v.found, func(a, b Violation) int { return cmp.Compare(a.ID, b.ID) })
	return v.found
}

// verifier holds a BTF against the rules. id and t are the record in hand.
type verifier struct {
	b      *Blob
	kernel Release
	id     ID
	t      Type
	found  []Violation
}

// fail notes a violation that every kernel refuses.
func (v *verifier) fail(format string, args ...any) {
	v.note(Violation{Msg: fmt.Sprintf(format, args...)})
}

// failBefore notes a violation that kernels before r refuse, if the kernel in
// question is one.
func (v *verifier) failBefore(r Release, format string, args ...any) {
	if r == (Release{}) || v.kernel.Before(r) {
		v.note(Violation{Msg: fmt.Sprintf(format, args...), Before: r})
	}
}

// failLoad notes a violation that only BPF_BTF_LOAD refuses.
func (v *verifier) failLoad(format string, args ...any) {
	v.note(Violation{Msg: fmt.Sprintf(format, args...), LoadOnly: true})
}

// note notes a violation of the record in hand.
func (v *verifier) note(n Violation) {
	if len(v.found) < maxViolations {
		n.ID, n.Kind, n.Name = v.id, v.t.Kind, v.b.Name(v.t.Name)
		v.found = append(v.found, n)
	}
}

// checkSections checks the header and how the sections lie.
func (v *verifier) checkSections() {
	b, h := v.b, &v.b.header
	if h.flags != 0 {
		v.fail("header flags are %#x", h.flags)
	}
	if h.size > headerSize && slices.ContainsFunc(b.raw[headerSize:min(h.size, headerLayout)], nonzero) {
		v.failBefore(linux7_1, "the header names a layout section")
	}
	if h.size > headerLayout && slices.ContainsFunc(b.raw[headerLayout:h.size], nonzero) {
		v.fail("the header goes on after what is known")
	}
	if h.typeOff%4 != 0 || h.layoutOff%4 != 0 || h.layoutLen%layoutSize != 0 {
		v.fail("sections are not aligned to 4 bytes")
	}
	v.checkGaps()
	if len(b.strs) == 0 {
		if b.base == nil {
			v.fail("there are no strings")
		}
	} else {
		if b.base == nil && b.strs[0] != 0 {
			v.fail("the strings do not begin with the empty string")
		}
		if b.strs[len(b.strs)-1] != 0 {
			v.fail("the last string has no end")
		}
		if len(b.strs)-1 > maxStr {
			v.fail("%d bytes of strings, %d are allowed", len(b.strs), maxStr+1)
		}
	}
	if len(b.at) == 0 && b.base == nil {
		v.fail("there are no types")
	}
	if b.End() > maxID+1 {
		v.fail("%d types, %d are allowed", b.End(), maxID+1)
	}
	if len(b.raw) > 16<<20 {
		v.failLoad("%d bytes, %d are allowed", len(b.raw), 16<<20)
	}
}

func nonzero(c byte) bool { return c != 0 }

// checkGaps checks that the sections fill the BTF, one after the other.
func (v *verifier) checkGaps() {
	h := &v.b.header
	type section struct{ off, size uint32 }
	secs := []section{{h.typeOff, h.typeLen}, {h.strOff, h.strLen}}
	if h.layoutLen != 0 {
		secs = append(secs, section{h.layoutOff, h.layoutLen})
	}
	slices.SortFunc(secs, func(a, b section) int {
		return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.size, b.size))
	})
	end := uint64(0)
	for _, s := range secs {
		if uint64(s.off) != end {
			v.fail("a section begins at %#x, the one before ends at %#x", s.off, end)
			return
		}
		end += uint64(s.size)
	}
	if body := len(v.b.raw) - int(h.size); end != uint64(body) {
		v.fail("the sections end at %#x, the BTF at %#x", end, body)
	} else if h.size < headerLayout && h.strOff+h.strLen != uint32(end) {
		v.fail("the strings are not at the end")
	}
}

// checkName checks a name that must be an identifier, which to the kernel has
// letters, digits, underscores and dots.
func (v *verifier) checkName(s Str, what string) {
	if !v.checkStr(s, what) {
		return
	}
	name := v.b.NameBytes(s)
	dots := false
	for i, c := range name {
		letter := c == '_' || c == '.' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			v.fail("%s %q is no identifier", what, name)
			return
		}
		dots = dots || c == '.'
	}
	if dots && v.t.Kind != KindVar && v.t.Kind != KindDatasec {
		v.failBefore(linux6_5, "%s %q has a dot", what, name)
	}
	v.checkLength(name, what)
}

// checkLength checks a name's length against KSYM_NAME_LEN.
func (v *verifier) checkLength(name []byte, what string) {
	switch n := len(name); {
	case n == 0:
		v.fail("%s is empty", what)
	case n > 512:
		v.fail("%s has %d bytes, 512 are allowed", what, n)
	case n > 128:
		v.failBefore(linux6_1, "%s has %d bytes, 128 are allowed", what, n)
	}
}

// checkStr checks that there is a string at s.
func (v *verifier) checkStr(s Str, what string) bool {
	if v.b.validStr(s) {
		return true
	}
	v.fail("%s is at %#x, the strings end at %#x", what, uint32(s), v.b.StrEnd())
	return false
}

// needName checks the name of a kind that must have one.
func (v *verifier) needName() {
	if v.t.Name == 0 {
		v.fail("it has no name")
		return
	}
	v.checkName(v.t.Name, "name")
}

// mayHaveName checks the name of a kind that may have one.
func (v *verifier) mayHaveName() {
	if v.t.Name != 0 {
		v.checkName(v.t.Name, "name")
	}
}

// noName checks that there is no name.
func (v *verifier) noName() {
	if v.t.Name != 0 {
		v.fail("%v has a name", v.t.Kind)
	}
}

// noVlen checks that a kind without elements has none.
func (v *verifier) noVlen() {
	if v.t.Vlen != 0 {
		v.fail("it has %d elements", v.t.Vlen)
	}
}

// noFlag checks kind_flag; since is the release that gave it a meaning.
func (v *verifier) noFlag(since Release) {
	if v.t.Flag {
		v.failBefore(since, "kind_flag is set")
	}
}

// checkRef checks that id is the number of a type.
func (v *verifier) checkRef(id ID, what string) {
	if id >= v.b.End() {
		v.fail("%s is type %d, there are %d", what, id, v.b.End())
	}
}
