package confirm

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestCrash holds commands against those of crash, which have the same names.
func TestCrash(t *testing.T) {
	program := peer(t, "KDBG_CONFIRM_CRASH", "crash")
	k := openDump(t)
	checks := append(structChecks(k), crashChecks...)
	said := runCrash(t, program, checks)
	for i, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t, k, c.parse(said[i])) })
	}
}

// runCrash runs all lines in one session, and returns what each prints.
func runCrash(t *testing.T, program string, checks []check) [][]string {
	t.Helper()
	const mark = "kdbg-confirm"
	var script bytes.Buffer
	fmt.Fprintln(&script, "set scroll off")
	for _, c := range checks {
		fmt.Fprintf(&script, "echo %s\n%s\n", mark, c.peers)
	}
	fmt.Fprintln(&script, "quit")
	cmd := exec.CommandContext(t.Context(), program, "-s", vmlinux, dumpFile)
	cmd.Stdin = &script
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%.2000s", program, err, out)
	}
	var said [][]string
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), " ")
		if line == mark {
			said = append(said, nil)
		} else if n := len(said); n > 0 && line != "" {
			said[n-1] = append(said[n-1], line)
		}
	}
	if len(said) != len(checks) {
		t.Fatalf("crash has run %d of %d lines: %.2000s", len(said), len(checks), out)
	}
	return said
}

// matches returns for each line that a pattern matches its groups as a row. Blanks
// in a group stay.
func matches(pattern string) func([]string) []string {
	re := regexp.MustCompile(pattern)
	return func(lines []string) []string {
		var rows []string
		for _, line := range lines {
			if m := re.FindStringSubmatch(line); m != nil {
				rows = append(rows, strings.Join(m[1:], " "))
			}
		}
		return rows
	}
}

// ofTask is like matches for a list with a heading for each task, whose PID the
// rows begin with.
func ofTask(pattern string) func([]string) []string {
	heading, re := regexp.MustCompile(`^PID: (\d+) `), regexp.MustCompile(pattern)
	return func(lines []string) []string {
		var rows []string
		pid := ""
		for _, line := range lines {
			if m := heading.FindStringSubmatch(line); m != nil {
				pid = m[1]
			}
			if m := re.FindStringSubmatch(line); m != nil {
				rows = append(rows, pid+" "+strings.Join(m[1:], " "))
			}
		}
		return rows
	}
}

// row returns a function that makes one row of an object, of some of its members.
func row(keys ...string) func(object) []string {
	return func(o object) []string { return []string{o.text(keys...)} }
}

// rowsOf returns a function that makes a row of each object that a member holds,
// behind the PID of the task that all of them are of.
func rowsOf(member string, keys ...string) func(object) []string {
	return func(o object) []string {
		var rows []string
		for _, item := range o.list(member) {
			rows = append(rows, o.text("pid")+" "+item.text(keys...))
		}
		return rows
	}
}
