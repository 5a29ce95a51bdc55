package cmds

import (
	"context"
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
)

// maxProblems is how many broken parts one command reports before it only
// counts them.
const maxProblems = 20

// Problem reports a part of the dump that is broken; the command goes on with
// the rest and counts as failed.
func (e *Env) Problem(err error) {
	e.problems++
	if e.problems <= maxProblems && e.Report != nil {
		e.Report(err)
	}
}

// Warn tells the user of something that may be wrong and that the command does
// not fail for.
func (e *Env) Warn(format string, args ...any) {
	if e.Warning != nil {
		e.Warning(fmt.Sprintf(format, args...))
	}
}

// Incomplete returns an [*IncompleteError] if the command met problems.
func (e *Env) Incomplete() error {
	if e.problems == 0 {
		return nil
	}
	return &IncompleteError{Problems: e.problems}
}

// IncompleteError says that a command did what it could: parts of the dump were
// broken, and [Env.Problem] has reported them.
type IncompleteError struct{ Problems int }

func (e *IncompleteError) Error() string {
	if more := e.Unreported(); more > 0 {
		return fmt.Sprintf("%d more problems", more)
	}
	return "some of it could not be read"
}

// Unreported returns how many problems were not reported one by one.
func (e *IncompleteError) Unreported() int { return max(0, e.Problems-maxProblems) }

// Kind returns [kernel.KindIO].
func (e *IncompleteError) Kind() string { return kernel.KindIO }

// sound passes on what a walk finds; what it finds broken is a problem. It ends
// with ctx, whose error is then the caller's.
func sound[T any](ctx context.Context, env *Env, walk iter.Seq2[T, error]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for item, err := range walk {
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				env.Problem(err)
			case !yield(item):
				return
			}
		}
	}
}

// where keeps what is wanted of a walk, and what it finds broken.
func where[T any](walk iter.Seq2[T, error], wanted func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for item, err := range walk {
			if (err != nil || wanted(item)) && !yield(item, err) {
				return
			}
		}
	}
}

// writeList writes what a walk finds: in JSON an object for each item as it comes,
// otherwise a table under header, nil for none.
func writeList[T any](ctx context.Context, env *Env, header []string, walk iter.Seq2[T, error], object func(T) any, row func(T) []string) error {
	var rows [][]string
	for item := range sound(ctx, env, walk) {
		if !env.JSON {
			rows = append(rows, row(item))
		} else if err := env.Object(object(item)); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return writeTable(env.Out, header, rows)
}

// blank writes an empty line between parts of a text.
func (e *Env) blank() error {
	if e.JSON {
		return nil
	}
	return e.Printf("\n")
}

// each turns what a reader returned into a walk.
func each[T any](items []T, errs []error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
		var none T
		for _, err := range errs {
			if !yield(none, err) {
				return
			}
		}
	}
}
