package expr

import (
	_ "embed"
	"strings"
)

//go:embed doc.go
var packageDoc string

// Language returns what the documentation of this package says of the language,
// for the manual.
func Language() string {
	text, _, _ := strings.Cut(packageDoc, "\npackage ")
	_, text, _ = strings.Cut(text, "# The language\n//\n")
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "//"), " ")
		b.WriteString(strings.ReplaceAll(line, "\t", "    "))
	}
	return strings.Replace(b.String(), ", see [Error]", "", 1)
}
