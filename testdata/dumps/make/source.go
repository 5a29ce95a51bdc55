package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// patches are in a folder for each series.
const patches = "contrib/linux"

// sourceTree returns the folder of a kernel's source with the patch that brings
// CONFIG_DEBUG_INFO_BTF_VARS. Nothing is built in it.
func (o *options) sourceTree(ctx context.Context, r *recipe) (string, error) {
	if o.tree != "" {
		return o.givenTree(r)
	}
	tree := filepath.Join(o.work, "linux-"+r.series)
	files, err := filepath.Glob(filepath.Join(patches, r.series, "*[1-9]-*.patch")) // 0000 is the cover letter
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("no patch in %s/%s: run this at the root of the repository", patches, r.series)
	}
	stamp, err := stampOf(files...)
	if err != nil {
		return "", err
	}
	was, err := os.ReadFile(filepath.Join(tree, ".stamp"))
	if err == nil && string(was) == stamp {
		return tree, nil
	}
	if err := o.unpackSource(ctx, "linux-source-"+r.series, tree); err != nil {
		return "", err
	}
	for _, file := range files {
		if file, err = filepath.Abs(file); err != nil {
			return "", err
		}
		if err := (command{}).run(ctx, "patch", "-d", tree, "-p1", "-i", file); err != nil {
			return "", err
		}
	}
	return tree, os.WriteFile(filepath.Join(tree, ".stamp"), []byte(stamp), 0o644)
}

// givenTree returns the user's tree, which has to be patched already.
func (o *options) givenTree(r *recipe) (string, error) {
	tree, err := filepath.Abs(o.tree)
	if err != nil {
		return "", err
	}
	kconfig, err := os.ReadFile(filepath.Join(tree, "lib/Kconfig.debug"))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(kconfig), "config DEBUG_INFO_BTF_VARS") {
		return "", fmt.Errorf("%s has no CONFIG_DEBUG_INFO_BTF_VARS: apply the patch of %s/%s", tree, patches, r.series)
	}
	return tree, nil
}

// stampOf returns a text that changes when one of the files does.
func stampOf(files ...string) (string, error) {
	sum := sha256.New()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// unpackSource fetches a package of kernel source and unpacks what it holds: a
// tar file of the tree.
func (o *options) unpackSource(ctx context.Context, pkg, tree string) error {
	if err := need("tar", "xz", "patch"); err != nil {
		return err
	}
	if err := os.RemoveAll(tree); err != nil {
		return err
	}
	unpacked := filepath.Join(o.work, pkg)
	if err := o.unpack(ctx, pkg, unpacked); err != nil {
		return err
	}
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	return command{}.run(ctx, "tar", "-x", "-f", filepath.Join(unpacked, "usr/src", pkg+".tar.xz"), "-C", tree, "--strip-components=1")
}
