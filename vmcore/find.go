package vmcore

import (
	"bytes"
	"context"
	"fmt"
)

// Bounds on the search for VMCOREINFO, in bytes of memory looked through.
const (
	findLimit = 64 << 30 // in all
	findMore  = 1 << 30  // beyond a find, for a better one
	findChunk = 256 << 10
)

// FindVMCOREINFO searches physical memory for the page in which the kernel has
// its VMCOREINFO, and returns the best copy. It is for dumps that have lost it;
// [Open] never searches.
//
// A machine's memory may have several: the page itself, the copy for the crash
// kernel, the note made of it at the crash, and what a kernel booted earlier
// has left. accept, if not nil, tells whether one is of the kernel that was
// dumped, by reading something where it says. Without it, the copy with a time
// of crash and the most lines counts.
//
// The search goes through 64 GiB of memory at most, which may take minutes, and
// 1 GiB more once it has found a copy. It ends early with ctx. The error is
// [ErrNotFound] where there is none.
func (d *Dump) FindVMCOREINFO(ctx context.Context, accept func(*VMCOREINFO) bool) (*VMCOREINFO, error) {
	var best *VMCOREINFO
	left := uint64(findLimit)
	buf := make([]byte, findChunk)
	for r := range d.Ranges() {
		for at := (r.Start + findStep - 1) &^ (findStep - 1); at < r.End && left > 0; {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			b := buf[:min(findChunk, uint64(r.End-at), left)]
			n, err := d.ReadPhys(b, at)
			for _, found := range infoPages(b[:n]) {
				v := d.infoAt(at + PhysAddr(found))
				if v.rank() > best.rank() && (accept == nil || accept(v)) {
					best = v
					left = min(left, findMore)
				}
			}
			if err != nil {
				n = n&^(findStep-1) + findStep // behind the page that is unreadable
			}
			left -= min(left, uint64(n))
			at += PhysAddr(n)
		}
		if left == 0 {
			break
		}
	}
	if best == nil {
		return nil, fmt.Errorf("VMCOREINFO in the memory of the dump: %w", ErrNotFound)
	}
	return best, nil
}

// findStep is the smallest page of any architecture, in bytes. VMCOREINFO fills
// whole pages.
const findStep = 4 << 10

var (
	infoStart = []byte("OSRELEASE=")
	infoName  = []byte("VMCOREINFO\x00\x00OSRELEASE=")
)

// infoNameAt is where the name begins in a page that starts with an ELF note.
const infoNameAt = 12

// infoPages returns where in b there is a VMCOREINFO, at the start of a page or
// behind the header of a note there.
func infoPages(b []byte) []int {
	var found []int
	for i := 0; i < len(b); i += findStep {
		switch page := b[i:]; {
		case bytes.HasPrefix(page, infoStart):
			found = append(found, i)
		case len(page) > infoNameAt && bytes.HasPrefix(page[infoNameAt:], infoName):
			found = append(found, i+infoNameAt+len(infoName)-len(infoStart))
		}
	}
	return found
}

// infoAt reads the VMCOREINFO at a: a page, at most, that zeros end.
func (d *Dump) infoAt(a PhysAddr) *VMCOREINFO {
	text := make([]byte, maxVMCOREINFO)
	n, _ := d.ReadPhys(text, a) // it may be the last page that can be read
	source := "memory at " + a.String()
	v := parseVMCOREINFO(text[:n], source)
	if size := v.PageSize(); size != 0 && len(v.text) > size {
		v = parseVMCOREINFO(text[:size], source) // a full page, and another behind it
	}
	return v
}
