package rawbtf

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestIdentity reads a split BTF that records its base with that base, with
// another that all its references fit, and without one.
func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	read := func(name string, b *Builder, base *Blob) (*Blob, error) {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, mustBytes(t, b), 0o666); err != nil {
			t.Fatal(err)
		}
		return ReadFile(name, base)
	}
	var bases [2]*Blob
	for i := range bases {
		b := NewBuilder(nil)
		b.Int(b.String("int"), uint32(4+4*i), Signed, 0, 32)
		var err error
		if bases[i], err = read("base", b, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ release, want string }{
		{"6.1.0-x", "it is split on the BTF of Linux 6.1.0-x (sha256 24d02eaddcd0…, 2 types)"},
		{"", "it is split on the BTF of sha256 24d02eaddcd0…, 2 types"},
	} {
		id := bases[0].Identity()
		id.Release = test.release
		b := NewBuilder(&BuilderOptions{Base: bases[0], MadeFor: &id})
		b.Var(b.String("jiffies"), 1, Global)
		split, err := read("split", b, bases[0])
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := split.MadeFor(); !ok || got != id {
			t.Errorf("made for %v, %v; want %v", got, ok, id)
		}
		if name := split.Name(split.Type(2).Name); name != "jiffies" {
			t.Errorf("the variable is %q", name)
		}
		if found := Verify(split, Release{}); len(found) > 0 {
			t.Errorf("the kernel would refuse it: %v", found)
		}
		_, err = read("split", b, bases[1])
		if e := new(BaseError); !errors.As(err, &e) || !strings.Contains(err.Error(), test.want+", not on this base, sha256 28d69a6c0296…, 2 types") {
			t.Errorf("with another base: %v", err)
		}
		_, err = read("split", b, nil)
		if e := new(SplitError); !errors.As(err, &e) || !strings.Contains(err.Error(), test.want+", which is not named") {
			t.Errorf("without a base: %v", err)
		}
	}
}

// TestNoIdentity finds no identity in strings that are but similar.
func TestNoIdentity(t *testing.T) {
	whole := Identity{Types: 1, Strings: 2}.Text()
	for _, text := range []string{"", "base", whole[:40], whole + "0000000000", whole + " release", "x" + whole, strings.Replace(whole, "0", "g", 1)} {
		b := &Blob{strs: []byte(text + "\x00")}
		if id, ok := b.MadeFor(); ok {
			t.Errorf("%q is %v", text, id)
		}
	}
	b := &Blob{strs: []byte(whole + "\x00")}
	if id, ok := b.MadeFor(); !ok || id.Types != 1 || id.Strings != 2 {
		t.Errorf("%q is %v, %v", whole, id, ok)
	}
}
