package vmcore

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/anchore/go-lzo"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// compression says how the bytes of one page are packed: the flags of a
// page descriptor, of which at most one is set (makedumpfile's diskdump_mod.h).
type compression uint32

const (
	uncompressed compression = 0
	packedZlib   compression = 1 << 0
	packedLZO    compression = 1 << 1
	packedSnappy compression = 1 << 2
	packedZstd   compression = 1 << 5
)

// known reports whether a decoder can unpack it.
func (c compression) known() bool {
	switch c {
	case uncompressed, packedZlib, packedLZO, packedSnappy, packedZstd:
		return true
	}
	return false
}

// maxZstdWindow is the window that RFC 8878 asks every decoder to support. The
// output is bounded by the page in any case.
const maxZstdWindow = 8 << 20

// String returns the method's usual name, such as "zlib".
func (c compression) String() string {
	switch c {
	case uncompressed:
		return "none"
	case packedZlib:
		return "zlib"
	case packedLZO:
		return "lzo"
	case packedSnappy:
		return "snappy"
	case packedZstd:
		return "zstd"
	}
	return fmt.Sprintf("unknown compression %#x", uint32(c))
}

// A decoder unpacks pages of one size, one at a time. It owns its buffers, so
// that unpacking a page allocates nothing once they exist.
type decoder struct {
	in, out []byte // a packed page and an unpacked one, each one page long
	src     bytes.Reader
	zlib    io.ReadCloser
	zstd    *zstd.Decoder
}

func newDecoder(pageSize int) *decoder {
	return &decoder{in: make([]byte, pageSize), out: make([]byte, pageSize)}
}

// unpack expands the first n bytes of d.in to the page d.out.
func (d *decoder) unpack(n int, c compression) error {
	size, err := 0, error(nil)
	switch src := d.in[:n]; c {
	case uncompressed:
		size = copy(d.out, src)
	case packedZlib:
		size, err = d.inflate(src)
	case packedLZO:
		size, err = lzo.Decompress(src, d.out)
	case packedSnappy:
		// The length comes first in the block: checked here, since Decode
		// would allocate whatever it says.
		if size, err = snappy.DecodedLen(src); err == nil && size == len(d.out) {
			_, err = snappy.Decode(d.out, src)
		}
	case packedZstd:
		size, err = d.unzstd(src)
	default:
		return errors.New(c.String())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	if size != len(d.out) {
		return fmt.Errorf("%s: page expands to %d bytes, not %d", c, size, len(d.out))
	}
	return nil
}

// inflate reads to the end of the stream, where zlib keeps its checksum.
func (d *decoder) inflate(src []byte) (n int, err error) {
	d.src.Reset(src)
	if d.zlib == nil {
		d.zlib, err = zlib.NewReader(&d.src)
	} else {
		err = d.zlib.(zlib.Resetter).Reset(&d.src, nil)
	}
	if err != nil {
		return 0, err
	}
	if n, err = io.ReadFull(d.zlib, d.out); err != nil {
		return n, err
	}
	var more [1]byte
	switch _, err := io.ReadFull(d.zlib, more[:]); err {
	case io.EOF:
		return n, nil
	case nil:
		return n, errors.New("more than a page")
	default:
		return n, err
	}
}

func (d *decoder) unzstd(src []byte) (int, error) {
	if d.zstd == nil {
		var err error
		d.zstd, err = zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxZstdWindow),
			zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return 0, err
		}
	}
	out, err := d.zstd.DecodeAll(src, d.out[:0:len(d.out)])
	return len(out), err
}
