package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/kdbg/kdbg/btfsrc"
)

// DefaultBTFPath returns the folders in which distributions keep what belongs to
// a kernel, and that for the BTF of its variables.
func DefaultBTFPath() []string {
	return []string{"/usr/lib/debug/btf", "/usr/lib/debug/boot", "/usr/lib/debug/lib/modules", "/usr/lib/modules", "/boot"}
}

// kernelFiles are the names that a file with the BTF of a kernel may have in a
// folder, % being the release: split BTF of its variables, the module that has
// them (CONFIG_DEBUG_INFO_BTF_VARS=m), the whole vmlinux.
var kernelFiles = []string{
	"vars-%.btf", "%/vmlinux.btf", "%/kernel/kernel/bpf/vmlinux_btf_vars.ko",
	"%/vmlinux", "vmlinux-%", "%/build/vmlinux",
}

// btfFiles are the files beside the dump that types are taken from.
type btfFiles struct {
	path []string // folders to look in

	mu       sync.Mutex
	searched map[string]bool // modules, "" for the kernel
	used     []string
	problems []error
}

// AddBTF adds the types of a file: raw BTF or an ELF file with a .BTF section,
// split on the kernel's own BTF or of the whole kernel. The error is a
// [*btfsrc.BaseError] for a file of another kernel.
func (k *Kernel) AddBTF(name string) error {
	k.files.mu.Lock()
	defer k.files.mu.Unlock()
	return k.addFile(name)
}

// addFile adds the types of a file. The lock of the files must be held.
func (k *Kernel) addFile(name string) error {
	f, err := btfsrc.ReadFile(name)
	if err != nil {
		return err
	}
	if id := k.info.BuildID(); f.BuildID != "" && id != "" && f.BuildID != id {
		return k.otherKernel(&btfsrc.BaseError{Name: name, Msg: fmt.Sprintf("its build ID is %s, and this kernel's is %s", f.BuildID, id)})
	}
	before := k.types.NumTypes()
	if err := k.addTypes(k.fileModule(f), btfsrc.SourceFile, f.BTF); err != nil {
		return err
	}
	if k.types.NumTypes() > before {
		k.files.used = append(k.files.used, name)
	}
	return nil
}

// fileModule returns the module that a file is of, by the name of the file, and
// the name of the file for one of the kernel.
func (k *Kernel) fileModule(f *btfsrc.File) string {
	if f.Module != "" || k.types.NumTypes() == 0 {
		return cmp.Or(f.Module, f.Name)
	}
	name := btfsrc.ModuleName(f.Name)
	mods, _ := k.Modules() // whose error Modules itself reports
	if slices.ContainsFunc(mods, func(m Module) bool { return m.Name == name }) {
		return name
	}
	return f.Name
}

// addTypes adds split BTF to the kernel's own.
func (k *Kernel) addTypes(name string, src btfsrc.Source, raw []byte) error {
	return k.otherKernel(k.types.AddSplit(name, src, raw))
}

// otherKernel makes the error for BTF that was made for another kernel name both.
func (k *Kernel) otherKernel(err error) error {
	if _, ok := errors.AsType[*btfsrc.BaseError](err); ok && k.Release() != "" {
		return fmt.Errorf("this is Linux %s: %w", k.Release(), err)
	}
	return err
}

// BTFFiles returns the files that types were taken from: those that were named,
// and what was found when a variable without a type was asked for. The search is
// in [Options].BTFPath, by the kernel's release, for
//
//	vars-RELEASE.btf, RELEASE/vmlinux.btf  split BTF of the kernel's variables
//	RELEASE/vmlinux, vmlinux-RELEASE       a whole vmlinux
//	RELEASE/MODULE.btf, RELEASE/MODULE.ko  BTF of a module's variables
//
// A file that is not of this very build is left alone and reported by
// [Kernel.BTFProblems].
func (k *Kernel) BTFFiles() []string {
	k.files.mu.Lock()
	defer k.files.mu.Unlock()
	return slices.Clone(k.files.used)
}

// BTFProblems returns why files that were found by the kernel's release were not
// used.
func (k *Kernel) BTFProblems() []error {
	k.files.mu.Lock()
	defer k.files.mu.Unlock()
	return slices.Clone(k.files.problems)
}

// unfitFile returns why a file that was found was not used, if none was.
func (k *Kernel) unfitFile() error {
	k.files.mu.Lock()
	defer k.files.mu.Unlock()
	if len(k.files.used) > 0 || len(k.files.problems) == 0 {
		return nil
	}
	return k.files.problems[0]
}

// searchBTF looks for files with the BTF of a module, or of the kernel for "", at
// the first call for each, and reports whether there may be more VARs now.
func (k *Kernel) searchBTF(module string) bool {
	release := k.Release()
	// What comes from the dump must not lead out of the folders.
	if len(k.files.path) == 0 || !isFileName(release) || module != "" && !isFileName(module) {
		return false
	}
	k.files.mu.Lock()
	defer k.files.mu.Unlock()
	if k.files.searched[module] {
		return false
	}
	if k.files.searched == nil {
		k.files.searched = make(map[string]bool)
	}
	k.files.searched[module] = true
	names := kernelFiles
	if module != "" {
		names = []string{"%/" + module + ".btf", "%/" + module + ".ko"}
	}
	used := len(k.files.used)
	for _, dir := range k.files.path {
		for _, name := range names {
			name = filepath.Join(dir, strings.ReplaceAll(name, "%", release))
			k.tryFile(name)
			if len(k.files.used) > used {
				return true
			}
		}
	}
	return false
}

func isFileName(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, "/\\\x00")
}

// tryFile adds a file that may be there.
func (k *Kernel) tryFile(name string) {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return
	}
	err := k.addFile(name)
	if _, ok := errors.AsType[*btfsrc.BaseError](err); ok {
		k.files.problems = append(k.files.problems, err)
	}
}
