package btfsrc

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// identity says which BTF a split BTF was made for, which the format has no place
// for. kdbg's encoder, whose package rawbtf describes it, makes it the first
// string of split BTF that lists variables; that of modules has none.
type identity struct {
	sum            string // SHA-256 of the base, in hexadecimal
	types, strings int
	release        string // of the kernel; may be empty
}

var identityForm = regexp.MustCompile(`^base:sha256:([0-9a-f]{64}) types=(\d+) strings=(\d+)(?: release=(.*))?$`)

// madeFor returns what b says that it was made for.
func (b *blob) madeFor() (id identity, ok bool) {
	text, _, _ := strings.Cut(b.strs, "\x00")
	part := identityForm.FindStringSubmatch(text)
	if part == nil {
		return id, false
	}
	types, typesErr := strconv.Atoi(part[2])
	strs, strsErr := strconv.Atoi(part[3])
	return identity{part[1], types, strs, part[4]}, typesErr == nil && strsErr == nil
}

// identity returns what split BTF made for b says, but for the release.
func (b *blob) identity() identity {
	sum := sha256.Sum256(b.raw)
	return identity{sum: hex.EncodeToString(sum[:]), types: b.end(), strings: len(b.strs)}
}

// fits reports whether b is what id describes. The sum, which takes longest, is
// looked at last.
func (b *blob) fits(id identity) bool {
	return b.end() == id.types && len(b.strs) == id.strings && b.identity().sum == id.sum
}

// String describes the BTF to a person.
func (id identity) String() string {
	text := fmt.Sprintf("sha256 %.12s…, %d types", id.sum, id.types)
	if id.release != "" {
		return "Linux " + id.release + " (" + text + ")"
	}
	return text
}
