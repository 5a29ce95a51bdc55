package cmds

import (
	"context"
	"fmt"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "kmem",
		Args: "[-isSpfFvVnzhog] [-I CACHES] [-P] [ADDRESS|CACHE]...",
		Help: "show the kernel's memory and who owns an address",
		Doc: `kmem shows what the kernel's memory management knows.

    -i  what memory is used for               -h  huge pages by size
    -n  nodes, zones, sections of memory      -z  zones and what they count
    -f  free blocks by zone, size, mobility   -F  and each block
    -V  counters of all zones, nodes, events  -o  where each CPU's variables are
    -s  slab caches and their objects         -S  and each slab and object
    -v  vmalloc areas
    -p  page structures: all, or those of the addresses
    -g  the flags of pages, or the names of the bits in a value

With -s and -S, words are names of caches, or addresses in slabs; -I leaves
caches out, a list such as dentry,inode_cache. With -v and -p, words are
addresses. Without an option kmem says whose an address is: a symbol, an object
of a slab cache and whether it is free, a task and its stack, vmalloc, a free
block, a page. Addresses are hexadecimal, with or without 0x; -P says that they
are physical.

    kmem -i
    kmem -s kmalloc-64
    kmem ffff888003a40000
    kmem -p ffffea00000e9000

Objects that CPUs keep for themselves, on their lists or in sheaves, are free.`,
		Run: runKmem,
	})
}

// kmemListings are what the options of kmem show, each with the words behind it.
var kmemListings = []struct {
	letter byte
	run    func(ctx context.Context, env *Env, opts flags, words []string) error
}{
	{'i', kmemUsage}, {'s', kmemSlabs}, {'S', kmemSlabs}, {'p', kmemPages}, {'f', kmemFree}, {'F', kmemFree},
	{'v', kmemVmalloc}, {'V', kmemCounters}, {'n', kmemNodes}, {'z', kmemZones}, {'h', kmemHuge}, {'o', kmemPerCPU},
	{'g', kmemFlags},
}

func runKmem(ctx context.Context, env *Env, args string) error {
	opts, rest, err := options("kmem", args, "isSpfFvVnzhogPI:")
	if err != nil {
		return err
	}
	shown := false
	for _, l := range kmemListings {
		if !opts.has(l.letter) || l.letter == 's' && opts.has('S') || l.letter == 'f' && opts.has('F') {
			continue
		}
		if shown {
			if err := env.blank(); err != nil {
				return err
			}
		}
		shown = true
		if err := l.run(ctx, env, opts, rest); err != nil {
			return err
		}
	}
	if shown {
		return nil
	}
	if len(rest) == 0 {
		return usage("kmem", "kmem needs an option or an address")
	}
	for _, word := range rest {
		a, err := env.kernelAddress(ctx, opts, word)
		if err != nil {
			return err
		}
		if err := env.showOwner(a); err != nil {
			return err
		}
	}
	return nil
}

// kernelAddress reads an address of kmem as the kernel sees it. One below the
// kernel's half, or with -P, is physical.
func (e *Env) kernelAddress(ctx context.Context, opts flags, word string) (vmcore.Addr, error) {
	u, err := e.hexAddress(ctx, word)
	if err != nil {
		return 0, err
	}
	if opts.has('P') || u < 1<<52 {
		return e.Memory.Virt(vmcore.PhysAddr(u))
	}
	return vmcore.Addr(u), nil
}

// kmemPerCPU shows what is added to per-CPU addresses.
func kmemPerCPU(_ context.Context, env *Env, _ flags, _ []string) error {
	cpus, err := env.Kernel.PossibleCPUs()
	if err != nil {
		return err
	}
	if !env.JSON {
		if err := env.Printf("PER-CPU OFFSET VALUES:\n"); err != nil {
			return err
		}
	}
	for _, cpu := range cpus {
		a, err := env.perCPUAddress(0, cpu)
		if err != nil {
			return err
		}
		if env.JSON {
			err = env.Object(perCPUObject{a.String(), cpu})
		} else {
			err = env.Printf("  CPU %d: %x\n", cpu, uint64(a))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kmemFlags shows the flags of pages, or those in values.
func kmemFlags(ctx context.Context, env *Env, _ flags, words []string) error {
	all, err := env.Memory.PageFlags()
	if err != nil {
		return err
	}
	masks := []uint64{^uint64(0)}
	if len(words) > 0 {
		masks = nil
		for _, word := range words {
			u, err := env.hexAddress(ctx, word)
			if err != nil {
				return err
			}
			masks = append(masks, u)
		}
	}
	for _, mask := range masks {
		var rows [][]string
		for _, f := range all {
			if mask>>f.Bit&1 == 0 {
				continue
			}
			if env.JSON {
				if err := env.Object(struct {
					Flag  string `json:"flag"`
					Bit   uint   `json:"bit"`
					Value string `json:"value"`
				}{"PG_" + f.Name, f.Bit, hex(1 << f.Bit)}); err != nil {
					return err
				}
			}
			rows = append(rows, []string{"PG_" + f.Name, fmt.Sprint(f.Bit), fmt.Sprintf("%07x", uint64(1)<<f.Bit)})
		}
		if env.JSON {
			continue
		}
		if len(words) > 0 {
			if err := env.Printf("FLAGS: %x\n", mask); err != nil {
				return err
			}
		}
		if err := writeTable(env.Out, []string{"PAGE-FLAG", ">BIT", ">VALUE"}, rows); err != nil {
			return err
		}
	}
	return nil
}

// kmemVmalloc shows vmalloc areas: all, or those of addresses.
func kmemVmalloc(ctx context.Context, env *Env, opts flags, words []string) error {
	areas, errs := env.Memory.Vmalloc()
	for _, err := range errs {
		env.Problem(err)
	}
	if len(words) > 0 {
		all := areas
		areas = nil
		for _, word := range words {
			a, err := env.kernelAddress(ctx, opts, word)
			if err != nil {
				return err
			}
			found := false
			for _, x := range all {
				if x.Start <= a && a < x.End || x.Addr == a || x.VM == a && a != 0 {
					areas, found = append(areas, x), true
				}
			}
			if !found {
				return &kernel.NotFoundError{What: "vmalloc area", Name: a.String()}
			}
		}
	}
	return writeList(ctx, env, areaHeader, each(areas, nil), env.areaObject, areaRow)
}
