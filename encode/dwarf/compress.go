package dwarf

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// A deflate stream grows at most 1032 times. A block of zstd is at most 128 KiB,
// and takes 4 bytes or more.
const (
	maxDeflate = 1032
	maxZstd    = 128 << 10 / 4
)

// decompress returns the contents of a section that is compressed as the ELF
// specification has it (SHF_COMPRESSED) or as GNU tools did before (.zdebug_*:
// "ZLIB" and the size, big endian). Others are returned as they are.
func (s *Section) decompress(raw []byte) ([]byte, error) {
	if s.Flags&elf.SHF_COMPRESSED == 0 {
		if !strings.HasPrefix(s.Name, ".zdebug_") || len(raw) < 12 || string(raw[:4]) != "ZLIB" {
			return raw, nil
		}
		return s.inflate(raw[12:], binary.BigEndian.Uint64(raw[4:]), elf.COMPRESS_ZLIB)
	}
	h, err := s.compressionHeader(raw)
	if err != nil {
		return nil, err
	}
	return s.inflate(raw[h.len:], h.size, h.kind)
}

// compressionHeader is what a section with SHF_COMPRESSED begins with.
type compressionHeader struct {
	kind elf.CompressionType
	size uint64 // of the section when decompressed
	len  uint64 // of the header
}

func (s *Section) compressionHeader(raw []byte) (h compressionHeader, err error) {
	c, word := cursor{data: raw, big: s.file.big}, 4
	h.kind = elf.CompressionType(c.u32())
	if s.file.class64 {
		c.u32() // reserved
		word = 8
	}
	h.size = c.uint(word)
	c.uint(word) // alignment
	if c.msg != "" {
		return h, s.file.errorf(s.Name, c.at, "%s of the compression header", c.msg)
	}
	h.len = c.off
	return h, nil
}

// uncompressed returns the size of the section once decompressed, or 0 if its
// header is malformed.
func (s *Section) uncompressed() uint64 {
	if s.Flags&elf.SHF_COMPRESSED == 0 {
		return s.Size
	}
	raw, err := s.raw()
	if err != nil {
		return 0
	}
	h, _ := s.compressionHeader(raw)
	return h.size
}

// inflate decompresses exactly size bytes. The result grows with what there
// really is, so that a false size cannot exhaust memory.
func (s *Section) inflate(raw []byte, size uint64, kind elf.CompressionType) ([]byte, error) {
	f := s.file
	var r io.Reader
	var err error
	ratio := uint64(maxDeflate)
	switch kind {
	case elf.COMPRESS_ZLIB:
		r, err = zlib.NewReader(bytes.NewReader(raw))
	case elf.COMPRESS_ZSTD:
		ratio = maxZstd
		var d *zstd.Decoder
		d, err = zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<30))
		if err == nil {
			defer d.Close()
		}
		r = d
	default:
		return nil, f.errorf(s.Name, 0, "unknown compression %d", kind)
	}
	if err != nil {
		return nil, f.errorf(s.Name, 0, "decompress: %v", err)
	}
	if size/ratio > uint64(len(raw)) {
		return nil, f.errorf(s.Name, 0, "%d bytes cannot hold %d", len(raw), size)
	}
	const chunk = 16 << 20
	out := make([]byte, 0, min(size, chunk))
	for uint64(len(out)) < size {
		if len(out) == cap(out) {
			bigger := make([]byte, len(out), min(size, 2*uint64(cap(out))))
			copy(bigger, out)
			out = bigger
		}
		n, err := io.ReadFull(r, out[len(out):cap(out)])
		out = out[:len(out)+n]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return nil, f.errorf(s.Name, uint64(len(out)), "decompress: %v", err)
		}
	}
	if uint64(len(out)) != size {
		return nil, f.errorf(s.Name, uint64(len(out)), "decompressed data end before %#x", size)
	}
	return out, nil
}
