package rawbtf

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Identity says which BTF another is split on. The format has no place for it,
// and the kernel refuses a header that it does not know whole. So it is the first
// string of the split BTF, to which no type refers:
//
//	base:sha256:HEX types=N strings=N release=TEXT
//
// The sum is of the base from its header to the end of its last section; types
// count void, strings are bytes of their section, and the release is that of the
// kernel, where it was known. Package btfsrc reads the same.
type Identity struct {
	Sum            [sha256.Size]byte
	Types, Strings uint32
	Release        string
}

var identityForm = regexp.MustCompile(`^base:sha256:([0-9a-f]{64}) types=(\d+) strings=(\d+)(?: release=(.*))?$`)

// Text returns the string that a split BTF has.
func (id Identity) Text() string {
	text := fmt.Sprintf("base:sha256:%x types=%d strings=%d", id.Sum, id.Types, id.Strings)
	if id.Release != "" {
		text += " release=" + id.Release
	}
	return text
}

// String describes the BTF to a person.
func (id Identity) String() string {
	text := fmt.Sprintf("sha256 %x…, %d types", id.Sum[:6], id.Types)
	if id.Release != "" {
		return "Linux " + id.Release + " (" + text + ")"
	}
	return text
}

// Identity returns what BTF that is split on b records, but for the release.
func (b *Blob) Identity() Identity {
	h := &b.header
	end := max(h.typeOff+h.typeLen, h.strOff+h.strLen, h.layoutOff+h.layoutLen)
	return Identity{
		Sum:   sha256.Sum256(b.raw[:h.size+end]),
		Types: uint32(b.End()), Strings: b.StrEnd(),
	}
}

// MadeFor returns the identity that a split BTF records. Most do not.
func (b *Blob) MadeFor() (id Identity, ok bool) {
	part := identityForm.FindSubmatch(cstring(b.strs))
	if part == nil {
		return id, false
	}
	_, err := hex.Decode(id.Sum[:], part[1])
	types, typesErr := strconv.ParseUint(string(part[2]), 10, 32)
	strs, strsErr := strconv.ParseUint(string(part[3]), 10, 32)
	id.Types, id.Strings, id.Release = uint32(types), uint32(strs), string(part[4])
	return id, errors.Join(err, typesErr, strsErr) == nil
}

// fits reports whether b is what id describes. The sum, which takes longest, is
// looked at last.
func (b *Blob) fits(id Identity) bool {
	return uint32(b.End()) == id.Types && b.StrEnd() == id.Strings && b.Identity().Sum == id.Sum
}
