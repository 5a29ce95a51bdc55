package dedup

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestResolve has a case for each rule; the names of the cases of the kernel's
// own test of deduplication (prog_tests/btf.c) are kept where they fit.
func TestResolve(t *testing.T) {
	const node = "1 int int 4\n2 ptr 3\n3 struct node 16 next@0:2 n@64:1"
	for _, test := range []struct {
		name  string
		units []string
		want  string
	}{
		{"same in two units", []string{node, node}, `
			int int 4
			ptr(struct node)
			struct node 16{next@0:ptr(struct node) n@64:int int}`},
		{"twice in one unit", []string{node + "\n4 int int 4\n5 ptr 6\n6 struct node 16 next@0:5 n@64:4"}, `
			int int 4
			ptr(struct node)
			struct node 16{next@0:ptr(struct node) n@64:int int}`},
		{"struct <-> fwd resolution", []string{
			"1 declare struct bar\n2 ptr 1\n3 struct foo 8 p@0:2",
			"1 int int 4\n2 struct bar 4 a@0:1\n3 ptr 2\n4 struct foo 8 p@0:3"}, `
			ptr(struct bar)
			struct foo 8{p@0:ptr(struct bar)}
			int int 4
			struct bar 4{a@0:int int}`},
		{"standalone fwd of the other kind", []string{"1 declare union bar\n2 ptr 1", "1 struct bar 0"}, `
			declared union bar
			ptr(declared union bar)
			struct bar 0`},
		{"fwd without definition", []string{"1 declare struct bar\n2 ptr 1", "4 declare struct bar\n5 ptr 4"}, `
			declared struct bar
			ptr(declared struct bar)`},
		{"void equiv check", []string{"1 ptr 0\n2 const 0\n3 ptr 2", "1 const 0\n2 ptr 1"}, `
			ptr(void)
			const(void)
			ptr(const(void))`},
		{"different size", []string{"1 int int 4\n2 struct s 4 a@0:1", "1 int int 4\n2 struct s 8 a@0:1"}, `
			int int 4
			struct s#1 4{a@0:int int}
			struct s#2 8{a@0:int int}`},
		{"no int or float duplicates", []string{"1 int int 4\n2 float double 8\n3 int long 8", "1 float double 8\n2 int int 4\n3 float double 4"}, `
			int int 4
			float double#1 8
			int long 8
			float double#2 4`},
		{"enum fwd resolution", []string{"1 declare enum e\n2 ptr 1", "1 enum e 4 A=1", "1 enum e 4"}, `
			ptr(enum e)
			enum e 4{A=1}`},
		{"enum fwd to enum64", []string{"1 declare enum e\n2 ptr 1", "1 enum64 e 8 A=1"}, `
			ptr(enum64 e)
			enum64 e 8{A=1}`},
		{"enum and enum64 no dedup", []string{"1 enum e 4 A=1", "1 enum64 e 8 A=1"}, `
			enum e 4{A=1}
			enum64 e 8{A=1}`},
		{"anonymous aggregates by structure", []string{
			"1 int int 4\n2 union - 4 a@0:1\n3 struct - 4 u@0:2",
			"1 int int 4\n2 union - 4 a@0:1\n3 struct - 4 u@0:2\n4 union - 4 b@0:1"}, `
			int int 4
			union 4{a@0:int int}
			struct 4{u@0:union 4{a@0:int int}}
			union 4{b@0:int int}`},
		{"members out of order", []string{"1 int int 4\n2 struct s 12 b@32:1 c@64:1 a@0:1\n3 union u 4 b@8:1 a@0:1"}, `
			int int 4
			struct s 12{a@0:int int b@32:int int c@64:int int}
			union u 4{b@8:int int a@0:int int}`},
		{"bit-fields", []string{"1 int int 4\n2 struct s 4 a@0/3:1 b@3/5:1", "1 int int 4\n2 struct s 4 a@0/3:1 b@3/6:1"}, `
			int int 4
			struct s#1 4{a@0/3:int int b@3/5:int int}
			struct s#2 4{a@0/3:int int b@3/6:int int}`},
		{"bit-fields of a huge struct", []string{"1 int int 4\n2 typedef t 1\n3 struct s 4194308 a@0/3:2 b@16777216:1"}, `
			int int#1 4
			typedef t(int int#1)
			struct s 4194308{a@0:int int#2 b@16777216:int int#1}
			int int#2 4`},
		{"differ through a private struct", []string{
			"1 int int 4\n2 ptr 3\n3 struct priv 4 a@0:1\n4 struct shared 8 p@0:2",
			"1 int int 4\n2 ptr 3\n3 struct priv 8 a@0:1\n4 struct shared 8 p@0:2"}, `
			int int 4
			ptr(struct priv#1)
			struct priv#1 4{a@0:int int}
			struct shared#1 8{p@0:ptr(struct priv#1)}
			ptr(struct priv#2)
			struct priv#2 8{a@0:int int}
			struct shared#2 8{p@0:ptr(struct priv#2)}`},
		{"recursive structs that differ far away", []string{
			"1 int int 4\n2 struct a 8 b@0:3\n3 ptr 4\n4 struct b 8 c@0:5\n5 ptr 6\n6 struct c 16 a@0:7 x@64:1\n7 ptr 2",
			"1 int long 8\n2 struct a 8 b@0:3\n3 ptr 4\n4 struct b 8 c@0:5\n5 ptr 6\n6 struct c 16 a@0:7 x@64:1\n7 ptr 2"}, `
			int int 4
			struct a#1 8{b@0:ptr(struct b#1)}
			ptr(struct b#1)
			struct b#1 8{c@0:ptr(struct c#1)}
			ptr(struct c#1)
			struct c#1 16{a@0:ptr(struct a#1) x@64:int int}
			ptr(struct a#1)
			int long 8
			struct a#2 8{b@0:ptr(struct b#2)}
			ptr(struct b#2)
			struct b#2 8{c@0:ptr(struct c#2)}
			ptr(struct c#2)
			struct c#2 16{a@0:ptr(struct a#2) x@64:int long}
			ptr(struct a#2)`},
		{"a unit that only declares goes along", []string{
			"1 declare struct priv\n2 ptr 1\n3 struct shared 8 p@0:2",
			"1 int int 4\n2 ptr 3\n3 struct priv 4 a@0:1\n4 struct shared 8 p@0:2",
			"1 int int 4\n2 ptr 3\n3 struct priv 8 a@0:1\n4 struct other 8 p@0:2"}, `
			declared struct priv
			ptr(declared struct priv)
			int int 4
			ptr(struct priv#1)
			struct priv#1 4{a@0:int int}
			struct shared 8{p@0:ptr(struct priv#1)}
			ptr(struct priv#2)
			struct priv#2 8{a@0:int int}
			struct other 8{p@0:ptr(struct priv#2)}`},
		{"two local structs of one name in one unit", []string{
			"1 int int 4\n2 struct l 4 a@0:1\n3 ptr 2\n4 struct l 8 a@0:1\n5 ptr 4",
			"1 int int 4\n2 struct l 8 a@0:1\n3 ptr 2"}, `
			int int 4
			struct l#1 4{a@0:int int}
			ptr(struct l#1)
			struct l#2 8{a@0:int int}
			ptr(struct l#2)`},
		{"recursive local structs of one name", []string{
			"1 struct l 8 a@0:2\n2 ptr 1\n3 struct l 16 a@0:4\n4 ptr 3",
			"1 struct l 16 a@0:2\n2 ptr 1"}, `
			struct l#1 8{a@0:ptr(struct l#1)}
			ptr(struct l#1)
			struct l#2 16{a@0:ptr(struct l#2)}
			ptr(struct l#2)`},
		{"recursive typedef", []string{"1 typedef a 2\n2 typedef b 3\n3 ptr 1", "1 typedef a 2\n2 typedef b 3\n3 ptr 1"}, `
			typedef a(typedef b)
			typedef b(ptr(typedef a))
			ptr(typedef a)`},
		{"typedef chains and qualifiers keep their order", []string{"1 int int 4\n2 const 1\n3 volatile 2\n4 typedef t 3\n5 volatile 1\n6 const 5"}, `
			int int 4
			const(int int)
			volatile(const(int int))
			typedef t(volatile(const(int int)))
			volatile(int int)
			const(volatile(int int))`},
		{"type tags", []string{"1 int int 4\n2 typetag user 1\n3 ptr 2\n4 typetag rcu 1", "1 int int 4\n2 typetag user 1\n3 ptr 2"}, `
			int int 4
			typetag user(int int)
			ptr(typetag user)
			typetag rcu(int int)`},
		{"declaration tags", []string{
			"1 int int 4\n2 struct s 4 a@0:1\n3 tag 2 0 x\n4 tag 2 0xffffffff y",
			"1 int int 4\n2 struct s 4 a@0:1\n3 tag 2 0 x\n4 tag 2 0 z"}, `
			int int 4
			struct s 4{a@0:int int}
			tag x(struct s)
			tag y(struct s)
			tag z(struct s)`},
		{"arrays and prototypes", []string{"1 int int 4\n2 array 1 4\n3 array 1 8\n4 proto 1 2 3\n5 ptr 4", "1 int int 4\n2 array 1 8\n3 proto 1 2 2"}, `
			int int 4
			array[4](int int)
			array[8](int int)
			proto(int int){:array[4](int int) :array[8](int int)}
			ptr(proto(int int){:array[4](int int) :array[8](int int)})
			proto(int int){:array[8](int int) :array[8](int int)}`},
		{"alias", []string{"1 int int 4\n2 alias 1\n3 ptr 2"}, "int int 4\nptr(int int)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			for line := range strings.Lines(strings.TrimSpace(test.want)) {
				want = append(want, strings.TrimSpace(line))
			}
			if d := cmp.Diff(want, lines(resolve(t, test.units...))); d != "" {
				t.Error("(-want +got):\n" + d)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	const base = "1 int int 4\n2 ptr 3\n3 struct node 16 next@0:2 n@64:1\n4 declare struct later\n5 ptr 4\n6 struct user 8 p@0:5"
	for _, test := range []struct {
		name  string
		base  string
		units []string
		want  string
	}{
		{"nothing new", base, []string{"1 ptr 2\n2 struct node 16 next@0:1 n@64:3\n3 int int 4"}, ""},
		{"own types", base, []string{"1 int int 4\n2 struct own 4 a@0:1\n3 ptr 2"}, `
			struct own 4{a@0:int int}
			ptr(struct own)`},
		{"declared here, defined in the base", base, []string{"1 declare struct node\n2 ptr 1\n3 const 2"}, "const(ptr(struct node))"},
		{"declared in the base, defined here", base, []string{
			"1 int int 4\n2 struct later 4 a@0:1\n3 ptr 2\n4 struct user 8 p@0:3\n5 ptr 4"}, `
			struct later 4{a@0:int int}
			ptr(struct later)
			ptr(struct user)`},
		{"another definition", base, []string{"1 struct node 8 next@0:2\n2 ptr 1\n3 ptr 2"}, `
			struct node 8{next@0:ptr(struct node)}
			ptr(struct node)
			ptr(ptr(struct node))`},
		{"several definitions in the base", "1 int int 4\n2 struct l 4 a@0:1\n3 ptr 2\n4 struct l 8 a@0:1\n5 ptr 4", []string{
			"1 int int 4\n2 struct l 8 a@0:1\n3 ptr 2\n4 const 3"}, "const(ptr(struct l))"},
		{"a struct through one of several", "1 int int 4\n2 struct l 4 a@0:1\n3 ptr 2\n4 struct l 8 a@0:1\n5 ptr 4\n6 struct s 8 p@0:5", []string{
			"1 int int 4\n2 struct l 8 a@0:1\n3 ptr 2\n4 struct s 8 p@0:3", "1 int int 4\n2 struct l 4 a@0:1\n3 ptr 2\n4 struct s 8 p@0:3"},
			"struct s 8{p@0:ptr(struct l)}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := NewTableOf(section("\x00int\x00struct\x00node\x00"))
			u := b.NewBaseUnit(4096, 0)
			enter(t, u, test.base)
			if err := u.Intern(); err != nil {
				t.Fatal(err)
			}
			u.Commit()
			if err := u.Freeze(); err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(strings.TrimSpace(test.want)) {
				want = append(want, strings.TrimSpace(line))
			}
			g := resolveInto(t, NewSplit(b), test.units...)
			p := newPrinter(g)
			for c := range b.own() { // names of the base, for the messages
				if n := Node(c); b.class(c).kind() < structName && g.Record(n).Name() != 0 {
					p.title[n] = kindName(g.Record(n)) + " " + string(b.Bytes(g.Record(n).Name()))
				}
			}
			if g.split != nil {
				for v, variant := range g.split.variants {
					if r := g.Record(Node(g.split.bound + v)); r.Name() != 0 {
						p.title[Node(g.split.bound+v)] = kindName(r) + " " + string(b.Bytes(r.Name()))
					}
					_ = variant
				}
			}
			var got []string
			for _, n := range g.All() {
				got = append(got, p.body(n))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error("(-want +got):\n" + d)
			}
		})
	}
}

// section is strings, each between two NULs.
type section string

func (s section) Find(text []byte) (uint32, bool) {
	i := strings.Index(string(s), "\x00"+string(text)+"\x00")
	return uint32(i + 1), i >= 0
}

func (s section) At(offset uint32) []byte {
	text, _, _ := strings.Cut(string(s[offset:]), "\x00")
	return []byte(text)
}

func (s section) Size() uint32 { return uint32(len(s)) }

// TestNamesOfSection gives the strings of a section the names that they have
// there, and others names behind them, on a base and on what is split on it.
func TestNamesOfSection(t *testing.T) {
	b := NewTableOf(section("\x00int\x00node\x00"))
	own := b.Intern([]byte("own"))
	if err := b.NewBaseUnit(0, 0).Freeze(); err != nil {
		t.Fatal(err)
	}
	s := NewSplit(b)
	for _, test := range []struct {
		text string
		want func(Name) bool
	}{
		{"", func(n Name) bool { return n == 0 }},
		{"int", func(n Name) bool { return n == 1 }},
		{"node", func(n Name) bool { return n == 5 }},
		{"own", func(n Name) bool { return n == own && n >= 10 }},
		{"later", func(n Name) bool { return n > own && int(n) < s.NameBound() }},
	} {
		n := s.Intern([]byte(test.text))
		if got := string(s.Bytes(n)); !test.want(n) || got != test.text || n != s.Intern([]byte(test.text)) {
			t.Errorf("%q is name %d of %q", test.text, n, got)
		}
	}
}

func TestTooDeep(t *testing.T) {
	u := NewTable().NewUnit(nil)
	u.Reset(1, 1<<16)
	for i := range 2 * maxDepth {
		u.Add(Entry(4*i+4), Type{Kind: Ptr, Ref: Entry(4*i + 8)})
	}
	if err := u.Intern(); err == nil {
		t.Error("no error")
	}
}

// texts are strings that names are deferred to, by their numbers.
type texts struct {
	table *Table
	list  []string
}

func (t texts) Intern(ref uint32) Name     { return t.table.Intern([]byte(t.list[ref])) }
func (t texts) Is(ref uint32, n Name) bool { return t.list[ref] == string(t.table.Bytes(n)) }

// TestDeferredNames has types that are equal but for where the names of their
// members are, in units and in a base.
func TestDeferredNames(t *testing.T) {
	b := NewTable()
	base := b.NewBaseUnit(16, 16)
	enter(t, base, "1 int int 4\n2 struct node 8 next@0:1 prev@32:1\n3 enum e 4 A=0 B=1")
	if err := base.Intern(); err != nil {
		t.Fatal(err)
	}
	base.Commit()
	if err := base.Freeze(); err != nil {
		t.Fatal(err)
	}
	s := NewSplit(b)
	names := texts{s, []string{"next", "prev", "next", "prev", "A", "B", "A", "C", "next"}}
	u := s.NewUnit(names)
	for _, test := range []struct {
		what     string
		tag      string
		elements [2]uint32 // names deferred to
		same     bool      // as the base has it
	}{
		{"struct", "node", [2]uint32{0, 1}, true},
		{"struct again", "node", [2]uint32{2, 3}, true},
		{"struct, names exchanged", "node", [2]uint32{1, 0}, false},
		{"struct, names exchanged, again", "node", [2]uint32{3, 8}, false},
		{"struct that the base lacks", "later", [2]uint32{0, 1}, false},
		{"enum", "e", [2]uint32{4, 5}, true},
		{"enum of another value", "e", [2]uint32{6, 7}, false},
	} {
		t.Run(test.what, func(t *testing.T) {
			u.Reset(1, 64)
			u.Add(4, Type{Kind: Int, Name: s.Intern([]byte("int")), Size: 4})
			in := Type{Kind: Struct, Name: s.Intern([]byte(test.tag)), Size: 8}
			if test.tag == "e" {
				in.Kind, in.Size = Enum, 4
			}
			n := u.Add(8, in)
			for i, ref := range test.elements {
				c := Child{Name: Deferred(ref), Ref: 4, Lo: uint32(32 * i)}
				if in.Kind == Enum {
					c.Ref, c.Lo = 0, uint32(i)
				}
				u.Child(n, c)
			}
			if err := u.Intern(); err != nil {
				t.Fatal(err)
			}
			c := u.Class(8)
			if got := uint32(c) < s.first; got != test.same {
				t.Errorf("is the base's: %v", got)
			}
			for i, ref := range test.elements {
				size := 3 // words of an element
				if in.Kind == Enum {
					size = 2
				}
				if name := Name(s.class(c).words[3+size*i]); !names.Is(ref, name) {
					t.Errorf("element %d is %q, want %q", i, s.Bytes(name), names.list[ref])
				}
			}
		})
	}
}
