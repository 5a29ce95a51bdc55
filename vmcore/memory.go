package vmcore

import (
	"runtime"

	"golang.org/x/sync/errgroup"
)

// readPart is the part of a large read that one goroutine does.
const readPart = 128 << 10

// ReadLarge returns size bytes of memory from address a. It is for the large
// tables of a kernel: parts are read concurrently, because decompressing the
// pages of a dump takes longer than what is done with them. The caller bounds
// size; nothing is allocated unless the last byte is there, so that a size that
// lies costs nothing. The error is that of the lowest address, a [*FaultError].
func ReadLarge(mem Memory, a Addr, size int) ([]byte, error) {
	if size <= 0 {
		return nil, nil
	}
	var last [1]byte
	if _, err := mem.ReadMemory(last[:], a+Addr(size-1)); err != nil {
		return nil, err
	}
	b := make([]byte, size)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for at := 0; at < size; at += readPart {
		g.Go(func() error {
			_, err := mem.ReadMemory(b[at:min(size, at+readPart)], a+Addr(at))
			return err
		})
	}
	if g.Wait() != nil {
		if _, err := mem.ReadMemory(b, a); err != nil {
			return nil, err
		}
	}
	return b, nil
}
