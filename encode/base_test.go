package encode

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/encode/internal/dedup"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// newTestBase returns a base with a struct of each name, and more strings behind
// them.
func newTestBase(t *testing.T, more string, names ...string) *rawbtf.Blob {
	t.Helper()
	b := rawbtf.NewBuilder(nil)
	for _, name := range names {
		b.Struct(b.String(name), 4, nil)
	}
	raw, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	raw = append(raw, more...)
	binary.LittleEndian.PutUint32(raw[20:], binary.LittleEndian.Uint32(raw[20:])+uint32(len(more)))
	blob, err := rawbtf.Parse(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// TestBaseStrings numbers strings by where they begin, over more than one word of
// the set of those places.
func TestBaseStrings(t *testing.T) {
	long := strings.Repeat("x", 200)
	s := newBaseStrings(newTestBase(t, "", "node", long, "list", "y"))
	for _, test := range []struct {
		text   string
		offset rawbtf.Str
		want   uint32
	}{{"", 0, 0}, {"node", 1, 1}, {"ode", 2, 0}, {long, 6, 2}, {"list", 207, 3}, {"y", 212, 4}, {"", 213, 0}, {"", 1 << 20, 0}} {
		if got := s.number(test.offset); got != test.want {
			t.Errorf("the string at %d has number %d, want %d", test.offset, got, test.want)
		}
		if test.want == 0 {
			continue
		}
		if n, ok := s.Find([]byte(test.text)); !ok || n != test.want || s.offset(n) != test.offset || string(s.At(n)) != test.text {
			t.Errorf("%.9q is number %d, %v, at %d: %q", test.text, n, ok, s.offset(n), s.At(n))
		}
	}
	if _, ok := s.Find([]byte("ode")); ok || s.Size() != 5 {
		t.Errorf("ode was found: %v; size %d", ok, s.Size())
	}
}

// TestBaseRepeats gives both of two equal strings the same name, and one that is
// but the end of another a name at all.
func TestBaseRepeats(t *testing.T) {
	for _, more := range []string{"", "node\x00"} {
		b, err := NewBase(newTestBase(t, more, "node", "xlist"))
		if err != nil {
			t.Fatal(err)
		}
		for s, text := range map[rawbtf.Str]string{1: "node", 6: "xlist", 7: "list", 12: strings.TrimSuffix(more, "\x00")} {
			n := b.name(s)
			if got := string(b.types.Bytes(n)); got != text || n != b.types.Intern([]byte(text)) || text == "" && n != 0 {
				t.Errorf("with %q, the name at %d is %d: %q", more, s, n, got)
			}
		}
		if b.types.Intern(nil) != dedup.Name(0) {
			t.Error("the empty string has a name")
		}
	}
}
