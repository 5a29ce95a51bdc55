package encode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// TestDistill has in the base what the module refers to, by name and size, and no
// string of the kernel's besides. What has no name moves into the module.
func TestDistill(t *testing.T) {
	const header = `
		struct unrelated { int a; }; struct inner { long a; };
		struct part { int a, b; }; struct target { struct inner i; };
		typedef struct { struct part p; } wrapped_t; enum mode { OFF, ON };
		enum wide { HUGE = 1ull << 40 };
		typedef int (*callback_t)(struct target *, const char *);`
	kernel := encodeFile(t, compile(t, false, "", header+`
		struct unrelated u; struct target tg; wrapped_t w; enum mode m; enum wide wd; callback_t c;`), &Options{Features: DefaultFeatures()})
	blob, err := rawbtf.Parse(kernel.BTF, nil)
	if err != nil {
		t.Fatal(err)
	}
	base, err := NewBase(blob)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Features: DefaultFeatures(), Base: base}
	o.DistilledBase = true
	r := encodeFile(t, compile(t, false, "", header+`
		struct mod { wrapped_t w; struct target *t; callback_t call; enum mode mode; enum wide wide; } mod;
		int mod_run(struct mod *m) { return m->call(m->t, "x"); }`), &o)
	small, err := rawbtf.Parse(r.Base, nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := rawbtf.Parse(r.BTF, small)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(`int int
		struct part 8 0
		struct target 8 0
		enum mode 4 0
		enum wide 8 0
		int char`, "\n"), strings.Split(records(small), "\n"), cmp.Transformer("trim", strings.TrimSpace)); d != "" {
		t.Error("base (-want +got):\n" + d)
	}
	if want := "\x00int\x00part\x00target\x00mode\x00wide\x00char\x00"; string(small.Strings()) != want {
		t.Errorf("strings of the base are %q, want %q", small.Strings(), want)
	}
	if d := cmp.Diff(strings.Split(`struct mod 40 5
		ptr
		func_proto
		func mod_run
		struct 8 1
		typedef wrapped_t
		typedef callback_t
		ptr
		func_proto
		ptr
		ptr
		const`, "\n"), strings.Split(records(own), "\n"), cmp.Transformer("trim", strings.TrimSpace)); d != "" {
		t.Error("module (-want +got):\n" + d)
	}
}

// records has a line for each record of b: its kind, name, and of what has a size
// this and the number of elements.
func records(b *rawbtf.Blob) string {
	var list []string
	for _, t := range b.All() {
		s := t.Kind.String()
		if t.Name != 0 {
			s += " " + b.Name(t.Name)
		}
		switch t.Kind {
		case rawbtf.KindStruct, rawbtf.KindUnion, rawbtf.KindEnum:
			s += fmt.Sprintf(" %d %d", t.Size, t.Vlen)
		}
		list = append(list, s)
	}
	return strings.Join(list, "\n")
}
