package repl

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLogOptions compares a line of the log as the options of log show it.
func TestLogOptions(t *testing.T) {
	k := openDump(t, "debian-6.12-amd64")
	for _, test := range []struct {
		command, contains string
		want              []string
	}{
		{"log", "tun: ", []string{"[    4.251103] tun: Universal TUN/TAP device driver, 1.6"}},
		{"log -t", "tun: ", []string{"tun: Universal TUN/TAP device driver, 1.6"}},
		{"log -T", "tun: ", []string{"[Sun Nov 22 21:49:12 UTC 2026] tun: Universal TUN/TAP device driver, 1.6"}},
		{"log -mc", "tun: ", []string{"[    4.251103] [  T156] <6>tun: Universal TUN/TAP device driver, 1.6"}},
		{"log -td", "DEVICE=+pnp:00:05", []string{"DEVICE=+pnp:00:05"}},
	} {
		var out bytes.Buffer
		s := New(k, &out, &out, nil)
		if err := s.Exec(t.Context(), test.command); err != nil {
			t.Fatal(err)
		}
		s.Flush()
		var got []string
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, test.contains) {
				got = append(got, strings.TrimSuffix(line, "\n"))
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s:\n%s", test.command, diff)
		}
	}
}
