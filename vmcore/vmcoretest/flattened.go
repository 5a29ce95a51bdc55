package vmcoretest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// FlattenOptions chooses the records of a flattened file.
type FlattenOptions struct {
	RecordSize int    // bytes of data in a record; zero: 4096
	Shuffle    uint64 // seed of a random order; zero: ascending
	Overwrite  bool   // write junk first at every other record, then the truth
}

// Flatten wraps a dump the way makedumpfile -F sends it through a pipe: a
// header of 4096 bytes, then records of (offset, size, data), where later ones
// win. All numbers are big-endian. Source: makedumpfile.h, struct
// makedumpfile_header.
func Flatten(raw []byte, opts *FlattenOptions) []byte {
	if opts == nil {
		opts = &FlattenOptions{}
	}
	size := opts.RecordSize
	if size == 0 {
		size = 4096
	}
	var offsets []int
	for off := 0; off < len(raw); off += size {
		offsets = append(offsets, off)
	}
	if opts.Shuffle != 0 {
		random := rand.New(rand.NewPCG(opts.Shuffle, 0))
		random.Shuffle(len(offsets), func(i, j int) { offsets[i], offsets[j] = offsets[j], offsets[i] })
	}

	flat := make([]byte, 4096)
	copy(flat, "makedumpfile")
	binary.BigEndian.PutUint64(flat[16:], 1) // type
	binary.BigEndian.PutUint64(flat[24:], 1) // version
	record := func(off int, data []byte) {
		flat = binary.BigEndian.AppendUint64(flat, uint64(off))
		flat = binary.BigEndian.AppendUint64(flat, uint64(len(data)))
		flat = append(flat, data...)
	}
	if opts.Overwrite {
		for _, off := range offsets {
			if off/size%2 == 0 {
				record(off, bytes.Repeat([]byte{0xdb}, min(size, len(raw)-off)))
			}
		}
	}
	for _, off := range offsets {
		record(off, raw[off:min(off+size, len(raw))])
	}
	const end = ^uint64(0)
	flat = binary.BigEndian.AppendUint64(flat, end)
	return binary.BigEndian.AppendUint64(flat, end)
}
