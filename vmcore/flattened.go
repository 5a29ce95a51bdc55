package vmcore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

const (
	flatSignature  = "makedumpfile\x00\x00\x00\x00"
	flatHeaderSize = 4096
	flatRecordHead = 16
	flatEnd        = -1

	// runRecords is how many records one entry of the index stands for. QEMU
	// writes one for each 16 KiB, 6 million in a dump of 100 GB, so that an
	// entry for each would be too much memory; and finding a record in an entry
	// is a walk over this many at most.
	runRecords = 16

	// maxRuns bounds the index, at some 40 bytes a run, against a file of
	// scattered tiny records. Contiguous ones of 16 KiB reach it at 256 GiB.
	maxRuns = 1 << 20

	// maxGap is how much of the wrapped file the records may leave unwritten.
	// A complete file has gaps only where it pads to a block.
	maxGap = 1 << 30
)

// A flattened is a dump wrapped by makedumpfile -F or by QEMU so that it fits
// through a pipe: a header of 4096 bytes, then records of an offset, a size and
// that many bytes for the wrapped file, all numbers big-endian; an offset of -1
// ends it. Records come in any order, and where two overlap the later one
// counts. Source: makedumpfile.h, structs makedumpfile_header and
// makedumpfile_data_header.
//
// Any record may replace bytes of an earlier one, so that opening has to pass
// over the heads of all of them.
type flattened struct {
	file fileAt // the wrapping
	size int64  // of the wrapped file
	runs []run

	// Piece i of the wrapped file is from bounds[i] up to bounds[i+1], and in
	// the run owners[i]; -1 marks a gap, which reads as zeros.
	bounds []int64
	owners []int32

	// damage says why the records stop early; nil when they do not. What they
	// would have written is unknown, so that a gap is then no zeros.
	damage *FormatError
}

// A run is some records in a row that write in a row: pos is the offset of the
// first one's head in the file, off and end what they write.
type run struct{ off, end, pos int64 }

func sniffFlattened(head []byte) bool { return bytes.HasPrefix(head, []byte(flatSignature)) }

// newFlattened unwraps a file. The result's offsets, also those in errors, are
// of the wrapped file.
func newFlattened(f fileAt) (fileAt, error) {
	var head [32]byte
	if n, err := f.r.ReadAt(head[:], 0); n < len(head) {
		return fileAt{}, &FormatError{File: f.name, Off: int64(n), Msg: "flattened header", Err: truncated(err)}
	}
	kind, version := binary.BigEndian.Uint64(head[16:]), binary.BigEndian.Uint64(head[24:])
	if kind != 1 || version != 1 {
		return fileAt{}, &FormatError{
			File: f.name, Off: 16,
			Msg: fmt.Sprintf("flattened file of type %d, version %d", kind, version), Err: ErrUnsupported,
		}
	}
	w := &flattened{file: f}
	w.readRecords()
	w.index()
	return fileAt{r: w, size: w.size, name: strings.TrimSpace(f.name + " (unflattened)")}, nil
}

// warnings says what is wrong with the wrapping.
func (w *flattened) warnings() []string {
	if w.damage == nil {
		return nil
	}
	return []string{w.damage.Error()}
}

// readRecords passes over the records' heads and collects the runs.
func (w *flattened) readRecords() {
	damaged := func(pos int64, msg string, err error) {
		w.damage = &FormatError{File: w.file.name, Off: pos, Msg: msg, Err: err}
	}
	heads := headReader{r: w.file.r}
	count := 0 // records in the last run
	for pos := int64(flatHeaderSize); ; {
		off, size, err := heads.read(pos)
		switch {
		case err != nil:
			damaged(pos, "no end record", truncated(err))
			return
		case off == flatEnd:
			return
		case off < 0 || size < 0 || off > math.MaxInt64-size || size > math.MaxInt64-flatRecordHead-pos:
			damaged(pos, fmt.Sprintf("record of %d bytes for offset %#x", size, off), nil)
			return
		}
		last := len(w.runs) - 1
		if last >= 0 && w.runs[last].end == off && count < runRecords {
			w.runs[last].end += size
			count++
		} else if len(w.runs) < maxRuns {
			w.runs = append(w.runs, run{off: off, end: off + size, pos: pos})
			count = 1
		} else {
			damaged(pos, fmt.Sprintf("more than %d separate pieces", maxRuns), ErrUnsupported)
			return
		}
		pos += flatRecordHead + size
	}
}

