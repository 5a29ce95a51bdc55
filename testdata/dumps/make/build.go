package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

//go:embed configs
var configs embed.FS

// recipe is how to build a kernel.
type recipe struct {
	series string // of Debian's linux-source
	config string // file in configs
	rest   string // make's target for what the file does not say
	vars   string // CONFIG_DEBUG_INFO_BTF_VARS: y, m or n
	load   []string
	memory int
	level  int
}

// recipes are the kernels that can be built, by name.
var recipes = map[string]*recipe{
	"vars=y": small("y"),
	"vars=m": small("m", "vmlinux_btf_vars"),
	"vars=n": small("n"),
	"tiny": {
		series: "6.12", config: "tiny.config", rest: "allnoconfig", vars: "y",
		load: []string{"test_module"}, memory: 64, level: 31,
	},
}

// small is the kernel of small.config. makedumpfile 1.7.8 does not know the
// kernel, and takes slab pages for pages of user processes: its level leaves
// those in.
func small(vars string, load ...string) *recipe {
	return &recipe{
		series: "7.2", config: "small.config", rest: "olddefconfig", vars: vars,
		load: append([]string{"qemu_fw_cfg", "dummy", "veth", "loop", "sit"}, load...), memory: 64, level: 23,
	}
}

// builtKernel builds a kernel with kdbg as its encoder of BTF.
func (o *options) builtKernel(ctx context.Context, r *recipe) (kernel, error) {
	if o.source != "" {
		other := *r
		other.series, r = o.source, &other
	}
	name := strings.TrimSuffix(r.config, ".config") + "-" + r.series
	k := kernel{
		name:  name + "-vars-" + r.vars + "-amd64",
		about: "Debian's linux-source-" + r.series + " with " + r.config + " and CONFIG_DEBUG_INFO_BTF_VARS=" + r.vars,
		load:  r.load, memory: r.memory, level: r.level, cpu: "qemu64",
	}
	if err := need("gcc", "make", "flex", "bison", "bc", "depmod", "nice", libelf, zlib); err != nil {
		return k, err
	}
	tree, err := o.sourceTree(ctx, r)
	if err != nil {
		return k, err
	}
	b := build{tree: tree, dir: filepath.Join(o.work, "build-"+name), jobs: o.jobs}
	if b.pahole, err = o.encoder(ctx); err != nil {
		return k, err
	}
	if err := b.configure(ctx, r); err != nil {
		return k, err
	}
	installed := filepath.Join(b.dir, "installed")
	if err := b.all(ctx, installed); err != nil {
		return k, err
	}
	k.image, k.vmlinux = filepath.Join(b.dir, "arch/x86/boot/bzImage"), filepath.Join(b.dir, "vmlinux")
	return k, k.findModules(ctx, installed)
}

// encoder builds kdbg and gives it the name by which it is called as pahole is.
func (o *options) encoder(ctx context.Context) (string, error) {
	kdbg, err := o.kdbg(ctx)
	if err != nil {
		return "", err
	}
	pahole := kdbg + "-pahole"
	if err := os.RemoveAll(pahole); err != nil {
		return "", err
	}
	return pahole, os.Symlink(filepath.Base(kdbg), pahole)
}

// build is a kernel's build folder. The states of CONFIG_DEBUG_INFO_BTF_VARS
// share one: between them, the kernel is only linked again.
type build struct {
	tree, dir string
	pahole    string
	jobs      int
}

func (b *build) make(ctx context.Context, args ...string) error {
	jobs := b.jobs
	if jobs == 0 {
		jobs = runtime.NumCPU()
	}
	c := command{env: []string{"KBUILD_BUILD_USER=kdbg", "KBUILD_BUILD_HOST=kdbg"}}
	return c.run(ctx, "nice", append([]string{"-n", "19", "make", "-s", "-C", b.tree, "O=" + b.dir, "PAHOLE=" + b.pahole, "-j", strconv.Itoa(jobs)}, args...)...)
}

// configure writes the configuration, and makes sure that the kernel took what
// matters: the kernel's make drops what it cannot do without a word.
func (b *build) configure(ctx context.Context, r *recipe) error {
	text, err := configs.ReadFile("configs/" + r.config)
	if err != nil {
		return err
	}
	asked := string(text)
	if r.vars == "n" {
		asked += "# CONFIG_DEBUG_INFO_BTF_VARS is not set\n"
	} else {
		asked += "CONFIG_DEBUG_INFO_BTF_VARS=" + r.vars + "\n"
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	asking, config := filepath.Join(b.dir, "asked.config"), filepath.Join(b.dir, ".config")
	for _, name := range []string{asking, config} {
		if err := os.WriteFile(name, []byte(asked), 0o644); err != nil {
			return err
		}
	}
	if err := b.make(ctx, "KCONFIG_ALLCONFIG="+asking, r.rest); err != nil {
		return err
	}
	got, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	if lost := missingLines(asked, string(got)); len(lost) > 0 {
		return fmt.Errorf("%s: the kernel's configuration lacks %s", r.config, strings.Join(lost, ", "))
	}
	return nil
}

// missingLines returns the lines that set something in one configuration and
// are not in another.
func missingLines(asked, got string) []string {
	lines := strings.Split(got, "\n")
	var lost []string
	for line := range strings.Lines(asked) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "CONFIG_") && !slices.Contains(lines, line) {
			lost = append(lost, line)
		}
	}
	return lost
}

// all builds the kernel and installs its modules, without their DWARF. With
// another encoder than the last time the kernel is linked again, which make
// would not know to do.
func (b *build) all(ctx context.Context, installed string) error {
	encoder, err := stampOf(b.pahole)
	if err != nil {
		return err
	}
	old := []string{installed}
	stamp := filepath.Join(b.dir, "encoder.stamp")
	if was, err := os.ReadFile(stamp); err != nil || string(was) != encoder {
		old = append(old, filepath.Join(b.dir, "vmlinux"), stamp)
	}
	for _, name := range old {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	if err := b.make(ctx); err != nil {
		return err
	}
	if err := os.WriteFile(stamp, []byte(encoder), 0o644); err != nil {
		return err
	}
	return b.make(ctx, "INSTALL_MOD_PATH="+installed, "INSTALL_MOD_STRIP=1", "modules_install")
}
