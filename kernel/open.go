package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// Options says what to open.
type Options struct {
	Files      []string   // the dump, or the files of a split set
	VMCOREINFO []byte     // text to use in place of the dump's own; nil: the dump's
	BTF        []string   // files with more types: raw BTF or ELF files with a .BTF section
	Typers     []VarTyper // for variables that no BTF describes
}

// The parts of a kernel that may be missing.
const (
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
	var problems []error
	miss := func(part string, err error) { problems = append(problems, &MissingPartError{part, err}) }

	c := Config{Arch: dump.Arch(), Phys: dump, Info: dump.Info(), Typers: o.Typers}
	var image vmcore.Memory
	img, err := paging.NewImage(dump, c.Arch, c.Info, dump.Segments())
	if err != nil {
		miss(partMemory, err)
	} else {
		image = img
	}
	var space *paging.Space
	if img != nil {
		if space, err = paging.NewKernel(img, c.Info); err != nil {
			miss(partMemory, err)
		}
	}
	switch {
	case dump.Virtual() != nil:
		c.Mem = overlay{dump.Virtual(), space}
		image = c.Mem
	case space != nil:
		c.Mem = space
	case image != nil:
		c.Mem = image
	default:
		c.Mem = nothing{}
	}
	if image != nil {
		if c.Symbols, err = loadSymbols(image, img, c); err != nil {
			miss(partSymbols, err)
		} else if c.Types, err = loadTypes(image, img, c); err != nil {
			miss(partTypes, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k := New(c)
	k.dump, k.space, k.problems = dump, space, problems
	for _, name := range o.BTF {
		if err := k.AddBTF(name); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// loadSymbols reads the symbol table where VMCOREINFO says it is, and searches
// the kernel image for it otherwise.
func loadSymbols(mem vmcore.Memory, img *paging.Image, c Config) (*kallsyms.Table, error) {
	t, err := kallsyms.Load(mem, c.Info, c.Arch.Layout)
	if err == nil || img == nil {
		return t, err
	}
	start, end := img.Bounds()
	scanned, scanErr := kallsyms.Scan(mem, start, end, c.Info, c.Arch.Layout)
	if scanErr != nil {
		return nil, errors.Join(err, scanErr)
	}
	return scanned, nil
}

// loadTypes reads the kernel's BTF where the symbols say it is, and searches the
// kernel image for it otherwise.
func loadTypes(mem vmcore.Memory, img *paging.Image, c Config) (*btfsrc.Types, error) {
	start, stop := c.Symbols.Lookup("__start_BTF"), c.Symbols.Lookup("__stop_BTF")
	if len(start) == 1 && len(stop) == 1 {
		return btfsrc.FromKernel(mem, start[0].Addr, stop[0].Addr, c.Arch.Layout)
	}
	if img == nil {
		return nil, fmt.Errorf("symbol __start_BTF: %w", vmcore.ErrNotFound)
	}
	from, to := img.Bounds()
	raw, _, err := btfsrc.Scan(mem, from, to, c.Arch.Layout)
	if err != nil {
		return nil, err
	}
	return btfsrc.Load(raw, c.Arch.Layout)
}

// AddBTF adds the types of a file: raw BTF or an ELF file with a .BTF section,
// split on the kernel's own BTF.
func (k *Kernel) AddBTF(name string) error {
	raw, err := btfsrc.ReadFile(name)
	if err != nil {
		return err
	}
	if err := k.types.AddSplit(name, btfsrc.SourceFile, raw); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// overlay is a memory that answers from first, and where that has nothing
// mapped from second, which may be nil.
type overlay struct {
	first  vmcore.Memory
	second *paging.Space
}

func (o overlay) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	n, err := o.first.ReadMemory(p, a)
	if err == nil || o.second == nil || !errors.Is(err, vmcore.ErrUnmapped) {
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