// index cuts the wrapped file at the ends of all runs, and gives each piece to
// the last run that covers it.
func (w *flattened) index() {
	w.bounds = append(w.bounds, 0)
	for _, r := range w.runs {
		w.bounds = append(w.bounds, r.off, r.end)
	}
	slices.Sort(w.bounds)
	w.bounds = slices.Compact(w.bounds)
	w.size = w.bounds[len(w.bounds)-1]
	pieces := len(w.bounds) - 1
	w.owners = slices.Repeat([]int32{-1}, pieces)

	// From the last run to the first, each takes the pieces not taken yet.
	// next[i] leads past the pieces from i on that are taken.
	next := make([]int32, pieces+1)
	for i := range next {
		next[i] = int32(i)
	}
	free := func(i int32) int32 {
		for next[i] != i {
			next[i] = next[next[i]] // halve the way for the next time
			i = next[i]
		}
		return i
	}
	for n, r := range slices.Backward(w.runs) {
		i, _ := slices.BinarySearch(w.bounds, r.off)
		for i := free(int32(i)); w.bounds[i] < r.end; i = free(i) {
			w.owners[i] = int32(n)
			next[i] = i + 1
		}
	}

	gap := int64(0)
	for i, owner := range w.owners {
		if owner < 0 {
			gap += w.bounds[i+1] - w.bounds[i]
		}
	}
	if gap > maxGap && w.damage == nil {
		w.damage = &FormatError{
			File: w.file.name, Off: flatHeaderSize,
			Msg: fmt.Sprintf("the records leave %#x of %#x bytes unwritten", gap, w.size),
		}
	}
}

// ReadAt implements [io.ReaderAt] for the wrapped file.
func (w *flattened) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = w.readPiece(p[n:], off+int64(n))
		n += m
	}
	return n, err
}

// readPiece reads up to the end of one record or gap.
func (w *flattened) readPiece(p []byte, off int64) (int, error) {
	if off < 0 || off >= w.size {
		return 0, w.missing(io.EOF)
	}
	i, ok := slices.BinarySearch(w.bounds, off)
	if !ok {
		i--
	}
	p = p[:min(int64(len(p)), w.bounds[i+1]-off)]
	if w.owners[i] < 0 {
		if err := w.missing(nil); err != nil {
			return 0, err
		}
		clear(p)
		return len(p), nil
	}
	r := w.runs[w.owners[i]]
	heads := headReader{r: w.file.r}
	pos := r.pos
	for range runRecords {
		start, size, err := heads.read(pos)
		if err != nil {
			return 0, w.missing(err)
		}
		if in := off - start; in >= 0 && in < size {
			p = p[:min(int64(len(p)), size-in)]
			n, err := w.file.r.ReadAt(p, pos+flatRecordHead+in)
			if n < len(p) {
				return n, w.missing(truncated(err))
			}
			return n, nil
		}
		pos += flatRecordHead + size
	}
	return 0, &FormatError{File: w.file.name, Off: r.pos, Msg: "records changed since the file was opened"}
}

// missing returns why bytes are not in the file: the damage, or else err.
func (w *flattened) missing(err error) error {
	if w.damage != nil {
		return w.damage
	}
	return err
}

// A headReader reads the heads of records. It reads ahead a little, so that tiny
// records do not cost a system call each.
type headReader struct {
	r   io.ReaderAt
	buf [512]byte
	pos int64 // of buf
	n   int   // bytes in buf
}

func (h *headReader) read(pos int64) (off, size int64, err error) {
	if pos < h.pos || pos+flatRecordHead > h.pos+int64(h.n) {
		h.pos = pos
		if h.n, err = h.r.ReadAt(h.buf[:], pos); h.n < flatRecordHead {
			return 0, 0, truncated(err)
		}
	}
	b := h.buf[pos-h.pos:]
	return int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])), nil
}
