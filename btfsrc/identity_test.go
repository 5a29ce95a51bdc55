package btfsrc

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestMadeFor adds split BTF that says which BTF it was made for.
func TestMadeFor(t *testing.T) {
	eachForm(t, func(t *testing.T, base *builder) {
		raw := base.bytes()
		text := fmt.Sprintf("base:sha256:%x types=%d strings=%d release=6.1.0-x", sha256.Sum256(raw), base.count+1, len(base.strs))
		other := fmt.Sprintf("base:sha256:%064x types=%d strings=%d", 0xabc, base.count+1, len(base.strs))
		sum := fmt.Sprintf("%x", sha256.Sum256(raw))[:12]
		for _, tt := range []struct{ name, text, want string }{
			{"this kernel", text, ""},
			{"another kernel", other, fmt.Sprintf("sha256 000000000000…, %d types", base.count+1)},
			{"another kernel of a release", other + " release=5.4", fmt.Sprintf("Linux 5.4 (sha256 000000000000…, %d types)", base.count+1)},
			{"fewer types", fmt.Sprintf("base:sha256:%x types=7 strings=%d", sha256.Sum256(raw), len(base.strs)), "sha256 " + sum + "…, 7 types"},
			{"something else", "base:sha256:0", ""},
			{"nothing", "", ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				types, b := base.load(t), base.split()
				if tt.text != "" {
					b.name(tt.text)
				}
				b.variable("extra", 1)
				err := types.AddSplit("vars.btf", SourceFile, b.bytes())
				want := ""
				if tt.want != "" {
					want = fmt.Sprintf("BTF of vars.btf does not fit this kernel's BTF: it was made for that of %s, and this is sha256 %s…, %d types",
						tt.want, sum, base.count+1)
				}
				got := ""
				if err != nil {
					got = err.Error()
				}
				if _, ok := errors.AsType[*BaseError](err); got != want || ok != (want != "") {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if n := len(types.Vars("extra")); (n == 1) != (want == "") {
					t.Errorf("%d variables", n)
				}
			})
		}
	})
}

// TestTwin adds BTF that stands alone, as that of a whole vmlinux does.
func TestTwin(t *testing.T) {
	eachForm(t, func(t *testing.T, own *builder) {
		types := own.load(t)
		raw := own.bytes()
		before := types.NumTypes()
		if err := types.AddSplit("vmlinux", SourceFile, raw); err != nil || types.NumTypes() != before {
			t.Errorf("the kernel's own: %d types more, %v", types.NumTypes()-before, err)
		}
		own.variable("extra", 1)
		if err := types.AddSplit("vmlinux", SourceFile, own.bytes()); err != nil || len(types.Vars("extra")) != 1 {
			t.Errorf("the same structures: %d variables, %v", len(types.Vars("extra")), err)
		}

		twin := newBuilder(own.layout)
		twin.composite(kindStruct, "twin", 24, member{"a", twin.integer("int", 4, true), 0, 0})
		other := newBuilder(own.layout)
		other.composite(kindStruct, "twin", 16, member{"a", other.integer("int", 4, true), 0, 0})
		err := twin.load(t).AddSplit("vmlinux", SourceFile, other.bytes())
		const want = `"twin" has 1 members in 16 bytes there, and 1 in 24 here`
		if _, ok := errors.AsType[*BaseError](err); !ok || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("another kernel's: %v, want %s", err, want)
		}
	})
}
