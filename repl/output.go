package repl

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/repl/cmds"
)

// output is where the output of one command goes.
type output interface {
	io.Writer
	// finish ends the output of a command that returned err, and returns the
	// error of the whole.
	finish(err error) error
}

// errUnread is returned to a command whose output nobody reads any more, as that
// of ps | head. It is not an error of the command.
var errUnread = errors.New("the output is not read to its end")

// open returns the output that a line asks for.
func (s *Session) open(r cmds.Request) (output, error) {
	if !s.opts.Host && (r.Shell != "" || r.File != "") {
		return nil, &cmds.UnsupportedError{Msg: "this session runs no programs and writes no files"}
	}
	switch {
	case r.Shell != "":
		if err := s.out.Flush(); err != nil {
			return nil, err
		}
		return startPipe(exec.Command("sh", "-c", r.Shell), s.stdout, s.errs)
	case r.File != "":
		return createFile(r.File, r.Extend, s.opts.Inputs)
	case s.opts.Terminal != nil:
		return newScreen(s.opts.Terminal, s.env.Settings.Scroll()), nil
	}
	return plainOutput{s.out}, nil
}

// plainOutput is the output of a session that is not a terminal.
type plainOutput struct{ *bufio.Writer }

func (plainOutput) finish(err error) error { return err }

// pipe is the input of a program.
type pipe struct {
	*bufio.Writer
	cmd *exec.Cmd
	in  io.Closer
}

// startPipe starts a program that reads the output of a command. ^C at the
// terminal reaches the program too, which does with it what it likes.
func startPipe(cmd *exec.Cmd, stdout, stderr io.Writer) (*pipe, error) {
	cmd.Stdout, cmd.Stderr = stdout, stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &pipe{bufio.NewWriterSize(unreadWriter{in}, outSize), cmd, in}, nil
}

// unreadWriter writes to a program, which may end before its input does.
type unreadWriter struct{ w io.Writer }

func (u unreadWriter) Write(p []byte) (int, error) {
	n, err := u.w.Write(p)
	if err != nil {
		err = errUnread
	}
	return n, err
}

func (p *pipe) finish(err error) error {
	flushErr := p.Flush()
	p.in.Close()
	waitErr := p.cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.Is(err, errUnread):
		return err // the program's is likely to follow from it
	case errors.As(waitErr, &exit) && exit.ExitCode() == 1: // grep found nothing
		return nil
	case errors.As(waitErr, &exit) && isInterrupted(exit): // ^C, which reached it before it reached the command
		return &interruptedError{}
	case errors.As(waitErr, &exit) && exit.ExitCode() < 0: // another signal, as it may have sent itself
		return nil
	case waitErr != nil:
		return &shellError{waitErr}
	case errors.Is(flushErr, errUnread):
		return nil
	}
	return flushErr
}

// isInterrupted reports whether it was ^C that ended a program.
func isInterrupted(exit *exec.ExitError) bool {
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGINT
}

// shellError says that the program behind | failed.
type shellError struct{ err error }

func (e *shellError) Error() string { return "the shell command failed: " + e.err.Error() }
func (e *shellError) Unwrap() error { return e.err }

// Kind returns [kernel.KindIO].
func (e *shellError) Kind() string { return kernel.KindIO }

// fileOutput writes a file. A file that is replaced is written beside itself, so
// that an interrupted command leaves the old one as it was.
type fileOutput struct {
	*bufio.Writer
	f    *os.File
	name string // what f becomes, "" if it is that already
}

// createFile opens a file for the output of a command. It does not write over
// the inputs of the session: a dump is not made twice.
func createFile(name string, extend bool, inputs []string) (*fileOutput, error) {
	if home, err := os.UserHomeDir(); err == nil && strings.HasPrefix(name, "~/") {
		name = filepath.Join(home, name[2:])
	}
	mode := os.FileMode(0o666)
	info, err := os.Stat(name)
	if err == nil {
		for _, input := range inputs {
			if i, err := os.Stat(input); err == nil && os.SameFile(i, info) {
				return nil, &cmds.UsageError{Msg: name + " is the dump itself", Do: "give the output another name"}
			}
		}
		mode = info.Mode().Perm()
		if real, err := filepath.EvalSymlinks(name); err == nil {
			name = real // a link stays one
		}
	}
	o := &fileOutput{name: name}
	switch {
	case extend:
		o.name = ""
		o.f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, mode)
	case err == nil && !info.Mode().IsRegular(): // /dev/null, a fifo
		o.name = ""
		o.f, err = os.OpenFile(name, os.O_WRONLY, 0)
	default:
		beside := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%d", filepath.Base(name), os.Getpid()))
		o.f, err = os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
		if err == nil && info != nil {
			o.f.Chmod(mode) // the umask is for new files
		}
	}
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		at.Path = name // not the file beside it
	}
	if err != nil {
		return nil, err
	}
	o.Writer = bufio.NewWriterSize(o.f, outSize)
	return o, nil
}

// finish keeps what a command wrote that failed over a part of the dump: the
// rest is what there is.
func (o *fileOutput) finish(err error) error {
	writeErr := errors.Join(o.Flush(), o.f.Close())
	if o.name == "" {
		return cmp.Or(err, writeErr)
	}
	info, statErr := os.Stat(o.f.Name())
	if isCancelled(err) || writeErr != nil || err != nil && statErr == nil && info.Size() == 0 {
		os.Remove(o.f.Name())
		return cmp.Or(err, writeErr)
	}
	return cmp.Or(err, os.Rename(o.f.Name(), o.name))
}
