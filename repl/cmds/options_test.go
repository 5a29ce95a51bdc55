package cmds

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	for _, tc := range []struct{ args, spec, want string }{
		{"", "a", ""},
		{"-a 1", "ab", "a | 1"},
		{"-ab 1 -a", "ab", "a b | 1 -a"},
		{"-H init_task.tasks", "H:", "H=init_task.tasks"},
		{"-Hhead -a x", "aH:", "H=head a | x"},
		{"-aH head", "aH:", "H=head a"},
		{"-a -- -b", "ab", "a | -b"},
		{"-s 'a b'", "s:", "s=a b"},
		{"-s one -s two", "s:", "s=two"},
		{"- x", "a", " | - x"},
		{"-z", "a", "bt has no option -z"},
		{"-:", "a:", "bt has no option -:"},
		{"-H", "H:", "-H wants a value"},
	} {
		opts, rest, err := options("bt", tc.args, tc.spec)
		var got []string
		for _, letter := range slices.Sorted(maps.Keys(opts)) {
			if v := opts.value(letter); v != "" {
				got = append(got, fmt.Sprintf("%c=%s", letter, v))
			} else {
				got = append(got, string(letter))
			}
		}
		text := strings.Join(got, " ")
		if len(rest) > 0 {
			text += " | " + strings.Join(rest, " ")
		}
		if err != nil {
			text = err.Error()
		}
		if text != tc.want {
			t.Errorf("options(%q, %q) = %q, want %q", tc.args, tc.spec, text, tc.want)
		}
	}
}

// TestScattered takes options from between other words.
func TestScattered(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"a.b -x 0x10 -3", "[x:] [a.b 0x10 -3]"},
		{"-s m.name -s m.state -H head -o8", "[H: o:8 s:m.name,m.state] [head]"},
		{"head -xs m", "[s:m x:] [head]"},
		{"head -q", "list has no option -q"},
		{"head -s", "-s wants a value"},
		{"'a", "a quote is not closed"},
	} {
		opts, rest, err := scattered("list", tc.args, "s:o:xH")
		var letters []string
		for _, letter := range slices.Sorted(maps.Keys(opts)) {
			letters = append(letters, fmt.Sprintf("%c:%s", letter, opts.value(letter)))
		}
		got := fmt.Sprint(letters, " ", rest)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.args, got, tc.want)
		}
	}
}
