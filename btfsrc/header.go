package btfsrc

import (
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// header is a BTF header whose sections have been checked against the blob.
type header struct {
	types, strs       []byte
	typesOff, strsOff int // of the sections in the blob
	layout            []byte
	end               int // of the last section
}

// parseHeader reads the header of 24 bytes, or of 32 since a layout section
// exists (Linux v7.2). Section offsets count from the header's end. Flags are
// not looked at: none is defined.
func parseHeader(raw []byte, layout vmcore.Layout) (*header, error) {
	if len(raw) < headerLen {
		return nil, malformed(0, "%d bytes are too few for a BTF header", len(raw))
	}
	if m := layout.Uint16(raw); m == magic>>8|magic&0xff<<8 {
		return nil, malformed(0, "BTF is of the other byte order than the kernel's machine")
	} else if m != magic {
		return nil, malformed(0, "magic %#04x is not BTF's %#04x", m, magic)
	}
	if v := raw[2]; v != 1 {
		return nil, malformed(2, "BTF version %d is not 1", v)
	}
	word := func(off int) uint64 { return uint64(layout.Uint32(raw[off:])) }
	hdrLen := word(4)
	if hdrLen < headerLen || hdrLen > uint64(len(raw)) {
		return nil, malformed(4, "header length %d of %d bytes", hdrLen, len(raw))
	}
	h := &header{}
	section := func(off int, what string) ([]byte, int, error) {
		start, n := hdrLen+word(off), word(off+4)
		if start+n > uint64(len(raw)) {
			return nil, 0, malformed(off, "%s section %#x+%#x is outside the %#x bytes of the blob", what, start, n, len(raw))
		}
		h.end = max(h.end, int(start+n))
		return raw[start : start+n], int(start), nil
	}
	var err error
	if h.types, h.typesOff, err = section(8, "type"); err != nil {
		return nil, err
	}
	if h.strs, h.strsOff, err = section(16, "string"); err != nil {
		return nil, err
	}
	if hdrLen >= headerLayoutLen {
		if h.layout, _, err = section(24, "layout"); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// kindSizes returns how long records of a kind are: known, or read from the
// layout section, which lets a reader step over kinds younger than itself.
func (h *header) kindSizes(kind int) (sizes, bool) {
	if kind > 0 && kind < len(kindSizes) {
		return kindSizes[kind], true
	}
	const entryLen = 4 // struct btf_layout: u8 info_sz, u8 elem_sz, u16 flags
	if off := kind * entryLen; kind > 0 && off+entryLen <= len(h.layout) {
		return sizes{info: h.layout[off], elem: h.layout[off+1]}, true
	}
	return sizes{}, false
}

// standsAlone reports whether raw has a string section that begins with the
// empty string. Split BTF never does: that string is its base's.
func standsAlone(raw []byte, layout vmcore.Layout) bool {
	h, err := parseHeader(raw, layout)
	return err == nil && len(h.strs) > 0 && h.strs[0] == 0
}

func malformed(off int, format string, args ...any) error {
	return &vmcore.FormatError{Off: int64(off), Msg: fmt.Sprintf(format, args...)}
}
