package repl

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"
)

// Config is what a person keeps in the configuration file. The zero value is a
// file that is not there. See help settings for what may stand in it.
type Config struct {
	Color    string            `toml:"color"`
	BTFPath  []string          `toml:"btf-path"`
	Declare  []string          `toml:"declare"`
	Settings map[string]any    `toml:"settings"`
	Alias    map[string]string `toml:"alias"`
	Colors   map[string]string `toml:"colors"`

	file string
}

// ConfigFile returns the name of the configuration file, "" where there is no
// place for one.
func ConfigFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "kdbg", "config")
}

// LoadConfig reads a configuration file, which need not exist.
func LoadConfig(file string) (*Config, error) {
	c := &Config{file: file}
	if file == "" {
		return c, nil
	}
	meta, err := toml.DecodeFile(file, c)
	var syntax toml.ParseError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, nil
	case errors.As(err, &syntax):
		return nil, c.fail(fmt.Errorf("line %d: %s", syntax.Position.Line, syntax.Message))
	case err != nil:
		return nil, c.fail(err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, c.fail(fmt.Errorf("no key %q", unknown[0].String()))
	}
	for _, role := range slices.Sorted(maps.Keys(c.Colors)) {
		if err := SetStyle(role, c.Colors[role]); err != nil {
			return nil, c.fail(err)
		}
	}
	return c, nil
}

// fail returns an error about the file.
func (c *Config) fail(err error) error { return &ConfigError{File: c.file, Err: err} }

// ConfigError says what is wrong with the configuration file.
type ConfigError struct {
	File string
	Err  error
}

func (e *ConfigError) Error() string { return e.File + ": " + e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// Hint says where the manual is, and how to do without the file.
func (e *ConfigError) Hint() string {
	return "help settings describes the file; --no-config leaves it unread"
}

// Configure gives the session the settings and aliases of a configuration.
func (s *Session) Configure(c *Config) error {
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		value := c.Settings[name]
		switch value {
		case true:
			value = "on"
		case false:
			value = "off"
		}
		if err := s.Set(name, fmt.Sprint(value)); err != nil {
			return c.fail(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Alias)) {
		if err := s.env.Aliases.Set(name, c.Alias[name]); err != nil {
			return c.fail(err)
		}
	}
	return nil
}

// Set changes a setting.
func (s *Session) Set(name, value string) error { return s.env.Settings.Set(name, value) }
