package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/repl"
)

// options are the flags.
type options struct {
	vmcoreinfo string
	btf        []string
	btfPath    []string
	declare    []string
	noTable    bool
	json       bool
	color      string
	commands   []string
	script     string
	settings   []string
	noConfig   bool
}

// openFlags adds the flags of every command that opens a dump.
func (o *options) openFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.vmcoreinfo, "vmcoreinfo", "", "use the VMCOREINFO text in `FILE` in place of the dump's")
	f.StringArrayVar(&o.btf, "btf", nil, "take types from `FILE` too, raw BTF or ELF (repeatable)")
	f.StringArrayVar(&o.btfPath, "btf-path", nil, "look for such files in `FOLDER` too, by the kernel's release; also $KDBG_BTF_PATH (repeatable)")
	f.StringArrayVar(&o.declare, "declare", nil, "read C declarations of variables from `FILE` (repeatable)")
	f.BoolVar(&o.noTable, "no-table", false, "do not take types of variables from the table that kdbg carries")
	f.BoolVar(&o.json, "json", false, "write one JSON object per line")
	f.StringVar(&o.color, "color", "auto", "colour what is shown: auto, always or never")
	cmd.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	f.StringArrayVar(&o.settings, "set", nil, "change a setting, `NAME=VALUE`, as the command set does (repeatable)")
	f.BoolVar(&o.noConfig, "no-config", false, "leave the configuration file unread")
}

// batchFlags adds the flags that give commands to run.
func (o *options) batchFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&o.commands, "execute", "e", nil, "run `COMMAND` and exit (repeatable)")
	f.StringVarP(&o.script, "script", "x", "", "run the commands in `FILE` and exit; - is standard input")
}

// debug opens the dump and runs the commands that were given, or a prompt.
func (o *options) debug(cmd *cobra.Command, files []string) error {
	tty := terminal()
	config, err := o.configure(cmd)
	if err != nil {
		return err
	}
	if err := repl.SetColor(o.color); err != nil {
		return &usageError{err, "see " + cmd.CommandPath() + " --help"}
	}
	text, err := readVMCOREINFO(o.vmcoreinfo)
	if err != nil {
		return err
	}
	batch, err := o.batch(tty)
	if err != nil {
		return err
	}
	if batch != nil {
		defer batch.Close()
	}
	ctx := context.Background()
	if batch != nil {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt)
		defer stop()
	}
	k, err := kernel.Open(ctx, kernel.Options{Files: files, VMCOREINFO: text, BTF: o.btf, BTFPath: o.searchPath(), NoTable: o.noTable})
	if err != nil {
		return err
	}
	defer k.Close()
	if batch == nil {
		return o.prompt(ctx, k, tty, files, config)
	}
	return o.runBatch(ctx, k, batch, files, config)
}

// configure reads the configuration file, which stands in for flags that were not
// given.
func (o *options) configure(cmd *cobra.Command) (*repl.Config, error) {
	file := repl.ConfigFile()
	if o.noConfig {
		file = ""
	}
	c, err := repl.LoadConfig(file)
	if err != nil {
		return nil, err
	}
	if c.Color != "" && !cmd.Flags().Changed("color") {
		o.color = c.Color
	}
	o.btfPath = append(o.btfPath, c.BTFPath...)
	o.declare = append(c.Declare, o.declare...)
	return c, nil
}

// configureSession gives a session what the configuration file and then the
// command line say of settings.
func (o *options) configureSession(s *repl.Session, c *repl.Config) error {
	if err := s.Configure(c); err != nil {
		return err
	}
	for _, setting := range o.settings {
		name, value, ok := strings.Cut(setting, "=")
		if !ok {
			return &usageError{fmt.Errorf("--set wants NAME=VALUE, not %q", setting), "set -v at the prompt lists the settings"}
		}
		if err := s.Set(name, value); err != nil {
			return &usageError{err, "set -v at the prompt lists the settings"}
		}
	}
	return nil
}

// searchPath returns the folders in which BTF of a kernel's variables may be:
// those of the flag, of the environment, and where distributions keep it.
func (o *options) searchPath() []string {
	return slices.Concat(o.btfPath, filepath.SplitList(os.Getenv("KDBG_BTF_PATH")), kernel.DefaultBTFPath())
}

