package kernel_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/ulikunitz/xz"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

// truth is one line of a dump's *.truth.jsonl.xz: a variable as drgn reads it
// through DWARF.
type truth struct {
	Name    string
	Type    string
	Size    uint64
	Address string
	PerCPU  bool
	Big     bool // too big to be in the file
	Error   string
	Value   any
}

// readTruth returns the variables that drgn saw in a dump.
func readTruth(t testing.TB, name string) []truth {
	f, err := os.Open("../testdata/dumps/" + name + ".truth.jsonl.xz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(r)
	dec.UseNumber()
	var all []truth
	for dec.More() {
		var v truth
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func openDump(t testing.TB, name string) *kernel.Kernel {
	return open(t, kernel.Options{Files: []string{"../testdata/dumps/" + name + ".kdump"}})
}

// openUntyped opens a dump without the table of variables.
func openUntyped(t testing.TB, name string) *kernel.Kernel {
	return open(t, kernel.Options{Files: []string{"../testdata/dumps/" + name + ".kdump"}, NoTable: true})
}

func open(t testing.TB, o kernel.Options) *kernel.Kernel {
	k, err := kernel.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	for _, p := range k.Problems() {
		t.Error(p)
	}
	return k
}

// TestVariablesMatchDWARF compares every variable of the real dumps with what
// drgn read through DWARF. Variables without a type in the kernel's BTF must
// say so; nothing may be wrong.
func TestVariablesMatchDWARF(t *testing.T) {
	for _, test := range []struct {
		dump  string
		typed int // at least
	}{
		{"vars-7.2-amd64", 13800},
		{"crash-7.2-amd64", 14300},
		{"debian-6.12-amd64", 27000},
	} {
		t.Run(test.dump, func(t *testing.T) {
			k := openDump(t, test.dump)
			kinds := make(map[string]int)
			for _, want := range readTruth(t, test.dump) {
				v, err := k.Var(want.Name)
				if err == nil && v.PerCPU() {
					v, err = k.PerCPU(v, 0)
				}
				if err != nil {
					kinds[kernel.ErrorKind(err)]++
					if n := len(k.Types().Vars(want.Name)); n > 0 {
						t.Errorf("%s is not typed from its %d VARs: %v", want.Name, n, err)
					}
					continue
				}
				if a, _ := v.Addr(); want.Address != "" && a.String() != want.Address {
					t.Errorf("%s is at %v, want %s", want.Name, a, want.Address)
				}
				if want.Big || want.Error != "" {
					kinds["not compared"]++
					continue
				}
				if diff := differ(want.Value, decodeJSON(t, v.AppendJSON(nil)), ""); diff != "" {
					t.Errorf("%s (%s): %s", want.Name, want.Type, diff)
				}
				kinds["typed"]++
			}
			t.Log(kinds)
			if kinds["typed"] < test.typed {
				t.Errorf("%d variables have a type, want at least %d", kinds["typed"], test.typed)
			}
			for kind := range kinds {
				if kind != "typed" && kind != "not compared" && kind != kernel.KindUntyped {
					t.Errorf("%d variables are %s", kinds[kind], kind)
				}
			}
		})
	}
}

// TestTableOfOtherKernels types the variables of a stock kernel that the table does
// not know by its build ID: the dump has to show what is right.
func TestTableOfOtherKernels(t *testing.T) {
	const dump = "debian-6.12-amd64"
	known := openDump(t, dump)
	var info []byte
	for line := range bytes.Lines(known.Info().Text()) {
		if !bytes.HasPrefix(line, []byte("BUILD-ID=")) {
			info = append(info, line...)
		}
	}
	k := open(t, kernel.Options{Files: []string{"../testdata/dumps/" + dump + ".kdump"}, VMCOREINFO: info})
	const step = 5 // every fifth is enough
	typed, wrong := 0, 0
	for i, want := range readTruth(t, dump) {
		if i%step != 0 {
			continue
		}
		v, err := k.Var(want.Name)
		if err != nil || v.Source() != btfsrc.SourceTable {
			continue
		}
		typed++
		if size, err := v.Size(); err != nil || size != want.Size {
			wrong++
			t.Logf("%s has %d bytes as %s, want %d as %s", want.Name, size, v.TypeName(), want.Size, want.Type)
		}
	}
	if typed < 26500/step || wrong > typed/200 {
		t.Errorf("%d variables are typed, %d of a wrong size", typed, wrong)
	}
}

func decodeJSON(t *testing.T, b []byte) any {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %.80s", err, b)
	}
	return v
}

// differ returns where got is not what DWARF says, "" if nowhere. BTF flattens
// arrays of several dimensions, and a page may be readable to one of the two
// only by an error object in got.
func differ(want, got any, path string) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		if _, unreadable := g["error"]; unreadable && len(g) <= 2 {
			return path + " is unreadable"
		}
		for name, member := range w {
			if name == "?anon" {
				continue
			}
			if d := differ(member, g[name], path+"."+name); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if _, isString := got.(string); isString && len(w) > 0 {
			if _, strs := flatten(w)[0].(string); strs {
				return "" // char x[n][m], flattened to one string
			}
		}
		if !ok {
			break
		}
		if len(w) != len(g) {
			w = flatten(w)
		}
		if len(w) != len(g) {
			return fmt.Sprintf("%s has %d elements, want %d", path, len(g), len(w))
		}
		for i := range w {
			if d := differ(w[i], g[i], fmt.Sprintf("%s[%d]", path, i)); d != "" {
				return d
			}
		}
		return ""
	case bool: // a bool may be an integer in BTF
		if n, ok := got.(json.Number); ok && (n == "1") == w {
			return ""
		}
	}
	return fmt.Sprintf("%s = %.60s, want %.60s", path, fmt.Sprint(got), fmt.Sprint(want))
}

// flatten takes one-dimensional elements out of an array of arrays.
func flatten(a []any) []any {
	for len(a) > 0 {
		if _, nested := a[0].([]any); !nested {
			break
		}
		var flat []any
		for _, e := range a {
			inner, _ := e.([]any)
			flat = append(flat, inner...)
		}
		a = flat
	}
	return a
}
