package btfsrc

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

// The tests here compare with the tools that others read BTF with. A tool that
// is not installed is passed over unless KDBG_REQUIRE_TOOLS is 1.

// tool runs a program over the BTF of a dump and returns its output.
func tool(t *testing.T, raw []byte, name string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("KDBG_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed", name)
	}
	file := filepath.Join(t.TempDir(), "vmlinux.btf")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "FILE", file)
	}
	out, err := exec.Command(path, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// Size, member names, offsets and bit-field widths of every struct and union
// are those that bpftool reads.
func TestConfirmFields(t *testing.T) {
	for _, name := range dumps {
		t.Run(name, func(t *testing.T) {
			raw, layout := dumpBTF(t, name)
			var dump struct {
				Types []struct {
					ID      uint32
					Kind    string
					Size    uint64
					Members []struct {
						Name string
						Bit  uint64 `json:"bits_offset"`
						Bits uint64 `json:"bitfield_size"`
					}
				}
			}
			if err := json.Unmarshal(tool(t, raw, "bpftool", "-j", "btf", "dump", "file", "FILE", "format", "raw"), &dump); err != nil {
				t.Fatal(err)
			}
			types, err := Load(raw, layout)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := types.NumTypes(), len(dump.Types); got != want {
				t.Errorf("%d types, bpftool has %d", got, want)
			}
			for _, want := range dump.Types {
				if want.Kind != "STRUCT" && want.Kind != "UNION" {
					continue
				}
				typ := types.decode(types.blobs[0], want.ID)
				var fields []Field
				for _, m := range want.Members {
					fields = append(fields, Field{Name: strings.TrimPrefix(m.Name, "(anon)"), BitOffset: m.Bit, BitSize: m.Bits})
				}
				if diff := cmp.Diff(describeFields(fields), describeFields(Fields(typ))); diff != "" {
					t.Fatalf("%s, type %d: %s", TypeName(typ), want.ID, diff)
				}
				if size, err := types.Sizeof(typ); err != nil || size != want.Size {
					t.Fatalf("%s, type %d: size %d, %v, want %d", TypeName(typ), want.ID, size, err, want.Size)
				}
			}
		})
	}
}

// cBlock matches one definition in the C that bpftool writes.
var cBlock = regexp.MustCompile(`(?m)^((?:struct|union|enum) \w+) \{\n(?:.*\n)*?\}.*;$`)

// What bpftool writes and we do not, and what both write in another way.
var cRewrite = strings.NewReplacer(
	"\t", "    ",
	" __attribute__((packed))", "",
	"[0]", "[]", // BTF has one form for both
	": ", " : ", // bit-fields
	"* (", "*(",
	"ULL,", ",",
)

// Padding that bpftool makes explicit: "long: 64;", with or without bits used.
var cPadding = regexp.MustCompile(`(?m)^ +\w* : \d+;\n`)

// bpftool makes ambiguous names unique, so that a compiler takes the whole.
var cUnique = regexp.MustCompile(`___[0-9]+\b`)

// The C of every struct, union and enum is what bpftool writes.
func TestConfirmDefinition(t *testing.T) {
	for _, name := range dumps {
		t.Run(name, func(t *testing.T) {
			raw, layout := dumpBTF(t, name)
			types, err := Load(raw, layout)
			if err != nil {
				t.Fatal(err)
			}
			ours := map[string]bool{}
			for typ := range types.All() {
				switch typ.(type) {
				case *btf.Struct, *btf.Union, *btf.Enum:
					ours[types.Definition(typ, nil)] = true
				}
			}
			out := tool(t, raw, "bpftool", "btf", "dump", "file", "FILE", "format", "c")
			blocks := cBlock.FindAllString(string(out), -1)
			if len(blocks) < 5000 {
				t.Errorf("only %d definitions from bpftool", len(blocks))
			}
			for _, block := range blocks {
				block = cUnique.ReplaceAllString(cPadding.ReplaceAllString(cRewrite.Replace(block), ""), "")
				if !ours[block] {
					t.Errorf("not among ours:\n%s", block)
				}
			}
		})
	}
}
