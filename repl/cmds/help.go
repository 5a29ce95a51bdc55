package cmds

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kdbg/kdbg/kernel"
)

func init() {
	register(&Command{
		Name:    "help",
		Aliases: []string{"man"},
		Args:    "[COMMAND|TOPIC]",
		Help:    "list the commands, or show the manual of one",
		Doc: `help lists the commands and the topics. help with the name of one shows its page.

    help print
    help expressions`,
		Run:      runHelp,
		Complete: func(_ *Env, args string) (int, []string) { return 0, withPrefix(pageNames(), args) },
		Describe: func(_ *Env, args string) string {
			if t, ok := findTopic(args); ok {
				return t.Help
			}
			if c := Lookup(args); c != nil {
				return c.Help
			}
			return ""
		},
	})
	register(&Command{
		Name: "apropos",
		Args: "WORD",
		Help: "find the commands whose manual mentions a word",
		Doc: `apropos lists the commands, topics and settings whose manual mentions a word, in
capitals or not; those that have it in their first line come first.

    apropos slab
    apropos read-only`,
		Run: runApropos,
	})
}

// pageNames are what help has a page for.
func pageNames() []string {
	names := commandNames()
	for _, t := range Topics() {
		names = append(names, t.Name)
	}
	return sorted(names)
}

func runHelp(_ context.Context, env *Env, name string) error {
	if c := Lookup(name); c != nil {
		return env.showHelp(c)
	}
	if t, ok := findTopic(name); ok {
		return env.showTopic(t)
	}
	if name != "" {
		e := &kernel.NotFoundError{What: "command or topic", Name: name, Similar: kernel.Similar(name, slices.Values(pageNames()))}
		if len(e.Similar) == 0 {
			return &UsageError{Msg: e.Error(), Do: "apropos " + name + " looks into all pages"}
		}
		return e
	}
	if env.JSON {
		for _, c := range All() {
			if err := env.showHelp(c); err != nil {
				return err
			}
		}
		return nil
	}
	return env.Printf("%s", overview())
}

// overview is what help says that is asked for nothing.
func overview() string {
	var b strings.Builder
	for _, g := range Groups() {
		fmt.Fprintf(&b, "%s\n", g.Title)
		for _, c := range g.Commands {
			fmt.Fprintf(&b, "  %-12s %s\n", c.Name, c.Help)
		}
	}
	b.WriteString("topics\n")
	for _, t := range Topics() {
		fmt.Fprintf(&b, "  %-12s %s\n", t.Name, t.Help)
	}
	b.WriteString("\nhelp NAME shows the page of one, apropos WORD searches them all.\n")
	return b.String()
}

// Synopsis returns the name and the arguments of a command.
func (c *Command) Synopsis() string { return strings.TrimSpace(c.Name + " " + c.Args) }

// Manual returns the manual of a command: synopsis, line of help, text.
func (c *Command) Manual() string {
	text := c.Synopsis() + "\n    " + c.Help + "\n"
	if len(c.Aliases) > 0 {
		text += "    also: " + strings.Join(c.Aliases, ", ") + "\n"
	}
	return text + "\n" + fill(c.Doc)
}

// manualWidth is how wide the lines of the manual are.
const manualWidth = 78

