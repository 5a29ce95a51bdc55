package cmds

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"", `"" ""`},
		{"  print  a b ", `"print" "a b"`},
		{"print/x a", `"print" "/x a"`},
		{"p &a", `"p" "&a"`},
		{"x/4xg 0", `"x" "/4xg 0"`},
		{"*a", `"*" "a"`},
		{"p(a)", `"p" "(a)"`},
	} {
		name, args := Split(tc.line)
		if got := fmt.Sprintf("%q %q", name, args); got != tc.want {
			t.Errorf("%q: got %s, want %s", tc.line, got, tc.want)
		}
	}
}

func TestSplitFormat(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"", `"" ""`}, {"a", `"" "a"`}, {"/x a", `"x" "a"`}, {"/x", `"x" ""`}, {"/", `"" ""`}, {"a /x", `"" "a /x"`},
	} {
		format, rest := SplitFormat(tc.args)
		if got := fmt.Sprintf("%q %q", format, rest); got != tc.want {
			t.Errorf("%q: got %s, want %s", tc.args, got, tc.want)
		}
	}
}

func TestWords(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"", "[]"},
		{"  a\tb ", "[a b]"},
		{`"a b" 'c "d"' ""`, `[a b|c "d"|]`},
		{`a\ b \"c 'd\'`, `[a b|"c|d\]`},
		{`a"b c"d`, "[ab cd]"},
		{`"a`, "error: a quote is not closed"},
		{`\`, `[\]`},
	} {
		list, err := words(tc.args)
		sep := " "
		if strings.Contains(tc.want, "|") {
			sep = "|"
		}
		got := "[" + strings.Join(list, sep) + "]"
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != tc.want {
			t.Errorf("%q: got %s, want %s", tc.args, got, tc.want)
		}
	}
}

// TestTable checks that every command can be listed and has a manual that fits
// a terminal, and that no name is taken twice.
func TestTable(t *testing.T) {
	taken := make(map[string]bool)
	for _, c := range All() {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			if taken[name] || Lookup(name) != c {
				t.Errorf("the name %s is taken twice", name)
			}
			taken[name] = true
		}
		if c.Help == "" || c.Doc == "" || c.Run == nil {
			t.Errorf("%s: incomplete", c.Name)
		}
		for line := range strings.Lines(c.Manual()) {
			if n := len(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%s: a line of the manual has %d columns: %s", c.Name, n, line)
			}
		}
	}
}

// TestHostileNames offers names of a dump that would command a terminal.
func TestHostileNames(t *testing.T) {
	names := []string{"jiffies", "j\x1b[2J", "j\a", "j\n", "j\x9b", "j\u009b1m", "j\u202ex", "j_größe"}
	want := []string{"jiffies", "j_größe"}
	if got := withPrefix(names, "j"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	slices.Sort(want)
	if got := startingWith(inOrder(names), "j"); !slices.Equal(got, want) {
		t.Errorf("in order: got %q, want %q", got, want)
	}
}

func TestSimilarCommands(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"prnt x", "did you mean print?"},
		{"pritn", "did you mean print?"},
		{"xprint", "did you mean print?"},
		{"wh", "did you mean wq, whatis?"},
		{"jiffies", "help lists the commands; print jiffies prints a value"},
	} {
		if got := Unknown(tc.line).(*UsageError).Hint(); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.line, got, tc.want)
		}
	}
}

func TestWriteTable(t *testing.T) {
	rows := [][]string{{"a", "1", "x  y"}, {"task_struct", "1000", ""}, {"\x1b[31mred", "0", "init_task.comm"}}
	var b bytes.Buffer
	if err := writeTable(&b, []string{"NAME", ">SIZE", "init_task.comm"}, rows); err != nil {
		t.Fatal(err)
	}
	want := `NAME         SIZE  init_task.comm
a               1  x  y
task_struct  1000
\x1b[31mred     0  init_task.comm
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	if err := writeTable(&b, nil, [][]string{{"a"}, {"a", "b"}}); err == nil {
		t.Error("rows of different length gave no error")
	}
	b.Reset()
	many := make([][]string, maxPretty+1)
	for i := range many {
		many[i] = []string{"a", "b"}
	}
	if err := writeTable(&b, []string{"NAME", ">N"}, many); err != nil || !strings.HasPrefix(b.String(), "NAME  N\na     b\n") {
		t.Errorf("a long table: %v, begins %q", err, b.String()[:20])
	}
}

func TestPostfixStart(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"init_task", "init_task"},
		{"1 + a->b.c", "a->b.c"},
		{"f((struct x *)p)", "f((struct x *)p)"},
		{"a[b + 1].c", "a[b + 1].c"},
		{"*(struct x *)p", "(struct x *)p"},
		{"a > b", "b"},
		{"-runqueues:0", "runqueues:0"},
		{")", ")"[1:]},
		{"", ""},
	} {
		if got := tc.text[postfixStart(tc.text):]; got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.text, got, tc.want)
		}
	}
}
