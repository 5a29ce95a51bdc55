package repl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kernel"
)

func TestConfig(t *testing.T) {
	old := styles[roleType]
	defer func() { styles[roleType] = old }()
	for _, tc := range []struct{ text, wantErr string }{
		{"", ""},
		{"color = \"never\"\nbtf-path = [\"/a\"]\n[settings]\ndepth = 3\nscroll = false\n[alias]\nd = \"print\"\n[colors]\ntype = \"red\"\n", ""},
		{"color = \n", "line 1: "},
		{"colour = \"red\"\n", `no key "colour"`},
		{"[settings]\ndepht = 3\n", "no setting depht"},
		{"[settings]\nradix = 7\n", "radix is 10 or 16"},
		{"[alias]\nd = \"nosuch x\"\n", `no command "nosuch"`},
		{"[alias]\n\"d d\" = \"print\"\n", "cannot be the name"},
		{"[colors]\ntype = \"reddish\"\n", `no colour "reddish"`},
	} {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(file)
		var out bytes.Buffer
		s := New(emptyKernel(), &out, &out, nil)
		if err == nil {
			err = s.Configure(c)
		}
		if tc.wantErr == "" {
			if err != nil {
				t.Errorf("%q: %v", tc.text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.wantErr) || !strings.HasPrefix(err.Error(), file) || kernel.Hint(err) == "" {
			t.Errorf("%q: error %v, want %s", tc.text, err, tc.wantErr)
		}
	}
	c, err := LoadConfig(filepath.Join(t.TempDir(), "nosuch"))
	if err != nil || c.Color != "" {
		t.Errorf("no file: %v, %v", c, err)
	}
}

// TestAlias runs what aliases stand for.
func TestAlias(t *testing.T) {
	for _, tc := range []struct{ lines, want string }{
		{"alias a print 1 +; a 2", "$1 = 3\n"},
		{"alias a print/x; a 16", "$1 = 0x10\n"},
		{"alias print print/x; print 16", "$1 = 0x10\n"},
		{`alias a "print 5 | sed s/5/five/"; a`, "$1 = five\n"},
		{`alias a "print | sed s/5/five/"; a 5`, "$1 = five\n"},
		{"alias a print 1; alias a; alias", "a  print 1\na     print 1\ndec   set radix 10\n"},
		{"px 16; pd -1; p -x 16", "$1 = 0x10\n$2 = -1\n$3 = 0x10\n"},
		{"px 16; alias px print; px 16", "$1 = 0x10\n$2 = 16\n"},
		{`alias a print 1; alias a ""; a`, "error: no command \"a\"\n"},
		{"alias a nosuch", "error: no command \"nosuch\"\n"},
		{"alias nosuch", "error: no alias \"nosuch\"\n"},
		{"repeat -0 -n 3 print 7", "$1 = 7\n$2 = 7\n$3 = 7\n"},
		{"repeat -0 -n 2 print 1 | wc -l", "2\n"},
		{"repeat -x print 1", "error: -x is no number of seconds\nhint: see help repeat\n"},
		{"repeat nosuch", "error: no command \"nosuch\"\n"},
		{"apropos repeat", "repeat  run a command again and again\n"},
		{"help nosuch", "error: no command or topic \"nosuch\"\nhint: apropos nosuch looks into all pages\n"},
		{"help expresions", "error: no command or topic \"expresions\"\nhint: did you mean expressions?\n"},
	} {
		var out bytes.Buffer
		s := New(emptyKernel(), &out, &out, &Options{Host: true})
		if _, err := s.Run(t.Context(), Lines(strings.Split(tc.lines, ";")...)); err != nil {
			t.Errorf("%s: %v", tc.lines, err)
		}
		if got := out.String(); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.lines, got, tc.want)
		}
	}
}
