package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/btfsrc/vartypes"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// Options says what to open.
type Options struct {
	Files      []string // the dump, or the files of a split set
	VMCOREINFO []byte   // text to use in place of the dump's own; nil: the dump's
	BTF        []string // files with more types: raw BTF or ELF files with a .BTF section
	BTFPath    []string // folders to look in for such files, see [Kernel.BTFFiles]; see also [DefaultBTFPath]
	NoTable    bool     // leave variables untyped that no BTF describes, see package vartypes
}

// The parts of a kernel that may be missing.
const (
	partInfo    = "VMCOREINFO"
	partMemory  = "virtual memory"
	partSymbols = "symbols"
	partTypes   = "types"
)

// Open opens a dump, or /proc/kcore, and finds the kernel in it. It fails where
// the file is no dump. A dump of which a part cannot be found, the types of a
// kernel without BTF for example, is opened without it, and [Kernel.Problems]
// says so.
func Open(ctx context.Context, o Options) (*Kernel, error) {
	dump, err := vmcore.OpenSet(o.Files, &vmcore.Options{VMCOREINFO: o.VMCOREINFO})
	if err != nil {
		return nil, err
	}
	k, err := FromDump(ctx, dump, o)
	if err != nil {
		return nil, errors.Join(err, dump.Close())
	}
	return k, nil
}

// FromDump finds the kernel in an open dump, which [Kernel.Close] closes.
func FromDump(ctx context.Context, dump *vmcore.Dump, o Options) (*Kernel, error) {
	f := finder{dump: dump, Config: Config{Arch: dump.Arch(), Phys: dump, Info: dump.Info()}}
	if err := f.find(ctx); err != nil {
		return nil, err
	}
	k := New(f.Config)
	k.dump, k.names, k.space, k.problems = dump, o.Files, f.space, f.problems
	if !o.NoTable {
		k.typers = append(k.typers, vartypes.New(k.types, k.mem, k.info.BuildID()))
	}
	for _, name := range o.BTF {
		if err := k.AddBTF(name); err != nil {
			return nil, err
		}
	}
	k.files.path = o.BTFPath
	if k.types.NumTypes() == 0 {
		k.searchBTF("")
	}
	return k, nil
}

// finder finds the parts of a kernel in a dump, each with the help of those
// before it.
type finder struct {
	Config
	dump     *vmcore.Dump
	img      *paging.Image
	image    vmcore.Memory // in which symbols and types are; nil if the place of the image is unknown
	space    *paging.Space
	problems []error
}

func (f *finder) miss(part string, err error) {
	f.problems = append(f.problems, &MissingPartError{part, err})
}

// find fails only when ctx ends.
func (f *finder) find(ctx context.Context) error {
	if f.Info.Empty() {
		if err := f.findInfo(ctx); err != nil {
			f.miss(partInfo, err)
		}
	}
	f.findMemory()
	if f.image != nil {
		f.findTables()
	}
	return ctx.Err()
}

// findInfo searches memory for a VMCOREINFO that leads to a kernel.
func (f *finder) findInfo(ctx context.Context) error {
	info, err := f.dump.FindVMCOREINFO(ctx, func(info *vmcore.VMCOREINFO) bool {
		img, err := paging.NewImage(f.dump, f.Arch, info, f.dump.Segments())
		if err != nil {
			return false
		}
		_, err = kallsyms.Load(img, info, f.Arch.Layout)
		return err == nil
	})
	if err == nil {
		f.Info = info
	}
	return err
}

// findMemory finds the kernel's image and page tables.
func (f *finder) findMemory() {
	var err error
	if f.img, err = paging.NewImage(f.dump, f.Arch, f.Info, f.dump.Segments()); err != nil {
		f.miss(partMemory, err)
	} else if f.space, err = paging.NewKernel(f.img, f.Info); err != nil {
		f.miss(partMemory, err)
	}
	virtual := f.dump.Virtual()
	switch {
	case virtual != nil:
		f.Mem, f.image = virtual, virtual
		if f.img != nil {
			f.image = overlay{virtual, f.img}
		}
		if f.space != nil {
			f.Mem = overlay{virtual, f.space}
		}
	case f.space != nil:
		f.Mem, f.image = f.space, f.img
	case f.img != nil:
		f.Mem, f.image = f.img, f.img
	default:
		f.Mem = nothing{}
	}
}

// findTables finds symbols and types in the kernel's image.
func (f *finder) findTables() {
	var err error
	if f.Symbols, err = f.findSymbols(); err != nil {
		f.miss(partSymbols, err)
		f.Symbols = new(kallsyms.Table)
	}
	if f.Types, err = f.findTypes(); err != nil {
		f.miss(partTypes, err)
	}
}

// findSymbols reads the symbol table where VMCOREINFO says it is, and searches
// the kernel image for it otherwise.
func (f *finder) findSymbols() (*kallsyms.Table, error) {
	t, err := kallsyms.Load(f.image, f.Info, f.Arch.Layout)
	if err == nil || f.img == nil {
		return t, err
	}
	start, end := f.img.Bounds()
	if t, scanErr := kallsyms.Scan(f.image, start, end, f.Info, f.Arch.Layout); scanErr == nil {
		return t, nil
	}
	return nil, err
}

// findTypes reads the kernel's BTF where the symbols say it is, and searches the
// kernel image for it otherwise.
func (f *finder) findTypes() (*btfsrc.Types, error) {
	start, stop := f.Symbols.Lookup("__start_BTF"), f.Symbols.Lookup("__stop_BTF")
	if len(start) == 1 && len(stop) == 1 {
		return btfsrc.FromKernel(f.image, start[0].Addr, stop[0].Addr, f.Arch.Layout)
	}
	if f.img == nil {
		return nil, fmt.Errorf("symbol __start_BTF: %w", vmcore.ErrNotFound)
	}
	from, to := f.img.Bounds()
	raw, _, err := btfsrc.Scan(f.image, from, to, f.Arch.Layout)
	if err != nil {
		return nil, err
	}
	return btfsrc.Load(raw, f.Arch.Layout)
}

// overlay is a memory that answers from first, and where that has nothing
// mapped from second.
type overlay struct{ first, second vmcore.Memory }

func (o overlay) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	n, err := o.first.ReadMemory(p, a)
	if err == nil || !errors.Is(err, vmcore.ErrUnmapped) {
		return n, err
	}
	m, err := o.second.ReadMemory(p[n:], a+vmcore.Addr(n))
	return n + m, err
}

// nothing is the virtual memory of a machine whose page tables kdbg cannot walk.
type nothing struct{}

func (nothing) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return 0, &vmcore.FaultError{Addr: a, State: vmcore.Unmapped}
}
