package cmds

import "strings"

// flags are the options that a command was given.
type flags map[byte]string

// has reports whether an option was given.
func (f flags) has(letter byte) bool { _, ok := f[letter]; return ok }

// value returns the value of an option, "" if it was not given.
func (f flags) value(letter byte) string { return f[letter] }

// options takes the options off the arguments of a command, as getopt(3) does:
// spec holds the letters, a colon behind those that take a value. Letters may
// be joined, as in -at, and options end at the first other word or at --. An
// option may come more than once; its last value counts.
func options(command, args, spec string) (flags, []string, error) {
	rest, err := words(args)
	opts := make(flags)
	for err == nil && len(rest) > 0 && isOption(rest[0]) {
		if rest[0] == "--" {
			return opts, rest[1:], nil
		}
		rest, err = take(command, rest, spec, func(letter byte, value string) { opts[letter] = value })
	}
	if err != nil {
		return nil, nil, err
	}
	return opts, rest, nil
}

// scattered is [options] for commands whose options may stand behind other words,
// as crash allows: struct task_struct.pid init_task -x. A negative number is no
// option. The values of an option that comes more than once are joined by commas.
func scattered(command, args, spec string) (flags, []string, error) {
	rest, err := words(args)
	opts := make(flags)
	join := func(letter byte, value string) {
		if before := opts[letter]; before != "" {
			value = before + "," + value
		}
		opts[letter] = value
	}
	var others []string
	for err == nil && len(rest) > 0 {
		if !isOption(rest[0]) || rest[0][1] >= '0' && rest[0][1] <= '9' {
			others, rest = append(others, rest[0]), rest[1:]
			continue
		}
		rest, err = take(command, rest, spec, join)
	}
	return opts, others, err
}

func isOption(word string) bool { return len(word) > 1 && word[0] == '-' }

// take takes the options of the first word, with the value that may be the second
// word, and returns the words behind them.
func take(command string, list []string, spec string, put func(letter byte, value string)) ([]string, error) {
	word, rest := list[0][1:], list[1:]
	for len(word) > 0 {
		letter := word[0]
		word = word[1:]
		at := strings.IndexByte(spec, letter)
		if list[0] == "--json" {
			return nil, &UsageError{Msg: command + " has no option --json", Do: "it is one of kdbg's own: kdbg --json DUMP -e '" + command + "'"}
		}
		if letter == '-' {
			return nil, usage(command, "%s has no option %s", command, list[0])
		}
		if at < 0 || letter == ':' {
			return nil, usage(command, "%s has no option -%c", command, letter)
		}
		if at+1 == len(spec) || spec[at+1] != ':' {
			put(letter, "")
			continue
		}
		if word == "" {
			if len(rest) == 0 {
				return nil, usage(command, "-%c wants a value", letter)
			}
			word, rest = rest[0], rest[1:]
		}
		put(letter, word)
		word = ""
	}
	return rest, nil
}

// words splits arguments at blanks. Single or double quotes keep blanks in a
// word; a backslash keeps the character behind it, though not in single quotes.
func words(args string) ([]string, error) {
	var list []string
	var word strings.Builder
	inWord := false
	quote := byte(0)
	for i := 0; i < len(args); i++ {
		c := args[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(args):
			i++
			word.WriteByte(args[i])
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				list = append(list, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, &UsageError{Msg: "a quote is not closed", Do: "add " + string(rune(quote))}
	}
	if inWord {
		list = append(list, word.String())
	}
	return list, nil
}
