package vmcore

import "sync"

// tableBlock is how much of a bitmap or of the page descriptors is read and
// cached at once: the bits of 32,768 pages, or 170 descriptors.
const tableBlock = 4 << 10

// A table reads small pieces of a file's bitmaps and descriptors through a cache
// of blocks. It holds no more of them than the cache does, however large the
// dump.
type table struct {
	file  fileAt
	id    uint64 // of the file in the cache's keys
	cache *cache
}

var tableBufs = sync.Pool{New: func() any { return new([countChunk * tableBlock]byte) }}

// read fills p, which must lie in one block, from an offset in the file.
func (t *table) read(p []byte, off int64) error {
	block, start := off/tableBlock, int(off%tableBlock)
	key := t.id<<52 | uint64(block)
	if t.cache.read(p, key, start) {
		return nil
	}
	buf := tableBufs.Get().(*[countChunk * tableBlock]byte)
	defer tableBufs.Put(buf)
	if n, _ := t.file.r.ReadAt(buf[:tableBlock], block*tableBlock); n >= start+len(p) {
		t.cache.add(key, buf[:n])
		copy(p, buf[start:])
		return nil
	}
	// A flattened file cut short may lack bytes before p and yet have p. It is
	// read to buf, since p would escape to the heap on every call.
	if n, err := t.file.r.ReadAt(buf[:len(p)], off); n < len(p) {
		return t.short(off+int64(n), err)
	}
	copy(p, buf[:])
	return nil
}

// countOnes counts the set bits of each of len(counts) blocks from an offset in
// the file. It passes by the cache, which it would only empty.
func (t *table) countOnes(counts []uint32, off int64) error {
	buf := tableBufs.Get().(*[countChunk * tableBlock]byte)
	defer tableBufs.Put(buf)
	p := buf[:len(counts)*tableBlock]
	if n, err := t.file.r.ReadAt(p, off); n < len(p) {
		return t.short(off+int64(n), err)
	}
	for i := range counts {
		counts[i] = uint32(ones(p[i*tableBlock:][:tableBlock]))
	}
	return nil
}

func (t *table) short(off int64, err error) error {
	return &FormatError{File: t.file.name, Off: off, Msg: "bitmaps or page descriptors", Err: truncated(err)}
}
