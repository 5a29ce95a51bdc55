package paging

import (
	"encoding/binary"
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// x86Walk goes over all that tables map between two addresses.
type x86Walk struct {
	*x86Tables
	first, last uint64
	yield       func(Mapping, error) bool
	seen        map[vmcore.PhysAddr]bool // tables
}

func (t *x86Tables) mappings(first, last vmcore.Addr, yield func(Mapping, error) bool) bool {
	w := x86Walk{t, uint64(first), uint64(last), yield, make(map[vmcore.PhysAddr]bool)}
	return first > last || w.table(t.levels, t.root, 0)
}

// table goes over one table, whose first entry stands for address base without
// the bits above those that are translated. It reports whether to go on.
func (w *x86Walk) table(level int, at vmcore.PhysAddr, base uint64) bool {
	if w.seen[at] {
		return true
	}
	w.seen[at] = true
	var b [4096]byte
	n, readErr := w.phys.ReadPhys(b[:], at)
	size := uint64(1) << x86Shift(level)
	for i := range uint64(512) {
		a := w.canonicalOf(base + i*size)
		end := uint64(a) + (size - 1)
		if end < w.first || uint64(a) > w.last {
			continue
		}
		if int(8*i)+8 > n {
			return w.yield(Mapping{}, fault(a, fmt.Errorf("%s entry: %w", w.levelName(level), readErr)))
		}
		entry := binary.LittleEndian.Uint64(b[8*i:])
		if !x86Resident(a, entry, level) {
			if entry != 0 && int64(a) >= 0 && level <= 2 {
				err := &EntryError{Level: w.levelName(level), Addr: at + vmcore.PhysAddr(8*i), Value: entry, Why: x86Swap(entry)}
				if !w.yield(Mapping{Virt: a, Size: size, Err: err}, nil) {
					return false
				}
			}
			continue
		}
		if !x86Leaf(entry, level) {
			if !w.table(level-1, vmcore.PhysAddr(entry&w.addr), base+i*size) {
				return false
			}
			continue
		}
		from := max(uint64(a), w.first)
		m := Mapping{
			Virt: vmcore.Addr(from),
			Phys: w.leaf(vmcore.Addr(from), entry, level).Phys,
			Size: min(end, w.last) - from + 1,
		}
		if !w.yield(m, nil) {
			return false
		}
	}
	return true
}

// canonicalOf copies the highest bit that is translated to those above it.
func (t *x86Tables) canonicalOf(a uint64) vmcore.Addr {
	unused := 64 - (12 + 9*t.levels)
	return vmcore.Addr(int64(a) << unused >> unused)
}

func (t *x86Tables) decode(entry uint64) (vmcore.PhysAddr, []string, error) {
	if !x86Resident(0, entry, 1) {
		why := "nothing"
		if entry != 0 {
			why = x86Swap(entry)
		}
		return 0, nil, &EntryError{Level: t.levelName(1), Value: entry, Why: why}
	}
	flags := x86Flags(entry, 1)
	if entry&x86Present == 0 {
		flags = []string{"protnone"}
	}
	return t.leaf(0, entry, 1).Phys, flags, nil
}
