package confirm

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDrgn holds commands against what testdata/rows.py lists by drgn's helpers.
func TestDrgn(t *testing.T) {
	program := peer(t, "KDBG_CONFIRM_DRGN", "drgn")
	k := openDump(t)
	lists := runDrgn(t, program)
	for _, c := range drgnChecks {
		t.Run(c.name, func(t *testing.T) {
			if len(lists[c.peers]) == 0 {
				t.Skipf("drgn lists no %s of this kernel", c.peers)
			}
			c.run(t, k, lists[c.peers])
		})
	}
}

// runDrgn returns the rows of each list. The script lies beside the dump for the
// time: drgn may run where nothing else is in sight.
func runDrgn(t *testing.T, program string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/rows.py")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.CreateTemp(filepath.Dir(dumpFile), "rows-*.py")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(script.Name())
	if _, err := script.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := script.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-q", "-c", dumpFile, "-s", vmlinux, script.Name())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	lists := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		name, row, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		lists[name] = append(lists[name], row)
	}
	return lists
}

// drgnChecks are the commands that drgn has helpers for.
var drgnChecks = []check{
	{
		name: "ps", ours: "ps", peers: "ps",
		rows: row("pid", "tgid", "ppid", "cpu", "task", "state", "vsz_kib", "rss_kib", "comm"),
		same: func(row string) string { // drgn lists no idle tasks
			if strings.HasPrefix(row, "0 ") {
				return ""
			}
			return row
		},
	},
	{
		name: "bt", ours: "foreach bt", peers: "bt",
		rows: rowsOf("frames", "pc"),
		same: func(row string) string { // nor those of idle tasks
			if strings.HasPrefix(row, "0 ") {
				return ""
			}
			return row
		},
	},
	{name: "mod", ours: "mod", peers: "mod", rows: row("name", "address")},
	{
		name: "log", ours: "log", peers: "log",
		rows: func(o object) []string { return strings.Split(o.text("text"), "\n") },
		same: strings.TrimSpace,
	},
	{name: "mount", ours: "mount", peers: "mount", rows: row("address", "super_block", "fstype", "source", "target")},
	{name: "files", ours: "foreach files", peers: "files", rows: rowsOf("files", "fd", "file", "dentry", "inode")},
	{
		name: "directories", ours: "foreach files", peers: "directories",
		rows: row("pid", "root", "cwd"),
		same: func(row string) string {
			if strings.HasPrefix(row, "0 ") {
				return ""
			}
			return row
		},
	},
	{
		name: "net", ours: "net", peers: "net",
		rows: func(o object) []string {
			ips := o.words("addresses")
			for i := range ips {
				ips[i], _, _ = strings.Cut(ips[i], "/")
			}
			slices.Sort(ips)
			return []string{strings.TrimSpace(o.text("address", "name", "index", "mtu") + " " + strings.Join(ips, " "))}
		},
	},
	{
		name: "irq", ours: "irq -a", peers: "irq",
		rows: func(o object) []string { return []string{o.text("irq", "address", "affinity") + " *"} },
	},
	{name: "kmem -s", ours: "kmem -s", peers: "slab", rows: row("address", "object_size", "total", "slabs", "name")},
	{name: "kmem -s objects", ours: "kmem -s", peers: "slab_objects", rows: row("address", "allocated")},
	{name: "kmem -v", ours: "kmem -v", peers: "vmalloc", rows: row("vmap_area", "vm_struct", "start", "end")},
	{
		name: "dev", ours: "dev", peers: "dev",
		rows: func(o object) []string {
			if o["kind"] == "block" {
				return []string{o.text("kind", "major", "name") + "*"} // one for each disk
			}
			return []string{o.text("kind", "major", "minor", "count", "name", "cdev")}
		},
	},
	{name: "vm", ours: "foreach vm", peers: "vm", rows: rowsOf("vmas", "address", "start", "end", "flags")},
	{name: "timer", ours: "timer", peers: "timer", rows: row("address", "function", "expires")},
	{name: "timer -r", ours: "timer -r", peers: "hrtimer", rows: row("address", "function", "expires")},
	{name: "ipcs", ours: "ipcs", peers: "ipc", rows: row("kind", "address", "id", "key")},
	{
		name: "runq", ours: "runq", peers: "runq",
		rows: func(o object) []string {
			current := object(o["current"].(map[string]any))
			rows := []string{"current " + o.text("cpu") + " " + current.text("pid")}
			for _, class := range []string{"rt", "cfs"} {
				for _, t := range o.list(class) {
					rows = append(rows, "queued "+o.text("cpu")+" "+t.text("pid"))
				}
			}
			return rows
		},
	},
	{name: "cgroup", ours: "cgroup", peers: "cgroup", rows: row("address", "path")},
}
