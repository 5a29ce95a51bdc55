package dedup

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestTwoLanguages describes the same structs in two ways, as C and Rust do. Each
// unit defines a part of them, so that hardly any two units bind the same names;
// yet there are two structs of each name and no more.
func TestTwoLanguages(t *testing.T) {
	const names, units = 300, 200
	r := rand.New(rand.NewPCG(1, 2))
	var sources []string
	for u := range units {
		integer := "int"
		if u%2 == 1 {
			integer = "i32"
		}
		lines := []string{fmt.Sprintf("1 int %s 4", integer)}
		for n := range names {
			number, next := 10+2*n, 10+2*((n+1)%names)
			if r.IntN(3) == 0 && n > 0 {
				lines = append(lines, fmt.Sprintf("%d declare struct s%d", number, n))
			} else {
				lines = append(lines, fmt.Sprintf("%d struct s%d 16 a@0:1 next@64:%d", number, n, next+1))
			}
			lines = append(lines, fmt.Sprintf("%d ptr %d", number+1, number))
		}
		sources = append(sources, strings.Join(lines, "\n"))
	}
	g := resolve(t, sources...)
	structs := make(map[string]int)
	for _, n := range g.All() {
		if rec := g.Record(n); rec.Kind() == Struct || rec.Kind() == Fwd {
			structs[string(g.table.Bytes(rec.Name()))]++
		}
	}
	for name, n := range structs {
		if n != 2 {
			t.Errorf("struct %s is there %d times, want 2", name, n)
		}
	}
	if got := len(g.split.programs); got > 4 {
		t.Errorf("%d programs of 2 languages", got)
	}
}

// TestTooAmbiguous gives up where names have more meanings than can be told apart:
// a chain of structs, each of which reaches another set of names, and units that
// all contradict each other.
func TestTooAmbiguous(t *testing.T) {
	chain := func(names, size int) string {
		var text strings.Builder
		fmt.Fprintf(&text, "1 int int %d\n", size)
		for n := range names {
			fmt.Fprintf(&text, "%d struct s%d 16 a@0:1 next@64:%d\n%d ptr %d\n", 10+2*n, n, 11+2*max(n-1, 0), 11+2*n, 10+2*n)
		}
		return text.String()
	}
	contradicting := []string{chain(6000, 4), chain(6000, 8)}
	for size := range 6000 {
		contradicting = append(contradicting, fmt.Sprintf("1 struct s0 %d", 100+size))
	}
	for _, test := range []struct {
		name  string
		units []string
	}{
		{"sets", []string{chain(40_000, 4), chain(40_000, 8)}},
		{"programs", contradicting},
	} {
		t.Run(test.name, func(t *testing.T) {
			table := NewTable()
			u := table.NewUnit(nil)
			for i, source := range test.units {
				u.Reset(i+1, 100_000)
				enter(t, u, source)
				if err := u.Intern(); err != nil {
					t.Fatal(err)
				}
				u.Commit()
			}
			if _, err := table.Resolve(); err != ErrAmbiguous {
				t.Errorf("Resolve: %v, want %v", err, ErrAmbiguous)
			}
		})
	}
}
