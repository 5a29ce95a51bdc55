package kernel

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
)

// maxSimilar is the number of names offered for one that was not found.
const maxSimilar = 3

// Similar returns the names, at most three, that were perhaps meant by one that
// does not exist.
func Similar(name string, names iter.Seq[string]) []string {
	s := similar{name: name}
	for n := range names {
		s.offer(n)
	}
	return s.best()
}

// similarSymbols returns symbols whose names are close to one that does not
// exist.
func (k *Kernel) similarSymbols(name string) []string {
	var s similar
	s.name = name
	for sym := range k.syms.Prefix(name[:min(1, len(name))]) { // the first letter is rarely wrong
		s.offer(sym.Name)
	}
	return s.best()
}

// similarFields returns members of t whose names are close to name.
func similarFields(t btf.Type, name string) []string {
	s := similar{name: name}
	var walk func(t btf.Type, depth int)
	walk = func(t btf.Type, depth int) {
		for _, f := range btfsrc.Fields(t) {
			if f.Name == "" && depth < maxNesting {
				walk(f.Type, depth+1)
			}
			s.offer(f.Name)
		}
	}
	walk(t, 0)
	return s.best()
}

// similar collects the names at the least distance from one.
type similar struct {
	name string
	hits []similarName
}

type similarName struct {
	name     string
	distance int
}

// offer considers a name: one that begins with what was asked for, is the same
// but for case, or is an edit away, two if it is not short.
func (s *similar) offer(name string) {
	if name == "" || s.name == "" || strings.ContainsRune(name, '.') {
		return
	}
	distance := 1
	if !strings.HasPrefix(name, s.name) && !strings.EqualFold(name, s.name) {
		most := 2
		if len(s.name) < 5 {
			most = 1
		}
		if d := len(name) - len(s.name); d > most || d < -most {
			return
		}
		distance = editDistance(s.name, name, most)
		if swapped(s.name, name) {
			distance = 1
		}
		if distance > most || distance >= len(s.name) {
			return
		}
	}
	s.hits = append(s.hits, similarName{name, distance})
}

func (s *similar) best() []string {
	slices.SortStableFunc(s.hits, func(a, b similarName) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(len(a.name), len(b.name)), strings.Compare(a.name, b.name))
	})
	var names []string
	for _, h := range s.hits {
		if len(names) == maxSimilar {
			break
		}
		if !slices.Contains(names, h.name) {
			names = append(names, h.name)
		}
	}
	return names
}

// swapped reports whether two neighbours in a changed places in b.
func swapped(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return len(a) == len(b) && i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// editDistance returns Levenshtein's distance of a and b, or anything over most
// as soon as it is known to be more.
func editDistance(a, b string, most int) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag, least := row[0], i
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
			least = min(least, row[j])
		}
		if least > most {
			return least
		}
	}
	return row[len(b)]
}
