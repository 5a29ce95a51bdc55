package mm

import (
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// SwapArea is a file or partition that pages are swapped out to (struct
// swap_info_struct, include/linux/swap.h).
type SwapArea struct {
	Addr     vmcore.Addr
	Number   int  // as swap entries have it
	File     bool // a file, not a partition
	Pages    uint64
	Used     uint64
	Priority int

	value kernel.Value
}

// Value returns the struct swap_info_struct.
func (s SwapArea) Value() kernel.Value { return s.value }

// SwapAreas yields the swap areas that are in use.
func (m *Memory) SwapAreas() iter.Seq2[SwapArea, error] {
	return func(yield func(SwapArea, error) bool) {
		if !m.has("swap_info") {
			return // without CONFIG_SWAP
		}
		t, err := m.k.Struct("swap_info_struct")
		if err != nil {
			yield(SwapArea{}, err)
			return
		}
		const most = 32 // MAX_SWAPFILES is below, as an entry has 5 bits for its area
		array, err := m.k.Object("swap_info", &btf.Array{Index: m.k.BasicType("unsigned int"), Type: &btf.Pointer{Target: t}, Nelems: most})
		if err != nil {
			yield(SwapArea{}, err)
			return
		}
		count, err := m.k.Object("nr_swapfiles", m.k.BasicType("unsigned int"))
		if err != nil {
			yield(SwapArea{}, err)
			return
		}
		n, err := count.Uint()
		if err == nil && n > most {
			err = fmt.Errorf("nr_swapfiles is %d", n)
		}
		if err != nil {
			yield(SwapArea{}, err)
			return
		}
		for i := range int(n) {
			s, ok, err := readSwapArea(array, i)
			if (ok || err != nil) && !yield(s, err) {
				return
			}
		}
	}
}

// readSwapArea reads a swap area; ok is false for one that is not in use.
func readSwapArea(array kernel.Value, i int) (s SwapArea, ok bool, err error) {
	fail := func(err error) (SwapArea, bool, error) {
		return s, false, fmt.Errorf("swap area %d: %w", i, err)
	}
	p, err := array.Index(int64(i))
	if err != nil {
		return fail(err)
	}
	if s.value, err = p.Deref(); err != nil {
		return fail(err)
	}
	s.Number = i
	s.Addr, _ = s.value.Addr()
	if s.Addr == 0 {
		return s, false, nil
	}
	const used, block = 1 << 0, 1 << 6 // SWP_USED, SWP_BLKDEV
	flags, err := s.value.UintAt("flags")
	if err != nil || flags&used == 0 {
		if err != nil {
			return fail(err)
		}
		return s, false, nil
	}
	s.File = flags&block == 0
	if err := readAll(s.value, "swap area", map[string]*uint64{"pages": &s.Pages, "inuse_pages": &s.Used}); err != nil {
		return fail(err)
	}
	// Linux kernel commit b228386cf237 ("mm, swap: clean up plist removal and
	// adding") (in v6.14) put a flag into the counter, SWAP_USAGE_OFFLIST_BIT.
	s.Used &^= 1 << 62
	prio, err := s.value.Path("prio")
	if err != nil {
		return fail(err)
	}
	n, err := prio.Int()
	if err != nil {
		return fail(err)
	}
	s.Priority = int(n)
	return s, true, nil
}
