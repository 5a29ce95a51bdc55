package cmds

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

// Settings are what the command set changes.
type Settings struct {
	depth    int
	elements int
	symbols  bool
	radix    int
	scroll   bool
}

// Scroll reports whether long output goes through a pager.
func (s *Settings) Scroll() bool { return s.scroll }

// NewSettings returns the settings a session begins with.
func NewSettings() *Settings {
	s := new(Settings)
	for _, d := range settings {
		if err := d.set(s, d.initial); err != nil {
			panic(err) // the table below is wrong
		}
	}
	return s
}

// Set changes the setting of a name.
func (s *Settings) Set(name, value string) error {
	d, err := findSetting(name)
	if err != nil {
		return err
	}
	return d.set(s, value)
}

// setting describes one of the settings.
type setting struct {
	name    string
	initial string
	values  string // what may be set, for people
	help    string
	get     func(s *Settings) string
	set     func(s *Settings, value string) error
}

// settings are all settings in order of name.
var settings = []setting{
	numberSetting("depth", "20", "levels of nested structures to print",
		func(s *Settings) *int { return &s.depth }),
	numberSetting("elements", "200", "elements of an array, and characters of a string, to print",
		func(s *Settings) *int { return &s.elements }),
	{
		name: "radix", initial: "10", values: "10 or 16", help: "base of integers; with 16, print is print/x",
		get: func(s *Settings) string { return strconv.Itoa(s.radix) },
		set: func(s *Settings, value string) error {
			switch value {
			case "10", "16":
				s.radix, _ = strconv.Atoi(value)
				return nil
			}
			return fmt.Errorf("radix is 10 or 16, not %q", value)
		},
	},
	switchSetting("scroll", "long output at a terminal goes through $PAGER, less, or a pager of kdbg's own",
		func(s *Settings) *bool { return &s.scroll }),
	switchSetting("symbols", "<symbol+offset> after pointers into the kernel",
		func(s *Settings) *bool { return &s.symbols }),
}

// switchSetting is a setting that is on, as at first, or off.
func switchSetting(name, help string, field func(*Settings) *bool) setting {
	return setting{
		name: name, initial: "on", values: "on or off", help: help,
		get: func(s *Settings) string {
			if *field(s) {
				return "on"
			}
			return "off"
		},
		set: func(s *Settings, value string) error {
			switch value {
			case "on", "off":
				*field(s) = value == "on"
				return nil
			}
			return fmt.Errorf("%s is on or off, not %q", name, value)
		},
	}
}

// numberSetting is a setting that is a limit; 0 and "unlimited" lift it.
func numberSetting(name, initial, help string, field func(*Settings) *int) setting {
	return setting{
		name: name, initial: initial, values: "a number or unlimited", help: help,
		get: func(s *Settings) string {
			if n := *field(s); n > 0 {
				return strconv.Itoa(n)
			}
			return "unlimited"
		},
		set: func(s *Settings, value string) error {
			if strings.EqualFold(value, "unlimited") {
				value = "0"
			}
			n, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				return fmt.Errorf("%s is a number or unlimited, not %q", name, value)
			}
			*field(s) = int(n)
			return nil
		},
	}
}

// formatOptions returns how a value is written in a format letter, 0 for none.
func (s *Settings) formatOptions(format byte) *kernel.FormatOptions {
	if format == 0 && s.radix == 16 {
		format = 'x'
	}
	return &kernel.FormatOptions{
		Format: format, MaxDepth: limit(s.depth), MaxElements: limit(s.elements), NoSymbols: !s.symbols,
	}
}

// limit turns a setting, where 0 is unlimited, into an option, where a negative
// number is.
func limit(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
