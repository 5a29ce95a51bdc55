//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// A screen is a kdbg that runs at a terminal of its own.
type screen struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	home string // where the configuration is

	mu   sync.Mutex
	out  bytes.Buffer // everything shown so far
	seen int          // bytes of out that expect has passed
	more chan struct{}
}

// patience is how long a terminal is waited for. It says nothing about how fast
// kdbg must be: it only ends a test that would wait for ever.
const patience = 2 * time.Minute

// command returns kdbg with a home and more of an environment. Nothing else that
// the person who runs the tests has configured is seen, or written to.
func command(home string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command("kdbg", args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "KDBG_BTF_PATH=", "TERM=xterm", "NO_COLOR=1")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// startKdbg starts kdbg for a person who has not used it before.
func startKdbg(t *testing.T, args ...string) *screen {
	t.Helper()
	return startKdbgAt(t, t.TempDir(), []string{"PAGER="}, args...)
}

// startKdbgAt starts kdbg with a home and more of an environment. The test is
// skipped where the system gives no terminals, as in some containers.
func startKdbgAt(t *testing.T, home string, env []string, args ...string) *screen {
	t.Helper()
	if tty, other, err := pty.Open(); err == nil {
		tty.Close()
		other.Close()
	} else {
		t.Skip(err)
	}
	cmd := command(home, env, args...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	p := &screen{t: t, tty: tty, cmd: cmd, home: home, more: make(chan struct{}, 1)}
	go p.read()
	t.Cleanup(func() {
		cmd.Process.Kill()
		tty.Close()
	})
	return p
}

func (p *screen) read() {
	defer close(p.more)
	for buf := make([]byte, 4096); ; {
		n, err := p.tty.Read(buf)
		p.mu.Lock()
		p.out.Write(buf[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case p.more <- struct{}{}:
		default:
		}
	}
}

// expect waits until text is shown, behind what was expected before.
func (p *screen) expect(text string) {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		rest := p.out.String()[p.seen:]
		i := strings.Index(rest, text)
		if i >= 0 {
			p.seen += i + len(text)
		}
		p.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case _, ok := <-p.more:
			if !ok {
				p.t.Fatalf("the terminal closed; want %q in %q", text, rest)
			}
		case <-timeout:
			p.t.Fatalf("want %q in %q", text, rest)
		}
	}
}

// shown returns all that was shown so far.
func (p *screen) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// keys types at the terminal.
func (p *screen) keys(text string) {
	p.t.Helper()
	if _, err := p.tty.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end and returns the exit status.
func (p *screen) exit() int {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			p.t.Fatal(err)
		}
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatal("kdbg does not end")
	}
	return -1
}

const dump = "../../testdata/dumps/vars-7.2-amd64.kdump"

func TestPrompt(t *testing.T) {
	p := startKdbg(t, dump)
	p.expect("RELEASE: 7.2.13-kdbg")
	p.expect("kdbg> ")
	p.keys("print init_task.comm\r")
	p.expect(`$1 = "swapper/0"`)
	p.expect("kdbg> ")

	// An expression goes on until it is whole.
	p.keys("print 1 +\r")
	p.expect("...> ")
	p.keys("41\r")
	p.expect("$2 = 42")
	p.expect("kdbg> ")

	// ^C gives up a line, also one that goes on.
	p.keys("print 666\x03")
	p.expect("^C")
	p.expect("kdbg> ")
	p.keys("print (\r")
	p.expect("...> ")
	p.keys("\x03")
	p.expect("kdbg> ")
	p.keys("\x1b[3~") // Delete on an empty line does nothing, unlike ^D
	p.keys("print $ + 17\x1b[D\x1b[3~\r")
	p.expect("$3 = 43")

	// An error does not end the session, nor make its status.
	p.keys("print nosuch\r")
	p.expect("error: no symbol")
	p.expect("kdbg> ")
	p.keys("\x04")
	if status := p.exit(); status != 0 {
		t.Errorf("exit status %d", status)
	}

	// The history is private.
	info, err := os.Stat(filepath.Join(p.home, "kdbg", "history"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("history: %v, %v, want mode 0600", info, err)
	}
}

func TestPromptCompletes(t *testing.T) {
	p := startKdbg(t, dump)
	p.expect("kdbg> ")
	p.keys("pri\tinit_task.com\t\r")
	p.expect(`$1 = "swapper/0"`)
	p.expect("kdbg> ")

	// As far as all agree, then the list, then the line again.
	p.keys("print init_task.se.run_node.rb\t")
	p.expect("rb_")
	p.keys("\t")
	p.expect("rb_right  struct rb_node *\r\nrb_left   struct rb_node *")
	p.expect("kdbg> ")
	p.keys("\x03")
	p.expect("kdbg> ")

	// A long list is cut.
	p.keys("print \t")
	p.expect(" more")
	p.expect("kdbg> ")
	p.keys("7\r")
	p.expect("$2 = 7")
	p.keys("quit\r")
	if status := p.exit(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestPromptPaste(t *testing.T) {
	p := startKdbg(t, dump)
	p.expect("\x1b[?2004h")
	p.expect("kdbg> ")
	p.keys("\x1b[200~print\t1\rprint 2\r\x1b[201~")
	p.expect("print 1⏎print 2")
	p.keys(" + 1\r")
	p.expect("\x1b[?2004l")
	p.expect("$1 = 1")
	p.expect("$2 = 3")
	p.keys("\x04")
	p.exit()
}

// TestTypeAhead ends the session by a ^D that is typed while a command runs.
func TestTypeAhead(t *testing.T) {
	p := startKdbg(t, dump)
	p.expect("kdbg> ")
	p.keys("x/200000xb &init_task\r")
	p.expect("<init_task>:")
	p.keys("\x04")
	if status := p.exit(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestInterruptCommand interrupts a command that prints for a long time.
func TestInterruptCommand(t *testing.T) {
	p := startKdbg(t, dump)
	p.expect("kdbg> ")
	p.keys("x/1000000000xb &init_task\r")
	p.expect("<init_task>:")
	p.keys("\x03")
	p.expect("error: interrupted")
	p.expect("kdbg> ")
	p.keys("help | kill -INT $$\r") // as if ^C had reached the program alone
	p.expect("error: interrupted")
	p.expect("kdbg> ")
	p.keys("print 5\r")
	p.expect("$1 = 5")
	p.keys("quit\r")
	p.exit()
}

// TestInterruptBatch interrupts a batch, which ends with the status of shells.
func TestInterruptBatch(t *testing.T) {
	cmd := command(t.TempDir(), nil, dump, "-e", "x/1000000000xb &init_task", "-e", "print 1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it is at work
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGINT)
	drain := make([]byte, 64<<10)
	for _, err = out.Read(drain); err == nil; _, err = out.Read(drain) {
	}
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exitInterrupted {
		t.Errorf("exit status %d, want %d", status, exitInterrupted)
	}
}
