package confirm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/repl"
)

// The environment, see the package's comment.
var (
	dumpFile = os.Getenv("KDBG_CONFIRM_DUMP")
	vmlinux  = os.Getenv("KDBG_CONFIRM_VMLINUX")
)

// maxShown is how many differences of one check are printed.
const maxShown = 25

// check holds what one command of kdbg lists against what a peer does. Both are
// brought into the same form: rows of words.
type check struct {
	name  string
	ours  string                  // a line for kdbg
	peers string                  // a line for the peer
	rows  func(object) []string   // the rows of an object that kdbg prints
	parse func([]string) []string // the rows of what the peer prints

	// same returns the form of a row in which it is compared, where one has what
	// the other has not, or "" to leave the row out; nil: as it is. The reason
	// stands beside it.
	same func(string) string
	more bool // the peer lists more, for a reason that stands beside it
}

// peer finds a program and skips the test where there is none, or nothing to run
// it on.
func peer(t *testing.T, variable, name string) string {
	t.Helper()
	if dumpFile == "" || vmlinux == "" {
		t.Skip("KDBG_CONFIRM_DUMP and KDBG_CONFIRM_VMLINUX do not name a dump and its vmlinux")
	}
	if program := os.Getenv(variable); program != "" {
		return program
	}
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s names no %s: %v", variable, name, err)
	}
	return program
}

// object is one that kdbg prints.
type object map[string]any

// text returns the members of an object as words: numbers in decimal, addresses
// as they are, null as -.
func (o object) text(keys ...string) string {
	words := make([]string, len(keys))
	for i, key := range keys {
		switch v := o[key].(type) {
		case nil:
			words[i] = "-"
		default:
			words[i] = strings.TrimPrefix(fmt.Sprint(v), "0x")
		}
	}
	return strings.Join(words, " ")
}

// list returns the objects that a member holds.
func (o object) list(key string) []object {
	var all []object
	list, _ := o[key].([]any)
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

// words returns the strings that a member holds.
func (o object) words(key string) []string {
	var all []string
	list, _ := o[key].([]any)
	for _, v := range list {
		all = append(all, fmt.Sprint(v))
	}
	return all
}

// ask runs a line of kdbg on the dump and returns the objects that it prints, but
// for errors, which it logs.
func ask(t *testing.T, k *kernel.Kernel, line string) []object {
	t.Helper()
	var out bytes.Buffer
	s := repl.New(k, &out, &out, &repl.Options{JSON: true})
	if err := s.Exec(t.Context(), line); err != nil {
		s.Report(line, err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	var objects []object
	dec := json.NewDecoder(&out)
	dec.UseNumber()
	for dec.More() {
		var o object
		if err := dec.Decode(&o); err != nil {
			t.Fatal(err)
		}
		if e, ok := o["error"].(map[string]any); ok && o["expr"] != nil {
			t.Logf("kdbg: %s: %v", line, e["message"])
			continue
		}
		objects = append(objects, o)
	}
	return objects
}

func openDump(t *testing.T) *kernel.Kernel {
	t.Helper()
	k, err := kernel.Open(t.Context(), kernel.Options{Files: []string{dumpFile}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// run compares what kdbg lists with the rows of a peer.
func (c *check) run(t *testing.T, k *kernel.Kernel, theirs []string) {
	var ours []string
	for _, o := range ask(t, k, c.ours) {
		ours = append(ours, c.rows(o)...)
	}
	if c.same != nil {
		ours, theirs = each(ours, c.same), each(theirs, c.same)
	}
	onlyOurs, onlyTheirs := apart(ours, theirs)
	t.Logf("%s: %d rows, the peer %d, different %d and %d", c.ours, len(ours), len(theirs), len(onlyOurs), len(onlyTheirs))
	show(t, "only kdbg", onlyOurs)
	if !c.more {
		show(t, "only peer", onlyTheirs)
	}
}

func show(t *testing.T, who string, rows []string) {
	t.Helper()
	for i, row := range rows {
		if i == maxShown {
			t.Errorf("%s: and %d more", who, len(rows)-i)
			return
		}
		t.Errorf("%s: %s", who, row)
	}
}

// each returns f of each row, without those that are empty.
func each(rows []string, f func(string) string) []string {
	var all []string
	for _, row := range rows {
		if row = f(row); row != "" {
			all = append(all, row)
		}
	}
	return all
}

// apart returns the rows that only a has, and only b. A row of a that ends in *
// stands for any of b that begin like it; one that ends in " ?" need not be in b.
func apart(a, b []string) (onlyA, onlyB []string) {
	var any []string
	count := map[string]int{}
	for _, row := range b {
		count[row]++
	}
	for _, row := range a {
		begin, some := strings.CutSuffix(row, "*")
		row, optional := strings.CutSuffix(row, " ?")
		if some {
			any = append(any, begin)
		} else if count[row] > 0 {
			count[row]--
		} else if !optional {
			onlyA = append(onlyA, row)
		}
	}
	for row, n := range count {
		if slices.ContainsFunc(any, func(begin string) bool { return strings.HasPrefix(row, begin) }) {
			continue
		}
		for range n {
			onlyB = append(onlyB, row)
		}
	}
	slices.Sort(onlyB)
	return onlyA, onlyB
}
