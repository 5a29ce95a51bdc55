package repl

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/fatih/color"
	"golang.org/x/term"
)

// role is what a piece of text is, which gives it its colour.
type role int

const (
	rolePrompt role = iota
	roleError
	roleHeading
	roleCommand
	roleAddress
	roleSymbol
	roleType
	roleString
	roleComment
	roleSuspicious // poison, and what cannot be read
)

// roleNames are the names of the roles in the configuration.
var roleNames = map[string]role{
	"prompt": rolePrompt, "error": roleError, "heading": roleHeading, "command": roleCommand, "address": roleAddress,
	"symbol": roleSymbol, "type": roleType, "string": roleString, "comment": roleComment, "suspicious": roleSuspicious,
}

// styles are the colours of the roles. They are the terminal's own sixteen, which
// a person has made readable on their background.
var styles = map[role]*color.Color{
	rolePrompt:     color.New(color.Bold),
	roleError:      color.New(color.FgRed, color.Bold),
	roleHeading:    color.New(color.Bold),
	roleCommand:    color.New(color.Bold),
	roleAddress:    color.New(color.FgBlue),
	roleSymbol:     color.New(color.FgYellow),
	roleType:       color.New(color.FgMagenta),
	roleString:     color.New(color.FgGreen),
	roleComment:    color.New(color.Faint),
	roleSuspicious: color.New(color.FgRed),
}

// attributes are the words that a colour is made of in the configuration.
var attributes = map[string]color.Attribute{
	"black": color.FgBlack, "red": color.FgRed, "green": color.FgGreen, "yellow": color.FgYellow,
	"blue": color.FgBlue, "magenta": color.FgMagenta, "cyan": color.FgCyan, "white": color.FgWhite,
	"bold": color.Bold, "faint": color.Faint, "underline": color.Underline, "plain": color.Reset,
}

// colorMode is when there are colours: auto, always or never.
var colorMode = "never"

// SetColor switches colours for the whole program: "always", "never", or "auto"
// for where text goes to a terminal, unless NO_COLOR is set (https://no-color.org)
// or the terminal is a dumb one. This is the only place that touches the switch.
func SetColor(when string) error {
	switch when {
	case "always", "never":
		colorMode = when
	case "auto":
		colorMode = when
		if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
			colorMode = "never"
		}
	default:
		return fmt.Errorf("color is auto, always or never, not %q", when)
	}
	color.NoColor = colorMode == "never"
	return nil
}

// SetStyle gives a role another colour: words such as "bold red".
func SetStyle(name, words string) error {
	r, ok := roleNames[name]
	if !ok {
		return fmt.Errorf("no role %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(roleNames)), ", "))
	}
	style := color.New()
	for _, word := range strings.Fields(words) {
		bright := strings.TrimPrefix(word, "bright-")
		a, ok := attributes[bright]
		if !ok {
			return fmt.Errorf("no colour %q for %s: there are %s, and bright-red and so on", word, name, strings.Join(slices.Sorted(maps.Keys(attributes)), ", "))
		}
		if bright != word {
			a += color.FgHiBlack - color.FgBlack
		}
		style.Add(a)
	}
	styles[r] = style
	return nil
}

// colored reports whether text for w has colours.
func colored(w io.Writer) bool {
	return colorMode == "always" || colorMode == "auto" && isTerminal(w)
}

// paint returns text in the colour of its role.
func paint(r role, text string) string { return styles[r].Sprint(text) }

// isTerminal reports whether a writer is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
