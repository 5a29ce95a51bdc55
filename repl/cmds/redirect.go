package cmds

import (
	"iter"
	"slices"
	"strings"
)

// Request is a line taken apart: a command, and where its output goes.
type Request struct {
	Command *Command
	Line    string // the command with its arguments
	Args    string
	Shell   string // | shell command
	File    string // > file
	Extend  bool   // >> file
}

// filters are the programs that | starts after an expression, where it may as
// well be C's or.
var filters = []string{
	"awk", "bash", "cat", "column", "cut", "diff", "egrep", "env", "fgrep", "gawk", "grep", "head", "hexdump", "jq", "less", "more",
	"nl", "perl", "python3", "rev", "rg", "sed", "sh", "sort", "tac", "tail", "tee", "tr", "uniq", "vim", "wc", "xargs", "xxd",
}

// Parse takes a line apart. The redirection that it may end with stands outside of
// quotes and brackets:
//
//	COMMAND | SHELL COMMAND
//	COMMAND > FILE
//	COMMAND >> FILE
//
// There is a blank in front of >, so that a->b and a>b stay what they are. The
// arguments of some commands are expressions, in which |, > and >> are operators
// too. There they are operators unless what follows cannot be an operand: for >,
// a file whose name begins with /, ./, ../ or ~/, or is in quotes; for |, a
// program named so as well, or one of the filters.
func Parse(line string) (Request, error) {
	line = strings.TrimSpace(line)
	name, args := Split(line)
	c := Lookup(name)
	if c == nil {
		return Request{}, Unknown(line)
	}
	for i := range operators(args) {
		r := Request{Command: c, Line: strings.TrimSpace(line[:len(line)-len(args)+i]), Args: strings.TrimSpace(args[:i])}
		rest := strings.TrimPrefix(args[i+1:], ">")
		r.Extend = len(rest) < len(args[i+1:])
		rest = strings.TrimSpace(rest)
		switch {
		case args[i] == '|' && c.Expr && !isProgram(rest):
		case args[i] == '|' && rest == "":
			return r, &UsageError{Msg: "no shell command follows |", Do: "see help redirection"}
		case args[i] == '|':
			r.Shell = rest
			return r, nil
		case c.Expr && !isPath(rest) && !isQuoted(rest):
		default:
			list, err := words(rest)
			if err == nil && len(list) != 1 {
				err = &UsageError{Msg: "one file follows >", Do: "see help redirection"}
			}
			if err != nil {
				return r, err
			}
			r.File = list[0]
			return r, nil
		}
	}
	return Request{Command: c, Line: line, Args: args}, nil
}

// operators returns where in a line a redirection may begin: each | that is not
// part of ||, and each > or >> behind a blank that is not part of >=.
func operators(line string) iter.Seq[int] {
	return func(yield func(int) bool) {
		depth := 0
		for i := 0; i < len(line); i++ {
			next := line[i+1:]
			switch c := rune(line[i]); c {
			case '"', '\'':
				i = closingQuote(line, i)
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth--
			case '|', '>':
				apart := i == 0 || line[i-1] == ' ' || line[i-1] == '\t'
				begins := c == '|' && !strings.HasPrefix(next, "|") || c == '>' && !strings.HasPrefix(next, "=") && apart
				if depth <= 0 && begins && !yield(i) {
					return
				}
				if strings.HasPrefix(next, string(c)) {
					i++
				}
			}
		}
	}
}

// closingQuote returns where the quote that opens at i is closed, the end of the
// line if it is not.
func closingQuote(line string, i int) int {
	for j := i + 1; j < len(line); j++ {
		switch line[j] {
		case '\\':
			j++
		case line[i]:
			return j
		}
	}
	return len(line)
}

// isPath reports whether text begins as the name of a file does and no operand.
func isPath(text string) bool {
	for _, prefix := range []string{"/", "./", "../", "~/"} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

func isQuoted(text string) bool { return strings.HasPrefix(text, `"`) || strings.HasPrefix(text, "'") }

// isProgram reports whether a shell command begins as no operand does.
func isProgram(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	return isPath(text) || slices.Contains(filters, word)
}
