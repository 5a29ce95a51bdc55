package dwarf

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// cursor reads integers from a section. Its error is sticky: after one, all
// reads give zero, so that a parser need test it only where it loops.
type cursor struct {
	data []byte
	off  uint64
	big  bool
	msg  string // what is wrong, or ""
	at   uint64 // offset of what is wrong
}

func (c *cursor) fail(off uint64, msg string) {
	if c.msg == "" {
		c.msg, c.at = msg, off
	}
}

func (c *cursor) bytes(n uint64) []byte {
	if c.msg != "" || c.off > uint64(len(c.data)) || n > uint64(len(c.data))-c.off {
		c.fail(c.off, "unexpected end")
		return nil
	}
	b := c.data[c.off : c.off+n]
	c.off += n
	return b
}

func (c *cursor) u8() uint8 {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 { return uint16(c.uint(2)) }
func (c *cursor) u32() uint32 { return uint32(c.uint(4)) }
func (c *cursor) u64() uint64 { return c.uint(8) }

// uint reads an unsigned integer of 1, 2, 3, 4 or 8 bytes.
func (c *cursor) uint(size int) uint64 {
	b := c.bytes(uint64(size))
	if b == nil {
		return 0
	}
	return fixed(b, size, c.big)
}

func (c *cursor) uleb() uint64 {
	v, n := uleb(c.data, c.off)
	if c.msg != "" || n == 0 {
		c.fail(c.off, "unexpected end of a LEB128 number")
		return 0
	}
	c.off += n
	return v
}

func (c *cursor) sleb() int64 {
	v, n := sleb(c.data, c.off)
	if c.msg != "" || n == 0 {
		c.fail(c.off, "unexpected end of a LEB128 number")
		return 0
	}
	c.off += n
	return v
}

// cString returns b up to its first NUL, or all of it.
func cString(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// int16At, int32At and int64At decode the unsigned integer at off.
func int16At(b []byte, off uint64, big bool) uint64 {
	v := binary.LittleEndian.Uint16(b[off:])
	if big {
		v = bits.ReverseBytes16(v)
	}
	return uint64(v)
}

func int32At(b []byte, off uint64, big bool) uint64 {
	v := binary.LittleEndian.Uint32(b[off:])
	if big {
		v = bits.ReverseBytes32(v)
	}
	return uint64(v)
}

func int64At(b []byte, off uint64, big bool) uint64 {
	v := binary.LittleEndian.Uint64(b[off:])
	if big {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// fixed decodes an unsigned integer from the first size bytes of b.
func fixed(b []byte, size int, big bool) uint64 {
	switch size {
	case 1:
		return uint64(b[0])
	case 2:
		return int16At(b, 0, big)
	case 3:
		if big {
			return uint64(b[0])<<16 | uint64(b[1])<<8 | uint64(b[2])
		}
		return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16
	case 4:
		return int32At(b, 0, big)
	}
	return int64At(b, 0, big)
}

// uleb decodes the unsigned LEB128 number at off and returns its size in bytes,
// 0 if the data ends within it. Bits beyond 64 are dropped.
func uleb(data []byte, off uint64) (v, n uint64) {
	for shift := uint(0); off+n < uint64(len(data)); shift += 7 {
		b := data[off+n]
		n++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, n
		}
	}
	return 0, 0
}

// sleb decodes the signed LEB128 number at off, as uleb does.
func sleb(data []byte, off uint64) (v int64, n uint64) {
	for shift := uint(0); off+n < uint64(len(data)); {
		b := data[off+n]
		n++
		v |= int64(b&0x7f) << shift
		shift += 7
		if b < 0x80 {
			if shift < 64 && b&0x40 != 0 {
				v |= -1 << shift
			}
			return v, n
		}
	}
	return 0, 0
}
