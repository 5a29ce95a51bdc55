package kernel

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// oldLog is the kernel's log up to Linux v5.9: a buffer of records of any length
// (struct printk_log, kernel/printk/printk.c), each of which begins with its
// length; a length of 0 says that the next is at the start.
type oldLog struct {
	k     *Kernel
	typ   btf.Type // struct printk_log
	buf   vmcore.Addr
	size  uint64
	first uint64 // offset of the oldest record
	count uint64
}

// maxOldLog bounds the buffer: log_buf_len=, a power of two, up to LOG_BUF_LEN_MAX.
const maxOldLog = 1 << 31

// openOldLog finds the log of a kernel before v5.10.
func (k *Kernel) openOldLog() (*oldLog, error) {
	l := &oldLog{k: k}
	var err error
	if l.typ, err = k.structType("printk_log"); err != nil {
		return nil, err
	}
	var buf, next uint64
	for _, v := range []struct {
		name, typ string
		to        *uint64
	}{
		{"log_buf", "unsigned long", &buf},
		{"log_buf_len", "unsigned int", &l.size},
		{"log_first_idx", "unsigned int", &l.first},
		{"log_first_seq", "unsigned long long", &l.count},
		{"log_next_seq", "unsigned long long", &next},
	} {
		o, err := k.Object(v.name, k.BasicType(v.typ))
		if err != nil {
			return nil, err
		}
		if *v.to, err = o.Uint(); err != nil {
			return nil, err
		}
	}
	l.buf, l.count = vmcore.Addr(buf), next-l.count
	if l.size > maxOldLog || l.first >= l.size {
		return nil, fmt.Errorf("the log at %v is damaged: %d bytes, the first record at %d", l.buf, l.size, l.first)
	}
	return l, nil
}

// oldestFirst yields all records. One that does not fit ends them: where the next
// begins is not known then.
func (l *oldLog) oldestFirst(yield func(LogRecord, error) bool) {
	header, err := l.k.types.Sizeof(l.typ)
	if err != nil {
		yield(LogRecord{}, err)
		return
	}
	most := l.size/header + 1
	for at, n := l.first, uint64(0); n < min(l.count, most); n++ {
		r, size, err := l.record(at, header)
		if err == nil && size == 0 && at != 0 { // the next is at the start
			at = 0
			r, size, err = l.record(at, header)
		}
		if err == nil && size == 0 {
			err = fmt.Errorf("the log at %v is damaged: an empty record at %d", l.buf, at)
		}
		if !yield(r, err) || err != nil {
			return
		}
		at += size
	}
}

// record reads the record at an offset, and returns its size.
func (l *oldLog) record(at, header uint64) (r LogRecord, size uint64, err error) {
	if at+header > l.size {
		return r, 0, nil
	}
	h := l.k.At(l.buf+vmcore.Addr(at), l.typ).Snapshot()
	size, err = h.UintAt("len")
	if err != nil || size == 0 {
		return r, 0, err
	}
	text, err := h.UintAt("text_len")
	if err != nil {
		return r, 0, err
	}
	dict, err := h.UintAt("dict_len")
	if err != nil {
		return r, 0, err
	}
	if size < header+text+dict || at+size > l.size {
		return r, 0, fmt.Errorf("the log at %v is damaged: a record of %d bytes at %d", l.buf, size, at)
	}
	if r, err = logRecord(h); err != nil {
		return r, 0, err
	}
	b := make([]byte, text+dict)
	if _, err := l.k.mem.ReadMemory(b, l.buf+vmcore.Addr(at+header)); err != nil {
		return r, 0, err
	}
	r.Text = string(b[:text])
	for pair := range bytes.SplitSeq(b[text:], []byte{0}) {
		switch key, value, _ := strings.Cut(string(pair), "="); key {
		case "SUBSYSTEM":
			r.Subsystem = value
		case "DEVICE":
			r.Device = value
		}
	}
	return r, size, nil
}
