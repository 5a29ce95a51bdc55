package btfsrc

import (
	"fmt"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/vmcore"
)

// The format is that of Linux, include/uapi/linux/btf.h. Before v7.2 the type
// header had 16 bits of vlen and 5 of kind, and encoders left the rest zero, so
// one reader serves both.
const (
	magic = 0xeb9f

	headerLen       = 24 // before the layout section
	headerLayoutLen = 32 // with layout_off and layout_len

	recordLen = 12   // struct btf_type
	maxName   = 1024 // of a name; KSYM_NAME_LEN of Linux is 512
)

// Kinds of the format; see also [Kind].
const (
	kindInt       = 1
	kindPtr       = 2
	kindArray     = 3
	kindStruct    = 4
	kindUnion     = 5
	kindEnum      = 6
	kindFwd       = 7
	kindTypedef   = 8
	kindVolatile  = 9
	kindConst     = 10
	kindRestrict  = 11
	kindFunc      = 12
	kindFuncProto = 13
	kindVar       = 14
	kindDatasec   = 15
	kindFloat     = 16
	kindDeclTag   = 17
	kindTypeTag   = 18
	kindEnum64    = 19
)

// sizes is how many bytes follow a type header: info once and elem for each of
// vlen elements. It is struct btf_layout less its flags.
type sizes struct{ info, elem uint8 }

var kindSizes = [...]sizes{
	kindInt:       {4, 0},
	kindPtr:       {},
	kindArray:     {12, 0},
	kindStruct:    {0, 12},
	kindUnion:     {0, 12},
	kindEnum:      {0, 8},
	kindFwd:       {},
	kindTypedef:   {},
	kindVolatile:  {},
	kindConst:     {},
	kindRestrict:  {},
	kindFunc:      {},
	kindFuncProto: {0, 8},
	kindVar:       {4, 0},
	kindDatasec:   {0, 12},
	kindFloat:     {},
	kindDeclTag:   {4, 0},
	kindTypeTag:   {},
	kindEnum64:    {0, 12},
}

// blob is one BTF: where each of its types lies, and nothing decoded.
type blob struct {
	name   string // as given to AddSplit; empty for the kernel's own
	source Source
	layout vmcore.Layout
	base   *blob // what ids and string offsets continue; nil when they start here

	raw      []byte // from the header to the end of the last section
	types    []byte
	strs     string   // one copy, so that names are cut from it for free
	offsets  []uint32 // of each type in types; the first id's is offsets[0]
	datasecs []uint32 // ids
	numVars  int

	decoded []btf.Type // by id less firstID; nil until asked for; guarded by Types.mu

	indexOnce   sync.Once
	index       nameIndex // see named
	entriesOnce sync.Once
	entries     []entry // see entryOf
}

// parseBlob checks raw's structure and finds its types. Type ids and names that
// point nowhere are let through; they show when decoded.
func parseBlob(raw []byte, layout vmcore.Layout, base *blob) (*blob, error) {
	h, err := parseHeader(raw, layout)
	if err != nil {
		return nil, err
	}
	b := &blob{layout: layout, base: base, raw: raw[:h.end], types: h.types, strs: string(h.strs)}
	if n := len(b.strs); n > 0 && b.strs[n-1] != 0 {
		return nil, malformed(h.strsOff+n, "string section does not end with a zero byte")
	}
	if base == nil && !strings.HasPrefix(b.strs, "\x00") {
		return nil, malformed(h.strsOff, "string section does not begin with the empty string")
	}
	if err := b.findTypes(h); err != nil {
		return nil, err
	}
	return b, nil
}

// findTypes walks the type section and fills offsets, datasecs and numVars.
func (b *blob) findTypes(h *header) error {
	b.offsets = make([]uint32, 0, len(b.types)/24+1) // a kernel's records have 25 bytes on average
	for off := 0; off < len(b.types); {
		if len(b.types)-off < recordLen {
			return malformed(h.typesOff+off, "type header cut short")
		}
		info := b.layout.Uint32(b.types[off+4:])
		kind, vlen := infoKind(info), infoVlen(info)
		sz, ok := h.kindSizes(kind)
		if !ok {
			return malformed(h.typesOff+off, "type %d has the unknown kind %d, and no layout section gives its size", b.end(), kind)
		}
		n := recordLen + int(sz.info) + vlen*int(sz.elem)
		if n > len(b.types)-off {
			return malformed(h.typesOff+off, "type %d of kind %d and %d elements runs past the type section", b.end(), kind, vlen)
		}
		switch kind {
		case kindDatasec:
			b.datasecs = append(b.datasecs, uint32(b.end()))
		case kindVar:
			b.numVars++
		}
		b.offsets = append(b.offsets, uint32(off))
		off += n
	}
	return nil
}

func infoVlen(info uint32) int  { return int(info & 0xffffff) }
func infoKind(info uint32) int  { return int(info >> 24 & 0x7f) }
func infoFlag(info uint32) bool { return info>>31 != 0 }

// start returns the id of the blob's first type.
func (b *blob) start() int {
	if b.base == nil {
		return 1 // id 0 is void
	}
	return b.base.end()
}

// end returns the id after the blob's last type.
func (b *blob) end() int { return b.start() + len(b.offsets) }

// owner returns the blob that holds id, which is b or its base; nil when none
// does.
func (b *blob) owner(id uint32) *blob {
	for o := b; o != nil; o = o.base {
		if int64(id) >= int64(o.start()) {
			if int64(id) < int64(o.end()) {
				return o
			}
			return nil
		}
	}
	return nil
}

// record is the struct btf_type of a type and what follows it.
type record struct {
	nameOff uint32
	info    uint32
	size    uint32 // or the id of the type referred to
	body    []byte
}

func (r record) kind() int  { return infoKind(r.info) }
func (r record) vlen() int  { return infoVlen(r.info) }
func (r record) flag() bool { return infoFlag(r.info) }

// record returns the record of one of b's own types.
func (b *blob) record(id uint32) record {
	i := int(id) - b.start()
	off, end := b.offsets[i], uint32(len(b.types))
	if i+1 < len(b.offsets) {
		end = b.offsets[i+1]
	}
	p := b.types[off:end]
	return record{
		nameOff: b.layout.Uint32(p),
		info:    b.layout.Uint32(p[4:]),
		size:    b.layout.Uint32(p[8:]),
		body:    p[recordLen:],
	}
}

// word returns 32-bit word i of a record's body.
func (b *blob) word(body []byte, i int) uint32 { return b.layout.Uint32(body[4*i:]) }

// str returns the string at an offset, which may lie in the base's strings, cut
// to a length that no name of a kernel reaches. Unlike cilium's reader it lets
// one string begin inside another: an encoder that shares suffixes is within
// the format.
func (b *blob) str(off uint32) (string, bool) {
	strs := b.strs
	if b.base != nil {
		if n := uint32(len(b.base.strs)); off < n {
			strs = b.base.strs
		} else {
			off -= n
		}
	}
	if int64(off) >= int64(len(strs)) {
		return "", false
	}
	s := strs[off:min(int(off)+maxName, len(strs))]
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return s, true
}

// label returns the string at an offset, or says that there is none.
func (b *blob) label(off uint32) string {
	s, ok := b.str(off)
	if !ok {
		return fmt.Sprintf("<bad name %#x>", off)
	}
	return s
}
