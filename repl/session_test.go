package repl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// emptyKernel is a kernel without memory, symbols and types: arithmetic works.
func emptyKernel() *kernel.Kernel {
	layout := vmcore.Layout{WordSize: 8}
	return kernel.New(kernel.Config{Arch: vmcore.Arch{Name: "x86_64", Layout: layout}})
}

func TestRun(t *testing.T) {
	for _, tc := range []struct {
		name        string
		lines       []string
		interactive bool
		out, errs   string
		failed      int
	}{
		{name: "nothing"},
		{name: "values", lines: []string{"print 1", "", "# no", "print 2"}, out: "$1 = 1\n$2 = 2\n"},
		{name: "an error does not end a batch", lines: []string{"nosuch", "print 1"}, out: "$1 = 1\n", failed: 1,
			errs: "error: no command \"nosuch\"\nhint: help lists the commands; print nosuch prints a value\n"},
		{name: "quit", lines: []string{"print 1", "q", "print 2"}, out: "$1 = 1\n"},
		{name: "no continuation in a batch", lines: []string{"print 1 +", "print 2"}, out: "$1 = 2\n", failed: 1,
			errs: "1 +\n   ^\nerror: the expression ends where an expression should be\n"},
		{name: "continuation", lines: []string{"print 1 +", "2 +", "3"}, interactive: true, out: "$1 = 6\n"},
		{name: "a blank line ends a continuation", lines: []string{"print 1 +", "", "print 2"}, interactive: true, out: "$1 = 2\n", failed: 1,
			errs: "1 +\n   ^\nerror: the expression ends where an expression should be\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			s := New(emptyKernel(), &out, &errs, &Options{Interactive: tc.interactive})
			failed, err := s.Run(t.Context(), Lines(tc.lines...))
			if err != nil || failed != tc.failed {
				t.Errorf("got %d failed, %v, want %d", failed, err, tc.failed)
			}
			if diff := cmp.Diff(tc.out, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.errs, errs.String()); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := New(emptyKernel(), io.Discard, io.Discard, nil)
	if _, err := s.Run(ctx, Lines("print 1", "print 2")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestInterrupt interrupts one command of a session, which goes on.
func TestInterrupt(t *testing.T) {
	var out, errs bytes.Buffer
	calls := 0
	s := New(emptyKernel(), &out, &errs, &Options{
		Interactive: true,
		Interrupt: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			if calls++; calls == 1 {
				cancel()
			}
			return ctx, cancel
		},
	})
	if _, err := s.Run(t.Context(), Lines("help", "print 2")); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String()+errs.String(), "$1 = 2\nerror: interrupted\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLines(t *testing.T) {
	read := func(r LineReader) (lines []string, err error) {
		for {
			line, err := r.ReadLine("")
			if err != nil {
				return lines, err
			}
			lines = append(lines, line)
		}
	}
	r := Chain(Lines("a", "b"), ReadLines("f", io.NopCloser(strings.NewReader("c\r\nd\n\ne"))))
	got, err := read(r)
	if diff := cmp.Diff([]string{"a", "b", "c", "d", "", "e"}, got); diff != "" || err != io.EOF {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	_, err = read(ReadLines("f", io.NopCloser(strings.NewReader("a\n"+strings.Repeat("x", maxLine+1)))))
	if err == nil || !strings.Contains(err.Error(), "f: line 2: ") {
		t.Errorf("a line that is too long: %v", err)
	}
}

func TestColumns(t *testing.T) {
	words := []string{"a", "bbbb", "cc", "d"}
	for _, tc := range []struct {
		width int
		want  string
	}{
		{80, "a     bbbb  cc    d\n"},
		{14, "a     bbbb\ncc    d\n"},
		{1, "a\nbbbb\ncc\nd\n"},
	} {
		if got := columns(words, 0, tc.width); got != tc.want {
			t.Errorf("width %d: got %q, want %q", tc.width, got, tc.want)
		}
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("x%d", i)
	}
	got := columns(many, 0, 13) // of two columns
	if lines := strings.Count(got, "\n"); lines != maxLines+1 || !strings.HasSuffix(got, "\n… 960 more\n") {
		t.Errorf("a long list has %d lines and ends with %q", lines, got[max(0, len(got)-30):])
	}
}

func TestSegments(t *testing.T) {
	var words []string
	for i := range 100 {
		words = append(words, fmt.Sprintf("pid_a_%d", i))
	}
	for i := range 100 {
		words = append(words, fmt.Sprintf("pid_b%d_x", i/50))
	}
	words = append(words, "pidx")
	for _, tc := range []struct {
		words []string
		typed string
		want  string
		left  int
	}{
		{words, "pid", "pid_… pidx", 0},
		{words[:200], "pid_", "pid_a_… pid_b0_… pid_b1_…", 0},
		{words[:3], "", "pid_a_0 pid_a_1 pid_a_2", 0},
	} {
		short, left := segments(tc.words, len(tc.typed))
		if got := strings.Join(short, " "); got != tc.want || left != tc.left {
			t.Errorf("of %d words with %s: got %s, %d, want %s, %d", len(tc.words), tc.typed, got, left, tc.want, tc.left)
		}
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("x%03d", i)
	}
	if short, left := segments(many, 1); len(short) != maxCandidates || left != 1000-maxCandidates {
		t.Errorf("of 1000 words, %d are shown and %d left", len(short), left)
	}
}

func TestTrimHistory(t *testing.T) {
	name := filepath.Join(t.TempDir(), "history")
	for _, lines := range []int{0, 10, historyLimit + 10} {
		if lines > 0 {
			os.Remove(name)
			if err := os.WriteFile(name, []byte(strings.Repeat("print\n", lines)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := trimHistory(name); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%d lines: mode %v, want 0600", lines, info.Mode())
		}
		b, _ := os.ReadFile(name)
		if got := strings.Count(string(b), "\n"); got > historyLimit || got < min(lines, historyLimit-1) {
			t.Errorf("%d lines: %d were kept", lines, got)
		}
	}
}

// TestWhere reports the line of a script that failed.
func TestWhere(t *testing.T) {
	var errs bytes.Buffer
	s := New(emptyKernel(), io.Discard, &errs, nil)
	script := ReadLines("f", io.NopCloser(strings.NewReader("print 1\n\nprint (\n")))
	if failed, err := s.Run(t.Context(), Chain(Lines("quit2"), script)); failed != 2 || err != nil {
		t.Errorf("got %d failed and %v, want 2", failed, err)
	}
	want := "error: no command \"quit2\"\nhint: did you mean quit?\n(\n ^\nerror: f:3: the expression ends where an expression should be\n"
	if errs.String() != want {
		t.Errorf("got\n%swant\n%s", &errs, want)
	}
}

// TestComplete completes lines on a real kernel: word, then what is offered, at
// most four of it.
func TestComplete(t *testing.T) {
	s := New(openDump(t, "vars-7.2-amd64"), io.Discard, io.Discard, nil)
	for _, tc := range []struct{ line, want string }{
		{"  pty", "[pty]: ptype"},
		{"nosuch ", "[]:"},
		{"quit ", "[]:"},
		{"help set", "[set]: set settings"},
		{"set d", "[d]: depth"},
		{"set symbols o", "[o]: on off"},
		{"set depth ", "[]: unlimited"},
		{"print init_task.com", "[com]: comm"},
		{"task_struct.nvc", "[nvc]: nvcsw"},
		{" list_head modules_di", "[modules_di]: modules_disabled"},
		{"print init_task.tasks.", "[]: next prev"},
		{"print init_task.tasks.next->p", "[p]: prev"},
		{"print (init_task.parent)->parent->com", "[com]: comm"},
		{"print init_task.sched_class->", "[]: enqueue_task dequeue_task yield_task yield_to_task …"},
		{"print 1 + init_task.se.run_node.rb_", "[rb_]: rb_right rb_left"},
		{"print runqueues:0.nr_r", "[nr_r]: nr_running"},
		{"print init_task.nosuch.", "[]:"},
		{"print init_task.comm[0].", "[]:"},
		{"print sizeof(struct list_h", "[list_h]: list_head"},
		{"print &init_tas", "[init_tas]: init_task init_task_exec_state"},
		{"ptype enum pid_t", "[pid_t]: pid_type"},
		{"whatis pid_t", "[pid_t]: pid_t pid_table pid_table_root pid_table_root_lookup …"},
		{"print/x init_tas", "[init_tas]: init_task init_task_exec_state"},
		{"x/2x &init_tas", "[init_tas]: init_task init_task_exec_state"},
		{"sym init_tas", "[init_tas]: init_task init_task_exec_state"},
		{"print nosuchsymbol", "[nosuchsymbol]:"},
		{"print init_task.{pid,com", "[com]: comm"},
		{"print init_task.parent -> com", "[com]: comm"},
		{"print $ta", "[ta]: task"},
		{"print $task.com", "[com]: comm"},
		{"print init_task.parent->{pid,com", "[com]: comm"},
		{"print PIDTYPE_SI", "[PIDTYPE_SI]: PIDTYPE_SID"},
		{"print \"init_ta", "[init_ta]:"},
		{"files -", "[-]: -R -c -d -p"},
		{"files ini", "[ini]: init init_8259A init_IRQ init_ISA_irqs …"},
		{"mod veth", "[veth]: veth"},
		{"repeat -", "[-]: -n"},
		{"mount -n 1", "[1]: 1 10 11 12 …"},
		{"print init_task | gre", "[gre]: grep gre_gro_complete gre_gro_receive gre_gso_segment …"},
		{"info | grep x testdata/vars-7", "[testdata/vars-7]: testdata/vars-7.2-amd64/"},
		{"info > ../repl/testd", "[../repl/testd]: ../repl/testdata/"},
		{"print 1 > ./testd", "[./testd]: ./testdata/"},
	} {
		start, words := s.Complete(tc.line)
		got := "[" + tc.line[start:] + "]:"
		for i, w := range words {
			if i == 4 {
				got += " …"
				break
			}
			got += " " + w
		}
		if got != tc.want {
			t.Errorf("%q: got %s, want %s", tc.line, got, tc.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	s := New(openDump(t, "vars-7.2-amd64"), io.Discard, io.Discard, nil)
	for _, tc := range []struct{ line, want string }{
		{"print", "print the value of a C expression"},
		{"help redirection", "where output goes: | program, > file, >> file, the pager"},
		{"print init_task", "struct task_struct"},
		{"print 1 + init_task.parent", "struct task_struct *"},
		{"print init_task.parent->comm", "char [16]"},
		{"print sizeof(struct list_head", "16 bytes"},
		{"print pid_t", "4 bytes"},
		{"files -c", "how many pages of each file are in memory"},
		{"set depth", "20: levels of nested structures to print"},
		{"struct task_struct", "2688 bytes"},
		{"struct kthread_create_info.thre", ""},
		{"struct task_struct.tasks,comm", "char [16]"},
		{"struct -o list_head", "16 bytes"},
		{"struct list_head modules", "struct list_head"},
		{"struct schedule", ""}, // a function
		{"print nosuch", ""},
		{"nosuch x", ""},
	} {
		if got := s.Describe(tc.line); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.line, got, tc.want)
		}
	}
}
