package cmds

import (
	"iter"
	"regexp"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/kernel"
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
	if args == "--help" {
		return Request{Command: Lookup("help"), Line: line, Args: name}, nil
	}
	r := Request{Command: c, Line: line, Args: args}
	at, ok := redirection(c, args)
	if !ok {
		return r, nil
	}
	r.Line, r.Args = strings.TrimSpace(line[:len(line)-len(args)+at]), strings.TrimSpace(args[:at])
	target := strings.TrimPrefix(args[at+1:], ">")
	r.Extend = len(target) < len(args[at+1:])
	target = strings.TrimSpace(target)
	if args[at] == '|' {
		r.Shell = target
		if target == "" {
			return r, &UsageError{Msg: "no shell command follows |", Do: "see help redirection"}
		}
		return r, nil
	}
	list, err := words(target)
	if err != nil {
		return r, err
	}
	if len(list) != 1 {
		return r, &UsageError{Msg: "one file follows >", Do: "see help redirection"}
	}
	r.File = list[0]
	return r, nil
}

// fileBehind is what looks like a redirection at the end of an expression.
var fileBehind = regexp.MustCompile(`\s(>>?)\s*([A-Za-z_][\w.-]*)$`)

// MisreadError is the error of an expression that ends as a redirection does.
type MisreadError struct {
	Err  error
	Want string // what would be one
}

func (e *MisreadError) Error() string { return e.Err.Error() }
func (e *MisreadError) Unwrap() error { return e.Err }

// Hint says how to write to a file.
func (e *MisreadError) Hint() string { return "to write to a file, " + e.Want }

// Misread returns err, as a [*MisreadError] if the person is likely to have meant
// a file by what is no name of the kernel.
func (r Request) Misread(err error) error {
	m := fileBehind.FindStringSubmatch(r.Args)
	if kernel.ErrorKind(err) != kernel.KindNotFound || m == nil || !r.Command.Expr {
		return err
	}
	return &MisreadError{err, m[1] + " ./" + m[2]}
}

// Redirection returns where in a line its redirection begins, if it has one.
func Redirection(line string) (at int, ok bool) {
	name, args := Split(line)
	c := Lookup(name)
	if c == nil {
		return 0, false
	}
	at, ok = redirection(c, args)
	return strings.LastIndex(line, args) + at, ok
}

// redirection returns where the redirection of a command with these arguments
// begins.
func redirection(c *Command, args string) (at int, ok bool) {
	for i := range operators(args) {
		target := strings.TrimSpace(strings.TrimLeft(args[i+1:], ">"))
		if !c.Expr || isPath(target) || args[i] == '|' && isFilter(target) || args[i] == '>' && isQuoted(target) {
			return i, true
		}
	}
	return 0, false
}

// operators returns where in a line a redirection may begin: each | that is not
// part of ||, and each > or >> behind a blank that is not part of >=.
func operators(line string) iter.Seq[int] {
	return func(yield func(int) bool) {
		depth := 0
		for i := 0; i < len(line); i++ {
			next := line[i+1:]
			switch c := rune(line[i]); c {
			case '"', '\'', '`':
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

// isFilter reports whether a shell command begins with one of the filters.
func isFilter(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	return slices.Contains(filters, word)
}
