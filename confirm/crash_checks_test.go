package confirm

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// crashStates are crash's words for the states of tasks.
var crashStates = strings.NewReplacer(" RU ", " R ", " IN ", " S ", " UN ", " D ", " ID ", " I ", " ZO ", " Z ", " ST ", " T ", " TR ", " t ", " DE ", " X ", " NE ", " N ", " PA ", " P ")

// pathless are the types of files whose path crash does not show as the kernel
// does: it names the protocol of a socket, and nothing of others.
var pathless = regexp.MustCompile(`^(.* (?:SOCK|FIFO|UNKN)) .*$`)

// memfd is what /proc calls shared memory; crash shows the name alone.
var memfd = regexp.MustCompile(`/((?:memfd:|SYSV).*) \(deleted\)$`)

// madeByCompiler is what crash cuts off the names of functions, once.
var madeByCompiler = regexp.MustCompile(`(?:\.(?:part|isra|constprop)\.\d+)+(?:\.cold)?$`)

// crashChecks are the commands that crash has too.
var crashChecks = []check{
	{
		name: "ps", ours: "ps", peers: "ps",
		rows: row("pid", "ppid", "cpu", "task", "state", "vsz_kib", "rss_kib", "comm"),
		parse: func(lines []string) []string {
			rows := matches(`^[> ] +(\d+) +(\d+) +(\d+) +([0-9a-f]{16}) +(\S+) +[\d.]+ +(\d+) +(\d+) +\[?(.*?)\]?$`)(lines)
			return each(rows, func(row string) string { return crashStates.Replace(row) })
		},
	},
	{
		name: "mount", ours: "mount", peers: "mount",
		rows:  row("address", "super_block", "fstype", "source", "target"),
		parse: matches(`^([0-9a-f]{16}) ([0-9a-f]{16}) (\S+) +(\S+) +(/.*)$`),
	},
	{
		name: "files", ours: "foreach files", peers: "foreach files",
		rows:  rowsOf("files", "fd", "file", "dentry", "inode", "type", "path"),
		parse: ofTask(`^ *(\d+) ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16}) (\S+) *(.*)$`),
		same: func(row string) string {
			return memfd.ReplaceAllString(pathless.ReplaceAllString(row, "$1"), "$1")
		},
	},
	{
		name: "directories", ours: "foreach files", peers: "foreach files",
		rows:  row("pid", "root", "cwd"),
		parse: ofTask(`^ROOT: (.*?) +CWD: (.*)$`),
	},
	{
		name: "net", ours: "net", peers: "net",
		rows: func(o object) []string {
			var ips []string
			for _, ip := range o.words("addresses") {
				address, _, _ := strings.Cut(ip, "/")
				ips = append(ips, address)
			}
			return []string{strings.TrimSpace(o.text("address", "name") + " " + strings.Join(ips, ", "))}
		},
		parse: func(lines []string) []string {
			return each(matches(`^([0-9a-f]{16})  (\S+) *(.*)$`)(lines), strings.TrimSpace)
		},
	},
	{
		name: "irq", ours: "irq", peers: "irq",
		rows: func(o object) []string {
			actions := o.list("actions")
			if len(actions) == 0 {
				return []string{o.text("irq", "address") + " (unused)"}
			}
			var rows []string
			for _, a := range actions {
				rows = append(rows, fmt.Sprintf("%s %s %q", o.text("irq", "address"), a.text("address"), a["name"]))
			}
			return rows
		},
		parse: func(lines []string) []string {
			return each(matches(`^ *(\d+)  +([0-9a-f]{16})  +(\(unused\)|[0-9a-f]{16}) *(.*)$`)(lines), strings.TrimSpace)
		},
	},
	{
		name: "irq -b", ours: "irq -b", peers: "irq -b",
		rows:  row("vector", "handler", "symbol"),
		parse: matches(`^ *\[(\d+)\] +([0-9a-f]{16})  <(.*)>$`),
	},
	{
		name: "log", ours: "log", peers: "log",
		rows: func(o object) []string {
			return strings.Split(fmt.Sprint(o["text"]), "\n")
		},
		parse: func(lines []string) []string {
			return each(lines, func(line string) string {
				if _, text, ok := strings.Cut(line, "] "); ok && strings.HasPrefix(line, "[") {
					return text
				}
				return line
			})
		},
		same: strings.TrimSpace, // blanks at the ends are lost here
	},
	{
		name: "bt", ours: "foreach bt", peers: "foreach bt",
		rows: func(o object) []string {
			if len(o.list("frames")) == 0 { // runs its program: crash shows what an interrupt has left on the stack
				return []string{o.text("pid") + " *"}
			}
			return rowsOf("frames", "pc")(o) // names differ where several functions begin at an address
		},
		parse: ofTask(`^ *(?:#\d+ \[[0-9a-f]{16}\] \S+ at|RIP:) (f[0-9a-f]{15})`),
	},
	{
		name: "sym", ours: "sym -l", peers: "sym -l", more: true, // vmlinux has names that the kernel's own table has not
		rows: func(o object) []string {
			text := o.text("address", "name")
			if o["class"] == "percpu" && o["module"] != nil || o["name"] == "__pfx_sev_es_terminate" {
				text += " ?" // crash leaves those of modules out, and names behind that of where the kernel begins
			}
			return []string{text}
		},
		parse: matches(`^([0-9a-f]+) \(.\) (\S+)$`),
		same:  func(row string) string { return madeByCompiler.ReplaceAllString(row, "") },
	},
	{
		name: "irq -a", ours: "irq -a", peers: "irq -a",
		rows: func(o object) []string {
			var names []string
			for _, a := range o.list("actions") {
				names = append(names, a.text("name"))
			}
			return []string{o.text("irq") + " " + strings.Join(names, ",") + " " + o.text("affinity")}
		},
		parse: matches(`^ *(\d+) (\S+) +(\S+)$`),
	},
	{
		name: "irq -s", ours: "irq -s", peers: "irq -s",
		rows: func(o object) []string {
			var names []string
			for _, a := range o.list("actions") {
				names = append(names, a.text("name"))
			}
			return []string{o.text("irq") + " " + strings.Join(o.words("counts"), " ") + " " + o.text("chip") + "-" + o.text("flow") + " " + strings.Join(names, ",")}
		},
		parse: func(lines []string) []string {
			return each(matches(`^ *(\d+): +(.*)$`)(lines), func(row string) string { return strings.Join(strings.Fields(row), " ") })
		},
	},
	{
		name: "dev", ours: "dev", peers: "dev",
		rows: func(o object) []string {
			if o["kind"] == "block" { // crash shows one disk of a major number
				return []string{o.text("major", "name") + " *"}
			}
			return []string{o.text("major", "name", "cdev", "operations")}
		},
		parse: func(lines []string) []string {
			return each(matches(`^ *(\d+)  +(.*)$`)(lines), func(row string) string {
				return strings.Join(strings.Fields(strings.Replace(row, "(none)", "- -", 1)), " ")
			})
		},
	},
	{
		name: "dev -i", ours: "dev -i", peers: "dev -i",
		rows:  row("address", "start", "end", "name"),
		parse: matches(`^([0-9a-f]{16})  0*([0-9a-f]+)-0*([0-9a-f]+)  (.*)$`),
	},
	{
		name: "dev -p", ours: "dev -p", peers: "dev -p",
		rows: func(o object) []string {
			if o["kind"] == "bus" {
				return []string{o.text("address", "name")}
			}
			return []string{o.text("address", "name", "class", "id")}
		},
		parse: func(lines []string) []string {
			devices := matches(`^ +([0-9a-f]{16}) (\S+)  ([0-9a-f]{4})  (\S+) `)(lines)
			return append(devices, matches(`^([0-9a-f]{16}) (\S+)$`)(lines)...)
		},
	},
	{
		name: "kmem -s", ours: "kmem -s", peers: "kmem -s",
		rows: func(o object) []string { // the size in KiB, as crash has it
			size, _ := o["slab_size"].(json.Number).Int64()
			return []string{o.text("address", "object_size", "allocated", "total", "slabs") + fmt.Sprintf(" %dk ", size>>10) + o.text("name")}
		},
		parse: matches(`^([0-9a-f]{16}) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+k)  (.*)$`),
	},
	{
		name: "kmem -v", ours: "kmem -v", peers: "kmem -v",
		rows:  row("vmap_area", "vm_struct", "start", "end", "size"),
		parse: matches(`^([0-9a-f]{16})  ([0-9a-f]+) +([0-9a-f]{16}) - ([0-9a-f]{16}) +(\d+)$`),
	},
	{
		name: "kmem -V", ours: "kmem -V", peers: "kmem -V",
		rows:  row("name", "value"),
		parse: matches(`^ *([A-Z][A-Z0-9_]+): (\d+)$`),
	},
	{
		// crash leaves out what CPUs have committed and not yet added up.
		name: "kmem -i", ours: "kmem -i", peers: "kmem -i",
		rows: func(o object) []string {
			var rows []string
			o["total_huge"], o["total_swap"] = o["huge_total"], o["swap_total"]
			for _, name := range []string{"total", "free", "used", "buffers", "cached", "slab", "total_huge", "huge_free", "total_swap", "swap_used", "swap_free", "commit_limit"} {
				rows = append(rows, name+" "+o.text(name))
			}
			return rows
		},
		parse: func(lines []string) []string {
			return each(matches(`^ *([A-Z][A-Z ]*[A-Z]) +(\d+) .*$`)(lines), func(row string) string {
				at := strings.LastIndexByte(row, ' ')
				name := strings.ReplaceAll(strings.TrimSuffix(strings.ToLower(row[:at]), " mem"), " ", "_")
				if name == "committed" {
					return ""
				}
				return name + row[at:]
			})
		},
	},
	{
		name: "kmem -z", ours: "kmem -z", peers: "kmem -z",
		rows: func(o object) []string {
			rows := []string{o.text("node", "zone", "address", "name")}
			if o.text("size") != "0" {
				rows = append(rows, o.text("address", "size", "present", "min", "low", "high"))
			}
			return rows
		},
		parse: func(lines []string) []string {
			zone := regexp.MustCompile(`^NODE: (\d+)  ZONE: (\d+)  ADDR: (\S+)  NAME: "(.*)"$`)
			size := regexp.MustCompile(`^  SIZE: (\d+) +(?:PRESENT: (\d+) +)?MIN/LOW/HIGH: (\d+)/(\d+)/(\d+)$`)
			var rows []string
			address := ""
			for _, line := range lines {
				if m := zone.FindStringSubmatch(line); m != nil {
					address = m[3]
					rows = append(rows, strings.Join(m[1:], " "))
				} else if m := size.FindStringSubmatch(line); m != nil {
					if m[2] == "" {
						m[2] = m[1] // all of it
					}
					rows = append(rows, address+" "+strings.Join(m[1:], " "))
				}
			}
			return rows
		},
	},
	{
		name: "kmem -o", ours: "kmem -o", peers: "kmem -o",
		rows:  row("cpu", "address"),
		parse: matches(`^  CPU (\d+): ([0-9a-f]{16})$`),
	},
	{
		name: "kmem -h", ours: "kmem -h", peers: "kmem -h",
		rows:  row("address", "free", "total", "name"),
		parse: matches(`^([0-9a-f]{16}) +\S+ +(\d+) +(\d+)  (.*)$`),
	},
	{
		name: "kmem -f", ours: "kmem -f", peers: "kmem -f",
		rows:  row("order", "address", "blocks", "pages"),
		parse: matches(`^ +(\d+) +\d+k  ([0-9a-f]{16}) +(\d+) +(\d+)$`),
	},
	{
		name: "vm", ours: "foreach vm", peers: "foreach vm",
		rows: func(o object) []string {
			rows := rowsOf("vmas", "address", "start", "end", "flags", "file")(o)
			if o["mm"] == "0x0" {
				return rows
			}
			return append(rows, o.text("pid", "mm", "pgd", "rss_kib", "total_vm_kib"))
		},
		parse: func(lines []string) []string {
			rows := ofTask(`^([0-9a-f]{16}) +([0-9a-f]+) +([0-9a-f]+) +([0-9a-f]+) *(.*)$`)(lines)
			return append(rows, ofTask(`^([0-9a-f]{16})  ([0-9a-f]{16}) +(\d+)k +(\d+)k$`)(lines)...)
		},
		same: func(row string) string { // crash shows no file where there is none, and no name of shared memory
			return memfd.ReplaceAllString(strings.TrimSuffix(strings.TrimSpace(row), " -"), "$1")
		},
	},
	{
		name: "swap", ours: "swap", peers: "swap",
		rows:  row("address", "type", "size_kib", "used_kib", "priority", "file"),
		parse: matches(`^([0-9a-f]{16})  (\S+) +(\d+)k +(\d+)k +\d+% +(-?\d+)  (.*)$`),
	},
	{
		name: "ipcs", ours: "ipcs", peers: "ipcs",
		rows: func(o object) []string {
			size := map[string]string{"shm": "bytes", "sem": "semaphores", "msg": "bytes"}[o.text("kind")]
			return []string{o.text("address", "key", "id", "uid", "mode", size)}
		},
		parse: matches(`^([0-9a-f]{16}) ([0-9a-f]+) +(\d+) +(\d+) +(\d+) +(\d+)`),
	},
	{
		name: "ps -l", ours: "ps -l", peers: "ps -l",
		rows:  row("last_run_ns", "pid", "task"),
		parse: matches(`^\[ *(\d+)\] \[..\]  PID: (\d+) +TASK: ([0-9a-f]{16}) `),
	},
	{
		name: "ps -t", ours: "ps -t", peers: "ps -t",
		rows: func(o object) []string {
			return []string{o.text("pid") + " START " + o.text("start_ns"), o.text("pid") + " UTIME " + o.text("utime_ns"), o.text("pid") + " STIME " + o.text("stime_ns")}
		},
		parse: ofTask(`^ *(START|UTIME|STIME)(?: TIME)?: (\d+)$`),
	},
	{
		name: "ps -S", ours: "ps -S", peers: "ps -S",
		rows: row("state", "tasks"),
		parse: func(lines []string) []string {
			return each(matches(`^  (..): (\d+)$`)(lines), func(row string) string {
				return strings.TrimSpace(crashStates.Replace(" " + row))
			})
		},
	},
	{
		name: "net -s", ours: "foreach net -s", peers: "foreach net -s",
		rows: func(o object) []string { // crash shows no names of local sockets, and addresses in its own way
			var rows []string
			for _, s := range o.list("sockets") {
				rows = append(rows, o.text("pid")+" "+s.text("fd", "socket", "sock", "family")+":"+s.text("type"))
			}
			return rows
		},
		parse: ofTask(`^ *(\d+) ([0-9a-f]{16}) ([0-9a-f]{16}) (\S+:\S+)`),
	},
	{
		name: "net -a", ours: "net -a", peers: "net -a",
		rows: func(o object) []string { return []string{o.text("address", "ip", "device", "state") + " ?"} }, // crash knows neighbours of IPv4
		parse: func(lines []string) []string {
			return matches(`^([0-9a-f]{16}) (\S+) .* (\S+)  ([A-Z]+)$`)(lines)
		},
	},
	{
		name: "bpf programs", ours: "bpf -P", peers: "bpf -P",
		rows: func(o object) []string {
			return []string{o.text("id", "address", "aux", "type", "tag") + " " + strings.Join(o.words("maps"), ",")}
		},
		parse: matches(`^ *(\d+) +([0-9a-f]{16}) ([0-9a-f]{16}) +(\S+) +([0-9a-f]{16}) +(\S+)$`),
	},
	{
		name: "bpf maps", ours: "bpf -M", peers: "bpf -M",
		rows: func(o object) []string {
			flags, _ := strconv.Atoi(o.text("flags"))
			return []string{fmt.Sprintf("%s %08x", o.text("id", "address", "type"), flags)}
		},
		parse: matches(`^ *(\d+) +([0-9a-f]{16}) +(\S+) +([0-9a-f]{8})$`),
	},
	{
		name: "list", ours: "list -h init_task -o task_struct.tasks", peers: "list -h init_task -o task_struct.tasks",
		rows:  row("address"),
		parse: matches(`^([0-9a-f]{16})$`),
	},
	{
		name: "list -H", ours: "list -H modules -o module.list", peers: "list -H modules -o module.list",
		rows:  row("address"),
		parse: matches(`^([0-9a-f]{16})$`),
	},
	{
		name: "tree", ours: "tree -o proc_dir_entry.subdir_node -r proc_dir_entry.subdir proc_root", peers: "tree -o proc_dir_entry.subdir_node -r proc_dir_entry.subdir proc_root",
		rows:  row("address"),
		parse: matches(`^([0-9a-f]{16})$`),
	},
	{
		name: "tree -t xarray", ours: "tree -t xarray -r pid_namespace.idr init_pid_ns", peers: "tree -t xarray -r pid_namespace.idr init_pid_ns",
		rows:  row("address"),
		parse: matches(`^([0-9a-f]{16})$`),
	},
	{
		name: "runq", ours: "runq", peers: "runq",
		rows: func(o object) []string {
			current := object(o["current"].(map[string]any))
			rows := []string{o.text("cpu", "address"), o.text("cpu") + " current " + current.text("pid", "task")}
			for _, class := range []string{"rt", "cfs"} {
				for _, t := range o.list(class) {
					rows = append(rows, o.text("cpu")+" "+t.text("prio", "pid", "task"))
				}
			}
			return rows
		},
		parse: func(lines []string) []string {
			cpu := regexp.MustCompile(`^CPU (\d+) RUNQUEUE: (\S+)$`)
			current := regexp.MustCompile(`^  CURRENT: PID: (\d+) +TASK: (\S+) `)
			queued := regexp.MustCompile(`^     \[ *(\d+)\] PID: (\d+) +TASK: (\S+) `)
			var rows []string
			on := ""
			for _, line := range lines {
				if m := cpu.FindStringSubmatch(line); m != nil {
					on = m[1]
					rows = append(rows, on+" "+m[2])
				} else if m := current.FindStringSubmatch(line); m != nil {
					rows = append(rows, on+" current "+m[1]+" "+m[2])
				} else if m := queued.FindStringSubmatch(line); m != nil {
					rows = append(rows, on+" "+strings.Join(m[1:], " "))
				}
			}
			return rows
		},
	},
	{
		// Since Linux kernel commit 83a665dc99a7 ("timers: Keep the pinned timers
		// separate from the others") (in v6.9), a CPU has three lists, of which
		// crash shows two.
		name: "timer", ours: "timer", peers: "timer",
		rows: func(o object) []string {
			return []string{o.text("expires", "tte", "address", "function", "symbol") + " ?"}
		},
		parse: matches(`^ +(\d+) +(-?\d+) +([0-9a-f]{16}) +([0-9a-f]{16}) +<(.*)>$`),
	},
	{
		// crash takes the time that is left from a clock of another base: it differs.
		name: "timer -r", ours: "timer -r", peers: "timer -r",
		rows:  row("soft_expires", "expires", "address", "function", "symbol"),
		parse: matches(`^ +(\d+) +(\d+) +-?\d+ +([0-9a-f]{16}) +([0-9a-f]{16}) +<(.*)>$`),
	},
	{
		name: "sys", ours: "sys", peers: "sys", // its UPTIME counts ticks at the wrong rate
		rows: func(o object) []string {
			return []string{"CPUS " + o.text("cpus"), "TASKS " + o.text("tasks"), "NODENAME " + o.text("node"), "RELEASE " + o.text("release"), "VERSION " + o.text("version")}
		},
		parse: matches(`^ *(CPUS|TASKS|NODENAME|RELEASE|VERSION): (.*)$`),
	},
	{
		name: "mod", ours: "mod", peers: "mod",
		rows:  row("address", "name", "base", "size"),
		parse: matches(`^([0-9a-f]{16})  (\S+) +([0-9a-f]{16}) +(\d+)  `),
	},
}
