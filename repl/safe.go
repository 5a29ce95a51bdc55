package repl

import (
	"context"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// safeWriter passes text on with everything escaped that could do more on a
// terminal than show: a dump is hostile, and its strings may hold escape
// sequences. The text is the same whether or not w is a terminal.
//
// It fails once ctx has ended, so that every command which writes can be
// interrupted.
type safeWriter struct {
	ctx  context.Context
	w    io.Writer
	json bool // escape as JSON strings do; nothing but strings of JSON needs it
	buf  []byte
}

func (s *safeWriter) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	i := plainPrefix(p)
	if i == len(p) {
		return s.w.Write(p)
	}
	s.buf = append(s.buf[:0], p[:i]...)
	for rest := p[i:]; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case isPlain(rest[0]), n > 1 && unicode.IsPrint(r):
			s.buf = append(s.buf, rest[:n]...)
		case s.json:
			s.buf = appendJSONEscape(s.buf, r)
		case n > 1:
			s.buf = fmt.Appendf(s.buf, `\u%04x`, r)
		default:
			s.buf = fmt.Appendf(s.buf, `\x%02x`, rest[0])
		}
		rest = rest[n:]
	}
	if _, err := s.w.Write(s.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// appendJSONEscape appends a character as a string of JSON spells it, one beyond
// 16 bits as two surrogates.
func appendJSONEscape(b []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		return fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}

// isPlain reports whether a byte is ASCII that only shows.
func isPlain(c byte) bool { return c >= ' ' && c < 0x7f || c == '\n' || c == '\t' }

// plainPrefix returns how many bytes of p are plain from its start.
func plainPrefix(p []byte) int {
	for i, c := range p {
		if !isPlain(c) {
			return i
		}
	}
	return len(p)
}
