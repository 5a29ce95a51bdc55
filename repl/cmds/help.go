package cmds

import (
	"context"
	"strings"
)

func init() {
	register(&Command{
		Name: "help",
		Args: "[COMMAND]",
		Help: "list the commands, or show the manual of one",
		Doc:  `help lists the commands. help COMMAND shows the manual of one.`,
		Run:  runHelp,
		Complete: func(_ *Env, args string) (int, []string) {
			var names []string
			for _, c := range All() {
				names = append(names, c.Name)
			}
			for _, t := range Topics {
				names = append(names, t.Name)
			}
			return 0, withPrefix(names, args)
		},
		Describe: func(_ *Env, args string) string {
			if t := findTopic(args); t != nil {
				return t.Help
			}
			if c := Lookup(args); c != nil {
				return c.Help
			}
			return ""
		},
	})
}

func runHelp(_ context.Context, env *Env, args string) error {
	if t := findTopic(args); t != nil && !env.JSON {
		return env.Printf("%s\n", t.Doc)
	}
	if args != "" {
		c := Lookup(args)
		if c == nil {
			return Unknown(args)
		}
		return env.showHelp(c)
	}
	if env.JSON {
		for _, c := range All() {
			if err := env.showHelp(c); err != nil {
				return err
			}
		}
		return nil
	}
	var rows [][]string
	for _, c := range All() {
		rows = append(rows, []string{c.Synopsis(), c.Help})
	}
	if err := writeTable(env.Out, nil, rows); err != nil {
		return err
	}
	return env.Printf("\nhelp COMMAND shows the manual of one. TAB completes names. ^D leaves.\n")
}

// Synopsis returns the name and the arguments of a command.
func (c *Command) Synopsis() string { return strings.TrimSpace(c.Name + " " + c.Args) }

// Manual returns the manual of a command: synopsis, line of help, text.
func (c *Command) Manual() string {
	text := c.Synopsis() + "\n    " + c.Help + "\n"
	if len(c.Aliases) > 0 {
		text += "    also: " + strings.Join(c.Aliases, ", ") + "\n"
	}
	return text + "\n" + strings.TrimSpace(c.Doc) + "\n"
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
