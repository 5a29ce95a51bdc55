package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// programDirs and libraryDirs are where Debian has programs and libraries.
var (
	programDirs = []string{"usr/sbin", "usr/bin", "sbin", "bin"}
	libraryDirs = []string{"usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib64", "lib64", "usr/lib", "lib"}
)

// find returns the file of a program or library under a root.
func find(root, name string, dirs []string) (string, error) {
	for _, dir := range dirs {
		file := filepath.Join(root, dir, name)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("no %s under %s: %w", name, root, fs.ErrNotExist)
}

// inSysroot returns the file of a program of the system that guests have some of.
func (o *options) inSysroot(name string) (string, error) {
	file, err := find(o.sysroot, name, programDirs)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: install %s there", err, packages[name])
	}
	return file, err
}

// addProgram adds such a program, and what it links.
func (j *job) addProgram(f initramfs, name string) error {
	file, err := j.inSysroot(name)
	if err != nil {
		return err
	}
	return f.program(j.sysroot, file, "bin/"+name)
}

// program adds a file that can be run, the libraries that it links, and the
// loader that it names.
func (f initramfs) program(root, file, as string) error {
	if err := f.file(file, as, modeProgram); err != nil {
		return err
	}
	bin, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer bin.Close()
	libraries, err := bin.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, lib := range libraries {
		if _, ok := f["lib/"+lib]; ok {
			continue
		}
		name, err := find(root, lib, libraryDirs)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := f.program(root, name, "lib/"+lib); err != nil {
			return err
		}
	}
	return f.loader(root, bin)
}

// loader adds the dynamic loader of a program where the program wants it.
func (f initramfs) loader(root string, bin *elf.File) error {
	section := bin.Section(".interp")
	if section == nil {
		return nil
	}
	text, err := section.Data()
	if err != nil {
		return err
	}
	name := strings.Trim(string(text), "/\x00")
	return f.file(filepath.Join(root, name), name, modeProgram)
}
