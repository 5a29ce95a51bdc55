package cmds

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"info", "info|"},
		{"info > f", "info| > f"},
		{"info >f", "info| > f"},
		{"info >> 'a b'", "info| >> a b"},
		{"info | grep x > f", "info| | grep x > f"},
		{"info|wc -l", "info| | wc -l"},
		{"info > a b", "error: one file follows >"},
		{"info >", "error: one file follows >"},
		{"info |", "error: no shell command follows |"},
		{"sym 'a | b' > f", "sym|'a | b' > f"},
		{"sym (a | b) | cat", "sym|(a | b) | cat"},
		{"sym a || b", "sym|a || b"},
		{"sym a->b > f", "sym|a->b > f"},
		{"sym a -> b", "sym|a -> b"},
		{"nosuch > f", `error: no command "nosuch"`},

		// In an expression they are operators, unless no operand follows.
		{"print a > b", "print|a > b"},
		{"print a > 5", "print|a > 5"},
		{"print a>/tmp/x", "print|a>/tmp/x"},
		{"print a->b", "print|a->b"},
		{"p a >> 3", "print|a >> 3"},
		{"p a >= 3", "print|a >= 3"},
		{"p a | b", "print|a | b"},
		{"p a || b", "print|a || b"},
		{"p a > /tmp/x", "print|a > /tmp/x"},
		{"p a > ./x", "print|a > ./x"},
		{"p a >> ../x", "print|a >> ../x"},
		{"p a > ~/x", "print|a > ~/x"},
		{"p a > 'x'", "print|a > x"},
		{"p a > b > ./c", "print|a > b > ./c"},
		{"p a | b | less", "print|a | b | less"},
		{"p a | grep -c x", "print|a | grep -c x"},
		{"p (a | grep)", "print|(a | grep)"},
		{"p a | ./prog", "print|a | ./prog"},
		{"p/x a | head", "print|/x a | head"},
		{"p a['>'] > ./x", "print|a['>'] > ./x"},
	} {
		r, err := Parse(tc.line)
		got := ""
		switch {
		case err != nil:
			got = "error: " + err.Error()
		case r.Shell != "":
			got = fmt.Sprintf("%s|%s | %s", r.Command.Name, r.Args, r.Shell)
		case r.File != "" && r.Extend:
			got = fmt.Sprintf("%s|%s >> %s", r.Command.Name, r.Args, r.File)
		case r.File != "":
			got = fmt.Sprintf("%s|%s > %s", r.Command.Name, r.Args, r.File)
		default:
			got = fmt.Sprintf("%s|%s", r.Command.Name, r.Args)
		}
		if got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.line, got, tc.want)
		}
	}
}

// TestFilters holds the manual's list of programs against the table.
func TestFilters(t *testing.T) {
	doc := strings.Join(strings.Fields(redirectionDoc), " ")
	if want := strings.Join(filters, " "); !strings.Contains(doc, want) {
		t.Errorf("help redirection does not list %s", want)
	}
}
