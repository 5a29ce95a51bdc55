package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// addModules adds those of the kernel's modules that are named, after those
// which they depend on, and the order to load them in. The names of those that
// the kernel has built in or lacks are passed over.
func (f initramfs) addModules(k kernel) error {
	deps, err := os.ReadFile(filepath.Join(k.modules, "modules.dep"))
	if err != nil {
		return err
	}
	var order []string
	for _, file := range moduleOrder(string(deps), k.load) {
		data, err := readModule(filepath.Join(k.modules, file))
		if err != nil {
			return err
		}
		order = append(order, moduleName(file))
		f["lib/modules/"+moduleName(file)+".ko"] = entry{modeFile, data}
	}
	f["lib/modules/order"] = entry{modeFile, []byte(strings.Join(order, "\n") + "\n")}
	return nil
}

// moduleOrder returns the files of modules and of what they depend on in the
// order to load them, from the text of a modules.dep.
func moduleOrder(deps string, names []string) []string {
	needs := map[string][]string{} // files that a file depends on, the nearest first
	files := map[string]string{}   // by module
	for line := range strings.Lines(deps) {
		file, rest, ok := strings.Cut(line, ":")
		if ok {
			needs[file], files[moduleName(file)] = strings.Fields(rest), file
		}
	}
	var order []string
	add := func(file string) {
		if !slices.Contains(order, file) {
			order = append(order, file)
		}
	}
	for _, name := range names {
		file, ok := files[moduleName(name)]
		if !ok {
			continue
		}
		for _, dep := range slices.Backward(needs[file]) {
			add(dep)
		}
		add(file)
	}
	return order
}

// moduleName returns the name of the module in a file, in which - stands for _.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// readModule reads a module, which may be compressed.
func readModule(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var r io.Reader = bytes.NewReader(data)
	switch filepath.Ext(name) {
	case ".ko":
		return data, nil
	case ".xz":
		r, err = xz.NewReader(r)
	case ".zst":
		r, err = zstd.NewReader(r)
	default:
		return nil, fmt.Errorf("%s: a module compressed in a way unknown here", name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return io.ReadAll(r)
}
