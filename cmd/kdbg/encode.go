package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kdbg/kdbg/encode"
	"github.com/kdbg/kdbg/encode/batch"
	"github.com/kdbg/kdbg/encode/pahole"
)

// encodeFlags are the flags of kdbg encode.
type encodeFlags struct {
	opts        batch.Options
	vars        string
	arrays      string
	features    string
	langExclude string
	stats       bool
}

// newEncode returns the command that makes BTF.
func newEncode() *cobra.Command {
	var e encodeFlags
	cmd := &cobra.Command{
		Use:   "encode [flags] FILE...",
		Short: "Make BTF of a kernel's or a module's DWARF, with all its variables",
		Long: `encode reads the debugging information of a vmlinux or of modules and puts BTF
into their .BTF sections, in the place of what is there. A file is changed as a
whole or not at all. Modules are split on the BTF of the vmlinux that --base
names, and are encoded side by side.`,
		Example: `  kdbg encode vmlinux
  kdbg encode --base vmlinux drivers/net/*.ko
  kdbg encode --vars split --base vmlinux -o vars.btf vmlinux`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{errors.New("no file given"), "name a vmlinux or modules with DWARF, as in " + cmd.CommandPath() + " vmlinux"}
			}
			if e.opts.Output != "" && len(args) > 1 {
				return &usageError{errors.New("--output is for one file"), "leave it out to encode into each file"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(args) },
	}
	f := cmd.Flags()
	f.StringVarP(&e.opts.Output, "output", "o", "", "write the BTF to `FILE`, raw, and leave the file as it is")
	f.StringVarP(&e.opts.BaseFile, "base", "b", "", "split the BTF on that of `FILE`, an ELF file or raw")
	f.IntVarP(&e.opts.Encode.Jobs, "jobs", "j", 0, "use `N` threads; 0: one for each processor")
	f.StringVar(&e.vars, "vars", "builtin", "variables: off, percpu, builtin (all), split (what the base lacks)")
	f.BoolVar(&e.opts.Encode.VarsExtra, "vars-extra", false, "also statics of functions, aliases, and objects of assembly with a declaration in C")
	f.StringVar(&e.arrays, "arrays", "nested", "arrays of several dimensions: nested, or flat as pahole up to 1.31 made them")
	f.StringVar(&e.features, "features", "default", "what else to encode, by the `NAMES` of pahole --btf_features")
	f.StringVar(&e.langExclude, "lang-exclude", "rust", "leave out units in these `LANGUAGES`; the kernel refuses names of Rust")
	f.StringVar(&e.opts.Encode.KABIPrefix, "kabi-prefix", "", "cut names that begin with `PREFIX` to it")
	f.BoolVar(&e.opts.Verify, "verify", false, "hold the BTF against the kernel's rules before it is written")
	f.BoolVar(&e.stats, "stats", false, "print what was encoded")
	return cmd
}

// run encodes files.
func (e *encodeFlags) run(files []string) error {
	if err := e.options(); err != nil {
		return &usageError{err, "see kdbg encode --help"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var end func()
	e.opts.Progress, end = progress()
	results, err := batch.Run(ctx, files, &e.opts)
	end()
	if err != nil {
		return err
	}
	if e.stats {
		batch.WriteStats(os.Stdout, results)
	}
	status := exitError(exitOK)
	for _, r := range results {
		if r.Err != nil {
			printError(r.Err)
			status = exitFailed
		}
	}
	if ctx.Err() != nil {
		return exitError(exitInterrupted)
	}
	return status.orNil()
}

// options reads the flags that are words.
func (e *encodeFlags) options() (err error) {
	o := &e.opts.Encode
	if err := pahole.SetFeatures(o, e.features); err != nil {
		return err
	}
	if o.LangExclude, err = pahole.ParseLanguages(e.langExclude); err != nil {
		return err
	}
	if o.Vars, err = batch.ParseVars(e.vars); err != nil {
		return err
	}
	switch e.arrays {
	case "flat":
		o.Arrays = encode.ArraysFlat
	case "nested":
		o.Arrays = encode.ArraysNested
	default:
		return fmt.Errorf("arrays are nested or flat, not %q", e.arrays)
	}
	return nil
}

// newPahole returns the command that is called as kernel builds call pahole.
func newPahole() *cobra.Command {
	return &cobra.Command{
		Use:                "pahole -J [OPTION...] FILE...",
		Short:              "Make BTF, called as pahole is",
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return runPahole(args).orNil() },
	}
}

// calledAsPahole reports whether the program has the name that kernel builds
// call.
func calledAsPahole() bool {
	name := filepath.Base(os.Args[0])
	return name == "pahole" || name == "kdbg-pahole"
}

func runPahole(args []string) exitError {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return exitError(pahole.Main(ctx, args, os.Getenv, os.Stdout, os.Stderr))
}

// orNil returns no error for the status of success.
func (e exitError) orNil() error {
	if e == exitOK {
		return nil
	}
	return e
}
