package vmcore

import (
	"fmt"
	"strings"
)

// machines are the e_machine values of ELF headers (include/uapi/linux/elf-em.h)
// and the architecture's name with 4-byte and 8-byte words. A machine that has
// one name only has that word size whatever the class of its core: kexec writes
// ELF64 cores for 32-bit kernels with more than 4 GiB of memory.
var machines = map[uint16]struct{ name32, name64 string }{
	2:      {"sparc", ""},
	3:      {"i686", ""},
	8:      {"mips", "mips64"},
	15:     {"parisc", "parisc64"},
	20:     {"ppc", ""},
	21:     {"", "ppc64"},
	22:     {"s390", "s390x"},
	40:     {"arm", ""},
	42:     {"sh4", ""},
	43:     {"", "sparc64"},
	50:     {"", "ia64"},
	62:     {"", "x86_64"},
	183:    {"", "aarch64"},
	243:    {"riscv32", "riscv64"},
	258:    {"loongarch32", "loongarch64"},
	0x9026: {"", "alpha"},
}

// elfArch returns the architecture of a core with the given e_machine; l is the
// layout that the file's own header states.
func elfArch(machine uint16, l Layout) Arch {
	m, ok := machines[machine]
	switch {
	case !ok:
		return Arch{Name: fmt.Sprintf("ELF machine %d", machine), Layout: l}
	case m.name32 == "":
		l.WordSize = 8
	case m.name64 == "":
		l.WordSize = 4
	}
	name := m.name64
	if l.WordSize == 4 {
		name = m.name32
	}
	switch {
	case name == "ppc64" && !l.BigEndian:
		name = "ppc64le"
	case name == "aarch64" && l.BigEndian:
		name = "aarch64_be"
	}
	return Arch{Name: name, Layout: l}
}

// pageSize returns the size of a page in bytes where the dump does not state
// it: the one most kernels of the architecture have.
func (a Arch) pageSize() int {
	switch a.Name {
	case "ppc64", "ppc64le":
		return 64 << 10
	case "loongarch64", "ia64":
		return 16 << 10
	case "sparc64", "alpha":
		return 8 << 10
	}
	return 4 << 10
}

// elfTypeText describes an ELF file that is no core.
func elfTypeText(typ uint16) string {
	switch typ {
	case 1:
		return "an ELF object or kernel module, not a core"
	case 2, 3:
		return "an ELF executable such as vmlinux, not a core"
	}
	return fmt.Sprintf("an ELF file of type %d, not a core", typ)
}

// archName returns the name of an architecture from the machine in a utsname,
// which may name a model of it.
func archName(machine string) string {
	switch {
	case len(machine) == 4 && machine[0] == 'i' && machine[2:] == "86":
		return "i686"
	case strings.HasPrefix(machine, "armv"):
		return "arm"
	}
	return machine
}
