package repl

import (
	"fmt"
	"os"

	"github.com/fatih/color"
)

// The roles that have a colour. Data has none: it reads the same everywhere.
var (
	promptStyle = color.New(color.Bold)
	errorStyle  = color.New(color.FgRed, color.Bold)
)

// SetColor switches colours for the whole program: "always", "never", or "auto"
// for where prompts and errors go to a terminal, unless NO_COLOR is set
// (https://no-color.org). This is the only place that touches the switch.
func SetColor(when string, terminal bool) error {
	switch when {
	case "always":
		color.NoColor = false
	case "never":
		color.NoColor = true
	case "auto":
		color.NoColor = !terminal || os.Getenv("NO_COLOR") != ""
	default:
		return fmt.Errorf("color is auto, always or never, not %q", when)
	}
	return nil
}
