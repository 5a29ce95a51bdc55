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
	if err != nil {
		return nil, nil, err
	}
	return takeOptions(command, rest, spec)
}

// takeOptions takes the options off the beginning of a list of words.
func takeOptions(command string, rest []string, spec string) (flags, []string, error) {
	opts := make(flags)
	for len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' {
		word := rest[0][1:]
		rest = rest[1:]
		if word == "-" {
			break
		}
		for len(word) > 0 {
			letter := word[0]
			word = word[1:]
			at := strings.IndexByte(spec, letter)
			if at < 0 || letter == ':' {
				return nil, nil, usage(command, "%s has no option -%c", command, letter)
			}
			if at+1 == len(spec) || spec[at+1] != ':' {
				opts[letter] = ""
				continue
			}
			if word == "" {
				if len(rest) == 0 {
					return nil, nil, usage(command, "-%c wants a value", letter)
				}
				word, rest = rest[0], rest[1:]
			}
			opts[letter], word = word, ""
		}
	}
	return opts, rest, nil
}

// scattered is [options] for commands whose options may stand behind other words,
// as crash allows: struct task_struct.pid init_task -x. A negative number is no
// option. The values of an option that comes more than once are joined by commas.
func scattered(command, args, spec string) (flags, []string, error) {
	all := make(flags)
	var others []string
	left, err := words(args)
	for len(left) > 0 && err == nil {
		if word := left[0]; len(word) < 2 || word[0] != '-' || word[1] >= '0' && word[1] <= '9' {
			others, left = append(others, word), left[1:]
			continue
		}
		var opts flags
		if opts, left, err = takeOptions(command, left, spec); err != nil {
			return nil, nil, err
		}
		for letter, value := range opts {
			if before := all[letter]; before != "" {
				value = before + "," + value
			}
			all[letter] = value
		}
	}
	return all, others, err
}
