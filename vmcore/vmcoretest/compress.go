package vmcoretest

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Compression is a page's method of compression. The values are the flags of a
// page descriptor in the file.
type Compression uint32

const (
	None   Compression = 0
	Zlib   Compression = 0x1
	LZO    Compression = 0x2
	Snappy Compression = 0x4
	Zstd   Compression = 0x20
)

// compress returns a page as it is stored, and the flags for it.
func (c Compression) compress(page []byte) ([]byte, Compression) {
	var stored []byte
	switch c {
	case None:
		return page, None
	case Zlib:
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		w.Write(page) // neither can fail: a bytes.Buffer takes everything
		w.Close()
		stored = b.Bytes()
	case LZO:
		stored = lzo1x(page)
	case Snappy:
		stored = snappy.Encode(nil, page)
	case Zstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err)
		}
		stored = w.EncodeAll(page, nil)
	default:
		panic(fmt.Sprintf("vmcoretest: no compression has flag %#x", uint32(c)))
	}
	if len(stored) >= len(page) {
		return page, None
	}
	return stored, c
}

// lzo1x compresses runs of one byte and nothing else, in a valid LZO1X stream:
// literals, then a match at distance 1 for the rest of the run, and so on. The
// stream format is that of the kernel's Documentation/staging/lzo.rst.
func lzo1x(src []byte) []byte {
	const minRun = 8
	var out []byte
	literals := 0 // start of what is not written yet
	for i := 1; i < len(src); {
		n := 0
		for i+n < len(src) && src[i+n] == src[i-1] {
			n++
		}
		if n < minRun {
			i++
			continue
		}
		out = lzoLiterals(out, src[literals:i])
		out = lzoRun(out, n)
		i += n
		literals = i
		// A literal that starts the next run always follows a match here.
		if i < len(src) {
			i++
		}
	}
	out = lzoLiterals(out, src[literals:])
	return append(out, 0x11, 0, 0) // a match at distance 16384: the end
}

// lzoLiterals appends an instruction that copies literals, and them. After a
// match, 1 to 3 literals go into the two low bits of the match's distance.
func lzoLiterals(out, lit []byte) []byte {
	n := len(lit)
	switch {
	case n == 0:
		return out
	case len(out) == 0 && n <= 238:
		out = append(out, byte(17+n))
	case n <= 3:
		out[len(out)-2] |= byte(n)
	case n <= 18:
		out = append(out, byte(n-3))
	default:
		out = lzoLength(append(out, 0), n-18)
	}
	return append(out, lit...)
}

// lzoRun appends a match of n bytes at distance 1 with no literals behind it.
func lzoRun(out []byte, n int) []byte {
	if n <= 33 {
		out = append(out, byte(0x20|(n-2)))
	} else {
		out = lzoLength(append(out, 0x20), n-33)
	}
	return append(out, 0, 0)
}

// lzoLength appends a long length: a zero byte for each 255, then the rest,
// which is not zero.
func lzoLength(out []byte, n int) []byte {
	for ; n > 255; n -= 255 {
		out = append(out, 0)
	}
	return append(out, byte(n))
}
