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

// TestTooAmbiguous gives up where names have more meanings than can be told apart.
func TestTooAmbiguous(t *testing.T) {
	const names = 40_000
	var units [2]strings.Builder
	for u := range units {
		fmt.Fprintf(&units[u], "1 int int %d\n", 4+4*u)
		for n := range names {
			fmt.Fprintf(&units[u], "%d struct s%d 16 a@0:1 next@64:%d\n%d ptr %d\n", 10+2*n, n, 11+2*max(n-1, 0), 11+2*n, 10+2*n)
		}
	}
	table := NewTable()
	u := table.NewUnit(nil)
	for i := range units {
		u.Reset(i+1, 10+2*names)
		enter(t, u, units[i].String())
		if err := u.Intern(); err != nil {
			t.Fatal(err)
		}
		u.Commit()
	}
	if _, err := table.Resolve(); err != ErrAmbiguous {
		t.Errorf("Resolve: %v, want %v", err, ErrAmbiguous)
	}
}
