package cmds

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

// Names are the names that completion offers. Each list is in order and made when
// it is first asked for: a kernel has 200,000 symbols, and walking them for every
// TAB would be felt.
type Names struct {
	symbols  func() []string // of the kernel and its modules
	operands func() []string // what may begin an expression
	types    map[btfsrc.Kind]func() []string
	modules  func() []string
	tasks    func() []string // PIDs and the names of tasks
}

// NewNames returns the names of a kernel. Nothing is read yet.
func NewNames(k *kernel.Kernel) *Names {
	n := &Names{types: make(map[btfsrc.Kind]func() []string)}
	n.symbols = sync.OnceValue(func() []string {
		names := make([]string, 0, k.Symbols().Len())
		for s := range k.AllSymbols() {
			names = append(names, s.Name)
		}
		return inOrder(names)
	})
	n.operands = sync.OnceValue(func() []string {
		names := slices.Collect(k.Types().Names(btfsrc.KindTypedef))
		names = slices.AppendSeq(names, k.Types().Enumerators())
		for _, name := range n.symbols() {
			if lastWord(name) == 0 { // no part of it is foreign to C, as in f.cold
				names = append(names, name)
			}
		}
		return inOrder(append(names, "container_of", "enum", "offsetof", "per_cpu", "per_cpu_ptr", "sizeof", "struct", "typeof", "union"))
	})
	for _, kind := range []btfsrc.Kind{btfsrc.KindStruct, btfsrc.KindUnion, btfsrc.KindEnum} {
		n.types[kind] = sync.OnceValue(func() []string { return inOrder(slices.Collect(k.Types().Names(kind))) })
	}
	n.modules = sync.OnceValue(func() []string {
		list, _ := k.Modules()
		var names []string
		for _, m := range list {
			names = append(names, m.Name)
		}
		return inOrder(names)
	})
	n.tasks = sync.OnceValue(func() []string {
		var names []string
		for t, err := range k.Tasks() {
			if err == nil {
				names = append(names, strconv.Itoa(t.PID), t.Comm)
			}
		}
		return inOrder(names)
	})
	return n
}

// Warm makes the large lists, so that the first TAB need not wait for them.
func (n *Names) Warm() {
	n.operands()
	for _, list := range n.types {
		list()
	}
}

// inOrder sorts names and drops doubles, and those that could do more on a
// terminal than show: the line editor writes candidates as they are.
func inOrder(names []string) []string {
	names = slices.DeleteFunc(names, unfit)
	slices.Sort(names)
	return slices.Compact(names)
}

// startingWith returns the part of a list in order that begins with prefix.
func startingWith(list []string, prefix string) []string {
	from, _ := slices.BinarySearch(list, prefix)
	list = list[from:]
	n, _ := slices.BinarySearchFunc(list, prefix, func(name, prefix string) int {
		if strings.HasPrefix(name, prefix) {
			return -1
		}
		return 1
	})
	return list[:n:n]
}

// withPrefix returns the words of a list that begin with prefix and are fit to
// be shown.
func withPrefix(list []string, prefix string) []string {
	var found []string
	for _, w := range list {
		if strings.HasPrefix(w, prefix) && !unfit(w) {
			found = append(found, w)
		}
	}
	return found
}

// unfit reports whether a name could do more on a terminal than show.
func unfit(name string) bool {
	plain := true
	for i := 0; i < len(name); i++ {
		plain = plain && name[i] >= ' ' && name[i] < 0x7f
	}
	return !plain && strings.ContainsFunc(name, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}
