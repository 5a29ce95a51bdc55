package repl

import (
	"io"
	"strings"
	"testing"
)

func TestPaste(t *testing.T) {
	const on, off = pasteStart, pasteEnd
	for _, tc := range []struct{ in, want string }{
		{"print a\r", "print a\r"},
		{"print\ta", "print\ta"}, // TAB is a key here
		{on + "print\ta" + off + "\r", "print a\r"},
		{on + "p a\rp b" + off, "p a⏎p b"},
		{on + "p a\np b\n" + off, "p a⏎p b"},
		{on + "p a\r\np b\r\n\r\np c" + off, "p a⏎p b⏎⏎p c"},
		{on + "a\x03\x04\x1b[Ab\x7f" + off, "a[Ab"}, // ^C, ^D and arrows are text to be dropped
		{on + off + "x" + on + "y" + off, "xy"},
		{"\x1b[A\x1b", "\x1b[A\x1b"},                             // an arrow, and a lone escape that must not wait
		{"\x1b[3~a" + on + "\x1b[3~" + off, "\ue003\x1b[3~a[3~"}, // Delete, typed and pasted
		{on + "no end\r", "no end"},
		{on + "größe ⏎" + off, "größe ⏎"},
		{on + strings.Repeat("x", 1e5) + off + "y", strings.Repeat("x", maxPaste) + "…y"},
	} {
		got, err := io.ReadAll(&pasteReader{r: strings.NewReader(tc.in)})
		if err != nil || string(got) != tc.want {
			t.Errorf("%q: got %q, %v, want %q", tc.in, got, err, tc.want)
		}
	}
}

// TestPasteCut cuts a paste over two reads, at every place but behind the first
// escape: a lone escape is a key, and terminals write brackets at once.
func TestPasteCut(t *testing.T) {
	const text = pasteStart + "p a\rp b" + pasteEnd + "\r"
	for cut := 2; cut < len(text); cut++ {
		r := io.MultiReader(strings.NewReader(text[:cut]), strings.NewReader(text[cut:]))
		got, err := io.ReadAll(&pasteReader{r: r})
		if want := "p a⏎p b\r"; err != nil || string(got) != want {
			t.Errorf("cut at %d: got %q, %v, want %q", cut, got, err, want)
		}
	}
}
