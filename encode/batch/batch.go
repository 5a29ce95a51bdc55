// Package batch encodes files: it opens them, has package encode make their BTF,
// and puts that where it belongs, into the file or beside it. Many modules are
// encoded in one process, side by side, against one base.
//
// It knows no command line: that is for cmd/kdbg and its neighbour pahole.
package batch

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/kdbg/kdbg/encode"
	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/elfedit"
	"github.com/kdbg/kdbg/encode/internal/rawbtf"
)

// Options say what to encode and where to put it. The zero value encodes into
// the files.
type Options struct {
	Encode   encode.Options // Base and Progress are set for each file; Jobs is for all together
	BaseFile string         // what a module's BTF is split on: raw, or an ELF file with .BTF
	Output   string         // the BTF of the one file goes here, raw, and not into it
	Mode     fs.FileMode    // of Output; 0: 0o666 less the umask
	Verify   bool           // hold the BTF against the kernel's rules before it is written

	// Progress is called from any goroutine, one at a time, with the share of the
	// work that is done, from 0 to 1.
	Progress func(done float64)
}

// Result is what became of a file.
type Result struct {
	File    string
	Written bool // there were types to write
	Size    int  // bytes of BTF
	Base    int  // bytes of the distilled base
	Stats   encode.Stats
	Time    time.Duration
	Err     error
}

// ErrNoDebug is the error for a file without debugging information.
var ErrNoDebug = errors.New("it has no debugging information (DWARF)")

// ParseVars returns the mode that a word stands for.
func ParseVars(s string) (encode.VarsMode, error) {
	for mode, name := range varsModes {
		if s == name {
			return encode.VarsMode(mode), nil
		}
	}
	return 0, fmt.Errorf("variables are off, percpu, builtin or split, not %q", s)
}

var varsModes = [...]string{
	encode.VarsOff: "off", encode.VarsPerCPU: "percpu", encode.VarsBuiltin: "builtin", encode.VarsSplit: "split",
}

// Run encodes files and returns a result for each, in their order. A file that
// fails does not keep others from being encoded; the error is of the base, without
// which none is. opts may be nil.
func Run(ctx context.Context, files []string, opts *Options) ([]Result, error) {
	if opts == nil {
		opts = &Options{}
	}
	results := make([]Result, len(files))
	for i := range files {
		results[i].File = files[i]
	}
	r := &run{opts: opts, shares: make([]float64, len(files))}
	if opts.BaseFile != "" {
		r.openBase = sync.OnceValue(r.readBase)
		go r.openBase() // while the first files are opened
	}
	// Side by side is better than one after the other with all workers: most of a
	// module's time is not spent in units.
	jobs := opts.Encode.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	beside := min(jobs, len(files))
	r.jobs = jobs / max(1, beside)
	var group sync.WaitGroup
	slots := make(chan struct{}, max(1, beside))
	for i := range results {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			start := time.Now()
			results[i].Err = r.file(ctx, i, &results[i])
			results[i].Time = time.Since(start)
		})
	}
	group.Wait()
	if r.openBase != nil {
		if err := r.openBase(); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// run is one call of Run.
type run struct {
	opts *Options
	jobs int // workers of each file

	openBase func() error // sets the next two; nil if there is no base
	blob     *rawbtf.Blob
	base     *encode.Base

	mu     sync.Mutex
	shares []float64 // of each file that is done
}

func (r *run) readBase() (err error) {
	if r.blob, err = rawbtf.ReadFile(r.opts.BaseFile, nil); err != nil {
		return fmt.Errorf("read base: %w", err)
	}
	if r.base, err = encode.NewBase(r.blob); err != nil {
		return fmt.Errorf("base %s: %w", r.opts.BaseFile, err)
	}
	return nil
}

// file encodes one file.
func (r *run) file(ctx context.Context, i int, res *Result) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := dwarf.Open(res.File)
	if err != nil {
		return err
	}
	defer f.Close()
	if len(f.Units()) == 0 {
		if isEmpty(f) {
			return nil
		}
		return fmt.Errorf("%s: %w", res.File, ErrNoDebug)
	}
	if r.openBase != nil {
		if err := r.openBase(); err != nil {
			return err
		}
	}
	o := r.opts.Encode
	o.Base, o.Jobs = r.base, r.jobs
	o.Progress = func(done, total int64) { r.report(i, float64(done)/float64(max(1, total))) }
	out, err := encode.Encode(ctx, f, &o)
	if err != nil {
		return fmt.Errorf("encode %s: %w", res.File, err)
	}
	r.report(i, 1)
	res.Stats, res.Size, res.Base = out.Stats, len(out.BTF), len(out.Base)
	if len(out.BTF) == 0 {
		return nil
	}
	if r.opts.Verify {
		if err := r.verify(out); err != nil {
			return fmt.Errorf("encode %s: %w", res.File, err)
		}
	}
	res.Written = true
	if r.opts.Output != "" {
		return writeRaw(r.opts.Output, out.BTF, r.opts.Mode)
	}
	if err := elfedit.Put(res.File, elfedit.Section{Name: ".BTF", Data: out.BTF}, elfedit.Section{Name: ".BTF.base", Data: out.Base}); err != nil {
		return fmt.Errorf("write %s: %w", res.File, err)
	}
	return nil
}

// isEmpty reports whether a file has neither code nor data, so that there is
// nothing to describe: gcc makes such an object, without DWARF, of an empty source.
func isEmpty(f *dwarf.File) bool {
	for _, s := range f.Sections() {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOTE && s.Size > 0 {
			return false
		}
	}
	return true
}

// report adds up how much is done of all files.
func (r *run) report(i int, share float64) {
	if r.opts.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shares[i] = share
	sum := 0.0
	for _, s := range r.shares {
		sum += s
	}
	r.opts.Progress(sum / float64(len(r.shares)))
}

// A VerifyError is BTF that the kernel would refuse.
type VerifyError struct {
	First string // what is wrong
	More  int    // how many more there are
}

func (e *VerifyError) Error() string {
	if e.More > 0 {
		return fmt.Sprintf("the kernel would refuse its BTF: %s, and %d more", e.First, e.More)
	}
	return "the kernel would refuse its BTF: " + e.First
}

func (r *run) verify(out *encode.Result) error {
	base := r.blob
	if out.Base != nil {
		var err error
		if base, err = rawbtf.Parse(out.Base, nil); err != nil {
			return err
		}
	}
	blob, err := rawbtf.Parse(out.BTF, base)
	if err != nil {
		return err
	}
	if found := rawbtf.Verify(blob, rawbtf.Release{}); len(found) > 0 {
		return &VerifyError{found[0].String(), len(found) - 1}
	}
	return nil
}

// writeRaw writes a raw BTF: at once, unless what is there is no file, such as
// /dev/stdout.
func writeRaw(name string, btf []byte, mode fs.FileMode) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, btf, 0)
	}
	return elfedit.Replace(name, mode, func(f *os.File) error {
		_, err := f.Write(btf)
		return err
	})
}
