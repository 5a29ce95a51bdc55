package dedup

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sources makes units as headers and sources would: structs have names of a
// small set and up to three definitions, of which each unit sees one.
type sources struct {
	r       *rand.Rand
	names   int
	defs    [][]string // by name, by definition: what follows "struct name"
	declare bool       // units may lack definitions
}

func newSources(seed uint64, declare bool) *sources {
	p := &sources{r: rand.New(rand.NewPCG(seed, 1)), declare: declare}
	p.names = 2 + p.r.IntN(5)
	for range p.names {
		var defs []string
		for range 1 + p.r.IntN(3)*p.r.IntN(2) {
			text := fmt.Sprint(8 * (1 + p.r.IntN(2)))
			for m := range 1 + p.r.IntN(3) {
				text += fmt.Sprintf(" m%d@%d:%s", m, 64*m, p.member())
			}
			defs = append(defs, text)
		}
		p.defs = append(p.defs, defs)
	}
	return p
}

// member returns the type of a member, with %s-like references by letter: s0 is
// struct 0, p… a pointer to what follows, i an int.
func (p *sources) member() string {
	switch p.r.IntN(5) {
	case 0:
		return "i"
	case 1:
		return "p" + p.member()
	case 2:
		return "c" + p.member()
	default:
		return fmt.Sprintf("ps%d", p.r.IntN(p.names))
	}
}

// unit writes a unit in an order of its own.
func (p *sources) unit() string {
	numbers := make(map[string]int)
	var out, todo []string
	number := func(ref string) int {
		if n, ok := numbers[ref]; ok {
			return n
		}
		n := len(numbers) + 1
		numbers[ref] = n
		todo = append(todo, ref)
		return n
	}
	for _, i := range p.r.Perm(p.names) {
		if p.r.IntN(3) > 0 {
			number(fmt.Sprint("s", i))
		}
	}
	for len(todo) > 0 {
		ref := todo[0]
		todo = todo[1:]
		n := number(ref)
		switch ref[0] {
		case 'i':
			out = append(out, fmt.Sprintf("%d int int 4", n))
		case 'p':
			out = append(out, fmt.Sprintf("%d ptr %d", n, number(ref[1:])))
		case 'c':
			out = append(out, fmt.Sprintf("%d const %d", n, number(ref[1:])))
		case 's':
			if p.declare && p.r.IntN(3) == 0 {
				out = append(out, fmt.Sprintf("%d declare struct %s", n, ref))
				continue
			}
			defs := p.defs[ref[1]-'0']
			def := strings.Fields(defs[p.r.IntN(len(defs))])
			for i, m := range def[1:] {
				before, typ, _ := strings.Cut(m, ":")
				def[i+1] = fmt.Sprintf("%s:%d", before, number(typ))
			}
			out = append(out, fmt.Sprintf("%d struct %s %s", n, ref, strings.Join(def, " ")))
		}
	}
	return strings.Join(out, "\n")
}

// TestCoarsest compares with the definition: types of all units are one if no
// path tells them apart. Units define all that they refer to.
func TestCoarsest(t *testing.T) {
	for seed := range uint64(300) {
		p := newSources(seed, false)
		var units []string
		for range 1 + p.r.IntN(6) {
			units = append(units, p.unit())
		}
		table := NewTable()
		want := newReference(t, units)
		u := table.NewUnit(nil)
		classes := make([]map[Entry]Class, len(units))
		for i, source := range units {
			u.Reset(i+1, 4096)
			enter(t, u, source)
			if err := u.Intern(); err != nil {
				t.Fatal(err)
			}
			classes[i] = make(map[Entry]Class)
			for _, l := range u.types {
				classes[i][l.entry] = u.Class(l.entry)
			}
			u.Commit()
		}
		g, err := table.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		nodes, blocks := make(map[int]Node), make(map[Node]int)
		for i := range units {
			for e, c := range classes[i] {
				n, b := g.Node(c, i+1), want.block[want.index[i][e]]
				if old, ok := nodes[b]; ok && old != n {
					t.Fatalf("seed %d: unit %d type %d is node %d, the same type elsewhere %d\n%s", seed, i, e, n, old, strings.Join(units, "\n--\n"))
				}
				if old, ok := blocks[n]; ok && old != b {
					t.Fatalf("seed %d: unit %d type %d is merged with a different type\n%s", seed, i, e, strings.Join(units, "\n--\n"))
				}
				nodes[b], blocks[n] = n, b
			}
		}
		if got := len(g.All()); got != len(nodes) {
			t.Fatalf("seed %d: %d types listed, want %d\n%s", seed, got, len(nodes), strings.Join(units, "\n--\n"))
		}
	}
}

