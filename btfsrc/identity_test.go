package btfsrc

import (
	"crypto/sha256"
	"errors"
	"fmt"
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
