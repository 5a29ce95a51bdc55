// Package pahole is the face that kernel builds know: the command line, exit
// statuses and files of pahole -J, as scripts/Makefile.btf, scripts/gen-btf.sh
// and their predecessors of Linux 5.15 to 7.2 call it.
//
// It turns a command line into options of packages encode and batch, which do the
// work. Options with which pahole prints types are known, so that abbreviations
// mean the same, and refused. Two things are better than there: a name in
// --btf_features that is not known is said on standard error, and the exit
// status is 0 only if what was asked for was done. Two BTF features are kdbg's own,
// and a kernel's configuration finds them by --supported_btf_features: split_var,
// and extra_var, which adds what has a second name, such as jiffies.
package pahole

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kdbg/kdbg/encode"
	"github.com/kdbg/kdbg/encode/batch"
)

// The version that is claimed: kernels ask for it when they are configured and
// take the options they pass from it. 1.31 brought attributes and layout.
const (
	Version        = "v1.31"
	numericVersion = "131"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 64 // EX_USAGE of sysexits.h, as argp has it
)

// Command is a command line that was understood.
type Command struct {
	Batch batch.Options
	Files []string
	Print string   // to print this is all there is to do
	Notes []string // for standard error
}

// A UsageError is a command line that was not understood.
type UsageError struct{ Msg string }

func (e *UsageError) Error() string { return e.Msg }

// A FeatureError is a name in --btf_features_strict that is not known.
type FeatureError struct{ Name string }

func (e *FeatureError) Error() string {
	return fmt.Sprintf("BTF feature %q is not supported; supported are %s", e.Name, supportedFeatures())
}

// Main runs a command line, without the program's name, and returns the exit
// status. env is os.Getenv.
func Main(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	c, err := Parse(args, env)
	if err != nil {
		fmt.Fprintf(stderr, "pahole: %v\n", err)
		var usage *UsageError
		if errors.As(err, &usage) {
			return exitUsage
		}
		return exitFailed
	}
	for _, note := range c.Notes {
		fmt.Fprintf(stderr, "pahole: %s\n", note)
	}
	if c.Print != "" {
		fmt.Fprintln(stdout, c.Print)
		return exitOK
	}
	results, err := batch.Run(ctx, c.Files, &c.Batch)
	if err != nil {
		fmt.Fprintf(stderr, "pahole: %v\n", err)
		return exitFailed
	}
	status := exitOK
	for _, r := range results {
		if r.Err != nil {
			fmt.Fprintf(stderr, "pahole: %v\n", r.Err)
			status = exitFailed
		}
	}
	return status
}

// Parse reads a command line, without the program's name. The error is a
// *UsageError or a *FeatureError.
func Parse(args []string, env func(string) string) (*Command, error) {
	p := &parser{env: env, features: legacy}
	if err := p.scan(args); err != nil {
		return nil, err
	}
	switch {
	case p.print != "":
		return &Command{Print: p.print}, nil
	case !p.encode:
		return nil, &UsageError{"kdbg's pahole encodes BTF, with -J, and prints no types: see kdbg btf dump"}
	case len(p.files) == 0:
		return nil, &UsageError{"no file to encode is named"}
	case p.detached != "" && len(p.files) > 1:
		return nil, &UsageError{"--btf_encode_detached is for one file"}
	case p.features["split_var"] && p.base == "":
		return nil, &UsageError{"the BTF feature split_var needs a --btf_base to be split on"}
	}
	c := &Command{Files: p.files, Notes: p.notes}
	c.Batch = batch.Options{
		BaseFile: p.base,
		Output:   p.detached,
		Mode:     0o640,
	}
	o := &c.Batch.Encode
	o.Jobs = p.jobs
	o.KABIPrefix = p.kabiPrefix
	p.features.apply(o)
	if p.features["distilled_base"] && p.detached != "" {
		o.DistilledBase = false // has no place in a raw file
	}
	if !p.langSet {
		if err := p.excludeLanguages(env("PAHOLE_LANG_EXCLUDE")); err != nil {
			return nil, err
		}
	}
	o.LangExclude = p.langExclude
	if p.vars == "" {
		p.vars = env("KDBG_BTF_VARS")
	}
	return c, setVars(o, p.vars)
}

// setVars sets which variables are encoded, for builds that cannot pass
// --btf_features=global_var.
func setVars(o *encode.Options, vars string) error {
	if vars == "" {
		return nil
	}
	mode, extra := strings.CutSuffix(vars, ",extra")
	m, err := batch.ParseVars(mode)
	if err != nil {
		return &UsageError{err.Error()}
	}
	o.Vars, o.VarsExtra = m, extra
	return nil
}

// languages are those of DWARF 5, by the names that pahole has for them.
var languages = map[string]int{
	"c89": 0x01, "c": 0x02, "ada83": 0x03, "c++": 0x04, "cobol74": 0x05, "cobol85": 0x06,
	"fortran77": 0x07, "fortran90": 0x08, "pascal83": 0x09, "modula2": 0x0a, "java": 0x0b,
	"c99": 0x0c, "ada95": 0x0d, "fortran95": 0x0e, "pli": 0x0f, "objc": 0x10, "objc++": 0x11,
	"upc": 0x12, "d": 0x13, "python": 0x14, "opencl": 0x15, "go": 0x16, "modula3": 0x17,
	"haskell": 0x18, "c++03": 0x19, "c++11": 0x1a, "ocaml": 0x1b, "rust": 0x1c, "c11": 0x1d,
	"swift": 0x1e, "julia": 0x1f, "dylan": 0x20, "c++14": 0x21, "fortran03": 0x22,
	"fortran08": 0x23, "renderscript": 0x24, "bliss": 0x25, "asm": 0x8001,
}

// ParseLanguages returns the numbers that DWARF has for languages, of a list of
// their names.
func ParseLanguages(list string) ([]int, error) {
	var langs []int
	for name := range strings.SplitSeq(list, ",") {
		if name == "" {
			continue
		}
		lang, ok := languages[strings.ToLower(name)]
		if !ok {
			return nil, &UsageError{fmt.Sprintf("language %q is not known", name)}
		}
		langs = append(langs, lang)
	}
	return langs, nil
}

// excludeLanguages adds the languages of a --lang_exclude.
func (p *parser) excludeLanguages(list string) error {
	langs, err := ParseLanguages(list)
	p.langExclude = append(p.langExclude, langs...)
	return err
}
