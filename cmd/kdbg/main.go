// Command kdbg is a debugger for crash dumps of the Linux kernel that needs no
// debug information: symbols come from the dump's own kallsyms tables, types
// from its BTF.
//
// This package reads the command line, with spf13/cobra, and turns what happened
// into an exit status. All work is done by package repl and those below it.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/kdbg/kdbg/kernel"
)

// Exit statuses. They are part of what scripts rely on.
const (
	exitOK          = 0   // everything worked
	exitFailed      = 1   // a command of a batch failed; the others were run
	exitUsage       = 2   // wrong usage, or a dump that cannot be opened
	exitInterrupted = 130 // ^C ended a batch, as shells count it
)

// exitError is an exit status that needs no message.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() { os.Exit(run()) }

// run runs the program and returns its exit status.
func run() int {
	if calledAsPahole() {
		return int(runPahole(os.Args[1:]))
	}
	err := newRoot().Execute()
	var status exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	}
	printError(err)
	return exitUsage
}

// printError prints an error and what to do about it.
func printError(err error) {
	fmt.Fprintf(os.Stderr, "kdbg: %v\n", err)
	if hint := kernel.Hint(err); hint != "" {
		fmt.Fprintf(os.Stderr, "hint: %s\n", hint)
	}
}
