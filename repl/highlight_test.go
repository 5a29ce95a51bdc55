package repl

import (
	"regexp"
	"strings"
	"testing"
)

// withColor runs a test with colours.
func withColor(t *testing.T) {
	t.Helper()
	if err := SetColor("always"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { SetColor("never") })
}

// marks are what the escape sequences of colours are written as in tests.
var marks = strings.NewReplacer("\x1b[34m", "{addr ", "\x1b[33m", "{sym ", "\x1b[35m", "{type ", "\x1b[32m", "{str ",
	"\x1b[2m", "{dim ", "\x1b[31m", "{bad ", "\x1b[1m", "{bold ", "\x1b[0m", "}", "\x1b[22m", "}")

func TestPainter(t *testing.T) {
	withColor(t)
	for _, tc := range []struct{ in, want string }{
		{"$1 = 5\n", "$1 = 5\n"},
		{".next = 0xffffffffc057d208 <__this_module+0x8 [sit]>,\n", ".next = {addr 0xffffffffc057d208} {sym <__this_module+0x8 [sit]>},\n"},
		{`$1 = "a \"b\" c"` + "\n", `$1 = {str "a \"b\" c"}` + "\n"},
		{"don't x < y > \"z\n", "don't x < y > \"z\n"},
		{"$1 = 97 'a'\n", "$1 = 97 {str 'a'}\n"},
		{"struct list_head *next; /* 0 8 */\n", "{type struct list_head} *next; {dim /* 0 8 */}\n"},
		{"0xdead000000000122\n", "{bad 0xdead000000000122}\n"},
		{"<excluded from the dump>\n", "{bad <excluded from the dump>}\n"},
		{"ADDRESS  SIZE  NAME\n", "{bold ADDRESS  SIZE  NAME}\n"},
		{"#1 [ffffffffb0c03e90] default_idle at ffffffffb039bed9\n", "#1 [{addr ffffffffb0c03e90}] {sym default_idle} at {addr ffffffffb039bed9}\n"},
		{"no end", "no end"},
	} {
		var b strings.Builder
		p := &painter{w: &b}
		for _, c := range tc.in { // as slowly as may be
			p.Write([]byte(string(c)))
		}
		p.flush()
		if got := marks.Replace(b.String()); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.in, got, tc.want)
		}
		if plain := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(b.String(), ""); plain != tc.in {
			t.Errorf("%q became %q", tc.in, plain)
		}
	}
}

func TestHighlight(t *testing.T) {
	withColor(t)
	for _, tc := range []struct{ line, want string }{
		{"", ""},
		{"nosuch 1", "nosuch 1"},
		{"print a | b", "{bold print} a | b"},
		{"print a | grep b", "{bold print} a {bold |} grep b"},
		{"  info > x", "  {bold info} {bold >} x"},
		{"p (struct page *)0xffffea0000000000", "{bold p} ({type struct page} *){addr 0xffffea0000000000}"},
	} {
		if got := marks.Replace(highlight(tc.line)); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.line, got, tc.want)
		}
	}
}

func TestSetStyle(t *testing.T) {
	withColor(t)
	old := styles[roleAddress]
	defer func() { styles[roleAddress] = old }()
	if err := SetStyle("address", "bold bright-red"); err != nil {
		t.Fatal(err)
	}
	if got, want := paint(roleAddress, "x"), "\x1b[1;91mx"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, tc := range [][2]string{{"nosuch", "red"}, {"address", "redd"}} {
		if err := SetStyle(tc[0], tc[1]); err == nil || !strings.Contains(err.Error(), "there are") {
			t.Errorf("%s: %v", tc, err)
		}
	}
}
