package vmcore

import "io"

// fileAt is one file of a dump: the file itself, or what its wrapping unwraps to.
type fileAt struct {
	r    io.ReaderAt
	size int64 // bytes; a negative size is unknown, as for /proc/kcore
	name string
}

// A store is the physical memory that one file format holds. Each format
// implements it; [Dump] puts [PhysMemory] on top. A store is safe for
// concurrent use.
type store interface {
	// read looks up the bytes at physical address a. It returns how many bytes
	// (1 to len(p), stopping at latest where the state changes) have the state
	// s. Bytes of Present and Zero pages are copied to p; for the other states
	// p is left alone. err gives the reason for Missing, and is nil otherwise.
	read(p []byte, a PhysAddr) (n int, s PageState, err error)

	// usage counts the pages by state. It may cost one pass over a bitmap, so
	// that opening a dump never calls it.
	usage() Usage
}

// Usage is how much physical memory a dump covers, in bytes.
type Usage struct {
	Present  uint64 // bytes in the file, or stated to be zero
	Excluded uint64 // bytes filtered out
	Missing  uint64 // bytes that a truncated or incomplete file lacks
}
