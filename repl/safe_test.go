package repl

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
)

func TestSafeWriter(t *testing.T) {
	for _, tc := range []struct{ in, text, json string }{
		{"plain\ttext\n", "plain\ttext\n", "plain\ttext\n"},
		{"\x1b[31mred", `\x1b[31mred`, `\u001b[31mred`},
		{"\x07\x7f\r", `\x07\x7f\x0d`, `\u0007\u007f\u000d`},
		{"größe ⏎", "größe ⏎", "größe ⏎"},
		{"\u009b31m", `\u009b31m`, `\u009b31m`},   // CSI in one character
		{"a\u202eb", `a\u202eb`, `a\u202eb`},      // turns the direction of text
		{"\xff\xc3", `\xff\xc3`, `\ufffd\ufffd`},  // not UTF-8
		{"\U000e0001", `\ue0001`, `\udb40\udc01`}, // a tag, beyond 16 bits
	} {
		for _, asJSON := range []bool{false, true} {
			want := tc.text
			if asJSON {
				want = tc.json
			}
			var b strings.Builder
			w := &safeWriter{ctx: t.Context(), w: &b, json: asJSON}
			n, err := w.Write([]byte(tc.in))
			if n != len(tc.in) || err != nil || b.String() != want {
				t.Errorf("%q, JSON %v: wrote %d %q, %v, want %q", tc.in, asJSON, n, b.String(), err, want)
			}
		}
	}
}

func TestSafeWriterStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &safeWriter{ctx: ctx, w: &strings.Builder{}}
	if _, err := w.Write([]byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// FuzzSafeWriter checks that nothing but plain text comes out, and that a JSON
// string stays the same string.
func FuzzSafeWriter(f *testing.F) {
	f.Add("\x1b]0;title\x07\u009b\u202e\xff")
	f.Fuzz(func(t *testing.T, in string) {
		var b strings.Builder
		(&safeWriter{ctx: t.Context(), w: &b}).Write([]byte(in))
		for _, r := range b.String() {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Fatalf("%q let %q through", in, r)
			}
		}
		encoded, err := json.Marshal(in)
		if err != nil {
			t.Skip()
		}
		b.Reset()
		(&safeWriter{ctx: t.Context(), w: &b, json: true}).Write(encoded)
		var out string
		if err := json.Unmarshal([]byte(b.String()), &out); err != nil || out != strings.ToValidUTF8(in, "\ufffd") && !strings.Contains(out, "\ufffd") {
			t.Fatalf("%q became %q: %v", in, out, err)
		}
	})
}
