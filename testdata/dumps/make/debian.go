package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// suites are where Debian's kernels are, for apt.
const suites = `deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian-security bookworm-security main
deb http://deb.debian.org/debian trixie main
deb http://deb.debian.org/debian-security trixie-security main
deb http://deb.debian.org/debian sid main
`

// debianModules are those loaded in a guest with a kernel of Debian. The first
// tells QEMU where the VMCOREINFO is; the second has the disk that a crashed
// kernel is saved to; the others are there to be looked at.
var debianModules = []string{"qemu_fw_cfg", "virtio_blk", "dummy", "veth", "bridge", "tun", "loop", "xfs", "nf_tables"}

// debianKernel fetches a kernel of Debian by its release, and its DWARF if the
// truth is wanted.
func (o *options) debianKernel(ctx context.Context, release string) (kernel, error) {
	k := kernel{
		name:   "debian-" + series(release) + "-amd64",
		about:  "Debian's stock " + series(release) + " kernel, linux-image-" + release,
		load:   debianModules,
		memory: 256,
		level:  31,
		cpu:    "max", // which has page tables of five levels
	}
	root := filepath.Join(o.work, "debian-"+release)
	pkgs := []string{"linux-image-" + release}
	if o.truth {
		pkgs = append(pkgs, "linux-image-"+release+"-dbg")
	}
	for _, pkg := range pkgs {
		if err := o.unpack(ctx, pkg, root); err != nil {
			return k, err
		}
	}
	if o.truth {
		k.vmlinux = filepath.Join(root, "usr/lib/debug/boot/vmlinux-"+release)
	}
	k.image = filepath.Join(root, "boot/vmlinuz-"+release)
	if _, err := os.Stat(k.image); err == nil {
		return k, k.findModules(ctx, root)
	}
	// Newer packages linux-image only name the packages that have the files.
	for _, part := range []string{"linux-binary-", "linux-modules-"} {
		if err := o.unpack(ctx, part+release, root); err != nil {
			return k, err
		}
	}
	err := k.findModules(ctx, root)
	k.image = filepath.Join(k.modules, "vmlinuz")
	return k, err
}

// series returns the first two numbers of a release: 6.12 of 6.12.107+deb13.
func series(release string) string {
	parts := strings.SplitN(release, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// unpack fetches a package and unpacks it under root. What was unpacked before
// is used again.
func (o *options) unpack(ctx context.Context, pkg, root string) error {
	stamp := filepath.Join(root, "."+pkg)
	if _, err := os.Stat(stamp); err == nil {
		return nil
	}
	if err := need("dpkg"); err != nil {
		return err
	}
	deb, err := o.fetch(ctx, pkg)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := (command{}).run(ctx, "dpkg", "-x", deb, root); err != nil {
		return err
	}
	if err := os.Remove(deb); err != nil {
		return err
	}
	return os.WriteFile(stamp, nil, 0o644)
}

// fetch gets a package from Debian's archive with apt, which checks signatures,
// and returns the file. Apt keeps its lists in the work folder: this machine's
// are neither changed nor, as it may be another Debian, enough.
func (o *options) fetch(ctx context.Context, pkg string) (string, error) {
	if err := need("apt-get"); err != nil {
		return "", err
	}
	dir := filepath.Join(o.work, "apt")
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "etc", "packages"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return "", err
		}
	}
	list := filepath.Join(dir, "etc/sources.list")
	if err := os.WriteFile(list, []byte(suites), 0o644); err != nil {
		return "", err
	}
	options := []string{
		"-qq", "-o", "Dir::State::lists=" + filepath.Join(dir, "lists"), "-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "Dir::Etc::sourcelist=" + list, "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=",
		"-o", "APT::Architectures=amd64", "-o", "Acquire::Retries=3",
	}
	apt := command{dir: filepath.Join(dir, "packages")}
	if err := apt.run(ctx, "apt-get", append(options, "update")...); err != nil {
		return "", fmt.Errorf("%s cannot be fetched: %w", pkg, err)
	}
	if err := apt.run(ctx, "apt-get", append(options, "download", pkg)...); err != nil {
		return "", fmt.Errorf("%s cannot be fetched: %w", pkg, err)
	}
	debs, err := filepath.Glob(filepath.Join(apt.dir, pkg+"_*.deb"))
	if err != nil || len(debs) != 1 {
		return "", fmt.Errorf("%s: apt-get left %d files in %s", pkg, len(debs), apt.dir)
	}
	return debs[0], nil
}
