//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// end leaves kdbg and checks its status.
func (p *screen) end() {
	p.t.Helper()
	p.keys("\x04")
	if status := p.exit(); status != 0 {
		p.t.Errorf("exit status %d", status)
	}
}

// TestMemberChain completes its way through pointers, and reads what members are.
func TestMemberChain(t *testing.T) {
	p := startKdbg(t, dump)
	p.expect("First steps")
	p.expect("kdbg> ")
	p.keys("print init_task.par\t")
	p.expect("init_task.parent")
	p.keys("\t")
	p.expect("parent          struct task_struct *")
	p.expect("parent_exec_id  u64")
	p.keys("->sigh\t->act\t[0].sa.sa_fl\t\r")
	p.expect("$1 = 0")
	p.expect("kdbg> ")
	p.end()
}

// TestPasteLines pastes ten lines with tabs, which are text and complete nothing.
func TestPasteLines(t *testing.T) {
	p := startKdbg(t, dump)
	p.expect("kdbg> ")
	var text strings.Builder
	for i := range 10 {
		fmt.Fprintf(&text, "print\t%d +\t1\n", i)
	}
	p.keys("\x1b[200~" + text.String() + "\x1b[201~\r")
	for i := range 10 {
		p.expect(fmt.Sprintf("$%d = %d\r\n", i+1, i+1))
	}
	p.expect("kdbg> ")
	p.end()
}

// TestInterruptEndless stops commands that would not end, once they show what is no
// echo of the line: ^C before that would end the line.
func TestInterruptEndless(t *testing.T) {
	p := startKdbg(t, dump)
	for _, endless := range []struct{ line, shows string }{
		{"repeat -0 print jiffies", "$9 = "},
		{"repeat -1000 print 4711", "= 4711"},
		{"repeat -0 search -k 1", ": 0000000000000001"},
		{"repeat -0 print jiffies | cat", "cat\r\n\x1b[?2004l$"},
	} {
		p.expect("kdbg> ")
		p.keys(endless.line + "\r")
		p.expect(endless.shows)
		p.keys("\x03")
		p.expect("error: interrupted")
	}
	p.expect("kdbg> ")
	p.end()
}

// TestPager pages with a program, and with kdbg's own pager where there is none.
func TestPager(t *testing.T) {
	t.Setenv("PAGER", "") // to have it back
	os.Unsetenv("PAGER")
	for _, env := range [][]string{{"PAGER=head -n 3"}, {"PATH="}} {
		p := startKdbgAt(t, t.TempDir(), env, dump)
		p.expect("kdbg> ")
		p.keys("print init_task\r")
		p.expect("= {\r\n")
		if env[0] == "PATH=" {
			p.expect("-- more --")
			p.keys("q")
		}
		p.expect("kdbg> ")
		p.keys("set scroll off\r")
		p.expect("kdbg> ")
		p.keys("print init_task\r")
		p.expect("\r\n}\r\n")
		p.expect("kdbg> ")
		p.end()
	}
}

// TestResize lists candidates on a terminal that has become narrow.
func TestResize(t *testing.T) {
	p := startKdbg(t, dump)
	p.expect("kdbg> ")
	if err := pty.Setsize(p.tty, &pty.Winsize{Rows: 10, Cols: 30}); err != nil {
		t.Fatal(err)
	}
	p.keys("print init_task.\t")
	p.expect(" more\r\n")
	list := p.shown()[:p.seen]
	for line := range strings.Lines(list[strings.LastIndex(list, "print init_task."):]) {
		if n := len([]rune(strings.TrimRight(line, "\r\n"))); n > 30 && !strings.Contains(line, "\x1b") {
			t.Errorf("a line of %d columns: %q", n, line)
		}
	}
	p.expect("kdbg> ")
	p.keys("pid\r")
	p.expect("$1 = 0")
	p.keys("mod\r") // a table is cut
	p.expect("…\r\n")
	p.expect("kdbg> ")
	p.end()
}

// TestHistory finds a line of the session before, which was ended by force.
func TestHistory(t *testing.T) {
	home := t.TempDir()
	p := startKdbgAt(t, home, []string{"PAGER="}, dump)
	p.expect("First steps")
	p.expect("kdbg> ")
	p.keys("print 40 + 2\r")
	p.expect("$1 = 42")
	p.expect("kdbg> ")
	p.keys("y") // a key is taken once the line before is kept
	p.expect("y")
	p.cmd.Process.Kill()
	p.exit()

	p = startKdbgAt(t, home, []string{"PAGER="}, dump)
	p.expect("kdbg> ")
	if strings.Contains(p.shown(), "First steps") {
		t.Error("the hint for new users came twice")
	}
	p.keys("\x1b[A\r")
	p.expect("$1 = 42")
	p.expect("kdbg> ")
	p.keys("\x1240 +\r") // ^R
	p.expect("$2 = 42")
	p.expect("kdbg> ")
	p.end()
}

// TestDumbTerminal works where nothing moves the cursor: no escape is written.
func TestDumbTerminal(t *testing.T) {
	p := startKdbgAt(t, t.TempDir(), []string{"TERM=dumb", "NO_COLOR=", "PAGER=less"}, dump)
	p.expect("kdbg> ")
	p.keys("print 1 +\n")
	p.expect("...> ")
	p.keys("1\n")
	p.expect("$1 = 2")
	p.keys("print init_task\n")
	p.expect("\r\n}\r\n")
	p.expect("kdbg> ")
	p.keys("print nosuch\n")
	p.expect("error: no symbol")
	p.expect("kdbg> ")
	p.end()
	if out := p.shown(); strings.Contains(out, "\x1b") {
		t.Errorf("an escape sequence in %q", out)
	}
}

// TestColors has colours on a terminal, and none behind a pipe of the prompt.
func TestColors(t *testing.T) {
	p := startKdbgAt(t, t.TempDir(), []string{"NO_COLOR=", "PAGER="}, dump)
	p.expect("\x1b[1mkdbg> ")
	p.keys("print init_task.comm\r")
	p.expect("$1 = \x1b[32m\"swapper/0\"\x1b[0m")
	p.keys("print init_task.comm | cat\r")
	p.expect("$2 = \"swapper/0\"\r\n")
	p.end()
}

// TestNoTerminal takes commands from a pipe, and writes plain text.
func TestNoTerminal(t *testing.T) {
	cmd := command(t.TempDir(), nil, dump)
	cmd.Stdin = strings.NewReader("print init_task.comm\nprint 1 | sed s/1/one/\n")
	out, err := cmd.Output()
	if want := "$1 = \"swapper/0\"\n$2 = one\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestConfigFile reads the configuration, and says what is wrong with it.
func TestConfigFile(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "kdbg", "config")
	run := func(args ...string) string {
		cmd := command(home, nil, append(args, dump, "-e", "print/1 init_task.tasks", "-e", "t")...)
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("[settings]\nradix = 16\n[alias]\nt = \"print 17\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(); !strings.HasSuffix(got, "$2 = 0x11\n") {
		t.Errorf("got %q", got)
	}
	if got := run("--set", "radix=10"); !strings.HasSuffix(got, "$2 = 17\n") {
		t.Errorf("--set: got %q", got)
	}
	if got := run("--no-config"); !strings.Contains(got, "no command \"t\"") {
		t.Errorf("--no-config: got %q", got)
	}
	if err := os.WriteFile(file, []byte("[settings\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(); !strings.Contains(got, "config: line ") || !strings.Contains(got, "hint: help settings") {
		t.Errorf("got %q", got)
	}
}
