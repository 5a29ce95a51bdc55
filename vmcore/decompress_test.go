package vmcore

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// packers compress what a test gives them; LZO has no compressor in Go.
var packers = map[compression]func(p []byte) []byte{
	uncompressed: func(p []byte) []byte { return p },
	packedZlib: func(p []byte) []byte {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		w.Write(p)
		w.Close()
		return b.Bytes()
	},
	packedSnappy: func(p []byte) []byte { return snappy.Encode(nil, p) },
	packedZstd: func(p []byte) []byte {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err)
		}
		return w.EncodeAll(p, nil)
	},
	packedLZO: func(p []byte) []byte {
		// One literal, then matches at distance 1 (0x20: length 2 and more), then
		// the end. Each zero byte adds 255 to a length.
		out := []byte{17 + 1, p[0], 0x20}
		n := len(p) - 1 - 33
		for ; n > 255; n -= 255 {
			out = append(out, 0)
		}
		return append(out, byte(n), 0, 0, 0x11, 0, 0)
	},
}

func TestDecoder(t *testing.T) {
	const size = 4096
	page := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	cut := func(p []byte) []byte { return p[:len(p)-1] }
	d := newDecoder(size) // one for all: a failure must not spoil what follows
	for _, c := range []compression{uncompressed, packedZlib, packedLZO, packedSnappy, packedZstd} {
		pack := packers[c]
		for _, tc := range []struct {
			name   string
			packed []byte
			ok     bool
		}{
			{"page", pack(page(size)), true},
			{"short page", pack(page(size - 1)), false},
			{"long page", pack(page(size + 1)), c == uncompressed}, // cut before it is unpacked
			{"huge page", pack(page(1 << 20)), c == uncompressed},
			{"cut", cut(pack(page(size))), false},
			{"nothing", nil, false},
			{"junk", []byte("\x7e junk that no method takes \xff\xff\xff\xff"), false},
			{"page again", pack(page(size)), true},
		} {
			clear(d.out)
			n := copy(d.in, tc.packed)
			err := d.unpack(n, c)
			if (err == nil) != tc.ok {
				t.Errorf("%v, %s: error %v", c, tc.name, err)
			}
			if tc.ok && !bytes.Equal(d.out, page(size)) {
				t.Errorf("%v, %s: other bytes", c, tc.name)
			}
			if err != nil && !strings.HasPrefix(err.Error(), c.String()+": ") {
				t.Errorf("%v, %s: error %q does not name the method", c, tc.name, err)
			}
		}
	}
	if err := d.unpack(1, 0x18); fmt.Sprint(err) != "unknown compression 0x18" {
		t.Errorf("got %q", err)
	}
}