// batch returns the commands to run without a prompt: those of -e, then those
// of -x, or else standard input unless a person sits there. It is nil where a
// prompt is wanted.
func (o *options) batch(tty *os.File) (repl.LineReader, error) {
	var parts []repl.LineReader
	if len(o.commands) > 0 {
		parts = append(parts, repl.Lines(o.commands...))
	}
	switch {
	case o.script == "-":
		parts = append(parts, repl.ReadLines("standard input", os.Stdin))
	case o.script != "":
		f, err := os.Open(o.script)
		if err != nil {
			return nil, &usageError{err, "-x wants a file of commands, one per line"}
		}
		parts = append(parts, repl.ReadLines(o.script, f))
	case len(parts) == 0 && tty == nil:
		parts = append(parts, repl.ReadLines("standard input", os.Stdin))
	case len(parts) == 0:
		return nil, nil
	}
	return repl.Chain(parts...), nil
}

// runBatch runs commands without a prompt.
func (o *options) runBatch(ctx context.Context, k *kernel.Kernel, batch repl.LineReader, files []string, config *repl.Config) error {
	opts := repl.Options{JSON: o.json, Host: true, Inputs: files}
	if isTerminal(os.Stderr) && !isTerminal(os.Stdout) {
		opts.Status = os.Stderr
	}
	s := repl.New(k, os.Stdout, os.Stderr, &opts)
	if err := o.configureSession(s, config); err != nil {
		return err
	}
	if err := o.declareAll(s, k); err != nil {
		return err
	}
	s.Warn(os.Stderr)
	failed, err := s.Run(ctx, batch)
	switch {
	case errors.Is(err, context.Canceled):
		return exitError(exitInterrupted)
	case err != nil:
		fmt.Fprintf(os.Stderr, "kdbg: %v\n", err)
		return exitError(exitFailed)
	case failed > 0:
		return exitError(exitFailed)
	}
	return nil
}

// declareAll makes the declarations that the user saved for the release, and those
// of --declare.
func (o *options) declareAll(s *repl.Session, k *kernel.Kernel) error {
	if saved, err := repl.SavedDeclarations(k.Release()); err == nil {
		if err := s.Declare(saved); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, name := range o.declare {
		if err := s.Declare(name); err != nil {
			return &usageError{err, "--declare wants a file of C declarations"}
		}
	}
	return nil
}

// prompt runs what a person types at a terminal.
func (o *options) prompt(ctx context.Context, k *kernel.Kernel, tty *os.File, files []string, config *repl.Config) error {
	// ^C ends a command, never the session: between two commands nobody listens.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	opts := repl.Options{
		JSON:        o.json,
		Interactive: true,
		Host:        true,
		Inputs:      files,
		Status:      tty,
		Interrupt: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return signal.NotifyContext(ctx, os.Interrupt)
		},
	}
	if isTerminal(os.Stdout) {
		opts.Terminal = os.Stdout
	}
	s := repl.New(k, os.Stdout, os.Stderr, &opts)
	if err := o.configureSession(s, config); err != nil {
		return err
	}
	if err := o.declareAll(s, k); err != nil {
		return err
	}
	in, isNew, err := lineReader(tty, s)
	if err != nil {
		return err
	}
	defer in.Close()
	s.Banner(tty)
	if isNew {
		s.Welcome(tty)
	}
	go s.Warm()
	_, err = s.Run(ctx, in)
	return err
}

// lineReader returns what reads the lines of a person, and whether the person is
// new to kdbg. A terminal that cannot move its cursor edits no lines.
func lineReader(tty *os.File, s *repl.Session) (in repl.LineReader, isNew bool, err error) {
	if os.Getenv("TERM") == "dumb" {
		return repl.Prompted(os.Stdin, tty), false, nil
	}
	history := repl.HistoryFile()
	isNew = repl.FirstTime(history)
	in, err = repl.NewEditor(tty, history, s)
	return in, isNew, err
}

// terminal returns where prompts go: standard error, or standard output where
// the other is redirected. It is nil if no person sits at standard input.
func terminal() *os.File {
	if isTerminal(os.Stdin) {
		for _, f := range []*os.File{os.Stderr, os.Stdout} {
			if isTerminal(f) {
				return f
			}
		}
	}
	return nil
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