// reference is the partition of all types by plain refinement.
type reference struct {
	index []map[Entry]int // by unit
	block []int
}

func newReference(t *testing.T, units []string) *reference {
	ref := &reference{}
	type node struct {
		label string
		refs  []int
	}
	var nodes []node
	table := NewTable()
	for _, source := range units {
		u := table.NewUnit(nil)
		u.Reset(1, 4096)
		enter(t, u, source)
		index := make(map[Entry]int)
		for i := range u.types {
			index[u.types[i].entry] = len(nodes) + i
		}
		for _, l := range u.types {
			n := node{label: fmt.Sprint(l.kind, l.name, l.size, l.data)}
			if l.ref != 0 {
				n.refs = append(n.refs, index[l.ref])
			}
			for c := l.head; c != 0; c = u.children[c-1].next {
				m := u.children[c-1]
				n.label += fmt.Sprint(" ", m.Name, m.Lo, m.Hi)
				n.refs = append(n.refs, index[m.Ref])
			}
			nodes = append(nodes, n)
		}
		ref.index = append(ref.index, index)
	}
	ref.block = make([]int, len(nodes))
	for count := -1; ; {
		next, keys := make([]int, len(nodes)), make(map[string]int)
		for i, n := range nodes {
			key := fmt.Sprint(n.label, ref.block[i])
			for _, r := range n.refs {
				key += fmt.Sprint(" ", ref.block[r])
			}
			if _, ok := keys[key]; !ok {
				keys[key] = len(keys)
			}
			next[i] = keys[key]
		}
		ref.block = next
		if len(keys) == count {
			return ref
		}
		count = len(keys)
	}
}

// TestOrder permutes units and shares them among workers; with declarations
// that have to be matched to one of several definitions.
func TestOrder(t *testing.T) {
	for seed := range uint64(100) {
		p := newSources(seed, true)
		var units []string
		for range 2 + p.r.IntN(5) {
			units = append(units, p.unit())
		}
		want := unfold(resolve(t, units...))
		for range 2 {
			p.r.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
			if d := cmp.Diff(want, unfold(resolve(t, units...))); d != "" {
				t.Fatalf("seed %d, another order of units (-want +got):\n%s\n%s", seed, d, strings.Join(units, "\n--\n"))
			}
			list := lines(resolve(t, units...))
			if d := cmp.Diff(list, lines(resolveParallel(t, units, 4))); d != "" {
				t.Fatalf("seed %d, several workers (-want +got):\n%s", seed, d)
			}
		}
	}
}

func resolveParallel(t *testing.T, units []string, jobs int) *Graph {
	table := NewTable()
	var wait sync.WaitGroup
	for job := range jobs {
		wait.Go(func() {
			u := table.NewUnit(nil)
			for i := job; i < len(units); i += jobs {
				u.Reset(i+1, 4096)
				enter(t, u, units[i])
				if err := u.Intern(); err != nil {
					t.Error(err)
				}
				u.Commit()
			}
		})
	}
	wait.Wait()
	g, err := table.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// unfold describes each type by what can be seen from it, some steps far, so
// that graphs can be compared whatever the order of their nodes.
func unfold(g *Graph) []string {
	text := make(map[Node]string)
	for range 12 {
		next := make(map[Node]string)
		for _, n := range g.All() {
			r := g.Record(n)
			s := fmt.Sprintf("%s %s %d", kindName(r), g.table.Bytes(r.Name()), r.Size())
			if to := r.Ref(); to != 0 {
				s += "(" + text[to] + ")"
			}
			for i := range r.Len() {
				e := r.Element(i)
				s += fmt.Sprintf("{%s %d %s}", g.table.Bytes(e.Name), e.BitOffset, text[e.Type])
			}
			if len(s) > 200 {
				s = fmt.Sprintf("%.40s…%x", s, hashText(s))
			}
			next[n] = s
		}
		text = next
	}
	var list []string
	for _, s := range text {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

func hashText(s string) uint64 {
	var words []uint32
	for _, b := range []byte(s) {
		words = append(words, uint32(b))
	}
	return hashWords(words)
}

func FuzzUnit(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		p, q := newSources(a, true), newSources(b, true)
		units := []string{p.unit(), q.unit(), p.unit(), q.unit()}
		g := resolve(t, units...)
		seen := make(map[string]bool)
		for _, s := range unfold(g) {
			if seen[s] {
				t.Fatalf("two types that nothing tells apart: %s\n%s", s, strings.Join(units, "\n--\n"))
			}
			seen[s] = true
		}
	})
}
