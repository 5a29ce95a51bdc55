package dwarf_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/encode/dwarf"
)

// tool returns the path of a program that a test needs. Without it the test is
// skipped, or fails if KDBG_REQUIRE_TOOLS is set.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("KDBG_REQUIRE_TOOLS") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// run runs a program in a directory.
func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
}

// sources are the files that tests compile, as absolute names.
func sources(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, name := range []string{"testdata/types.c", "testdata/more.c"} {
		abs, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, abs)
	}
	return names
}

// builds are ways to compile the sources. Each gives a file "out".
var builds = []struct {
	name  string
	tools []string // compiler first
	steps []string // command lines; SRC are the sources, TYPES the first of them
}{
	{"object", []string{"CC"}, []string{"CC FLAGS -c -o out TYPES"}},
	{"executable", []string{"CC"}, []string{"CC FLAGS -nostdlib -static -o out SRC"}},
	{"shared", []string{"CC"}, []string{"CC FLAGS -nostdlib -shared -fPIC -o out SRC"}},
	{"unoptimized", []string{"CC"}, []string{"CC FLAGS -O0 -nostdlib -static -o out SRC"}},
	{"partial link", []string{"CC", "ld"}, []string{"CC FLAGS -c SRC", "ld -r -o out types.o more.o"}},
	{"function sections", []string{"CC"}, []string{"CC FLAGS -ffunction-sections -fdata-sections -c -o out TYPES"}},
	{"type units", []string{"CC"}, []string{"CC FLAGS -fdebug-types-section -nostdlib -static -o out SRC"}},
	{"64-bit DWARF", []string{"CC"}, []string{"CC FLAGS -gdwarf64 -nostdlib -static -o out SRC"}},
	{"link-time optimization", []string{"gcc"}, []string{"gcc FLAGS -flto -nostdlib -static -o out SRC"}},
	{"zlib", []string{"CC"}, []string{"CC FLAGS -gz=zlib -c -o out TYPES"}},
	{"zlib-gnu", []string{"CC", "objcopy"}, []string{"CC FLAGS -nostdlib -static -o out SRC", "objcopy --compress-debug-sections=zlib-gnu out"}},
	{"zstd", []string{"CC", "objcopy"}, []string{"CC FLAGS -nostdlib -static -o out SRC", "objcopy --compress-debug-sections=zstd out"}},
	{"zstd object", []string{"CC", "objcopy"}, []string{"CC FLAGS -c -o out TYPES", "objcopy --compress-debug-sections=zstd out"}},
	{"dwz", []string{"gcc", "dwz"}, []string{"gcc FLAGS -nostdlib -static -o out SRC", "dwz out"}},
	{"dwz, supplementary file", []string{"gcc", "dwz"}, []string{
		"gcc FLAGS -nostdlib -static -Wl,--build-id -o out SRC", "cp out out2", "dwz -l none -L none -m sup.debug out out2"}},
}

// TestCompilers compares the entries of compiled files with those that the
// standard library reads, and reads every location.
func TestCompilers(t *testing.T) {
	for _, cc := range []string{"gcc", "clang"} {
		for _, version := range []string{"-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5"} {
			for i, build := range builds {
				if build.tools[0] == "gcc" && cc != "gcc" ||
					version < "-gdwarf-4" && i > 3 {
					continue // how files are linked and packed does not depend on old versions
				}
				t.Run(cc+"/"+version[1:]+"/"+build.name, func(t *testing.T) {
					t.Parallel()
					// It takes indices of 64-bit .debug_str_offsets for 32-bit ones.
					readable := cc != "clang" || version != "-gdwarf-5" || build.name != "64-bit DWARF"
					compareWithStandard(t, compile(t, cc, version, build.steps), readable)
				})
			}
		}
	}
}

// compile runs the steps of a build and returns the file.
func compile(t *testing.T, cc, version string, steps []string) string {
	t.Helper()
	dir := t.TempDir()
	src := sources(t)
	for _, step := range steps {
		step = strings.NewReplacer("CC", cc, "FLAGS", "-O2 -g -w "+version, "TYPES", src[0], "SRC", strings.Join(src, " ")).Replace(step)
		args := strings.Fields(step)
		run(t, dir, tool(t, args[0]), args[1:]...)
	}
	return filepath.Join(dir, "out")
}

// open opens a file for the length of a test.
func open(t *testing.T, name string) *dwarf.File {
	t.Helper()
	f, err := dwarf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
