package cmds

import "strings"

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
