package confirm

import (
	"regexp"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

// structsCompared is how many structures are held against crash's.
const structsCompared = 200

// structChecks returns checks of structures that are spread over all, those of
// which several have one name left out.
func structChecks(k *kernel.Kernel) []check {
	var names []string
	for name := range k.Types().Names(btfsrc.KindStruct) {
		types := k.LookupType(btfsrc.KindStruct, name)
		if _, defined := types[0].(*btf.Struct); defined && len(types) == 1 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var checks []check
	for i := range structsCompared {
		name := names[i*len(names)/structsCompared]
		checks = append(checks, check{
			name: "struct " + name, ours: "struct -o " + name, peers: "struct -o " + name,
			rows:  members,
			parse: crashMembers,
		})
	}
	return checks
}

// members returns the named members of a structure, and its size. Those of members
// without a name are left out.
func members(o object) []string {
	rows := []string{"size " + o.text("size")}
	for _, m := range o.list("members") {
		if m["name"] != "" {
			rows = append(rows, m.text("offset", "name"))
		}
	}
	return rows
}

var (
	// One blank stands before a member of the structure itself, more before one of
	// a member without a name.
	crashMember = regexp.MustCompile(`^ *\[(\d+)\] (\S.*);$`)
	crashSize   = regexp.MustCompile(`^SIZE: (\d+)$`)
	functionPtr = regexp.MustCompile(`\(\*+(?:const )?(\w+)`)
	lastName    = regexp.MustCompile(`(\w+)(?:\[\d*\])*(?: : \d+)?$`)
)

func crashMembers(lines []string) []string {
	var rows []string
	for _, line := range lines {
		if m := crashSize.FindStringSubmatch(line); m != nil {
			rows = append(rows, "size "+m[1])
		}
		m := crashMember.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := functionPtr.FindStringSubmatch(m[2])
		if name == nil || !strings.HasSuffix(m[2], ")") {
			name = lastName.FindStringSubmatch(m[2])
		}
		if name != nil {
			rows = append(rows, m[1]+" "+name[1])
		}
	}
	return rows
}
