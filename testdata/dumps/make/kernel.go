package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// kernel is a kernel that can be booted.
type kernel struct {
	name    string   // short, for files
	about   string   // for a person: where it is from
	release string   // as uname -r says
	image   string   // file to boot
	modules string   // folder of its modules, with modules.dep
	vmlinux string   // file with DWARF; "" where there is none
	load    []string // modules
	memory  int      // MiB that a guest needs
	level   int      // of makedumpfile
	cpu     string   // as QEMU names it
}

// provide fetches or builds the kernel that a name asks for.
func (o *options) provide(ctx context.Context, name string) (kernel, error) {
	k, err := kernel{}, fmt.Errorf("no kernel %q; there are debian:RELEASE, vars=y, vars=m, vars=n and tiny", name)
	switch kind, value, _ := strings.Cut(name, ":"); {
	case kind == "debian" && value != "":
		k, err = o.debianKernel(ctx, value)
	case recipes[name] != nil:
		k, err = o.builtKernel(ctx, recipes[name])
	}
	if err != nil {
		return k, err
	}
	if o.memory > 0 {
		k.memory = o.memory
	}
	if o.level >= 0 {
		k.level = o.level
	}
	return k, nil
}

// findModules finds the release and the modules of a kernel below a folder in
// which one is installed.
func (k *kernel) findModules(ctx context.Context, root string) error {
	for _, lib := range []string{"lib", "usr/lib"} {
		dirs, err := filepath.Glob(filepath.Join(root, lib, "modules", "*"))
		if err != nil {
			return err
		}
		if len(dirs) != 1 {
			continue
		}
		k.modules, k.release = dirs[0], filepath.Base(dirs[0])
		if _, err := os.Stat(filepath.Join(k.modules, "modules.dep")); err == nil {
			return nil
		}
		if err := need("depmod"); err != nil {
			return err
		}
		return command{}.run(ctx, "depmod", "-b", filepath.Dir(filepath.Dir(filepath.Dir(k.modules))), k.release)
	}
	return fmt.Errorf("no modules of one kernel under %s", root)
}
