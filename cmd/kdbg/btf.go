package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/kdbg/kdbg/encode/inspect"
)

// newBTF returns the commands that look at BTF.
func newBTF() *cobra.Command {
	var opts inspect.Options
	btf := &cobra.Command{
		Use:   "btf",
		Short: "Print, compare and verify BTF",
		Long: `btf looks at the BTF of files, raw or in the .BTF section of ELF files, and
changes none.`,
		Args: func(cmd *cobra.Command, args []string) error {
			return &usageError{errors.New("btf is dump, diff or verify"), "see " + cmd.CommandPath() + " --help"}
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	btf.PersistentFlags().StringVarP(&opts.Base, "base", "b", "", "the BTF is split on that of `FILE`")
	btf.AddCommand(newBTFDump(&opts), newBTFDiff(&opts), newBTFVerify(&opts))
	return btf
}

// files checks how many files are named.
func files(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return &usageError{errors.New(what), "as in kdbg " + cmd.Parent().Name() + " " + cmd.Use}
		}
		return nil
	}
}

func newBTFDump(opts *inspect.Options) *cobra.Command {
	raw := false
	cmd := &cobra.Command{
		Use:   "dump [flags] FILE",
		Short: "Print the types, functions and variables of a BTF as C",
		Args:  files(1, "dump wants one file"),
		RunE: func(_ *cobra.Command, args []string) error {
			return inspect.Dump(os.Stdout, args[0], !raw, opts)
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "print all records with their numbers")
	return cmd
}

func newBTFDiff(opts *inspect.Options) *cobra.Command {
	show := 5
	cmd := &cobra.Command{
		Use:   "diff [flags] FILE FILE",
		Short: "Compare two BTFs, whatever the numbers of their types",
		Long: `diff counts the types, functions, tags and variables that two BTFs share and
those that only one has, and shows some of these. The exit status is 1 if there
are any.`,
		Args: files(2, "diff wants two files"),
		RunE: func(_ *cobra.Command, args []string) error {
			same, err := inspect.Diff(os.Stdout, args[0], args[1], show, opts)
			return failUnless(same, err)
		},
	}
	cmd.Flags().StringVar(&opts.Second, "second-base", "", "the second BTF is split on that of `FILE`; the first by --base")
	cmd.Flags().IntVarP(&show, "show", "n", show, "show `N` differences of each kind")
	return cmd
}

func newBTFVerify(opts *inspect.Options) *cobra.Command {
	kernel := ""
	cmd := &cobra.Command{
		Use:   "verify [flags] FILE",
		Short: "Say why the kernel would refuse a BTF",
		Long: `verify holds a BTF against all rules of the kernel and prints each violation. The
exit status is 1 if there are any. Those with "BPF_BTF_LOAD" are of BTF that a
program loads; a kernel overlooks them in its own.`,
		Args: files(1, "verify wants one file"),
		RunE: func(_ *cobra.Command, args []string) error {
			ok, err := inspect.Verify(os.Stdout, args[0], kernel, opts)
			return failUnless(ok, err)
		},
	}
	cmd.Flags().StringVar(&kernel, "kernel", "", "take the rules of this `VERSION`, such as 6.12; the newest that is known if not given")
	return cmd
}

// failUnless returns the status of failure, which needs no message, unless ok.
func failUnless(ok bool, err error) error {
	if err != nil || ok {
		return err
	}
	return exitError(exitFailed)
}
