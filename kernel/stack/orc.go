package stack

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// orcEntry says how to get from a place in the code to the caller (struct
// orc_entry, arch/x86/include/asm/orc_types.h).
type orcEntry struct {
	spOffset, bpOffset int16
	sp, bp             orcReg // what the caller's stack pointer and RBP are found by
	kind               orcKind
	signal             bool // the caller was interrupted, it has not called
}

type orcKind uint8

const (
	orcUndefined orcKind = iota
	orcEnd
	orcCall
	orcRegs        // a whole struct pt_regs is at the place
	orcRegsPartial // the part that the CPU has saved
)

type orcReg uint8

const (
	regUndefined orcReg = iota
	regPrevSP
	regAX
	regDX
	regDI
	regBP
	regSP
	regR10
	regR13
	regBPIndirect
	regSPIndirect
	regUnknown
)

func (r orcReg) name() string {
	return map[orcReg]string{regAX: "rax", regDX: "rdx", regDI: "rdi", regR10: "r10", regR13: "r13"}[r]
}

// Two numberings of registers are known, ORC_REG_* of orc_types.h: that of
// kernels up to v7.0, and the one since.
var (
	oldRegs = [16]orcReg{
		regUndefined, regPrevSP, regDX, regDI, regBP, regSP, regR10, regR13, regBPIndirect, regSPIndirect,
		regUnknown, regUnknown, regUnknown, regUnknown, regUnknown, regUnknown,
	}
	newRegs = [16]orcReg{
		regUndefined, regAX, regDX, regSP, regBP, regDI, regR10, regR13, regPrevSP, regSPIndirect, regBPIndirect,
		regUnknown, regUnknown, regUnknown, regUnknown, regUnknown,
	}
)

// oldSP and newSP are the numbers that the stack pointer has in the two. Nearly
// every entry uses it, and hardly one what the other numbering has there.
const (
	oldSP = 5
	newSP = 3
)

// orc is the unwind data of a kernel and its modules.
type orc struct {
	k    *kernel.Kernel
	code *code
	load func() error // finds the kernel's table

	format orcFormat
	kernel orcTable

	mu      sync.Mutex
	modules map[vmcore.Addr]*orcTable // by the address of struct module
	found   map[vmcore.Addr]orcAnswer // what was asked for before
}

type orcAnswer struct {
	entry orcEntry
	ok    bool
}

func newORC(k *kernel.Kernel, c *code) *orc {
	o := &orc{k: k, code: c, modules: make(map[vmcore.Addr]*orcTable), found: make(map[vmcore.Addr]orcAnswer)}
	o.load = sync.OnceValue(o.findKernelTable)
	return o
}

// missing returns why the kernel has no unwind data, nil where it has some.
func (o *orc) missing() error { return o.load() }

// maxORC bounds the entries of one table. Debian's kernels have half a million.
const maxORC = 1 << 24

func (o *orc) findKernelTable() error {
	var bounds [4]vmcore.Addr
	for i, name := range [...]string{"__start_orc_unwind_ip", "__stop_orc_unwind_ip", "__start_orc_unwind", "__stop_orc_unwind"} {
		syms := o.k.Symbols().Lookup(name)
		if len(syms) != 1 {
			return &kernel.NotFoundError{What: "symbol", Name: name}
		}
		bounds[i] = syms[0].Addr
	}
	var err error
	if o.format, err = newORCFormat(o.k); err != nil {
		return err
	}
	n := (bounds[1] - bounds[0]) / 4
	if bounds[1] < bounds[0] || n > maxORC || n == 0 || (bounds[3]-bounds[2])/o.format.size != n {
		return fmt.Errorf("ORC tables at %v and %v do not fit one another: %w", bounds[0], bounds[2], vmcore.ErrNotFound)
	}
	o.kernel = orcTable{mem: o.k.Memory(), ips: bounds[0], entries: bounds[2], n: int(n)}
	return o.format.number(o.kernel)
}

