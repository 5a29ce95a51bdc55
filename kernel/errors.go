package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// Kinds of error, as scripts see them in JSON.
const (
	KindNotFound    = "not-found"
	KindAmbiguous   = "ambiguous"
	KindUntyped     = "untyped"
	KindExcluded    = "excluded"
	KindMissing     = "missing"
	KindUnmapped    = "unmapped"
	KindSyntax      = "syntax"
	KindType        = "type"
	KindUnsupported = "unsupported"
	KindIO          = "io"
)

// ErrorKind names the kind of err by the words above. An error that tells its
// own kind has a method Kind() string.
func ErrorKind(err error) string {
	var own interface{ Kind() string }
	switch {
	case errors.As(err, &own):
		return own.Kind()
	case errors.Is(err, vmcore.ErrExcluded):
		return KindExcluded
	case errors.Is(err, vmcore.ErrMissing), errors.Is(err, vmcore.ErrTruncated):
		return KindMissing
	case errors.Is(err, vmcore.ErrUnmapped):
		return KindUnmapped
	case errors.Is(err, vmcore.ErrUnsupported), errors.Is(err, vmcore.ErrUnrecognized):
		return KindUnsupported
	case errors.Is(err, vmcore.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return KindNotFound
	}
	return KindIO
}

// Hint returns what a person can do about err, or "" when nothing is known.
// The hint comes from the outermost error with a method Hint() string.
func Hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// NotFoundError says that no variable, type, member or enumerator has a name.
type NotFoundError struct {
	What    string // "symbol", "struct", "member", …
	Name    string
	In      string   // where it was looked for, such as "struct list_head"; may be empty
	Similar []string // names that were perhaps meant
}

func (e *NotFoundError) Error() string {
	text := fmt.Sprintf("no %s %q", e.What, e.Name)
	if e.In != "" {
		text += " in " + e.In
	}
	return text
}

// Kind returns [KindNotFound].
func (e *NotFoundError) Kind() string { return KindNotFound }

// Is reports whether target is [vmcore.ErrNotFound].
func (e *NotFoundError) Is(target error) bool { return target == vmcore.ErrNotFound }

// Hint offers similar names.
func (e *NotFoundError) Hint() string {
	if len(e.Similar) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(e.Similar, ", ") + "?"
}

// Candidate is one of the variables that share a name.
type Candidate struct {
	Symbol kallsyms.Symbol
	Type   string // C spelling; empty when unknown
}

// AmbiguousError says that a name stands for several variables, as statics of
// different files do.
type AmbiguousError struct {
	Name       string
	Candidates []Candidate // ascending by address
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%q stands for %d variables", e.Name, len(e.Candidates))
}

// Kind returns [KindAmbiguous].
func (e *AmbiguousError) Kind() string { return KindAmbiguous }

// Hint lists the candidates and how to choose one.
func (e *AmbiguousError) Hint() string {
	const most = 8
	var b strings.Builder
	fmt.Fprintf(&b, "choose one by its number:")
	for i, c := range e.Candidates {
		if i == most {
			fmt.Fprintf(&b, " … %d more", len(e.Candidates)-most)
			break
		}
		fmt.Fprintf(&b, " %s#%d at %v", e.Name, i+1, c.Symbol.Addr)
		if c.Type != "" {
			fmt.Fprintf(&b, " (%s)", c.Type)
		}
	}
	return b.String()
}

// UntypedError says that a symbol is known and its type is not.
type UntypedError struct {
	Symbol     kallsyms.Symbol
	Alias      string   // another name of the same address that has a type; may be empty
	Candidates []string // declarations that it has in other kernels; this one does not show which is right
	Unfit      error    // why a file that was found beside the dump was not used; may be nil
	Err        error    // why the kernel has no types at all; nil where it has some
}

func (e *UntypedError) Error() string {
	why := "no BTF describes it"
	if e.Err != nil {
		why = e.Err.Error()
	}
	return fmt.Sprintf("%q at %v has no type: %s", e.Symbol.Name, e.Symbol.Addr, why)
}

// Unwrap returns why the kernel has no types.
func (e *UntypedError) Unwrap() error { return e.Err }

// Kind returns [KindUntyped].
func (e *UntypedError) Kind() string { return KindUntyped }

// Hint shows how to give the symbol a type.
func (e *UntypedError) Hint() string {
	if e.Err != nil {
		return Hint(e.Err)
	}
	if e.Alias != "" {
		return fmt.Sprintf("%s lies at the same address and has a type", e.Alias)
	}
	hint := fmt.Sprintf("declare TYPE %[1]s; or cast it, (TYPE)%[1]s; or name a BTF of this kernel's variables with --btf", e.Symbol.Name)
	if len(e.Candidates) > 0 {
		hint += "; other kernels have " + strings.Join(e.Candidates, " or ")
	}
	if e.Unfit != nil {
		hint += "; left alone: " + e.Unfit.Error()
	}
	return hint
}

// TypeError says that an operation does not fit the type of its operand.
type TypeError struct {
	Msg string
	Do  string // what to do next; may be empty
}

func (e *TypeError) Error() string { return e.Msg }

// Kind returns [KindType].
func (e *TypeError) Kind() string { return KindType }

// Hint returns what to do next.
func (e *TypeError) Hint() string { return e.Do }

func typeErrorf(format string, args ...any) error {
	return &TypeError{Msg: fmt.Sprintf(format, args...)}
}

// MissingPartError says that a part of the kernel could not be found in the
// dump, so that what is built on it cannot work.
type MissingPartError struct {
	Part string // "VMCOREINFO", "virtual memory", "symbols", "types"
	Err  error
}

func (e *MissingPartError) Error() string { return "no " + e.Part + ": " + e.Err.Error() }

// Unwrap returns why the part is missing.
func (e *MissingPartError) Unwrap() error { return e.Err }

// Hint says how to make up for the part.
func (e *MissingPartError) Hint() string {
	switch e.Part {
	case partInfo:
		return "if the machine's VMCOREINFO is at hand, give it with --vmcoreinfo FILE"
	case partTypes:
		return "give the kernel's BTF with --btf FILE: a vmlinux with a .BTF section, or /sys/kernel/btf/vmlinux of the same kernel"
	}
	return Hint(e.Err)
}

// Kind returns the kind of the cause, and [KindUnsupported] where the cause is
// that the dump does not hold the part.
func (e *MissingPartError) Kind() string {
	if kind := ErrorKind(e.Err); kind != KindNotFound {
		return kind
	}
	return KindUnsupported
}
