package cmds

import "slices"

// Group is a part of the list of commands.
type Group struct {
	Title    string
	Commands []*Command
}

// groups are the commands by what they are about, the most used first. Those that
// are in none are listed at the end.
var groups = []struct {
	title string
	names []string
}{
	{"values and types", []string{"print", "struct", "union", "*", "ptype", "whatis", "list", "tree", "diff", "declare", "types-from", "eval"}},
	{"tasks", []string{"ps", "bt", "task", "set", "foreach", "files", "vm", "sig", "runq", "waitq", "lock", "wq", "fuser", "ipcs"}},
	{"the system", []string{"sys", "log", "mod", "mount", "irq", "timer", "dev", "net", "cgroup", "bpf", "sbitmapq", "mach", "swap", "info"}},
	{"memory", []string{"kmem", "slabtop", "rd", "x", "search", "vtop", "ptov", "pte", "btop", "ptob"}},
	{"code and symbols", []string{"sym", "dis", "regs", "rustfilt", "ascii"}},
	{"the session", []string{"help", "apropos", "alias", "repeat", "quit"}},
}

// Groups returns all commands by what they are about.
func Groups() []Group {
	var all []Group
	rest := All()
	take := func(name string) (c *Command) {
		if i := slices.IndexFunc(rest, func(c *Command) bool { return c.Name == name }); i >= 0 {
			c = rest[i]
			rest = slices.Delete(rest, i, i+1)
		}
		return c
	}
	for _, g := range groups {
		var there []*Command
		for _, name := range g.names {
			if c := take(name); c != nil {
				there = append(there, c)
			}
		}
		if len(there) > 0 {
			all = append(all, Group{g.title, there})
		}
	}
	if len(rest) > 0 {
		all = append(all, Group{"more", rest})
	}
	return all
}
