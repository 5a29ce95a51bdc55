package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/btfsrc/vartypes"
)

// Macros of the kernel make families of names, such as __tracepoint_sched_switch.
// A rule says that all names which begin with a prefix have a type: it saves
// their lines, and holds for those of kernels to come.
type rule struct {
	spelling string
	kernels  uint64
}

// Bounds on what counts as a family.
const (
	fewestNames  = 24
	mostAtypical = 100 // one of so many names may be of another type, and keeps its line
)

// rules returns the rules by prefix, and removes from all the names that they
// answer for. Of the rules that fit a name, that of the longest prefix counts.
func (all names) rules() map[string]rule {
	families := all.families()
	sure := make(map[string]string) // families that agree without excuses
	for prefix, family := range families {
		if spelling, ok := all.agree(prefix, family, nil); ok {
			sure[prefix] = spelling
		}
	}
	rules := make(map[string]rule)
	for _, prefix := range slices.Sorted(maps.Keys(families)) { // a shorter one before the longer
		spelling, ok := all.agree(prefix, families[prefix], sure)
		wide, wider := longest(rules, prefix)
		if ok && strings.ReplaceAll(wider.spelling, vartypes.Rest, prefix[len(wide):]+vartypes.Rest) != spelling {
			rules[prefix] = rule{spelling: spelling}
		}
	}
	all.apply(rules)
	return rules
}

// families returns the names by each beginning that ends with an underscore.
func (all names) families() map[string][]string {
	families := make(map[string][]string)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for i := range len(name) - 1 {
			if name[i] == '_' && strings.Trim(name[:i], "_") != "" {
				families[name[:i+1]] = append(families[name[:i+1]], name)
			}
		}
	}
	maps.DeleteFunc(families, func(_ string, names []string) bool { return len(names) < fewestNames })
	return families
}

// agree returns the type that nearly all names of a family have. A name of another
// type is excused if it is of a family of its own within this one.
func (all names) agree(prefix string, family []string, sure map[string]string) (string, bool) {
	count := make(map[string]int)
	for _, name := range family {
		for _, spelling := range general(all[name], name[len(prefix):]) {
			count[spelling]++
		}
	}
	best := ""
	for spelling, n := range count {
		if n > count[best] || n == count[best] && spelling < best {
			best = spelling
		}
	}
	atypical := len(family) - count[best]
	for _, name := range family {
		if !slices.Contains(general(all[name], name[len(prefix):]), best) && all.isExcused(name, len(prefix), sure) {
			atypical--
		}
	}
	return best, count[best] >= fewestNames && atypical*mostAtypical <= count[best]
}

func (all names) isExcused(name string, from int, sure map[string]string) bool {
	for i := from; i < len(name); i++ {
		spelling, ok := sure[name[:i+1]]
		if ok && slices.Contains(general(all[name], name[i+1:]), spelling) {
			return true
		}
	}
	return false
}

// general returns the ways in which a rule may write the one type that a name has
// in all kernels: as it is, and with the rest of the name left open.
func general(types map[string]uint64, rest string) []string {
	one := ""
	for spelling := range types {
		if one != "" && spelling != one {
			return nil
		}
		one = spelling
	}
	if open := strings.ReplaceAll(one, rest, vartypes.Rest); open != one {
		return []string{one, open}
	}
	return []string{one}
}

// longest returns the rule of the longest prefix of a name.
func longest(rules map[string]rule, name string) (prefix string, r rule) {
	for i := len(name) - 1; i >= 0; i-- {
		if r, ok := rules[name[:i+1]]; ok {
			return name[:i+1], r
		}
	}
	return "", rule{}
}

// apply removes the names that rules answer for, and notes their kernels.
func (all names) apply(rules map[string]rule) {
	for name, types := range all {
		prefix, r := longest(rules, name)
		if prefix == "" || !slices.Contains(general(types, name[len(prefix):]), r.spelling) {
			continue
		}
		for _, kernels := range types {
			r.kernels |= kernels
		}
		rules[prefix] = r
		delete(all, name)
	}
}
