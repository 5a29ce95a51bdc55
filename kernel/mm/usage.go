package mm

import (
	"errors"
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Usage is what a machine's memory is used for, in pages.
type Usage struct {
	Total, Free, Buffers, Cached, Slab uint64
	HugeTotal, HugeFree                uint64
	SwapTotal, SwapFree                uint64
	CommitLimit, Committed             uint64
}

// Used returns the pages that are not free.
func (u Usage) Used() uint64 { return u.Total - min(u.Free, u.Total) }

// SwapUsed returns the pages of swap areas that are in use.
func (u Usage) SwapUsed() uint64 { return u.SwapTotal - min(u.SwapFree, u.SwapTotal) }

// Usage counts what memory is used for, as /proc/meminfo does. Numbers that cannot
// be read are 0, and why is among the errors.
func (m *Memory) Usage() (u Usage, errs []error) {
	get := func(to *uint64, what string, from func() (uint64, error)) {
		n, err := from()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
		*to = n
	}
	zones, err := m.ZoneCounters()
	if err != nil {
		errs = append(errs, err)
	}
	nodes, err := m.NodeCounters()
	if err != nil {
		errs = append(errs, err)
	}
	// Linux kernel commit ca79b0c211af ("mm: convert totalram_pages and
	// totalhigh_pages variables to atomic") (in v5.0).
	get(&u.Total, "total memory", func() (uint64, error) { return m.long("_totalram_pages", "totalram_pages") })
	u.Free = value(zones, "NR_FREE_PAGES")
	get(&u.Buffers, "buffers", m.buffers)
	// Those of swap are in the cache, too: NR_SWAPCACHE since v5.12.
	u.Cached = value(nodes, "NR_FILE_PAGES")
	u.Cached -= min(u.Cached, u.Buffers+value(nodes, "NR_SWAPCACHE"))
	// Linux kernel commit d42f3245c7e2 ("mm: memcg: convert vmstat slab counters
	// to bytes") (in v5.9); the sums are in pages nevertheless.
	u.Slab = value(nodes, "NR_SLAB_RECLAIMABLE_B") + value(nodes, "NR_SLAB_UNRECLAIMABLE_B")
	for h, err := range m.HugePages() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		u.HugeTotal += h.Total << h.Order
		u.HugeFree += h.Free << h.Order
	}
	if m.has("total_swap_pages") { // CONFIG_SWAP
		get(&u.SwapTotal, "swap", func() (uint64, error) { return m.long("total_swap_pages") })
		get(&u.SwapFree, "free swap", func() (uint64, error) { return m.long("nr_swap_pages") })
	}
	get(&u.CommitLimit, "commit limit", func() (uint64, error) { return m.commitLimit(u) })
	get(&u.Committed, "committed memory", m.committed)
	return u, errs
}

// long reads the first of several variables that the kernel has, a long or an
// atomic_long_t.
func (m *Memory) long(names ...string) (uint64, error) {
	var first error
	for _, name := range names {
		v, err := m.k.Object(name, m.k.BasicType("long"))
		if err == nil {
			return v.UintAt()
		}
		if first == nil {
			first = err
		}
	}
	return 0, first
}

// has reports whether the kernel has a variable: what was left out of its
// configuration has none.
func (m *Memory) has(name string) bool { return len(m.k.Lookup(name)) > 0 }

// commitLimit is what the kernel would promise to programs at most
// (vm_commit_limit, mm/util.c).
func (m *Memory) commitLimit(u Usage) (uint64, error) {
	kib, err := m.long("sysctl_overcommit_kbytes")
	if err != nil {
		return 0, err
	}
	if kib != 0 {
		return kib<<10>>m.pageShift + u.SwapTotal, nil
	}
	ratio, err := m.k.Object("sysctl_overcommit_ratio", m.k.BasicType("int"))
	if err != nil {
		return 0, err
	}
	percent, err := ratio.Uint()
	return (u.Total-min(u.Total, u.HugeTotal))*percent/100 + u.SwapTotal, err
}

// committed is what the kernel has promised to programs.
func (m *Memory) committed() (uint64, error) {
	v, err := m.k.ObjectOf("vm_committed_as", "percpu_counter")
	if err != nil {
		return 0, err
	}
	n, err := m.k.PerCPUCounter(v)
	return uint64(max(n, 0)), err
}

// buffers counts the cached pages of block devices (nr_blockdev_pages,
// block/bdev.c).
func (m *Memory) buffers() (uint64, error) {
	if !m.has("blockdev_superblock") {
		return 0, nil // without CONFIG_BLOCK
	}
	sb, err := m.k.Struct("super_block")
	if err != nil {
		return 0, err
	}
	inode, err := m.k.Struct("inode")
	if err != nil {
		return 0, err
	}
	v, err := m.k.Object("blockdev_superblock", &btf.Pointer{Target: sb})
	if err != nil {
		return 0, err
	}
	head, err := v.Path("s_inodes")
	if err != nil {
		return 0, err
	}
	a, _ := head.Addr()
	var pages uint64
	for v, err := range m.k.List(a, inode, "i_sb_list") {
		if err != nil {
			return pages, err
		}
		n, err := v.UintAt("i_mapping", "nrpages")
		if err != nil {
			return pages, err
		}
		pages += n
	}
	return pages, nil
}

// HugePages are the huge pages of one size (struct hstate, include/linux/hugetlb.h).
type HugePages struct {
	Addr        vmcore.Addr
	Order       uint // log2 of the pages in one
	Free, Total uint64
	Name        string
}

// HugePages yields the sizes of huge pages that the kernel can reserve.
func (m *Memory) HugePages() iter.Seq2[HugePages, error] {
	return func(yield func(HugePages, error) bool) {
		if !m.has("hstates") {
			return // without CONFIG_HUGETLB_PAGE
		}
		t, err := m.k.Struct("hstate")
		if err != nil {
			yield(HugePages{}, err)
			return
		}
		const most = 16 // HUGE_MAX_HSTATE is 2 on x86-64 and 4 on arm64
		array, err := m.k.Object("hstates", &btf.Array{Index: m.k.BasicType("unsigned int"), Type: t, Nelems: most})
		if err != nil {
			yield(HugePages{}, err)
			return
		}
		count, err := m.k.Object("hugetlb_max_hstate", m.k.BasicType("int"))
		if err != nil {
			yield(HugePages{}, err)
			return
		}
		n, err := count.Uint()
		if err != nil || n > most {
			yield(HugePages{}, errors.Join(err, fmt.Errorf("hugetlb_max_hstate is %d", n)))
			return
		}
		for i := range int64(n) {
			v, err := array.Index(i)
			var h HugePages
			if err == nil {
				h, err = readHugePages(v)
			}
			if !yield(h, err) {
				return
			}
		}
	}
}

func readHugePages(v kernel.Value) (HugePages, error) {
	a, _ := v.Addr()
	h := HugePages{Addr: a}
	order, err := v.UintAt("order")
	if err != nil {
		return h, err
	}
	if h.Order = uint(order); order > 32 {
		return h, fmt.Errorf("huge pages at %v are damaged: of 2^%d pages", a, order)
	}
	h.Name, err = v.StringAt("name")
	return h, errors.Join(err, readAll(v, "huge pages", map[string]*uint64{"free_huge_pages": &h.Free, "nr_huge_pages": &h.Total}))
}
