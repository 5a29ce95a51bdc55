package repl

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/repl/cmds"
)

// jsonLines are lines to run for each row of docs/json.md, none where the dump has
// nothing to show.
var jsonLines = map[string][]string{
	"sym": {"sym init_task"}, "x": {"x/4x &init_task"}, "ptype, whatis": {"ptype struct rq", "whatis init_task"},
	"struct, union, *": {"struct list_head", "struct task_struct.pid,comm init_task", "union sigval"},
	"list":             {"list modules", "list -H init_task.tasks -s task_struct.pid -l task_struct.tasks"},
	"tree":             {"tree -t maple sparse_irqs", "tree -o proc_dir_entry.subdir_node -r proc_dir_entry.subdir proc_root"}, "whatis -r, whatis -m": {"whatis -r 16"},
	"eval": {"eval 16"}, "ascii, rustfilt": {"ascii 6162", "rustfilt _ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"},
	"btop, ptob": {"btop 1000", "ptob 1"}, "declare": {"declare"}, "types-from": {"types-from"},
	"set": {"set", "set -v"}, "help": {"help ps"}, "regs": {"regs"}, "ps": {"ps"}, "ps -S": {"ps -S"},
	"ps -p, -c, -g": {"ps -p 1", "ps -c 1", "ps -g 1"}, "ps -t": {"ps -t 1"}, "ps -l, -m": {"ps -l", "ps -m"}, "ps -a": {}, "ps -r": {"ps -r 1"},
	"task": {"task 1", "task -R comm 1"}, "sig": {"sig 1"}, "sig -l, -s": {"sig -l"}, "foreach": {},
	"log": {"log"}, "mod": {"mod"}, "sys": {"sys"}, "sys -t": {"sys -t"}, "sys -c": {"sys -c 1"}, "sys -i": {"sys -i"}, "sys config": {},
	"runq": {"runq"}, "timer": {"timer", "timer -r"}, "waitq": {"waitq kauditd_wait"}, "wq": {"wq"}, "wq -q": {"wq -q"},
	"lock LOCK": {"lock init_mm.mmap_lock"}, "lock": {}, "bt": {"bt", "bt -f 1"}, "bt -e": {"bt -e"}, "dis": {"dis vprintk"}, "info": {"info"},
	"mount": {"mount", "mount -f"}, "files": {"files 1", "files -c 1"}, "files -d": {"files -d init_task.fs.root.dentry"}, "files -p": {"files -p ff16c475c1c84c60"}, "net": {"net"}, "net -a": {"net -a"}, "net -s": {"net -s 1"},
	"sbitmapq": {}, "mach": {"mach"}, "mach -m": {"mach -m"}, "mach -c": {"mach -c"}, "irq": {"irq", "irq -a", "irq -s"}, "irq -d, irq -b": {"irq -d", "irq -b"},
	"rd": {"rd init_task 4"}, "vtop": {"vtop init_task"}, "pte": {"pte 8000000001000063"}, "ptov": {"ptov 1000"}, "search": {"search -t init_task"},
	"dev": {"dev"}, "dev -d": {"dev -d"}, "dev -p": {"dev -p"}, "dev -i": {"dev -i"}, "cgroup": {"cgroup"}, "cgroup -t": {"cgroup -t /"},
	"bpf": {}, "bpf -p -t": {}, "kmem ADDRESS": {"kmem init_task"}, "kmem -i": {"kmem -i"}, "kmem -n": {"kmem -n"}, "kmem -z": {"kmem -z"},
	"kmem -f, -F": {"kmem -f", "kmem -F"}, "kmem -h": {"kmem -h"}, "kmem -V": {"kmem -V"}, "kmem -v": {"kmem -v"}, "kmem -p": {"kmem -p"},
	"kmem -g": {"kmem -g"}, "kmem -o": {"kmem -o"}, "kmem -s": {"kmem -s"}, "kmem -S": {"kmem -S task_struct"}, "fuser": {"fuser /"},
	"vm": {"vm 1", "vm -p 1", "vm -m 1"}, "vm -f": {"vm -f 75"}, "slabtop": {"slabtop"}, "swap": {}, "ipcs": {},
}

// TestJSONKeys holds the keys that commands write in JSON against docs/json.md.
func TestJSONKeys(t *testing.T) {
	doc, err := os.ReadFile("../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| command | keys |\n|---|---|\n")
	rows := map[string]string{"print": "expr, cpu, type, address, size, value, source"}
	var documented []string
	for line := range strings.Lines(table) {
		name, keys, _ := strings.Cut(strings.Trim(line, "| \n"), " | ")
		rows[name], documented = keys, append(documented, strings.Split(name, ", ")...)
		if _, ok := jsonLines[name]; !ok {
			t.Errorf("no line is run for %s", name)
		}
	}
	for _, c := range cmds.All() {
		if !slices.ContainsFunc(documented, func(name string) bool { return strings.Fields(name)[0] == c.Name }) &&
			!slices.Contains([]string{"print", "diff", "alias", "repeat", "quit", "apropos"}, c.Name) {
			t.Errorf("docs/json.md does not tell the keys of %s", c.Name)
		}
	}
	k := openDump(t, "debian-6.12-amd64")
	var out bytes.Buffer
	s := New(k, &out, &out, &Options{JSON: true})
	if err := s.Exec(t.Context(), "declare struct task_struct init_task"); err != nil {
		t.Fatal(err)
	}
	for name, lines := range jsonLines {
		text := rows[name]
		for other, keys := range rows { // "as of ps", "the keys of sym", "as kmem -s"
			if regexp.MustCompile(`\b(of|as|in|keys) (` + strings.ReplaceAll(regexp.QuoteMeta(other), ", ", "|") + `)\b`).MatchString(text) {
				text += " " + keys
			}
		}
		for _, line := range lines {
			out.Reset()
			if err := s.Exec(t.Context(), line); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			s.Flush()
			if out.Len() == 0 {
				t.Errorf("%s: no output", line)
			}
			told := make(map[string]bool)
			for d := json.NewDecoder(&out); d.More(); {
				var object any
				if err := d.Decode(&object); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				for _, key := range keysOf(object) {
					if !told[key] && !regexp.MustCompile(`\b`+key+`\b`).MatchString(text) {
						t.Errorf("%s: docs/json.md does not tell of %q", line, key)
					}
					told[key] = true
				}
			}
		}
	}
}

// keysOf returns the keys in a JSON value, but for those that the kernel's names
// are.
func keysOf(v any) (keys []string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			keys = append(keys, keysOf(item)...)
		}
	case map[string]any:
		for key, item := range v {
			keys = append(keys, key)
			if _, object := item.(map[string]any); object && slices.Contains([]string{"value", "counters", "registers", "members", "limits", "user"}, key) {
				continue
			}
			keys = append(keys, keysOf(item)...)
		}
	}
	return keys
}
