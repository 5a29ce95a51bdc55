package cmds

import (
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
)

// parseCPUs reads a list of CPUs such as 0-3,8, all of which must be among known.
func parseCPUs(command, list string, known []int) ([]int, error) {
	if list == "a" || list == "all" {
		return known, nil
	}
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(to)
		}
		if err != nil {
			return nil, usage(command, "%q is no list of CPUs", list)
		}
		before := len(cpus)
		for _, cpu := range known {
			if first <= cpu && cpu <= last {
				cpus = append(cpus, cpu)
			}
		}
		if len(cpus) == before {
			return nil, &kernel.TypeError{Msg: "no CPU " + part + " is online", Do: "those online are " + kernel.CPUList(known)}
		}
	}
	return cpus, nil
}
