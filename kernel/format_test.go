package kernel_test

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
)

// brokenWriter fails at once, and counts what it was given.
type brokenWriter struct{ got int }

var errBroken = errors.New("broken")

func (w *brokenWriter) Write(p []byte) (int, error) {
	w.got += len(p)
	return 0, errBroken
}

// TestFormatStops prints more than anyone reads. It must end with the writer, and
// not collect it all first.
func TestFormatStops(t *testing.T) {
	k := openDump(t, "vars-7.2-amd64")
	task := k.LookupType(btfsrc.KindStruct, "task_struct")[0]
	tasks := k.At(k.Lookup("init_task")[0].Addr, &btf.Array{Type: task, Nelems: 1 << 20})
	var w brokenWriter
	if err := tasks.Format(&w, &kernel.FormatOptions{MaxElements: -1}); err != errBroken {
		t.Errorf("error %v, want that of the writer", err)
	}
	if w.got > 1<<20 {
		t.Errorf("%d bytes at once", w.got)
	}
}
