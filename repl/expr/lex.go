package expr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

// maxSource bounds an expression's length, and with it the work that one can
// cause: every bound on the tree follows from it.
const maxSource = 16 << 10

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokIdent
	tokInt
	tokFloat
	tokChar
	tokString
	tokDollar // "$", "$$", "$1", "$$2", "$name"
	tokOp
)

// token is a word of the source. Only the fields of its kind are set.
type token struct {
	span
	kind   tokenKind
	text   string // as spelled; the bare name for identifiers
	num    uint64 // tokInt, tokChar
	float  float64
	str    []byte // tokString, without the quotes, escapes decoded
	nth    int    // tokIdent: 2 in name#2, else 0
	quoted bool   // tokIdent: `name`, never a type or a keyword
}

// operators, longest first so that the first match is the right one.
var operators = []string{
	"...", "<<=", ">>=",
	"->", "..", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "++", "--",
	"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
	"+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "<", ">", "=",
	"?", ":", ";", "(", ")", "[", "]", ".", ",", "{", "}",
}

// lex splits src into tokens; the last is tokEOF.
func lex(src string) ([]token, error) {
	l := &lexer{src: src}
	if len(src) > maxSource {
		return nil, l.errorf(maxSource, len(src), "expression of %d bytes: the limit is %d", len(src), maxSource)
	}
	var toks []token
	for {
		tok, err := l.next()
		if err != nil {
			return nil, err
		}
		toks = append(toks, tok)
		if tok.kind == tokEOF {
			return toks, nil
		}
	}
}

type lexer struct {
	src string
	pos int
}

func (l *lexer) errorf(pos, end int, format string, args ...any) *Error {
	return &Error{Src: l.src, Pos: pos, End: end, Msg: fmt.Sprintf(format, args...), kind: kernel.KindSyntax}
}

func (l *lexer) next() (token, error) {
	for l.pos < len(l.src) && strings.IndexByte(" \t\r\n\v\f", l.src[l.pos]) >= 0 {
		l.pos++
	}
	start := l.pos
	tok, err := l.scan()
	tok.span = span{start, l.pos}
	return tok, err
}

func (l *lexer) scan() (token, error) {
	if l.pos == len(l.src) {
		return token{kind: tokEOF}, nil
	}
	rest := l.src[l.pos:]
	switch c := rest[0]; {
	case isLetter(c):
		return l.ident()
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return l.number()
	case c == '$':
		return l.dollar()
	case c == '\'':
		return l.char()
	case c == '"':
		return l.string()
	case c == '`':
		return l.quotedName()
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			l.pos += len(op)
			return token{kind: tokOp, text: op}, nil
		}
	}
	err := l.errorf(l.pos, l.pos+1, "unexpected character %q", []rune(rest)[0])
	if rest[0] == '@' {
		err.Advice = "an array of n things is written a[0..n] here"
	}
	return token{}, err
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

// take returns the longest run of bytes from the current position that ok
// accepts, and moves past it.
func (l *lexer) take(ok func(c byte) bool) string {
	start := l.pos
	for l.pos < len(l.src) && ok(l.src[l.pos]) {
		l.pos++
	}
	return l.src[start:l.pos]
}

func isWord(c byte) bool { return isLetter(c) || isDigit(c) }

// ident reads a name. A dot before a digit belongs to it, for no member begins
// so and compilers name statics of functions so: "__key.12".
func (l *lexer) ident() (token, error) {
	start := l.pos
	l.take(isWord)
	for l.pos+1 < len(l.src) && l.src[l.pos] == '.' && isDigit(l.src[l.pos+1]) {
		l.pos++
		l.take(isDigit)
	}
	tok := token{kind: tokIdent, text: l.src[start:l.pos]}
	return l.candidate(tok)
}

// quotedName reads `name`: any symbol, whatever its characters.
func (l *lexer) quotedName() (token, error) {
	start := l.pos
	n := strings.IndexByte(l.src[start+1:], '`')
	if n <= 0 {
		return token{}, l.errorf(start, len(l.src), "a quoted name wants a closing `")
	}
	l.pos += n + 2
	return l.candidate(token{kind: tokIdent, text: l.src[start+1 : l.pos-1], quoted: true})
}

// candidate reads the #2 that may follow a name.
func (l *lexer) candidate(tok token) (token, error) {
	if l.pos == len(l.src) || l.src[l.pos] != '#' {
		return tok, nil
	}
	start := l.pos
	l.pos++
	nth, err := strconv.ParseUint(l.take(isDigit), 10, 16)
	if err != nil || nth == 0 {
		return tok, l.errorf(start, l.pos, "# wants the number of a candidate, from 1")
	}
	tok.nth = int(nth)
	return tok, nil
}

// dollar reads a reference to history or to a convenience variable.
func (l *lexer) dollar() (token, error) {
	start := l.pos
	if l.pos++; strings.HasPrefix(l.src[l.pos:], "$") {
		l.pos++
	}
	word := l.take(isWord)
	tok := token{kind: tokDollar, text: l.src[start:l.pos]}
	switch {
	case word == "" || isLetter(word[0]) && tok.text[1] != '$':
		return tok, nil
	case strings.Trim(word, "0123456789") == "" && len(word) < 10:
		return tok, nil
	}
	return tok, l.errorf(start, l.pos, "%s is neither history ($, $$, $1, $$1) nor a variable ($name)", tok.text)
}

