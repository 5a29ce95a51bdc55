package fs

import (
	"fmt"
	"iter"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Page is a page of a file that is in memory.
type Page struct {
	Index uint64      // in the file, in pages
	Addr  vmcore.Addr // of its struct page, the first of those of a folio
}

// Pages returns the pages of the struct inode at an address that are in memory.
func Pages(k *kernel.Kernel, inode vmcore.Addr) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		t, err := k.Struct("inode")
		if err != nil {
			yield(Page{}, err)
			return
		}
		array, err := k.At(inode, t).Path("i_mapping", "i_pages")
		if err != nil {
			yield(Page{}, fmt.Errorf("inode at %v: %w", inode, err))
			return
		}
		a, _ := array.Addr()
		for e, err := range k.XArray(a) {
			// An odd entry is no page: it says when one was taken out.
			if err == nil && e.Entry&1 != 0 {
				continue
			}
			if !yield(Page{e.Index, e.Entry}, err) {
				return
			}
		}
	}
}

// PageCount returns how many pages of the struct inode at an address are in
// memory by the kernel's own count.
func PageCount(k *kernel.Kernel, inode vmcore.Addr) (uint64, error) {
	t, err := k.Struct("inode")
	if err != nil {
		return 0, err
	}
	n, err := k.At(inode, t).UintAt("i_mapping", "nrpages")
	if err != nil {
		err = fmt.Errorf("inode at %v: %w", inode, err)
	}
	return n, err
}
