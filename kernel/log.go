package kernel

import (
	"bytes"
	"fmt"
	"iter"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// LogRecord is a message of the kernel's log. Its text may have several lines.
type LogRecord struct {
	Time      time.Duration // of the kernel's clock, which starts about when it does
	Level     int           // 0, an emergency, to 7, for debugging
	Facility  int           // 0 for the kernel, others as for syslog(3)
	Caller    string        // "T1" for the task with PID 1, "C1" for CPU 1; "" where it is not kept
	Text      string
	Subsystem string // of the device that the message is about
	Device    string
}

// Log returns the messages of the kernel's log, the oldest first. Messages that
// cannot be read come as errors; those that were being written are left out.
func (k *Kernel) Log() iter.Seq2[LogRecord, error] {
	return func(yield func(LogRecord, error) bool) {
		ring, err := k.openLog()
		if ErrorKind(err) == KindNotFound {
			old, oldErr := k.openOldLog()
			if oldErr == nil {
				old.oldestFirst(yield)
				return
			}
			if ErrorKind(oldErr) != KindNotFound {
				err = oldErr
			}
		}
		if err != nil {
			yield(LogRecord{}, fmt.Errorf("log: %w", err))
			return
		}
		ring.oldestFirst(yield)
	}
}

// callerOnCPU marks the number of a CPU in the caller of a message, which is a PID
// otherwise (printk_caller_id, kernel/printk/printk.c).
const callerOnCPU = 1 << 31

// logRecord reads all but the text of a message from its struct printk_info, or
// the older printk_log. The caller is kept with CONFIG_PRINTK_CALLER.
func logRecord(info Value) (r LogRecord, err error) {
	var ns, level, facility uint64
	for _, m := range []struct {
		name string
		to   *uint64
	}{{"ts_nsec", &ns}, {"level", &level}, {"facility", &facility}} {
		if *m.to, err = info.UintAt(m.name); err != nil {
			return r, err
		}
	}
	r = LogRecord{Time: time.Duration(ns), Level: int(level), Facility: int(facility)}
	if info.Has("caller_id") {
		id, err := info.UintAt("caller_id")
		if err != nil {
			return r, err
		}
		if r.Caller = fmt.Sprintf("T%d", id); id&callerOnCPU != 0 {
			r.Caller = fmt.Sprintf("C%d", id&^callerOnCPU)
		}
	}
	// Linux kernel commit 74caba7f2a06 ("printk: move dictionary keys to dev_printk_info") (in v5.10).
	if info.Has("dev_info") {
		r.Subsystem, _ = info.StringAt("dev_info.subsystem")
		r.Device, err = info.StringAt("dev_info.device")
	}
	return r, err
}

// logRing is the kernel's log, the ring buffer of Linux kernel commit
// 896fbe20b4e2 ("printk: use the lockless ringbuffer") (in v5.10): descriptors,
// an info for each, and a ring of bytes with their texts
// (kernel/printk/printk_ringbuffer.h).
type logRing struct {
	k           *Kernel
	at          vmcore.Addr
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

	maxBadRecords = 100 // that cannot be read, one after the other
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
	l := &logRing{k: k, at: a, idMask: ^uint64(0) >> (64 - 8*k.layout.WordSize + 2), headerBytes: uint64(k.layout.WordSize)}
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
		for i := range min(l.records(), limit) {
			if r, ok, _ := l.record((l.head - i) & l.idMask); ok && !yield(r.Text) {
				return
			}
		}
	}
}

// oldestFirst yields all records that are complete. It gives up where too many
// in a row cannot be read: the ring is then not what it says.
func (l *logRing) oldestFirst(yield func(LogRecord, error) bool) {
	bad := 0
	for i := range l.records() {
		id := (l.tail + i) & l.idMask
		r, ok, err := l.record(id)
		switch {
		case err != nil:
			if bad++; bad > maxBadRecords {
				yield(LogRecord{}, fmt.Errorf("the log at %v is damaged: %d records in a row cannot be read", l.at, bad))
				return
			}
			if !yield(LogRecord{}, fmt.Errorf("record %d of the log: %w", id, err)) {
				return
			}
		case ok:
			bad = 0
			if !yield(r, nil) {
				return
			}
		}
	}
}

// records returns how many records the ring holds.
func (l *logRing) records() uint64 { return min((l.head-l.tail)&l.idMask+1, l.count) }

// record returns the record of a descriptor; ok is false for one that is not
// complete, or no longer kept.
func (l *logRing) record(id uint64) (r LogRecord, ok bool, err error) {
	at := int64(id & (l.count - 1))
	desc, err := l.descs.Index(at)
	if err != nil {
		return r, false, err
	}
	desc = desc.Snapshot()
	state, err := desc.UintAt("state_var")
	if err != nil {
		return r, false, err
	}
	if of := state & l.idMask; of != id {
		if id == l.head && (state == 0 || of == (id-l.count)&l.idMask) {
			return r, false, nil // it was being taken for this message
		}
		return r, false, fmt.Errorf("its descriptor is damaged: state %#x", state)
	}
	if done := state / (l.idMask + 1); done != descCommitted && done != descFinalized {
		return r, false, nil
	}
	info, err := l.infos.Index(at)
	if err != nil {
		return r, false, err
	}
	info = info.Snapshot()
	size, err := info.UintAt("text_len")
	if err != nil {
		return r, false, err
	}
	if r, err = logRecord(info); err != nil {
		return r, false, err
	}
	begin, err := desc.UintAt("text_blk_lpos.begin")
	if err != nil {
		return r, false, err
	}
	next, err := desc.UintAt("text_blk_lpos.next")
	if err != nil {
		return r, false, err
	}
	r.Text, ok, err = l.read(begin, next, size)
	return r, ok, err
}

// read returns the text of a block, from position begin of the ring to next.
func (l *logRing) read(begin, next, size uint64) (text string, ok bool, err error) {
	if begin&1 != 0 { // no block: an empty line, or there was no room for one
		return "", begin == next, nil
	}
	if begin/l.textSize != (next-1)/l.textSize {
		begin = 0 // a block that does not fit at the end is at the start
	}
	at := begin%l.textSize + l.headerBytes
	if size > maxLogText || at+size > l.textSize {
		return "", false, fmt.Errorf("a text of %d bytes at %#x is outside of the ring", size, begin)
	}
	b := make([]byte, size)
	if _, err := l.k.mem.ReadMemory(b, l.text+vmcore.Addr(at)); err != nil {
		return "", false, err
	}
	return string(bytes.TrimRight(b, "\x00")), true, nil
}
