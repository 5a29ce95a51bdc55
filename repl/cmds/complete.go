package cmds

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Complete offers words that may stand at the end of a line, in place of
// line[start:]: names of commands, their options and what those want, what the
// command offers, and programs and files behind a redirection.
func Complete(env *Env, line string) (start int, list []string) {
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	name, rest := Split(line)
	c := Lookup(name)
	if rest == "" && !strings.ContainsAny(line[indent:], " \t") {
		return indent, withPrefix(sorted(slices.AppendSeq(commandNames(), maps.Keys(env.Aliases.text))), name)
	}
	if text := env.Aliases.text[name]; c == nil && text != "" {
		before := len(text) - len(name) - indent
		start, list = Complete(env, text+line[indent+len(name):])
		return start - before, list
	}
	if implied := env.Implied(line); implied != line {
		start, list = Complete(env, implied)
		return start - (len(implied) - len(line)), list
	}
	if c == nil {
		return len(line), nil
	}
	// Split trims blanks; a completer sees those at the end.
	args := strings.TrimLeft(line[indent+len(name):], " \t")
	if at, ok := redirection(c, args); ok {
		start, list = completeTarget(args, at)
	} else {
		start, list = c.complete(env, args)
	}
	return len(line) - len(args) + start, list
}

func commandNames() []string {
	var names []string
	for _, c := range All() {
		names = append(names, c.Name)
	}
	return names
}

// Describe returns what stands beside a word that is offered: the help of a
// command, an option or a setting, the type of a variable or a member. The word
// is what line ends with. It is empty for a word that says enough.
func Describe(env *Env, line string) string {
	line = strings.TrimLeft(line, " \t")
	name, args := Split(line)
	c := Lookup(name)
	switch {
	case c == nil:
		return ""
	case args == "":
		return c.Help
	case c.Describe != nil:
		return c.Describe(env, args)
	}
	if word := args[lastBlank(args):]; strings.HasPrefix(word, "-") {
		return c.options()[word]
	}
	if text := describeExpr(env, args); !unfit(text) {
		return text
	}
	return ""
}

// complete offers words for the arguments of a command: by its own means or,
// where it has none, by the words of its synopsis.
func (c *Command) complete(env *Env, args string) (start int, list []string) {
	word := lastBlank(args)
	if strings.HasPrefix(args[word:], "-") && (c.Complete == nil || !c.Expr) {
		for option := range c.options() {
			list = append(list, option)
		}
		slices.Sort(list)
		return word, withPrefix(list, args[word:])
	}
	if c.Complete != nil {
		return c.Complete(env, args)
	}
	wanted := c.Args
	if words := strings.Fields(args[:word]); len(words) > 0 {
		// An option in front may want a value.
		if _, after, ok := strings.Cut(c.Args, words[len(words)-1]+" "); ok && words[len(words)-1][0] == '-' {
			if value := placeholder.FindStringIndex(after); value != nil && value[0] == 0 {
				wanted = after[:value[1]]
			}
		}
	}
	// What may be any expression comes last: all symbols are no answer to a person
	// who has typed nothing, where there is another.
	var anything bool
	for _, p := range placeholder.FindAllString(wanted, -1) {
		switch complete := completer(p); {
		case expressions[p]:
			anything = true
		case complete != nil:
			at, words := complete(env, args)
			if len(list) == 0 || at == start {
				start, list = at, sorted(append(list, words...))
			}
		}
	}
	if anything && (len(list) == 0 || word < len(args)) {
		at, words := completeExpr(env, args)
		if len(list) == 0 || at == start {
			start, list = at, slices.Concat(list, words)
		}
	}
	return start, list
}

// placeholder is a word of a synopsis that stands for something.
var placeholder = regexp.MustCompile(`\b[A-Z]{3,}`)

// expressions are the words of a synopsis that stand for any expression.
var expressions = map[string]bool{"ADDRESS": true, "EXPRESSION": true, "START": true, "TYPE": true, "VALUE": true}

// completer returns what offers words for a word of a synopsis, or nil.
func completer(placeholder string) func(env *Env, args string) (int, []string) {
	switch placeholder {
	case "SYMBOL":
		return completeSymbol
	case "STRUCT":
		return completeStruct
	case "TASK", "PID":
		return completeTask
	case "MODULE":
		return completeModule
	case "FILE":
		return completeFile
	case "COMMAND":
		return Complete
	}
	return nil
}

func completeModule(env *Env, args string) (int, []string) {
	at := lastBlank(args)
	return at, startingWith(env.Names.modules(), args[at:])
}

func completeTask(env *Env, args string) (int, []string) {
	at := lastBlank(args)
	return at, startingWith(env.Names.tasks(), args[at:])
}

// optionWord is an option of a synopsis, or several that are joined.
var optionWord = regexp.MustCompile(`(?:^|[\[| ])-([A-Za-z]+|[0-9]+)`)

// options returns the options in the synopsis of a command, and what its manual
// says of each: in a line such as "files -c 1   how many pages", or without the
// name of the command.
func (c *Command) options() map[string]string {
	all := make(map[string]string)
	for _, m := range optionWord.FindAllStringSubmatch(c.Args, -1) {
		if placeholder.MatchString(m[1]) { // as -SECONDS
			continue
		}
		letters := strings.Split(m[1], "")
		if m[1][0] <= '9' {
			letters = []string{m[1]}
		}
		for _, letter := range letters {
			line := regexp.MustCompile(`(?m)^ +(?:` + c.Name + ` )?-` + letter + `\b(?: \S+)*  +(\S.*)$`)
			all["-"+letter] = ""
			if about := line.FindStringSubmatch(c.Doc); about != nil {
				all["-"+letter] = about[1]
			}
		}
	}
	return all
}

// completeTarget completes what follows a redirection at args[at].
func completeTarget(args string, at int) (int, []string) {
	begin := at + 1 + len(args[at+1:]) - len(strings.TrimLeft(args[at+1:], "> \t"))
	if args[at] == '|' && lastBlank(args) <= begin {
		return begin, withPrefix(filters, args[begin:])
	}
	return completeFile(nil, args)
}

// completeFile completes the name of a file.
func completeFile(_ *Env, args string) (int, []string) {
	at := lastBlank(args)
	dir, prefix := filepath.Split(args[at:])
	folder := dir
	if home, err := os.UserHomeDir(); err == nil && strings.HasPrefix(dir, "~/") {
		folder = filepath.Join(home, dir[2:])
	} else if dir == "" {
		folder = "."
	}
	entries, _ := os.ReadDir(folder)
	var list []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, prefix) || prefix == "" && name[0] == '.' {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		list = append(list, dir+name)
	}
	return at, list
}

// lastBlank returns where the last word of text begins, blanks being what parts
// words.
func lastBlank(text string) int { return strings.LastIndexAny(text, " \t") + 1 }

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