// number reads an integer or floating-point constant of C.
func (l *lexer) number() (token, error) {
	start := l.pos
	hex := len(l.src)-start > 1 && l.src[start] == '0' && l.src[start+1]|0x20 == 'x'
	onCPU := start > 1 && l.src[start-1] == ':' && isWord(l.src[start-2]) // in runqueues:0.cpu
	for l.pos < len(l.src) {
		c, prev := l.src[l.pos], byte(0)
		if l.pos > start {
			prev = l.src[l.pos-1] | 0x20
		}
		sign := (c == '+' || c == '-') && prev == 'e' && !hex
		point := c == '.' && !strings.HasPrefix(l.src[l.pos:], "..") && !(onCPU && l.letterAt(l.pos+1))
		if !isWord(c) && !sign && !point {
			break
		}
		l.pos++
	}
	text := l.src[start:l.pos]
	if !hex && strings.Trim(text, "0123456789.eE+-fFlL") == "" && strings.ContainsAny(text, ".eE") {
		return l.float(start, text)
	}
	return l.integer(start, text)
}

func (l *lexer) letterAt(pos int) bool { return pos < len(l.src) && isLetter(l.src[pos]) }

func (l *lexer) float(start int, text string) (token, error) {
	digits := strings.TrimRight(text, "fFlL")
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || len(text)-len(digits) > 1 {
		return token{}, l.badNumber(start, text)
	}
	// The text is kept as one that stands next to ".." without joining it.
	if text[0] == '.' {
		text = "0" + text
	}
	if strings.HasSuffix(text, ".") {
		text += "0"
	}
	return token{kind: tokFloat, text: text, float: f}, nil
}

func (l *lexer) integer(start int, text string) (token, error) {
	digits := strings.TrimRight(text, "uUlL")
	base, body := 10, digits
	switch {
	case len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x':
		base, body = 16, digits[2:]
	case len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'b':
		base, body = 2, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		base, body = 8, digits[1:]
	}
	switch strings.ToLower(text[len(digits):]) {
	case "", "u", "l", "ul", "lu", "ll", "ull", "llu":
	default:
		return token{}, l.badNumber(start, text)
	}
	n, err := strconv.ParseUint(body, base, 64)
	if err != nil {
		if strings.Contains(err.Error(), "range") {
			return token{}, l.errorf(start, l.pos, "%s does not fit in 64 bits", text)
		}
		return token{}, l.badNumber(start, text)
	}
	return token{kind: tokInt, text: text, num: n}, nil
}

func (l *lexer) badNumber(start int, text string) *Error {
	err := l.errorf(start, l.pos, "%s is not a number", text)
	if _, bad := strconv.ParseUint(text, 16, 64); bad == nil {
		err.Advice = "a hexadecimal number is written 0x" + text
	}
	return err
}

// char reads a character constant of one byte.
func (l *lexer) char() (token, error) {
	start := l.pos
	b, err := l.quoted('\'')
	if err != nil {
		return token{}, err
	}
	if len(b) != 1 {
		return token{}, l.errorf(start, l.pos, "a character constant is one byte, this is %d", len(b))
	}
	return token{kind: tokChar, text: l.src[start:l.pos], num: uint64(b[0])}, nil
}

func (l *lexer) string() (token, error) {
	start := l.pos
	b, err := l.quoted('"')
	return token{kind: tokString, text: l.src[start:l.pos], str: b}, err
}

// quoted reads up to the closing quote and decodes the escapes.
func (l *lexer) quoted(quote byte) ([]byte, error) {
	start := l.pos
	l.pos++
	out := []byte{}
	for l.pos < len(l.src) && l.src[l.pos] != '\n' {
		c := l.src[l.pos]
		l.pos++
		switch c {
		case quote:
			return out, nil
		case '\\':
			b, err := l.escape()
			if err != nil {
				return nil, err
			}
			out = append(out, b)
		default:
			out = append(out, c)
		}
	}
	return nil, l.errorf(start, l.pos, "a closing %c is missing", quote)
}

var simpleEscape = map[byte]byte{
	'a': '\a', 'b': '\b', 'e': 0x1b, 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
	'\\': '\\', '\'': '\'', '"': '"', '?': '?',
}

// escape decodes what follows a backslash.
func (l *lexer) escape() (byte, error) {
	start := l.pos - 1
	if l.pos == len(l.src) {
		return 0, l.errorf(start, l.pos, "an escape wants a character")
	}
	c := l.src[l.pos]
	var digits string
	base := 8
	switch {
	case c == 'x':
		l.pos++
		base = 16
		digits = l.take(func(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' })
	case '0' <= c && c <= '7':
		digits = l.take(func(c byte) bool { return '0' <= c && c <= '7' && l.pos < start+4 })
	default:
		l.pos++
		if b, ok := simpleEscape[c]; ok {
			return b, nil
		}
		return 0, l.errorf(start, l.pos, "unknown escape \\%c", c)
	}
	n, err := strconv.ParseUint(digits, base, 8)
	if err != nil {
		return 0, l.errorf(start, l.pos, "%s is not a byte", l.src[start:l.pos])
	}
	return byte(n), nil
}
