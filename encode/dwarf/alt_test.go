package dwarf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// TestSupplementary reads entries and strings of a supplementary file, linked to
// as dwz does and as DWARF 5 has it.
func TestSupplementary(t *testing.T) {
	const main = `
		unit
		compile_unit
			variable name:GNU_strp_alt="int" type:GNU_ref_alt=AT
			variable name:strp_sup="int" type:ref_sup4=AT
			variable name:indirect/strp_sup="int" type:ref_sup8=AT`
	const wantMain = `
		compile_unit
			variable name="int" type=int
			variable name="int" type=int
			variable name="int" type=int
		`
	const sup = `
		unit partial
		partial_unit
			base_type @int name:strp="int" byte_size:data1=4
			pointer_type type:ref_addr=@int`
	const wantSup = `
		partial_unit
			base_type name="int" size=4
			pointer_type type=int
		`
	note := func(d dwarftest.File, id string) dwarftest.Section {
		return dwarftest.Section{Name: ".note.gnu.build-id", Type: 7, Data: append(raw(d, "w", 4, "w", len(id), "w", 3), "GNU\x00"+id...)}
	}
	for _, tt := range []struct {
		name      string
		link, own func(d dwarftest.File) dwarftest.Section
		want      string // of the main file, or an error
	}{
		{"altlink",
			func(dwarftest.File) dwarftest.Section {
				return dwarftest.Section{Name: ".gnu_debugaltlink", Data: []byte("sup.debug\x00identity")}
			},
			func(d dwarftest.File) dwarftest.Section { return note(d, "identity") }, ""},
		{"DWARF 5",
			func(d dwarftest.File) dwarftest.Section {
				return dwarftest.Section{Name: ".debug_sup", Data: append(raw(d, "h", 5, 0), "sup.debug\x00\x03abc"...)}
			},
			func(d dwarftest.File) dwarftest.Section {
				return dwarftest.Section{Name: ".debug_sup", Data: append(raw(d, "h", 5, 1), "\x00\x03abc"...)}
			}, ""},
		{"another build ID",
			func(dwarftest.File) dwarftest.Section {
				return dwarftest.Section{Name: ".gnu_debugaltlink", Data: []byte("sup.debug\x00identity")}
			},
			func(d dwarftest.File) dwarftest.Section { return note(d, "another!") },
			"reference to the supplementary file sup.debug, which is not found or has another build ID"},
		{"missing",
			func(dwarftest.File) dwarftest.Section {
				return dwarftest.Section{Name: ".gnu_debugaltlink", Data: []byte("elsewhere.debug\x00identity")}
			},
			func(d dwarftest.File) dwarftest.Section { return note(d, "identity") },
			"reference to the supplementary file elsewhere.debug, which is not found or has another build ID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			everywhere(t, only5, func(t *testing.T, d dwarftest.File) {
				dir, s := t.TempDir(), d
				at := "13" // after the header and the first entry
				if d.Dwarf64 {
					at = "25"
				}
				if d.ELF32 {
					d.Machine, s.Machine = 3, 3
				}
				d.Info, d.Alt = lines(strings.ReplaceAll(main, "AT", at)), []byte("\x00int\x00")
				d.Sections = []dwarftest.Section{tt.link(d)}
				s.Info, s.Sections = lines(sup), []dwarftest.Section{tt.own(s)}
				name := filepath.Join(dir, "main")
				for name, data := range map[string][]byte{name: d.Bytes(), filepath.Join(dir, "sup.debug"): s.Bytes()} {
					if err := os.WriteFile(name, data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				f, err := dwarf.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				got, err := dump(f)
				if tt.want != "" {
					if err == nil || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("error is %v, want %s", err, tt.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(lines(wantMain)+lines(wantSup), got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
