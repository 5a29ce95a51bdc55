package cmds

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name: "alias",
		Args: "[NAME [COMMAND]]",
		Help: "give a command and its arguments a short name",
		Doc: `alias NAME COMMAND makes NAME stand for a command with arguments, behind which those
come that are typed. alias lists all of them, alias NAME shows one, and an
empty COMMAND takes the name back. A COMMAND with | or > stands in quotes.

    alias blocked "ps | grep -w UN"
    alias d2 print/2
    alias top "ps -G | sort -rnk 8 | head"
    alias blocked ""

Some are there from the start, those of crash: px, pd, hex, dec, sf, sn, last.
The configuration file keeps aliases, see help settings. An alias may have the
name of a command, which it then hides; in its own text it stands for the
command.`,
		Run: runAlias,
	})
}

// Aliases are the names that the command alias gave.
type Aliases struct{ text map[string]string }

// NewAliases returns those that crash has from the start.
func NewAliases() *Aliases {
	return &Aliases{map[string]string{
		"px": "print/x", "pd": "print/d", "hex": "set radix 16", "dec": "set radix 10", "sf": "set scroll off", "sn": "set scroll on", "last": "ps -l",
	}}
}

// Set gives a command a name, or takes it back where the command is empty.
func (a *Aliases) Set(name, text string) error {
	if word, rest := Split(name); word == "" || rest != "" {
		return usage("alias", "%q cannot be the name of a command", name)
	}
	if text == "" {
		delete(a.text, name)
		return nil
	}
	if _, err := Parse(text); err != nil {
		return err
	}
	a.text[name] = text
	return nil
}

// Expand puts what an alias stands for in its place at the beginning of a line.
func (a *Aliases) Expand(line string) string {
	name, rest := Split(line)
	text, ok := a.text[name]
	if !ok {
		return line
	}
	// The arguments stand in front of a redirection.
	end := ""
	if at, ok := Redirection(text); ok && rest != "" {
		text, end = strings.TrimRight(text[:at], " "), " "+text[at:]
	}
	return strings.TrimSpace(text+" "+rest) + end
}

func runAlias(_ context.Context, env *Env, args string) error {
	name, text, change := strings.Cut(args, " ")
	if change {
		text = strings.TrimSpace(text)
		if list, err := words(text); err == nil && len(list) == 1 && isQuoted(text) {
			text = list[0]
		}
		return env.Aliases.Set(name, text)
	}
	names := slices.Sorted(maps.Keys(env.Aliases.text))
	if name != "" {
		if env.Aliases.text[name] == "" {
			return &kernel.NotFoundError{What: "alias", Name: name, Similar: kernel.Similar(name, slices.Values(names))}
		}
		names = []string{name}
	}
	var rows [][]string
	for _, name := range names {
		if env.JSON {
			err := env.Object(struct {
				Name    string `json:"name"`
				Command string `json:"command"`
			}{name, env.Aliases.text[name]})
			if err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{name, env.Aliases.text[name]})
	}
	return writeTable(env.Out, nil, rows)
}
