package dwarf

import "syscall"

// release gives the mapped pages of p back. They are read again from the page
// cache if they are used again.
func release(p []byte) { _ = syscall.Madvise(p, syscall.MADV_DONTNEED) }
