package kernel_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel/kerneltest"
	"github.com/kdbg/kdbg/vmcore"
)

// TestOldLog reads the log of a kernel before v5.10: three records, the last of
// which did not fit at the end of the buffer.
func TestOldLog(t *testing.T) {
	const header, size = 56, 400
	variable := func(i vmcore.Addr, name string) kallsymstest.Symbol {
		return kallsymstest.Symbol{Addr: kerneltest.Data + 8*i, Type: 'd', Name: name}
	}
	for _, test := range []struct {
		name   string
		damage func(w *kerneltest.World, buf uint64)
		want   string
	}{
		{"whole", nil, "1s 6 first|2s 4 second +usb:1|3s 6 third"},
		{"length", func(w *kerneltest.World, buf uint64) { w.Put(buf+200+8, 0x1000) },
			"the log at BUF is damaged: a record of 4096 bytes at 200"},
		{"no end", func(w *kerneltest.World, buf uint64) { w.Put(buf+8, 0) },
			"1s 6 first|2s 4 second +usb:1|the log at BUF is damaged: an empty record at 0"},
		{"first record", func(w *kerneltest.World, buf uint64) { w.Put(uint64(kerneltest.Data)+16, size) },
			"log: the log at BUF is damaged: 400 bytes, the first record at 400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := kerneltest.New(t, []string{"printk_log ts_nsec:long len:long text_len:long dict_len:long facility:long level:long flags:long"},
				variable(0, "log_buf"), variable(1, "log_buf_len"), variable(2, "log_first_idx"), variable(3, "log_first_seq"), variable(4, "log_next_seq"))
			buf := w.Room(size)
			w.Put(uint64(kerneltest.Data), buf, size, 200, 41, 44)
			record := func(at, seconds, level uint64, text, dict string) uint64 {
				b := make([]byte, (len(text)+len(dict)+7)&^7)
				copy(b, text+dict)
				length := header + uint64(len(b))
				w.Put(buf+at, seconds*1e9, length, uint64(len(text)), uint64(len(dict)), 0, level, 0)
				for i := 0; i < len(b); i += 8 {
					w.Put(buf+at+header+uint64(i), binary.LittleEndian.Uint64(b[i:]))
				}
				return at + length
			}
			next := record(200, 1, 6, "first", "")
			next = record(next, 2, 4, "second", "SUBSYSTEM=usb\x00DEVICE=+usb:1")
			w.Put(buf+next, 0, 0) // the next is at the start
			record(0, 3, 6, "third", "")
			if test.damage != nil {
				test.damage(w, buf)
			}
			var got []string
			for r, err := range w.Kernel.Log() {
				if err != nil {
					got = append(got, strings.ReplaceAll(err.Error(), vmcore.Addr(buf).String(), "BUF"))
					continue
				}
				got = append(got, strings.TrimSpace(fmt.Sprintf("%v %d %s %s", r.Time, r.Level, r.Text, r.Device)))
			}
			if text := strings.Join(got, "|"); text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
		})
	}
}
