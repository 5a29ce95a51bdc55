package vartypes

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// maxEmbedded is the budget of the table in the program, in bytes.
const maxEmbedded = 400 << 10

// TestEmbedded checks every line of the table in the program.
func TestEmbedded(t *testing.T) {
	if n := len(embedded); n > maxEmbedded {
		t.Errorf("the table has %d bytes, of %d", n, maxEmbedded)
	}
	table, err := embeddedTable()
	if err != nil {
		t.Fatal(err)
	}
	kernels := table.Kernels()
	if len(kernels) < 10 {
		t.Errorf("%d kernels", len(kernels))
	}
	for _, k := range kernels {
		if k.Release == "" || len(k.BuildID) != 40 {
			t.Errorf("kernel %+v", k)
		}
	}
	last, entries := "", 0
	for e := range table.All() {
		if e.Name <= last || len(e.Variants) == 0 {
			t.Errorf("%s after %s, of %d types", e.Name, last, len(e.Variants))
		}
		last, entries = e.Name, entries+1
		for _, v := range e.Variants {
			spelling := strings.ReplaceAll(v.Spelling, Rest, "rest")
			p := parser{rest: spelling}
			if p.parse(0); p.err != nil || p.rest != "" || v.Kernels == 0 || v.Kernels>>len(kernels) != 0 {
				t.Errorf("%s: %x %q: %v", e.Name, v.Kernels, v.Spelling, p.err)
			}
		}
		if found, ok := table.find(e.Name); !ok || !cmp.Equal(found, e) {
			t.Fatalf("%s is not found: %v", e.Name, found)
		}
	}
	if entries < 30000 {
		t.Errorf("%d entries", entries)
	}
}

func TestLookup(t *testing.T) {
	table := newTable(t,
		Entry{"init_task", []Variant{{"stask_struct;", 3}}},
		Entry{"event_*", []Variant{{"sevent;", 1}}},
		Entry{"event_class_*", []Variant{{"sclass_$;", 2}}},
		Entry{"event_class_own", []Variant{{"iint;", 1}, {"ilong int;", 2}}},
	)
	for _, test := range []struct{ name, want string }{
		{"init_task", "stask_struct;"},
		{"init_tas", ""},
		{"init_task2", ""},
		{"event_exit", "sevent;"},
		{"event_", "sevent;"},
		{"event", ""},
		{"event_class_open", "sclass_open;"},
		{"event_class_own", "iint; ilong int;"},
		{"event_*", "sevent;"},
		{"", ""},
		{"\n", ""},
	} {
		e, _ := table.Lookup(test.name)
		var got []string
		for _, v := range e.Variants {
			got = append(got, v.Spelling)
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("Lookup(%q) = %q, want %q", test.name, got, test.want)
		}
	}
}

// newTable returns a table, written and read, of two kernels.
func newTable(t testing.TB, entries ...Entry) *Table {
	t.Helper()
	b, err := Write([]Kernel{{"5.0", "aa"}, {"6.0", "bb"}}, slices.Clone(entries))
	if err != nil {
		t.Fatal(err)
	}
	table, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// FuzzTable reads a table that is none, and looks for a name in it.
func FuzzTable(f *testing.F) {
	f.Add([]byte("5.0/aa \na\t1 iint;\nb_*\t1 s$;\n"), "b_c")
	f.Add([]byte("\n\n\t\n"), "")
	f.Add([]byte("x\ny"), "y")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		table, err := parse(text)
		if err != nil {
			return
		}
		e, _ := table.Lookup(name)
		for _, v := range e.Variants {
			resolve(noTypes, v.Spelling)
		}
		for range table.All() {
		}
	})
}

func BenchmarkFirstUse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		table, err := Read(embedded)
		if err != nil {
			b.Fatal(err)
		}
		table.Lookup("init_task")
	}
}

func BenchmarkLookup(b *testing.B) {
	table, err := embeddedTable()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		table.Lookup("init_task")
	}
}