// find returns the entry for a place in the code; ok is false where the kernel
// has none because nobody could have made one, as for compiled BPF programs.
func (o *orc) find(pc vmcore.Addr) (e orcEntry, ok bool, err error) {
	if o.missing() != nil {
		return orcEntry{}, false, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if a, known := o.found[pc]; known {
		return a.entry, a.ok, nil
	}
	e, ok, err = o.search(pc)
	if err == nil && len(o.found) < maxORC {
		o.found[pc] = orcAnswer{e, ok}
	}
	return e, ok, err
}

func (o *orc) search(pc vmcore.Addr) (orcEntry, bool, error) {
	if pc == 0 {
		// A call of a null pointer has pushed a return address and nothing else.
		return orcEntry{spOffset: 8, sp: regSP, kind: orcCall}, true, nil
	}
	if copied, ok := o.code.ftraceOriginal(pc); ok {
		pc = copied
	}
	if o.code.inKernel(pc) {
		return o.kernel.find(pc, &o.format)
	}
	mod, ok := o.code.module(pc)
	if !ok {
		return orcEntry{}, false, nil
	}
	t := o.modules[mod.Addr]
	if t == nil {
		var err error
		if t, err = o.moduleTable(mod.Addr); err != nil {
			return orcEntry{}, false, fmt.Errorf("unwind data of module %s: %w", mod.Name, err)
		}
		o.modules[mod.Addr] = t
	}
	return t.find(pc, &o.format)
}

// moduleTable returns the table of a module, struct mod_arch_specific of
// arch/x86/include/asm/module.h. The kernel sorts it when the module has been
// loaded, which may not be over.
func (o *orc) moduleTable(a vmcore.Addr) (*orcTable, error) {
	typ, err := o.k.Struct("module")
	if err != nil {
		return nil, err
	}
	mod := o.k.At(a, typ)
	var values [3]uint64
	for i, name := range [...]string{"num_orcs", "orc_unwind_ip", "orc_unwind"} {
		if values[i], err = mod.UintAt("arch", name); err != nil {
			return nil, err
		}
	}
	if values[0] > maxORC {
		return nil, fmt.Errorf("a table of %d entries: %w", values[0], vmcore.ErrNotFound)
	}
	t := &orcTable{mem: o.k.Memory(), ips: vmcore.Addr(values[1]), entries: vmcore.Addr(values[2]), n: int(values[0])}
	return t, t.sort(&o.format)
}

// orcTable is one table of entries: offsets of 4 bytes to the code, each counted
// from its own place, and beside them the entries.
type orcTable struct {
	mem          vmcore.Memory
	ips, entries vmcore.Addr
	n            int
	sorted       []orcPlace // where the table itself is not in order
}

// orcPlace is an entry of a table that is not in order.
type orcPlace struct {
	pc    vmcore.Addr
	entry int
}

// chunk is how many offsets are read at once: the last steps of a search cost
// one read.
const chunk = 128

// find returns the last entry at or below a place.
func (t *orcTable) find(pc vmcore.Addr, f *orcFormat) (orcEntry, bool, error) {
	if t.n == 0 {
		return orcEntry{}, false, nil
	}
	i := 0
	if t.sorted != nil {
		i, _ = slices.BinarySearchFunc(t.sorted, pc+1, func(p orcPlace, pc vmcore.Addr) int { return cmp.Compare(p.pc, pc) })
		i = t.sorted[max(i-1, 0)].entry
	} else {
		lo, hi := 0, t.n // ips[lo] <= pc < ips[hi]
		for hi-lo > chunk {
			mid := (lo + hi) / 2
			ips, err := t.read(mid, 1)
			if err != nil {
				return orcEntry{}, false, err
			}
			if ips[0] <= pc {
				lo = mid
			} else {
				hi = mid
			}
		}
		ips, err := t.read(lo, hi-lo)
		if err != nil {
			return orcEntry{}, false, err
		}
		n, _ := slices.BinarySearch(ips, pc+1)
		i = lo + max(n-1, 0)
	}
	var buf [8]byte
	if _, err := t.mem.ReadMemory(buf[:f.size], t.entries+vmcore.Addr(i)*f.size); err != nil {
		return orcEntry{}, false, fmt.Errorf("ORC entry: %w", err)
	}
	return f.decode(buf[:]), true, nil
}

// read returns the places of n entries from entry i on.
func (t *orcTable) read(i, n int) ([]vmcore.Addr, error) {
	b := make([]byte, 4*n)
	at := t.ips + vmcore.Addr(4*i)
	if _, err := t.mem.ReadMemory(b, at); err != nil {
		return nil, fmt.Errorf("ORC table: %w", err)
	}
	ips := make([]vmcore.Addr, n)
	for i := range ips {
		off := int32(binary.LittleEndian.Uint32(b[4*i:]))
		ips[i] = at + vmcore.Addr(4*i) + vmcore.Addr(int64(off))
	}
	return ips, nil
}

// sort makes t.sorted if the table is not in order. Of two entries for a place,
// the one that says nothing comes first: it ends the section before.
func (t *orcTable) sort(f *orcFormat) error {
	if t.n == 0 {
		return nil
	}
	ips, err := t.read(0, t.n)
	if err != nil || slices.IsSorted(ips) {
		return err
	}
	entries := make([]byte, vmcore.Addr(t.n)*f.size)
	if _, err := t.mem.ReadMemory(entries, t.entries); err != nil {
		return fmt.Errorf("ORC entries: %w", err)
	}
	entries = append(entries, 0, 0)
	defined := make([]bool, t.n)
	t.sorted = make([]orcPlace, t.n)
	for i, pc := range ips {
		t.sorted[i] = orcPlace{pc, i}
		defined[i] = f.decode(entries[vmcore.Addr(i)*f.size:]).kind != orcUndefined
	}
	slices.SortStableFunc(t.sorted, func(a, b orcPlace) int {
		if c := cmp.Compare(a.pc, b.pc); c != 0 || defined[a.entry] == defined[b.entry] {
			return c
		}
		if defined[b.entry] {
			return -1
		}
		return 1
	})
	return nil
}

// orcFormat is where the members of struct orc_entry are, which is told by its
// type and, for what the type does not tell, by the table.
type orcFormat struct {
	size                      vmcore.Addr
	sp, bp, kind, signal, end bits
	numbers                   *[16]orcReg
}

// bits are a bit-field of the two bytes behind the two offsets.
type bits struct{ shift, width uint }

func (b bits) of(u uint16) uint16 { return u >> b.shift & (1<<b.width - 1) }

var errNotORC = errors.New("struct orc_entry is not one that kdbg knows")

// newORCFormat reads struct orc_entry. Linux kernel commit ffb1b4a41016
// ("x86/unwind/orc: Add 'signal' field to ORC metadata") (in v6.3) added signal;
// fb799447ae29 ("x86,objtool: Split UNWIND_HINT_EMPTY in two") (in v6.4) put end
// into type, which grew to three bits.
func newORCFormat(k *kernel.Kernel) (orcFormat, error) {
	typ, err := k.Struct("orc_entry")
	if err != nil {
		return orcFormat{}, err
	}
	v := k.At(0, typ)
	f := orcFormat{size: 6}
	if size, err := v.Size(); err != nil || size != 6 {
		return f, errNotORC
	}
	for _, m := range []struct {
		name     string
		to       *bits
		optional bool
	}{{"sp_reg", &f.sp, false}, {"bp_reg", &f.bp, false}, {"type", &f.kind, false}, {"signal", &f.signal, true}, {"end", &f.end, true}} {
		member, err := v.Field(m.name)
		if err != nil {
			if m.optional {
				continue
			}
			return f, errNotORC
		}
		at, _ := member.Addr()
		shift, width, ok := member.Bits()
		if shift += 8 * (uint64(at) - 4); !ok || at < 4 || shift+width > 16 {
			return f, errNotORC
		}
		*m.to = bits{uint(shift), uint(width)}
	}
	return f, nil
}

// number tells by entries from all of a table how registers are numbered: the
// types are the same.
func (f *orcFormat) number(t orcTable) error {
	const samples, run = 16, 32
	var votes [16]int
	for s := range samples {
		first := s * (t.n / samples)
		b := make([]byte, vmcore.Addr(min(run, t.n-first))*f.size)
		n, err := t.mem.ReadMemory(b, t.entries+vmcore.Addr(first)*f.size)
		if err != nil && s == 0 {
			return fmt.Errorf("ORC entries: %w", err)
		}
		for b = b[:n]; len(b) >= int(f.size); b = b[f.size:] {
			votes[f.sp.of(binary.LittleEndian.Uint16(b[4:]))]++
		}
	}
	f.numbers = &oldRegs
	if votes[newSP] > votes[oldSP] {
		f.numbers = &newRegs
	}
	return nil
}

// decode decodes an entry.
func (f *orcFormat) decode(b []byte) orcEntry {
	flags := binary.LittleEndian.Uint16(b[4:])
	e := orcEntry{
		spOffset: int16(binary.LittleEndian.Uint16(b)), bpOffset: int16(binary.LittleEndian.Uint16(b[2:])),
		sp: f.numbers[f.sp.of(flags)], bp: f.numbers[f.bp.of(flags)],
		kind: orcKind(f.kind.of(flags)), signal: f.signal.of(flags) != 0,
	}
	if f.kind.width < 3 {
		switch e.kind += orcCall; { // CALL was 0, REGS 1, REGS_PARTIAL 2
		case e.sp == regUndefined && f.end.of(flags) != 0:
			e.kind = orcEnd
		case e.sp == regUndefined:
			e.kind = orcUndefined
		}
		if f.signal.width == 0 {
			e.signal = e.kind == orcRegs || e.kind == orcRegsPartial
		}
	}
	return e
}
