// Command make makes the dumps of this folder again, and new ones: it fetches or
// builds a kernel, boots it in QEMU, dumps its memory, filters and compresses
// the dump, writes down the truth about it, and says so in the README.
//
//	go run ./testdata/dumps/make [flags] ACTION KERNEL
//
// The actions are
//
//	dump    stop a healthy guest and dump its memory from outside
//	crash   let the kernel panic; a second one, loaded by kexec, saves the dump
//	live    run kdbg in the guest on /proc/kcore, and confirm what it says by /proc
//	check   boot only: the kernel takes all BTF, and kdbg reads its memory
//
// and the kernels
//
//	debian:RELEASE          Debian's own, such as debian:6.12.107+deb13-cloud-amd64
//	vars=y vars=m vars=n    the small one with CONFIG_DEBUG_INFO_BTF_VARS so set,
//	                        patched from contrib/linux, its BTF made by this tree's kdbg
//	tiny                    the least that boots, with vars=y; it builds in minutes
//
// It needs Linux with QEMU and busybox (Debian packages qemu-system-x86 and
// busybox-static); dumps need makedumpfile too, and builds what a kernel needs to
// build. It says what is missing. Nothing needs KVM or root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

// options are the flags.
type options struct {
	out     string
	name    string
	work    string
	sysroot string
	tree    string
	source  string
	jobs    int
	level   int
	memory  int
	truth   bool
}

// action is what can be done with a kernel.
type action struct {
	run   func(context.Context, *job) error
	needs []string // programs of this machine, besides those that boot a guest
	guest []string // programs of the system that the guest has some of
	truth bool     // makes a dump that there is a truth of
}

// actions are all actions by name.
var actions = map[string]action{
	"dump":  {run: dump, needs: []string{"makedumpfile"}, truth: true},
	"crash": {run: crash, guest: []string{"kexec", "makedumpfile"}, truth: true},
	"live":  {run: live},
	"check": {run: check},
}

// ready reports what an action lacks, before the work begins.
func (o *options) ready(a action) error {
	needs := append([]string{"qemu-system-x86_64", "busybox"}, a.needs...)
	o.truth = o.truth && a.truth
	if o.truth {
		needs = append(needs, "drgn", "xz")
	}
	for _, name := range a.guest {
		if _, err := o.inSysroot(name); err != nil {
			return err
		}
	}
	return need(needs...)
}

// job is one run of an action.
type job struct {
	options
	kernel kernel
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(os.Stderr, "make: %v\n", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o := options{}
	f := flag.NewFlagSet("make", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "usage: make [flags] dump|crash|live|check debian:RELEASE|vars=y|vars=m|vars=n|tiny\n")
		f.PrintDefaults()
	}
	f.StringVar(&o.out, "o", "testdata/dumps", "`folder` for the dump, its truth, its transcript and the README")
	f.StringVar(&o.name, "name", "", "`name` of the dump; default is one made of action, kernel and machine")
	f.StringVar(&o.work, "work", "", "`folder` for packages, trees and large files, kept; default is one in $XDG_CACHE_HOME, or else one that is removed at the end")
	f.StringVar(&o.sysroot, "sysroot", "/", "`folder` of the system whose kexec and makedumpfile go into a guest")
	f.StringVar(&o.tree, "tree", "", "kernel source `folder`; default is to fetch and unpack Debian's linux-source")
	f.StringVar(&o.source, "source", "", "`series` of Debian's linux-source to build, such as 6.12; default is that of the kernel's recipe")
	f.IntVar(&o.jobs, "j", 0, "compile `N` files at once; default is the number of processors")
	f.IntVar(&o.level, "d", -1, "dump `level` of makedumpfile; default is 31, and 23 where makedumpfile says that it does not know the kernel")
	f.IntVar(&o.memory, "m", 0, "guest memory in `MiB`; default depends on the kernel")
	f.BoolVar(&o.truth, "truth", true, "write the truth with drgn, which needs the kernel's DWARF")
	if err := f.Parse(args); err != nil {
		return err
	}
	action, known := actions[f.Arg(0)]
	if !known || f.NArg() != 2 {
		f.Usage()
		return fmt.Errorf("an action and a kernel are needed, not %q", f.Args())
	}
	if err := o.ready(action); err != nil {
		return err
	}
	done, err := o.workFolder()
	if err != nil {
		return err
	}
	defer done()
	k, err := o.provide(ctx, f.Arg(1))
	if err != nil {
		return err
	}
	if o.name == "" {
		o.name = f.Arg(0) + "-" + k.name
	}
	return action.run(ctx, &job{options: o, kernel: k})
}

// workFolder makes the folder for large files. Its result removes it if nobody
// asked for it to be kept.
func (o *options) workFolder() (done func(), err error) {
	done = func() {}
	if cache := os.Getenv("XDG_CACHE_HOME"); o.work == "" && cache != "" {
		o.work = filepath.Join(cache, "kdbg", "dumps")
	}
	if o.work == "" {
		if o.work, err = os.MkdirTemp("", "kdbg-dumps-"); err != nil {
			return done, err
		}
		done = func() { os.RemoveAll(o.work) }
	}
	if o.work, err = filepath.Abs(o.work); err != nil {
		return done, err
	}
	return done, os.MkdirAll(o.work, 0o755)
}
