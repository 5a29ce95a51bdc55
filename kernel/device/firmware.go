package device

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
)

// MemoryRange is a range of physical memory as the firmware of an x86 machine
// described it (struct e820_entry, arch/x86/include/asm/e820/types.h).
type MemoryRange struct {
	Start, End uint64
	Type       string // such as "E820_TYPE_RAM"; a number where it has no name
}

// maxRanges bounds the ranges; E820_MAX_ENTRIES is at most 128 and three for
// each node of memory.
const maxRanges = 1 << 12

// FirmwareMemory returns the ranges of physical memory, in order.
func FirmwareMemory(k *kernel.Kernel) iter.Seq2[MemoryRange, error] {
	return func(yield func(MemoryRange, error) bool) {
		fail := func(err error) { yield(MemoryRange{}, fmt.Errorf("e820_table: %w", err)) }
		t, err := k.Struct("e820_table")
		if err != nil {
			fail(err)
			return
		}
		table, err := k.Object("e820_table", &btf.Pointer{Target: t})
		if err != nil {
			fail(err)
			return
		}
		r := kernel.Reader{Value: table}
		count := r.Uint("nr_entries")
		entries, err := table.Path("entries")
		if err == nil {
			err = r.Err
		}
		if err == nil && count > maxRanges {
			err = fmt.Errorf("it has %d entries", count)
		}
		if err != nil {
			fail(err)
			return
		}
		for i := range int64(count) {
			v, err := entries.Index(i)
			if err != nil {
				fail(err)
				return
			}
			e := kernel.Reader{Value: v}
			start := e.Uint("addr")
			m := MemoryRange{Start: start, End: start + e.Uint("size")}
			if kind, err := v.Path("type"); err == nil {
				m.Type = kind.Enumerator()
			}
			if e.Err != nil {
				fail(e.Err)
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}
