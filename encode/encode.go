// Package encode makes BTF of the DWARF of a kernel or a module.
//
// Workers walk the units (unit.go), enter types into package dedup (types.go)
// and put functions and variables aside (functions.go, variables.go). When all
// units are read, dedup says which types there are; they are written in the
// order of their first occurrence, behind them the functions by name and the
// variables by section and address (emit.go).
//
// The rules are those that kernels and BPF programs have come to rely on. Which
// file is read and where the BTF goes is the caller's affair; the format itself
// is package rawbtf's.
package encode

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/internal/dedup"

	"golang.org/x/sync/errgroup"
)

// VarsMode says which variables go into the BTF.
type VarsMode uint8

const (
	VarsOff     VarsMode = iota
	VarsPerCPU           // those of .data..percpu
	VarsBuiltin          // those of every section
	VarsSplit            // those that the base lacks, and nothing else but types they need
)

// Arrays says what becomes of an array of several dimensions. What is split on a
// base follows the base.
type Arrays uint8

const (
	// ArraysNested keeps the dimensions, as pahole 1.32 does.
	ArraysNested Arrays = iota
	// ArraysFlat makes one dimension of them, as pahole did up to 1.31.
	ArraysFlat
)

// Features are the parts of BTF that kernels have learned to read over time.
type Features struct {
	Float          bool // FLOAT (Linux 5.13); else an integer of that size
	Enum64         bool // ENUM64 (6.0); else values are cut to 32 bits
	DeclTag        bool // DECL_TAG (5.16)
	TypeTag        bool // TYPE_TAG (5.17)
	ConsistentFunc bool // leave out functions whose prototypes differ between units
	DeclTagKfuncs  bool // tag kfuncs
	Attributes     bool // tags that are attributes of the compiler (6.15)
	Layout         bool // the section that describes the kinds (7.1)
	EncodeForce    bool // leave out variables that cannot be encoded, rather than fail
	TrueSignature  bool // functions that the compiler changed, as they are now
	DistilledBase  bool // write the base that a module needs beside it
}

// DefaultFeatures returns what a kernel of today is built with.
func DefaultFeatures() Features {
	return Features{
		Float: true, Enum64: true, DeclTag: true, TypeTag: true, ConsistentFunc: true, DeclTagKfuncs: true, EncodeForce: true,
	}
}

// Options say what to encode. The zero value writes types and functions, in
// the BTF of Linux 5.2.
type Options struct {
	Vars      VarsMode
	VarsExtra bool // also statics of functions, aliases, and assembly with a C declaration
	Features
	Arrays      Arrays
	Base        *Base  // what a split BTF is split on; may be shared
	Jobs        int    // workers; 0: one for each processor
	LangExclude []int  // languages of units to leave out (DW_LANG_*)
	KABIPrefix  string // names that begin like this are cut to it
	// Progress is called now and then, from one goroutine at a time, with the
	// bytes of debugging information read and their total.
	Progress func(done, total int64)
}

// Result is an encoded file.
type Result struct {
	BTF   []byte // empty if there are no types at all
	Base  []byte // the distilled base, if asked for
	Stats Stats
}

// Stats counts what was read and written.
type Stats struct {
	Units   int            // read
	Bytes   int64          // of debugging information
	Types   int            // written
	Skipped map[string]int // functions and variables left out, by reason

	Functions, Variables, Datasecs int // written
}

// encoder is one run of Encode.
type encoder struct {
	file  *dwarf.File
	opts  *Options
	table *dedup.Table
	names *nameCache
	units []*dwarf.Unit // in order; their index is the scope

	nested bool // arrays keep their dimensions

	next     atomic.Int64
	done     atomic.Int64
	total    int64
	progress sync.Mutex

	functionSymbols functionSymbols
	variableSymbols variableSymbols
	convention      convention
}

// Encode makes BTF of the debugging information of f. opts may be nil. The
// result does not depend on the number of workers.
func Encode(ctx context.Context, f *dwarf.File, opts *Options) (*Result, error) {
	if opts == nil {
		opts = &Options{}
	}
	c := &encoder{file: f, opts: opts, table: opts.Base.table()}
	c.nested = opts.Arrays == ArraysNested
	if opts.Base != nil {
		c.nested = opts.Base.nested
	}
	c.selectUnits()
	c.names = newNameCache(f, c.table, opts.KABIPrefix)
	c.readSymbols()
	c.convention = conventions[f.Machine()]
	workers, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	graph, err := c.table.Resolve()
	if err != nil {
		return nil, err
	}
	return c.emit(workers, graph)
}

// selectUnits finds the units to read. Type units, and units of a supplementary
// file, are read with those that refer to them.
func (c *encoder) selectUnits() {
	for _, u := range c.file.Units() {
		if !u.Type && !u.Alt {
			c.units = append(c.units, u)
			c.total += int64(u.Size())
		}
	}
}

// excluded reports whether a unit is in a language to leave out.
func (c *encoder) excluded(u *dwarf.Unit) (bool, error) {
	if len(c.opts.LangExclude) == 0 {
		return false, nil
	}
	lang, err := u.Language()
	return slices.Contains(c.opts.LangExclude, lang), err
}

// readSymbols reads the symbol table, once for functions and once for variables.
func (c *encoder) readSymbols() {
	var wait sync.WaitGroup
	wait.Go(func() { c.functionSymbols = newFunctionSymbols(c.file, c.table, c.opts) })
	c.variableSymbols = newVariableSymbols(c.file, c.table, c.opts)
	wait.Wait()
}

// read walks all units with several workers.
func (c *encoder) read(ctx context.Context) ([]*worker, error) {
	jobs := c.opts.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	workers := make([]*worker, max(1, min(jobs, len(c.units))))
	group, running := errgroup.WithContext(ctx)
	for i := range workers {
		w := newWorker(c)
		workers[i] = w
		group.Go(func() error { return w.run(running) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return workers, workers[0].readForeign(ctx, workers)
}

// run reads units until there are none left.
func (w *worker) run(ctx context.Context) error {
	c := w.core
	for {
		scope := int(c.next.Add(1)) - 1
		if scope >= len(c.units) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.read(scope); err != nil {
			return err
		}
		c.report(int64(c.units[scope].Size()))
	}
}

func (c *encoder) report(n int64) {
	done := c.done.Add(n)
	if c.opts.Progress != nil && c.progress.TryLock() {
		c.opts.Progress(done, c.total)
		c.progress.Unlock()
	}
}
