// Package kdbg_test holds what is true of the repository as a whole.
package kdbg_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/kdbg/kdbg/"

// arrows are the imports that each package may have of others in this module:
// the layers of the program, from the bottom up. Tests may import anything.
var arrows = map[string][]string{
	"vmcore":                nil,
	"vmcore/paging":         {"vmcore"},
	"vmcore/vmcoretest":     {"vmcore"},
	"kallsyms":              {"vmcore"},
	"kallsyms/kallsymstest": {"kallsyms", "vmcore"},
	"btfsrc":                {"vmcore"},
	"btfsrc/vartypes":       {"btfsrc", "kallsyms", "vmcore"},
	"kernel":                {"btfsrc", "btfsrc/vartypes", "kallsyms", "vmcore", "vmcore/paging"},
	"kernel/bpf":            {"kernel", "vmcore"},
	"kernel/cgroup":         {"btfsrc", "kernel", "vmcore"},
	"kernel/device":         {"kernel", "vmcore"},
	"kernel/fs":             {"kernel", "kernel/mm", "vmcore"},
	"kernel/mm":             {"btfsrc", "kallsyms", "kernel", "vmcore", "vmcore/paging"},
	"kernel/kerneltest":     {"btfsrc", "kallsyms", "kallsyms/kallsymstest", "kernel", "vmcore"},
	"kernel/net":            {"kernel", "kernel/fs", "vmcore"},
	"kernel/sched":          {"btfsrc", "kernel", "kernel/stack", "vmcore"},
	"kernel/stack":          {"btfsrc", "kallsyms", "kernel", "vmcore"},
	"repl/expr":             {"btfsrc", "kallsyms", "kernel", "vmcore"},
	"repl/disasm":           {"vmcore"},
	"btfsrc/vartypes/generate": {
		"btfsrc", "btfsrc/vartypes", "kallsyms", "vmcore",
	},
	"repl/cmds": {
		"btfsrc", "kallsyms", "kernel", "repl/disasm", "repl/expr", "vmcore",
		"kernel/bpf", "kernel/cgroup", "kernel/device", "kernel/fs", "kernel/mm", "kernel/net", "kernel/sched", "kernel/stack", "vmcore/paging",
	},
	"repl":     {"kernel", "kernel/mm", "repl/cmds", "repl/expr"},
	"confirm":  nil, // tests only
	"cmd/kdbg": {"encode", "encode/batch", "encode/inspect", "encode/pahole", "kernel", "repl"},
}

// gates are libraries that one file or one package alone may import, so that
// they can be replaced there.
var gates = map[string]string{
	"github.com/chzyer/readline":         "repl/lineedit.go",
	"github.com/BurntSushi/toml":         "repl/config.go",
	"github.com/fatih/color":             "repl/style.go",
	"github.com/olekukonko/tablewriter":  "repl/cmds/table.go",
	"github.com/spf13/cobra":             "cmd/kdbg",
	"golang.org/x/arch":                  "repl/disasm",
	"github.com/vbauerster/mpb":          "cmd/kdbg/progress.go",
	"github.com/ianlancetaylor/demangle": "kallsyms",
	"github.com/rogpeppe/go-internal":    "(tests)",
	"github.com/google/go-cmp":           "(tests)",
	"github.com/creack/pty":              "(tests)",
}

// TestImports holds every import against arrows and gates.
func TestImports(t *testing.T) {
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		dir := path.Dir(file)
		allowed, known := arrows[dir]
		if !known && !isEncoder(dir) {
			t.Errorf("%s: package %s is not in the table of arrows", file, dir)
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			own, ok := strings.CutPrefix(name, module)
			if ok && !slices.Contains(allowed, own) && !(isEncoder(dir) && isEncoder(own)) {
				t.Errorf("%s imports %s, which points the wrong way", file, own)
			}
			for library, gate := range gates {
				inside := name == library || strings.HasPrefix(name, library+"/")
				if inside && gate != file && gate != dir {
					t.Errorf("%s imports %s, which only %s may", file, name, gate)
				}
			}
		}
	}
}

// isEncoder reports whether a package is of the side that makes BTF. It and the
// debugger never import each other.
func isEncoder(dir string) bool { return dir == "encode" || strings.HasPrefix(dir, "encode/") }

// TestFileNames finds files that the name of a target architecture would keep
// out of builds for other machines: a dump of any machine opens on any other.
func TestFileNames(t *testing.T) {
	arches := []string{"386", "amd64", "arm", "arm64", "loong64", "mips64", "ppc64", "ppc64le", "riscv64", "s390x"}
	for _, file := range goFiles(t) {
		base := strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".go"), "_test")
		if i := strings.LastIndexByte(base, '_'); i >= 0 && slices.Contains(arches, base[i+1:]) {
			t.Errorf("%s is built on %s only: put the architecture first", file, base[i+1:])
		}
	}
}

// goFiles returns all Go files of the module but those at its root, with slashes.
func goFiles(t *testing.T) []string {
	var files []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if name = filepath.ToSlash(name); strings.HasSuffix(name, ".go") && strings.Contains(name, "/") {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
