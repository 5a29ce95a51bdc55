package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kdbg/kdbg/repl/cmds"
)

//go:generate go test . -run TestDocs -update

var update = flag.Bool("update", false, "write the documentation anew")

// TestDocs holds the documentation that is made of the commands' own text against
// that text. go generate writes it anew.
func TestDocs(t *testing.T) {
	root := newRoot()
	encode, _, err := root.Find([]string{"encode"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"commands.md":   markdown(),
		"kdbg.1":        manKdbg(root),
		"kdbg-encode.1": manPage(encode, "kdbg-encode", ""),
	} {
		file := "../../docs/" + name
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Error(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if diff := gocmp.Diff(string(got), want); err != nil || diff != "" {
			t.Errorf("docs/%s is not what go generate ./cmd/kdbg makes: %v\n%s", name, err, diff)
		}
	}
}

// markdown returns the manual of the debugger's commands.
func markdown() string {
	var b strings.Builder
	b.WriteString("# Commands\n\nThis is what `help` shows at the prompt; `go generate ./cmd/kdbg` makes it.\n")
	for _, g := range cmds.Groups() {
		fmt.Fprintf(&b, "\n%s:\n", g.Title)
		for _, c := range g.Commands {
			fmt.Fprintf(&b, "[%s](#%s) ", escapeMarkdown(c.Name), anchor(c.Name))
		}
		b.WriteString("\n")
	}
	b.WriteString("\nTopics:\n")
	for _, t := range cmds.Topics() {
		fmt.Fprintf(&b, "[%s](#%s) ", t.Name, anchor(t.Name))
	}
	b.WriteString("\n")
	for _, g := range cmds.Groups() {
		for _, c := range g.Commands {
			fmt.Fprintf(&b, "\n## %s\n\n    %s\n\n%s.", escapeMarkdown(c.Name), c.Synopsis(), escapeMarkdown(capital(c.Help)))
			if len(c.Aliases) > 0 {
				fmt.Fprintf(&b, " Also: %s.", strings.Join(c.Aliases, ", "))
			}
			fmt.Fprintf(&b, "\n\n%s", docMarkdown(c.Doc))
		}
	}
	for _, t := range cmds.Topics() {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n%s", t.Name, escapeMarkdown(capital(t.Help)), docMarkdown(t.Doc))
	}
	return b.String()
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// anchor is the name that a heading has in links.
func anchor(heading string) string { return strings.Trim(heading, "*") }

// docMarkdown makes code of what is indented, and text of the rest.
func docMarkdown(doc string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(doc) + "\n") {
		switch {
		case strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "    "): // an item of a list
			line = escapeMarkdown(line)
		case !strings.HasPrefix(line, " "):
			line = escapeMarkdown(line)
		}
		b.WriteString(line)
	}
	return b.String()
}

func escapeMarkdown(s string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "|", `\|`, "`", "\\`", "#", `\#`).Replace(s)
}

// manKdbg returns kdbg.1: the shell's command line, then the debugger's commands.
func manKdbg(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(".SH COMMANDS\nAt the prompt and in scripts:\n")
	for _, g := range cmds.Groups() {
		fmt.Fprintf(&b, ".SS %s\n", roff(capital(g.Title)))
		for _, c := range g.Commands {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n.RS\n%s.RE\n", roff(c.Synopsis()), roff(capital(c.Help)), docRoff(c.Doc))
		}
	}
	for _, t := range cmds.Topics() {
		fmt.Fprintf(&b, ".SH %s\n%s", strings.ToUpper(t.Name), docRoff(t.Doc))
	}
	b.WriteString(`.SH EXIT STATUS
0: everything worked. 1: a command of a batch failed; the others were run.
2: wrong usage, or a dump that cannot be opened. 130: ^C ended a batch.
.SH ENVIRONMENT
.TP
.B PAGER
shows what is longer than the screen; none if it is empty.
.TP
.B NO_COLOR
turns colours off where it is set.
.TP
.B KDBG_BTF_PATH
folders to look for types in, with colons between.
.SH FILES
.TP
.I $XDG_CONFIG_HOME/kdbg/config
the configuration, see SETTINGS.
.TP
.I $XDG_CONFIG_HOME/kdbg/history
the lines that were typed.
`)
	return manPage(root, "kdbg", b.String())
}

// manPage returns the manual page of a command of the shell.
func manPage(cmd *cobra.Command, name, more string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Made by go generate ./cmd/kdbg.\n.TH %s 1\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), roff(name), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s", docRoff(cmd.Long))
	b.WriteString(".SH OPTIONS\n")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		kind, usage := pflag.UnquoteUsage(f)
		flag := "--" + f.Name
		if f.Shorthand != "" {
			flag = "-" + f.Shorthand + ", " + flag
		}
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(flag+" "+kind)), roff(usage))
	})
	if subs := cmd.Commands(); len(subs) > 0 {
		b.WriteString(".SH SUBCOMMANDS\n")
		for _, sub := range subs {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(sub.CommandPath()), roff(sub.Short))
			}
		}
	}
	fmt.Fprintf(&b, ".SH EXAMPLES\n%s%s", docRoff(cmp.Or(cmd.Example, "  "+cmd.UseLine())), more)
	return b.String()
}

// docRoff sets a manual: what is indented as it is, the rest filled.
func docRoff(doc string) string {
	var b strings.Builder
	asIs := false
	for line := range strings.Lines(strings.TrimRight(doc, "\n ") + "\n") {
		text := strings.TrimRight(line, "\n")
		switch indented := strings.HasPrefix(text, " "); {
		case text == "" && !asIs:
			b.WriteString(".PP\n")
			continue
		case indented && !asIs:
			b.WriteString(".PP\n.nf\n")
			asIs = true
		case !indented && text != "" && asIs:
			b.WriteString(".fi\n.PP\n")
			asIs = false
		}
		b.WriteString(roff(text) + "\n")
	}
	if asIs {
		b.WriteString(".fi\n")
	}
	return b.String()
}

// roff escapes text for a manual page.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "⏎", "(return)").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
