package vmcore

import (
	"bytes"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"
)

// bouncing is a file that reads as /proc/kcore does: through one page, whoever
// reads.
type bouncing struct{ page []byte }

func (f *bouncing) ReadAt(p []byte, off int64) (int, error) {
	for i := 0; i < len(p); i += len(f.page) {
		for j := range f.page {
			f.page[j] = byte(off)
		}
		runtime.Gosched()
		copy(p[i:], f.page)
	}
	return len(p), nil
}

func TestOneAtATime(t *testing.T) {
	f := &oneAtATime{r: &bouncing{make([]byte, 64)}}
	var g errgroup.Group
	for off := range byte(8) {
		g.Go(func() error {
			for range 50 {
				p := make([]byte, 256)
				if _, err := f.ReadAt(p, int64(off)); err != nil {
					return err
				}
				if want := bytes.Repeat([]byte{off}, len(p)); !bytes.Equal(p, want) {
					t.Errorf("read at %d has bytes of another read: %x", off, p)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
