package repl

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// A terminal in bracketed-paste mode puts pasted text between pasteStart and
// pasteEnd (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html).
const (
	bracketedPasteOn  = "\x1b[?2004h"
	bracketedPasteOff = "\x1b[?2004l"
	pasteStart        = "\x1b[200~"
	pasteEnd          = "\x1b[201~"
)

// deleteCode is what the Delete key sends, which readline takes for ^D. The
// private character deleteMark in front of it tells the two apart.
const (
	deleteCode = "\x1b[3~"
	deleteMark = '\ue003'
)

// newlineMark stands for the end of a line in text that was pasted, so that it
// can be seen and edited on one line.
const newlineMark = "⏎"

// maxPaste is how many characters of a paste are taken: readline draws a line
// anew for each, which takes minutes for a file pasted by mistake. cutMark ends
// what was cut, so that it is no command.
const (
	maxPaste = 4096
	cutMark  = "…"
)

// pasteReader reads keys. It takes the brackets off pasted text and makes plain
// characters of the newlines, tabs and control characters in it: they are text,
// not keys. The Delete key is marked.
type pasteReader struct {
	r       io.Reader
	inPaste bool
	held    []byte // the beginning of a bracket, until the rest of it is read
	out     []byte // what is still to be returned
	pasted  int    // bytes of this paste that were passed on
	newline bool   // a newline in the paste, held until more text follows
	afterCR bool
	err     error
}

func (p *pasteReader) Read(b []byte) (int, error) {
	for len(p.out) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		var buf [512]byte
		n, err := p.r.Read(buf[:])
		p.err = err
		p.feed(buf[:n])
	}
	n := copy(b, p.out)
	p.out = p.out[n:]
	return n, nil
}

// feed translates input. A bracket may be split over two reads: its first bytes
// are held back, except for a lone escape, which may be a key and must not wait.
func (p *pasteReader) feed(in []byte) {
	in = append(p.held, in...)
	p.held = nil
	for len(in) > 0 {
		bracket := []byte(pasteStart)
		if p.inPaste {
			bracket = []byte(pasteEnd)
		}
		switch {
		case bytes.HasPrefix(in, bracket):
			p.inPaste = !p.inPaste
			p.pasted = 0
			p.newline, p.afterCR = false, false // the last newline of a paste is not a line
			in = in[len(bracket):]
			continue
		case !p.inPaste && bytes.HasPrefix(in, []byte(deleteCode)):
			p.out = append(utf8.AppendRune(p.out, deleteMark), deleteCode...)
			in = in[len(deleteCode):]
			continue
		case len(in) > 1 && bytes.HasPrefix([]byte(deleteCode), in), bytes.HasPrefix(bracket, in) && (len(in) > 1 || p.inPaste):
			p.held = bytes.Clone(in)
			return
		}
		if p.inPaste {
			p.text(in[0])
		} else {
			p.out = append(p.out, in[0])
		}
		in = in[1:]
	}
}

// text passes a byte of pasted text on.
func (p *pasteReader) text(c byte) {
	wasCR := p.afterCR
	p.afterCR = c == '\r'
	switch {
	case c == '\n' && wasCR: // one end of line, written \r\n
		return
	case c == '\n' || c == '\r':
		p.endLine()
		p.newline = true
		return
	case c == '\t':
		c = ' '
	case c < ' ' || c == 0x7f:
		return
	}
	switch p.pasted++; {
	case p.pasted <= maxPaste:
		p.endLine()
		p.out = append(p.out, c)
	case p.pasted == maxPaste+1:
		p.out = append(p.out, cutMark...)
	}
}

// endLine marks a newline that was held.
func (p *pasteReader) endLine() {
	if p.newline {
		p.out = append(p.out, newlineMark...)
	}
	p.newline = false
}
