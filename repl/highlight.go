package repl

import (
	"bytes"
	"io"
	"strings"

	"github.com/kdbg/kdbg/repl/cmds"
)

// painter colours the output of commands by what its words look like, so that no
// command knows of colours, and the text is the same with and without them. What
// it is given is safe for a terminal already.
type painter struct {
	w    io.Writer
	line []byte // the beginning of a line
}

func (p *painter) Write(text []byte) (int, error) {
	var out []byte
	for line := range bytes.Lines(text) {
		p.line = append(p.line, line...)
		if line[len(line)-1] == '\n' || len(p.line) > maxPainted {
			out = appendPainted(out, string(p.line))
			p.line = p.line[:0]
		}
	}
	if len(out) == 0 {
		return len(text), nil
	}
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return len(text), nil
}

// maxPainted is how much of a line is waited for.
const maxPainted = 64 << 10

// flush writes the beginning of a line that has no end.
func (p *painter) flush() error {
	line := p.line
	p.line = nil
	if len(line) == 0 {
		return nil
	}
	_, err := p.w.Write(appendPainted(nil, string(line)))
	return err
}

// appendPainted appends a line of output to b in its colours.
func appendPainted(b []byte, line string) []byte {
	if isHeading(line) {
		text := strings.TrimRight(line, "\n")
		return append(append(b, paint(roleHeading, text)...), line[len(text):]...)
	}
	for len(line) > 0 {
		n, r := token(line)
		if r < 0 {
			b = append(b, line[:n]...)
		} else {
			b = append(b, paint(r, line[:n])...)
		}
		line = line[n:]
	}
	return b
}

// token returns the length and the role of what text begins with, -1 where it has
// none.
func token(text string) (n int, r role) {
	const none = role(-1)
	switch c := text[0]; {
	case c == '"':
		if end := closing(text, '"'); end > 0 {
			return end + 1, roleString
		}
	case c == '\'' && len(text) > 2: // a character, and no apostrophe
		if end := closing(text, '\''); end > 0 && (end == 2 || text[1] == '\\' && end < 7) {
			return end + 1, roleString
		}
	case c == '<':
		end := strings.IndexByte(text, '>')
		switch name := text[:max(0, end)]; {
		case end < 2:
		case strings.IndexByte(name, ' ') < 0, strings.HasSuffix(name, "]"): // <symbol+0x8 [module]>
			return end + 1, roleSymbol
		case strings.HasSuffix(name, " defined"), strings.HasSuffix(name, "dump"), strings.Contains(name, "missing"), strings.Contains(name, "unmapped"):
			return end + 1, roleSuspicious
		}
	case strings.HasPrefix(text, "/*"):
		if end := strings.Index(text, "*/"); end > 0 {
			return end + 2, roleComment
		}
		return len(strings.TrimRight(text, "\n")), roleComment
	case isWord(c):
		n := wordLen(text)
		switch word := text[:n]; {
		case isAddress(word) && isPoison(word):
			return n, roleSuspicious
		case isAddress(word):
			return n, roleAddress
		case word == "struct" || word == "union" || word == "enum":
			if m := wordLen(text[min(n+1, len(text)):]); m > 0 && text[n] == ' ' {
				return n + 1 + m, roleType
			}
			return n, roleType
		case isFrame(text[n:]):
			return n, roleSymbol
		}
		return n, none
	}
	return 1, none
}

// isFrame reports whether the rest of a line is that behind the function of a
// frame: "at" and an address.
func isFrame(rest string) bool {
	addr, ok := strings.CutPrefix(rest, " at ")
	return ok && isAddress(addr[:wordLen(addr)])
}

// closing returns where the quote that text begins with is closed, 0 if it is not.
func closing(text string, quote byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return i
		}
	}
	return 0
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func wordLen(text string) int {
	n := 0
	for n < len(text) && isWord(text[n]) {
		n++
	}
	return n
}

// isAddress reports whether a word is an address: 16 hexadecimal digits, or 0x
// and at least nine.
func isAddress(word string) bool {
	digits, prefixed := strings.CutPrefix(word, "0x")
	if len(digits) != 16 && (!prefixed || len(digits) < 9) {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}

// isPoison reports whether an address is one that the kernel writes over what is
// gone (include/linux/poison.h).
func isPoison(word string) bool {
	digits := strings.TrimPrefix(word, "0x")
	for _, p := range []string{"dead0000", "6b6b6b6b6b6b", "5a5a5a5a5a5a", "a5a5a5a5a5a5", "cccccccccccc"} {
		if strings.HasPrefix(digits, p) {
			return true
		}
	}
	return false
}

// isHeading reports whether a line heads a table: words in capitals alone.
func isHeading(line string) bool {
	words := strings.Fields(line)
	if len(words) < 2 {
		return false
	}
	for _, w := range words {
		if strings.Trim(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_%/#-") != "" {
			return false
		}
	}
	return strings.ContainsAny(line, "AEIOUYTSNR")
}

// highlight colours a line that is being typed: its command, types, strings and
// addresses, and the redirection that it ends with.
func highlight(line string) string {
	name, _ := cmds.Split(line)
	at := strings.Index(line, name) + len(name)
	var b []byte
	if cmds.Lookup(name) != nil {
		b = append(b, line[:at-len(name)]...)
		b = append(b, paint(roleCommand, name)...)
	} else {
		b = append(b, line[:at]...)
	}
	rest := line[at:]
	if i, ok := cmds.Redirection(line); ok {
		b = appendPainted(b, line[at:i])
		b = append(b, paint(roleCommand, line[i:i+1])...)
		rest = line[i+1:]
	}
	return string(appendPainted(b, rest))
}
