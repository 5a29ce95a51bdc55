package btfsrc

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/kdbg/kdbg/vmcore"
)

// maxBTF is the largest BTF that is read, in bytes. The largest kernels known
// have 10 MB.
const maxBTF = 64 << 20

// FromKernel loads the BTF that lies in memory from start to stop: the symbols
// __start_BTF and __stop_BTF (include/asm-generic/vmlinux.lds.h).
func FromKernel(mem vmcore.Memory, start, stop vmcore.Addr, layout vmcore.Layout) (*Types, error) {
	if stop < start || stop-start > maxBTF {
		return nil, fmt.Errorf("kernel BTF: no sane range from __start_BTF %s to __stop_BTF %s", start, stop)
	}
	raw, err := read(mem, start, uint64(stop-start))
	if err != nil {
		return nil, err
	}
	return Load(raw, layout)
}

// read returns n bytes of memory.
func read(mem vmcore.Memory, a vmcore.Addr, n uint64) ([]byte, error) {
	raw, err := vmcore.ReadLarge(mem, a, int(n))
	if err != nil {
		return nil, fmt.Errorf("kernel BTF at %s: %w", a, err)
	}
	return raw, nil
}

// Scan finds the kernel's BTF between two addresses, such as those of the
// kernel image, by its header: no symbol is needed and no alignment assumed.
// When several BTFs lie there, the one with the most types is meant: the others
// are those of BPF programs built into the kernel. Unreadable pages are stepped
// over. The error is [vmcore.ErrNotFound] when there is none.
func Scan(mem vmcore.Memory, start, end vmcore.Addr, layout vmcore.Layout) (raw []byte, at vmcore.Addr, err error) {
	found := scanHeaders(mem, start, end, layout)
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.size, a.size) })
	err = vmcore.ErrNotFound
	for _, c := range found[:min(len(found), maxTries)] {
		raw, readErr := read(mem, c.at, c.size)
		if readErr == nil {
			_, readErr = parseBlob(raw, layout, nil)
		}
		if readErr == nil {
			return raw, c.at, nil
		}
		err = readErr
	}
	return nil, 0, fmt.Errorf("no BTF from %s to %s: %w", start, end, err)
}

// candidate is where a header of BTF may lie, and the length it claims.
type candidate struct {
	at   vmcore.Addr
	size uint64
}

// Bounds on how many headers a scan notes and, the largest first, tries. One is
// right, and few bytes look like one by chance.
const (
	maxCandidates = 1024
	maxTries      = 8
)

func scanHeaders(mem vmcore.Memory, start, end vmcore.Addr, layout vmcore.Layout) []candidate {
	const chunk, page = 1 << 20, 4 << 10
	var found []candidate
	buf := make([]byte, chunk+headerLayoutLen) // the overlap keeps headers whole
	pattern := []byte{magic & 0xff, magic >> 8, 1, 0}
	if layout.BigEndian {
		pattern = []byte{magic >> 8, magic & 0xff, 1, 0}
	}
	for a := start; a < end && len(found) < maxCandidates; {
		p := buf[:min(uint64(len(buf)), uint64(end-a))]
		n, err := mem.ReadMemory(p, a)
		for off := 0; ; off++ {
			i := bytes.Index(p[off:n], pattern)
			if i < 0 || off+i >= chunk {
				break
			}
			off += i
			here := a + vmcore.Addr(off)
			if size, ok := headerSize(p[off:n], layout); ok && size <= uint64(end-here) {
				found = append(found, candidate{here, size})
			}
		}
		step := vmcore.Addr(chunk)
		if err != nil {
			// On to the page after the unreadable address.
			step = vmcore.Addr(n) + page - (a+vmcore.Addr(n))%page
		}
		if a+step < a {
			break
		}
		a += step
	}
	return found
}

// headerSize returns the length of the BTF that p begins with, when its header
// is one that an encoder writes: sections in order, without gaps.
func headerSize(p []byte, layout vmcore.Layout) (size uint64, ok bool) {
	if len(p) < headerLen {
		return 0, false
	}
	word := func(off int) uint64 { return uint64(layout.Uint32(p[off:])) }
	hdrLen, typeOff, typeLen, strOff, strLen := word(4), word(8), word(12), word(16), word(20)
	end := typeOff + typeLen
	switch {
	case hdrLen == headerLen:
	case hdrLen == headerLayoutLen && len(p) >= headerLayoutLen:
		if layoutOff, layoutLen := word(24), word(28); layoutLen != 0 {
			if layoutOff != end {
				return 0, false
			}
			end += layoutLen
		}
	default:
		return 0, false
	}
	size = hdrLen + strOff + strLen
	return size, typeOff == 0 && typeLen != 0 && strOff == end && strLen != 0 && size <= maxBTF
}
