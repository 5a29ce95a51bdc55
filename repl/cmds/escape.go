package cmds

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// AppendEscaped appends text to b with everything escaped that could do more on
// a terminal than show, for a dump is hostile and its strings may hold escape
// sequences. In JSON the escapes are those of its strings: nothing else of it
// needs any.
func AppendEscaped(b, text []byte, json bool) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case isPlain(text[0]), n > 1 && unicode.IsPrint(r):
			b = append(b, text[:n]...)
		case json && r > 0xffff: // two surrogates
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		case json, n > 1:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\x%02x`, text[0])
		}
		text = text[n:]
	}
	return b
}

// PlainPrefix returns how many bytes of text, from its start, are ASCII that
// needs no escapes.
func PlainPrefix(text []byte) int {
	for i, c := range text {
		if !isPlain(c) {
			return i
		}
	}
	return len(text)
}

func isPlain(c byte) bool { return c >= ' ' && c < 0x7f || c == '\n' || c == '\t' }
