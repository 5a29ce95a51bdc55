package kernel

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// logRing is the kernel's log, the ring buffer of Linux kernel commit
// 896fbe20b4e2 ("printk: use the lockless ringbuffer") (in v5.10): descriptors,
// an info for each, and a ring of bytes with their texts
// (kernel/printk/printk_ringbuffer.h).
type logRing struct {
	k           *Kernel
	descs       Value // struct prb_desc *
	infos       Value // struct printk_info *
	head, tail  uint64
	count       uint64 // of descriptors, a power of 2
	text        vmcore.Addr
	textSize    uint64 // bytes, a power of 2
	idMask      uint64 // the bits of a descriptor's state that are its ID
	headerBytes uint64 // in front of each text
}

// Bounds on what a ring says of itself, far above any kernel's.
const (
	maxLogBits = 30
	maxLogText = 16 << 10 // bytes of one message
)

// States of a descriptor, enum desc_state, in which its message is whole.
const (
	descCommitted = 1
	descFinalized = 2
)

// openLog finds the kernel's log.
func (k *Kernel) openLog() (*logRing, error) {
	a, ok := k.info.Symbol("prb")
	if syms := dataSymbols(k.syms.Lookup("prb")); !ok && len(syms) == 1 {
		a, ok = syms[0].Addr, true
	}
	if !ok {
		return nil, &NotFoundError{What: "symbol", Name: "prb"}
	}
	t, err := k.structType("printk_ringbuffer")
	if err != nil {
		return nil, err
	}
	rb, err := k.At(a, &btf.Pointer{Target: t}).Deref()
	if err != nil {
		return nil, err
	}
	l := &logRing{k: k, idMask: ^uint64(0) >> (64 - 8*k.layout.WordSize + 2), headerBytes: uint64(k.layout.WordSize)}
	var descBits, textBits, text uint64
	for _, f := range []struct {
		to   *uint64
		path []string
	}{
		{&descBits, []string{"desc_ring", "count_bits"}},
		{&l.head, []string{"desc_ring", "head_id"}},
		{&l.tail, []string{"desc_ring", "tail_id"}},
		{&textBits, []string{"text_data_ring", "size_bits"}},
		{&text, []string{"text_data_ring", "data"}},
	} {
		if *f.to, err = rb.UintAt(f.path...); err != nil {
			return nil, err
		}
	}
	if descBits > maxLogBits || textBits > maxLogBits {
		return nil, fmt.Errorf("the log at %v is damaged: rings of 2^%d records and 2^%d bytes", a, descBits, textBits)
	}
	l.count, l.textSize, l.text = 1<<descBits, 1<<textBits, vmcore.Addr(text)
	if l.descs, err = rb.Path("desc_ring", "descs"); err != nil {
		return nil, err
	}
	l.infos, err = rb.Path("desc_ring", "infos")
	return l, err
}

// newestFirst yields the messages of up to limit records, the last that was written
// first. Those that cannot be read, or that were not complete, are passed over.
func (l *logRing) newestFirst(limit uint64) iter.Seq[string] {
	return func(yield func(string) bool) {
		n := min((l.head-l.tail)&l.idMask+1, l.count, limit)
		for i := range n {
			if text, ok := l.message((l.head - i) & l.idMask); ok && !yield(text) {
				return
			}
		}
	}
}

// message returns the message of a descriptor.
func (l *logRing) message(id uint64) (string, bool) {
	at := int64(id & (l.count - 1))
	desc, err := l.descs.Index(at)
	if err != nil {
		return "", false
	}
	desc = desc.Snapshot()
	state, err := desc.UintAt("state_var")
	done := state &^ l.idMask / (l.idMask + 1)
	if err != nil || state&l.idMask != id || done != descCommitted && done != descFinalized {
		return "", false
	}
	info, err := l.infos.Index(at)
	if err != nil {
		return "", false
	}
	size, err := info.UintAt("text_len")
	if err != nil || size > maxLogText {
		return "", false
	}
	begin, err := desc.UintAt("text_blk_lpos", "begin")
	if err != nil {
		return "", false
	}
	next, err := desc.UintAt("text_blk_lpos", "next")
	if err != nil {
		return "", false
	}
	return l.read(begin, next, size)
}

// read returns the text of a block, from position begin of the ring to next.
func (l *logRing) read(begin, next, size uint64) (string, bool) {
	if begin&1 != 0 { // no block: an empty line, or there was no room for one
		return "", begin == next
	}
	if begin/l.textSize != (next-1)/l.textSize {
		begin = 0 // a block that does not fit at the end is at the start
	}
	at := begin%l.textSize + l.headerBytes
	if at+size > l.textSize {
		return "", false
	}
	b := make([]byte, size)
	if _, err := l.k.mem.ReadMemory(b, l.text+vmcore.Addr(at)); err != nil {
		return "", false
	}
	return string(bytes.TrimRight(b, "\x00")), true
}
