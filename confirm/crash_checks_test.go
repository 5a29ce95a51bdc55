package confirm

import (
	"fmt"
	"strings"
)

// crashStates are crash's words for the states of tasks.
var crashStates = strings.NewReplacer(" RU ", " R ", " IN ", " S ", " UN ", " D ", " ID ", " I ", " ZO ", " Z ", " ST ", " T ", " TR ", " t ", " DE ", " X ", " NE ", " N ", " PA ", " P ")

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
		parse: ofTask(`^ *(\d+) ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16}) (\S+) ?(.*)$`),
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
		rows:  rowsOf("frames", "symbol", "pc"),
		parse: ofTask(`^ *#\d+ \[[0-9a-f]{16}\] (\S+) at ([0-9a-f]{16})`),
	},
	{
		name: "sym", ours: "sym -l", peers: "sym -l",
		rows:  row("address", "name"),
		parse: matches(`^([0-9a-f]+) \(.\) (\S+)$`),
	},
	{
		name: "mod", ours: "mod", peers: "mod",
		rows:  row("address", "name", "base", "size"),
		parse: matches(`^([0-9a-f]{16})  (\S+) +([0-9a-f]{16}) +(\d+)  `),
	},
}