// fill breaks the paragraphs of a manual into lines. What is indented stays as it
// is.
func fill(doc string) string {
	var b strings.Builder
	column := 0
	for line := range strings.Lines(strings.TrimSpace(doc) + "\n") {
		line = strings.TrimRight(line, " \n")
		if line == "" || line[0] == ' ' {
			if column > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(line + "\n")
			column = 0
			continue
		}
		for word := range strings.FieldsSeq(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case column > 0 && column+1+n > manualWidth:
				b.WriteByte('\n')
				column = 0
			case column > 0:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
	}
	if column > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

func (e *Env) showHelp(c *Command) error {
	if !e.JSON {
		return e.Printf("%s", c.Manual())
	}
	aliases := c.Aliases
	if aliases == nil {
		aliases = []string{}
	}
	return e.Object(struct {
		Name    string   `json:"name"`
		Aliases []string `json:"aliases"`
		Args    string   `json:"args"`
		Help    string   `json:"help"`
		Doc     string   `json:"doc"`
	}{c.Name, aliases, c.Args, c.Help, c.Doc})
}

func (e *Env) showTopic(t Topic) error {
	if e.JSON {
		return e.Object(struct {
			Name string `json:"name"`
			Help string `json:"help"`
			Doc  string `json:"doc"`
		}{t.Name, t.Help, t.Doc})
	}
	return e.Printf("%s: %s\n\n%s", t.Name, t.Help, fill(t.Doc))
}

// page is a command, topic or setting that apropos found.
type page struct {
	Name string `json:"name"`
	Help string `json:"help"`
}

func runApropos(_ context.Context, env *Env, word string) error {
	if word == "" {
		return usage("apropos", "apropos needs a word")
	}
	found := apropos(strings.ToLower(word))
	if len(found) == 0 {
		return &kernel.NotFoundError{What: "page that mentions", Name: word}
	}
	var rows [][]string
	for _, p := range found {
		if !env.JSON {
			rows = append(rows, []string{p.Name, p.Help})
		} else if err := env.Object(p); err != nil {
			return err
		}
	}
	return writeTable(env.Out, nil, rows)
}

// apropos finds the pages that mention a word, those with it in their first line
// first.
func apropos(word string) []page {
	var first, then []page
	look := func(name, help, doc string) {
		switch {
		case strings.Contains(strings.ToLower(name+" "+help), word):
			first = append(first, page{name, help})
		case strings.Contains(strings.ToLower(doc), word):
			then = append(then, page{name, help})
		}
	}
	for _, c := range All() {
		look(c.Name, c.Help, c.Doc)
	}
	for _, t := range Topics() {
		look("help "+t.Name, t.Help, t.Doc)
	}
	for _, d := range settings {
		look("set "+d.name, d.help, "")
	}
	return append(first, then...)
}

// Group is a part of the list of commands.
type Group struct {
	Title    string
	Commands []*Command
}

// groups are the commands by what they are about, the most used first. Those that
// are in none are listed at the end.
var groups = []struct {
	title string
	names []string
}{
	{"values and types", []string{"print", "struct", "union", "*", "ptype", "whatis", "list", "tree", "diff", "declare", "types-from", "eval"}},
	{"tasks", []string{"ps", "bt", "task", "set", "foreach", "files", "vm", "sig", "runq", "waitq", "lock", "wq", "fuser", "ipcs"}},
	{"the system", []string{"sys", "log", "mod", "mount", "irq", "timer", "dev", "net", "cgroup", "bpf", "sbitmapq", "mach", "swap", "info"}},
	{"memory", []string{"kmem", "slabtop", "rd", "x", "search", "vtop", "ptov", "pte", "btop", "ptob"}},
	{"code and symbols", []string{"sym", "dis", "regs", "rustfilt", "ascii"}},
	{"the session", []string{"help", "apropos", "alias", "repeat", "quit"}},
}

// Groups returns all commands by what they are about.
func Groups() []Group {
	var all []Group
	rest := All()
	take := func(name string) (c *Command) {
		if i := slices.IndexFunc(rest, func(c *Command) bool { return c.Name == name }); i >= 0 {
			c = rest[i]
			rest = slices.Delete(rest, i, i+1)
		}
		return c
	}
	for _, g := range groups {
		var there []*Command
		for _, name := range g.names {
			if c := take(name); c != nil {
				there = append(there, c)
			}
		}
		if len(there) > 0 {
			all = append(all, Group{g.title, there})
		}
	}
	if len(rest) > 0 {
		all = append(all, Group{"more", rest})
	}
	return all
}
