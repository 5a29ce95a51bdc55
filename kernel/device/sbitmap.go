package device

import (
	"fmt"
	"math/bits"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// BitmapQueue is a scalable bitmap of which tasks wait for free bits (struct
// sbitmap_queue, include/linux/sbitmap.h), as the tags of block devices are.
type BitmapQueue struct {
	Depth       uint64 // bits
	BitsPerWord uint64
	Words       uint64
	Set         []uint64 // numbers of the bits that are taken, ascending
	Cleared     uint64   // how many were given back, which is not noted in the words yet
	Hints       []uint64 // where each CPU that is possible looks first; nil if there are none
	RoundRobin  bool
	WakeBatch   uint64
	WakeIndex   uint64
	Waiting     uint64 // queues that tasks wait on
	Queues      []bool // of each, whether some wait
	MinDepth    uint64 // min_shallow_depth
}

const (
	maxBits    = 1 << 24
	waitQueues = 8 // SBQ_WAIT_QUEUES
)

// BitmapQueueAt reads the struct sbitmap_queue at an address.
func BitmapQueueAt(k *kernel.Kernel, a vmcore.Addr) (*BitmapQueue, error) {
	t, err := k.Struct("sbitmap_queue")
	if err != nil {
		return nil, err
	}
	r := kernel.Reader{Value: k.At(a, t)}
	shift := r.Uint("sb", "shift")
	q := &BitmapQueue{
		Depth: r.Uint("sb", "depth"), Words: r.Uint("sb", "map_nr"),
		WakeBatch: r.Uint("wake_batch"), WakeIndex: r.Uint("wake_index"), Waiting: r.Uint("ws_active"), MinDepth: r.Uint("min_shallow_depth"),
	}
	if r.Err != nil {
		return nil, r.Err
	}
	word := uint64(k.Arch().Layout.WordSize) * 8
	if shift >= 64 || 1<<shift > word || q.Depth > maxBits || q.Words != (q.Depth+1<<shift-1)>>shift {
		return nil, &kernel.TypeError{Msg: fmt.Sprintf("no sbitmap_queue at %v: %d bits in %d words of 2^%d", a, q.Depth, q.Words, shift)}
	}
	q.BitsPerWord = 1 << shift
	if err := q.readBits(r.Value); err != nil {
		return nil, err
	}
	if err := q.readHints(r.Value); err != nil {
		return nil, err
	}
	return q, q.readQueues(r.Value)
}

// readBits reads the words.
func (q *BitmapQueue) readBits(v kernel.Value) error {
	words, err := v.Path("sb", "map")
	if err != nil {
		return err
	}
	for i := range q.Words {
		w, err := words.Index(int64(i))
		if err != nil {
			return err
		}
		r := kernel.Reader{Value: w}
		set, cleared := r.Uint("word"), r.Uint("cleared")
		if r.Err != nil {
			return fmt.Errorf("word %d: %w", i, r.Err)
		}
		if left := q.Depth - i*q.BitsPerWord; left < 64 {
			set, cleared = set&(1<<left-1), cleared&(1<<left-1)
		}
		q.Cleared += uint64(bits.OnesCount64(cleared))
		for set &^= cleared; set != 0; set &= set - 1 {
			q.Set = append(q.Set, i*q.BitsPerWord+uint64(bits.TrailingZeros64(set)))
		}
	}
	return nil
}

// readHints reads the hints of the CPUs. Linux kernel commits c548e62bcf6a
// ("scsi: sbitmap: Move allocation hint into sbitmap") and efe1f3a1d583 ("scsi:
// sbitmap: Maintain allocation round_robin in sbitmap") (in v5.13).
func (q *BitmapQueue) readHints(v kernel.Value) error {
	in := func(member string) []string {
		if v.Has("sb", member) {
			return []string{"sb", member}
		}
		return []string{member}
	}
	robin, err := v.UintAt(in("round_robin")...)
	if err != nil {
		return err
	}
	q.RoundRobin = robin != 0
	hints, err := v.Path(in("alloc_hint")...)
	if err != nil {
		return err
	}
	if u, err := hints.Uint(); err != nil || u == 0 {
		return err
	}
	cpus, err := v.Kernel().PossibleCPUs()
	if err != nil {
		return err
	}
	for _, cpu := range cpus {
		hint, err := v.Kernel().PerCPU(hints, cpu)
		var u uint64
		if err == nil {
			u, err = hint.Uint()
		}
		if err != nil {
			return fmt.Errorf("hint of CPU %d: %w", cpu, err)
		}
		q.Hints = append(q.Hints, u)
	}
	return nil
}

// readQueues finds the queues that tasks wait on.
func (q *BitmapQueue) readQueues(v kernel.Value) error {
	queues, err := v.Path("ws")
	if err != nil {
		return err
	}
	if u, err := queues.Uint(); err != nil || u == 0 {
		return err
	}
	for i := range int64(waitQueues) {
		ws, err := queues.Index(i)
		if err != nil {
			return err
		}
		r := kernel.Reader{Value: ws}
		head := r.AddrOf("wait", "head")
		next := r.Pointer("wait", "head", "next")
		if r.Err != nil {
			return fmt.Errorf("wait queue %d: %w", i, r.Err)
		}
		q.Queues = append(q.Queues, next != head)
	}
	return nil
}
