package repl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// list returns what all candidates for the end of a line have in common beyond
// what was typed or, where that is nothing, their list.
func (e *Editor) list(line string, width int) (more, list string) {
	start, words := e.completer.Complete(line)
	if len(words) == 0 || start > len(line) {
		return "", ""
	}
	typed := line[start:]
	common := commonPrefix(words)
	if len(words) == 1 && !e.goesOn(line[:start]+common) {
		common += " "
	}
	if len(common) > len(typed) {
		return common[len(typed):], ""
	}
	words, left := segments(words, len(typed))
	if len(words) <= maxLines {
		if list := e.described(words, line[:start], width); list != "" {
			return "", list
		}
	}
	return "", columns(words, left, width)
}

// goesOn reports whether more is likely to follow without a blank on a line: a
// file behind a folder, members behind a structure.
func (e *Editor) goesOn(line string) bool {
	about := e.completer.Describe(line)
	return strings.HasSuffix(line, "/") || strings.HasPrefix(about, "struct ") || strings.HasPrefix(about, "union ")
}

// commonPrefix returns what all words begin with.
func commonPrefix(words []string) string {
	p := words[0]
	for _, w := range words[1:] {
		if p == "" {
			break
		}
		n := 0
		for n < len(p) && n < len(w) && p[n] == w[n] {
			n++
		}
		p = p[:n]
	}
	return p
}

// A kernel has 200,000 symbols. Lists of more than maxCandidates are shortened to
// the next parts of names, and cut after maxLines lines.
const (
	maxCandidates = 120
	maxLines      = 20
)

// segments shortens a list that is too long: of each word, only the part up to
// the next _ behind the first typed bytes is left, and "…". Such a list is in
// order.
//
// As many parts are returned as can be shown, and how many words begin with none
// of them.
func segments(words []string, typed int) (short []string, left int) {
	if len(words) <= maxCandidates {
		return words, 0
	}
	last := ""
	for i, w := range words {
		if n := strings.IndexByte(w[typed:], '_'); n >= 0 {
			w = w[:typed+n+1]
		}
		switch {
		case w == last:
			continue
		case len(short) == maxCandidates:
			return short, len(words) - i
		}
		last = w
		if len(w) > typed && w[len(w)-1] == '_' {
			w += "…"
		}
		short = append(short, w)
	}
	return short, 0
}

// described sets words one a line, with what is to be said of them. It is empty
// where that is nothing.
func (e *Editor) described(words []string, before string, width int) string {
	cell := 0
	for _, w := range words {
		cell = max(cell, utf8.RuneCountInString(w)+2)
	}
	var b strings.Builder
	any := false
	for _, w := range words {
		about := []rune(e.completer.Describe(before + w))
		any = any || len(about) > 0
		if room := width - 1 - cell; len(about) > room {
			about = append(about[:max(0, room-1)], '…')
		}
		text := fmt.Sprintf("%-*s%s", cell, w, string(about))
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	if !any {
		return ""
	}
	return b.String()
}

// columns sets words in columns for a terminal of the given width, and says how
// many there are beyond maxLines lines and those left out before.
func columns(words []string, left, width int) string {
	cell := 0
	for _, w := range words[:min(len(words), maxCandidates)] {
		cell = max(cell, utf8.RuneCountInString(w)+2)
	}
	perLine := max(1, (width-1)/cell)
	shown := words[:min(len(words), maxCandidates, perLine*maxLines)]
	var b strings.Builder
	for i, w := range shown {
		b.WriteString(w)
		if (i+1)%perLine == 0 || i == len(shown)-1 {
			b.WriteByte('\n')
		} else {
			b.WriteString(strings.Repeat(" ", cell-utf8.RuneCountInString(w)))
		}
	}
	if more := len(words) - len(shown) + left; more > 0 {
		fmt.Fprintf(&b, "… %s more\n", thousands(more))
	}
	return b.String()
}

// thousands writes a number with commas: 186,912.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
