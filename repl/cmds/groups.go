package cmds

import "slices"

// group is a part of the list of commands.
type group struct {
	title string
	names []string
}

// groups are the commands by what they are about, the most used first. Those that
// are in none are listed at the end.
var groups = []group{
	{"values and types", []string{"print", "struct", "union", "*", "ptype", "whatis", "list", "tree", "diff", "declare", "types-from", "eval"}},
	{"tasks", []string{"ps", "bt", "task", "set", "foreach", "files", "vm", "sig", "runq", "waitq", "lock", "wq", "fuser", "ipcs"}},
	{"the system", []string{"sys", "log", "mod", "mount", "irq", "timer", "dev", "net", "cgroup", "bpf", "sbitmapq", "mach", "swap", "info"}},
	{"memory", []string{"kmem", "slabtop", "rd", "x", "search", "vtop", "ptov", "pte", "btop", "ptob"}},
	{"code and symbols", []string{"sym", "dis", "regs", "rustfilt", "ascii"}},
	{"the session", []string{"help", "apropos", "alias", "repeat", "quit"}},
}

// grouped returns all commands by group.
func grouped() []group {
	all := []group{}
	rest := commandNames()
	for _, g := range groups {
		var there []string
		for _, name := range g.names {
			if i := slices.Index(rest, name); i >= 0 {
				there = append(there, name)
				rest = slices.Delete(rest, i, i+1)
			}
		}
		if len(there) > 0 {
			all = append(all, group{g.title, there})
		}
	}
	if len(rest) > 0 {
		all = append(all, group{"more", rest})
	}
	return all
}
