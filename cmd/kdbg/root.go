package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot returns the command line of kdbg.
func newRoot() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:   "kdbg [flags] DUMP...",
		Short: "Debug crash dumps of the Linux kernel without debug information",
		Long: `kdbg opens a crash dump of the Linux kernel and prints its variables as C. It
needs nothing but the dump: symbols come from the kernel's own kallsyms tables,
types from its BTF.

DUMP is an ELF or kdump-compressed vmcore, flattened or not, /proc/kcore for the
running kernel, or all the files of a split set. At a terminal a prompt appears;
with -e, -x, or commands on standard input, kdbg runs them and exits.`,
		Example: `  kdbg vmcore
  kdbg vmcore -e 'print init_task.comm' -e 'print runqueues:0.nr_running'
  kdbg --json -x script.kdbg vmcore
  kdbg info vmcore`,
		Args:          needDump,
		RunE:          func(cmd *cobra.Command, args []string) error { return o.debug(cmd, args) },
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("kdbg {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err, "see " + cmd.CommandPath() + " --help"}
	})
	o.openFlags(root)
	o.batchFlags(root)

	vmcore := &cobra.Command{
		Use:   "vmcore [flags] DUMP...",
		Short: "Open a dump, as kdbg DUMP does",
		Args:  needDump,
		RunE:  root.RunE,
	}
	o.openFlags(vmcore)
	o.batchFlags(vmcore)

	info := &cobra.Command{
		Use:   "info [flags] DUMP...",
		Short: "Show what a dump is and what it holds",
		Args:  needDump,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.commands = []string{"info"}
			return o.debug(cmd, args)
		},
	}
	o.openFlags(info)
	root.AddCommand(vmcore, info, newEncode(), newBTF(), newPahole())
	return root
}

// usageError is a command line that was not understood.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string  { return e.hint }

// needDump checks that a dump was named.
func needDump(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return &usageError{errors.New("no dump given"),
			"name a file, as in " + cmd.CommandPath() + " vmcore; for the running kernel, /proc/kcore"}
	}
	return nil
}

// version is the module's version, and the commit where the build knows it.
func version() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := b.Main.Version
	if v == "" {
		v = "(devel)"
	}
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
			v += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return fmt.Sprintf("%s %s", v, b.GoVersion)
}

// readVMCOREINFO reads the text that stands in for a dump's own VMCOREINFO.
func readVMCOREINFO(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, &usageError{err, "--vmcoreinfo wants the text of the VMCOREINFO note"}
	}
	return text, nil
}
