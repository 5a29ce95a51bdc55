// Package kallsymstest writes kallsyms tables, as kernels of every era have
// them in memory, from a list of symbols. It is for tests of package kallsyms
// and of those above it.
package kallsymstest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// Symbol is a symbol of the kernel.
type Symbol struct {
	Addr vmcore.Addr
	Type byte // as nm prints it; 'A' is absolute, as per-CPU symbols were
	Name string
}

// Era is the version of Linux that brought a form of the tables, 604 for v6.4.
type Era int

const (
	V406 Era = 406 // the number of symbols and the markers are words
	V420 Era = 420 // they are 4 bytes
	V600 Era = 600 // VMCOREINFO says where the tables are
	V601 Era = 601 // lengths of names over 127 take two bytes
	V602 Era = 602 // the order by name is between the markers and the tokens
	V604 Era = 604 // the addresses are behind the tokens
	V700 Era = 700 // labels are aligned to 4 bytes, there is no base
)

// Kernel is what to write.
type Kernel struct {
	Era      Era
	Layout   vmcore.Layout
	Encoding kallsyms.Encoding
	Start    vmcore.Addr // where the first table is, in the first page of the image; a multiple of 8
	Symbols  []Symbol    // in any order; written by ascending address
}

// Image is memory that holds the tables. It is a [vmcore.Memory].
type Image struct {
	Start      vmcore.Addr
	Bytes      []byte
	Labels     map[string]vmcore.Addr // where each table is, by its name
	VMCOREINFO string                 // SYMBOL lines: _stext, and from v6.0 those of the tables
}

// ReadMemory fills p from the image; what is outside is unmapped.
func (m *Image) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	if a < m.Start || a-m.Start >= vmcore.Addr(len(m.Bytes)) {
		return 0, &vmcore.FaultError{Addr: a, State: vmcore.Unmapped}
	}
	n := copy(p, m.Bytes[a-m.Start:])
	if n < len(p) {
		return n, &vmcore.FaultError{Addr: a + vmcore.Addr(n), State: vmcore.Unmapped}
	}
	return n, nil
}

// Image writes the tables. It panics when the encoding cannot hold a symbol's
// address, or the era its name.
func (k *Kernel) Image() *Image {
	symbols := slices.Clone(k.Symbols)
	slices.SortStableFunc(symbols, func(a, b Symbol) int { return cmp.Compare(a.Addr, b.Addr) })
	w := writer{kernel: k, symbols: symbols, image: Image{
		Start:  k.Start &^ 0xfff,
		Bytes:  bytes.Repeat([]byte{0xcc}, int(k.Start&0xfff)),
		Labels: map[string]vmcore.Addr{},
	}}
	if k.Era < V604 {
		w.addresses()
	}
	w.label("kallsyms_num_syms")
	w.count(len(symbols))
	w.names()
	if k.Era >= V602 && k.Era < V604 {
		w.order()
	}
	w.tokens()
	if k.Era >= V604 {
		w.addresses()
		w.order()
	}
	w.info()
	return &w.image
}

type writer struct {
	kernel  *Kernel
	symbols []Symbol
	codes   codes
	markers []int
	image   Image
}

// label aligns what follows and gives it a name.
func (w *writer) label(name string) {
	align := 8
	if w.kernel.Era >= V700 || w.kernel.Layout.WordSize == 4 {
		align = 4
	}
	for len(w.image.Bytes)%align != 0 {
		w.image.Bytes = append(w.image.Bytes, 0)
	}
	w.image.Labels[name] = w.here()
}

func (w *writer) here() vmcore.Addr { return w.image.Start + vmcore.Addr(len(w.image.Bytes)) }

func (w *writer) put32(u uint32) {
	w.image.Bytes = append(w.image.Bytes, make([]byte, 4)...)
	w.kernel.Layout.ByteOrder().PutUint32(w.image.Bytes[len(w.image.Bytes)-4:], u)
}

func (w *writer) word(u uint64) {
	if w.kernel.Layout.WordSize == 4 {
		w.put32(uint32(u))
		return
	}
	w.image.Bytes = append(w.image.Bytes, make([]byte, 8)...)
	w.kernel.Layout.ByteOrder().PutUint64(w.image.Bytes[len(w.image.Bytes)-8:], u)
}

// count writes a number that was a word in the first era.
func (w *writer) count(n int) {
	if w.kernel.Era < V420 {
		w.word(uint64(n))
	} else {
		w.put32(uint32(n))
	}
}

// addresses writes the table of addresses, and the base if there is one.
func (w *writer) addresses() {
	encoding := w.kernel.Encoding
	name := "kallsyms_offsets"
	if encoding == kallsyms.AddressesAbsolute && w.kernel.Era < V700 {
		name = "kallsyms_addresses"
	}
	w.label(name)
	base := w.base()
	for _, s := range w.symbols {
		var offset vmcore.Addr
		switch encoding {
		case kallsyms.AddressesAbsolute:
			w.word(uint64(s.Addr))
			continue
		case kallsyms.BaseRelative:
			offset = s.Addr - base
			w.fits(s, offset == vmcore.Addr(uint32(offset)))
		case kallsyms.AbsolutePerCPU:
			offset = s.Addr
			if !absolute(s) {
				offset = base - 1 - s.Addr
			}
			w.fits(s, absolute(s) == (int32(offset) >= 0))
		case kallsyms.PlaceRelative:
			offset = s.Addr - w.here()
			w.fits(s, w.kernel.Layout.WordSize == 4 || offset == vmcore.Addr(int32(offset)))
		}
		w.put32(uint32(offset))
	}
	if encoding == kallsyms.BaseRelative || encoding == kallsyms.AbsolutePerCPU {
		w.label("kallsyms_relative_base")
		w.word(uint64(base))
	}
}

func absolute(s Symbol) bool { return s.Type == 'A' || s.Type == 'a' }

// base is the first address that is not absolute.
func (w *writer) base() vmcore.Addr {
	for _, s := range w.symbols {
		if !absolute(s) || w.kernel.Encoding == kallsyms.BaseRelative {
			return s.Addr
		}
	}
	return 0
}

func (w *writer) fits(s Symbol, ok bool) {
	if !ok {
		panic(fmt.Sprintf("%s at %v does not fit an %v table", s.Name, s.Addr, w.kernel.Encoding))
	}
}

// names writes the compressed names and the markers.
func (w *writer) names() {
	w.codes = chooseCodes(w.symbols)
	w.label("kallsyms_names")
	start := len(w.image.Bytes)
	for i, s := range w.symbols {
		if i%256 == 0 {
			w.markers = append(w.markers, len(w.image.Bytes)-start)
		}
		packed := w.codes.pack(text(s))
		switch n := len(packed); {
		case n >= 0x80 && w.kernel.Era >= V601:
			w.image.Bytes = append(w.image.Bytes, byte(n)|0x80, byte(n>>7))
		case n <= 0xff:
			w.image.Bytes = append(w.image.Bytes, byte(n))
		default:
			panic(fmt.Sprintf("%s is too long", s.Name))
		}
		w.image.Bytes = append(w.image.Bytes, packed...)
	}
	w.label("kallsyms_markers")
	for _, m := range w.markers {
		w.count(m)
	}
}

func text(s Symbol) string { return string(s.Type) + s.Name }

// order writes the numbers of the symbols in the order of their names, as
// 3 bytes each, big-endian on all machines.
func (w *writer) order() {
	order := make([]int, len(w.symbols))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(w.symbols[a].Name, w.symbols[b].Name) })
	w.label("kallsyms_seqs_of_names")
	for _, i := range order {
		w.image.Bytes = append(w.image.Bytes, byte(i>>16), byte(i>>8), byte(i))
	}
}

// tokens writes the token table and its index.
func (w *writer) tokens() {
	w.label("kallsyms_token_table")
	start := len(w.image.Bytes)
	var index []byte
	for _, token := range w.codes {
		index = append(index, 0, 0)
		w.kernel.Layout.ByteOrder().PutUint16(index[len(index)-2:], uint16(len(w.image.Bytes)-start))
		w.image.Bytes = append(append(w.image.Bytes, token...), 0)
	}
	w.label("kallsyms_token_index")
	w.image.Bytes = append(w.image.Bytes, index...)
}

// info writes the lines of VMCOREINFO.
func (w *writer) info() {
	var b strings.Builder
	fmt.Fprintf(&b, "OSRELEASE=%d.%d.0-test\n", w.kernel.Era/100, w.kernel.Era%100)
	for _, s := range w.symbols {
		if s.Name == "_stext" {
			fmt.Fprintf(&b, "SYMBOL(_stext)=%x\n", uint64(s.Addr))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.image.Labels)) {
		exported := w.kernel.Era >= V600 && name != "kallsyms_markers" && name != "kallsyms_seqs_of_names"
		if exported {
			fmt.Fprintf(&b, "SYMBOL(%s)=%x\n", name, uint64(w.image.Labels[name]))
		}
	}
	w.image.VMCOREINFO = b.String()
}

// codes are the 256 tokens.
type codes [256]string

// chooseCodes lets digits and the characters of names stand for themselves, and
// the other codes for the strings that save most. scripts/kallsyms.c chooses
// pairs of tokens; readers cannot tell.
func chooseCodes(symbols []Symbol) codes {
	var c codes
	for d := '0'; d <= '9'; d++ {
		c[d] = string(d)
	}
	saved := map[string]int{}
	for _, s := range symbols {
		text := text(s)
		for i := range len(text) {
			c[text[i]] = text[i : i+1]
			for n := 2; n <= 8 && i+n <= len(text); n++ {
				saved[text[i:i+n]] += n - 1
			}
		}
	}
	best := slices.SortedFunc(maps.Keys(saved), func(a, b string) int {
		return cmp.Or(cmp.Compare(saved[b], saved[a]), strings.Compare(a, b))
	})
	for i := range c {
		if c[i] == "" && len(best) > 0 {
			c[i], best = best[0], best[1:]
		}
	}
	return c
}

// pack compresses a text, taking the longest token at each place.
func (c *codes) pack(text string) []byte {
	var packed []byte
	for text != "" {
		best := text[0]
		for i, token := range c {
			if len(token) > len(c[best]) && strings.HasPrefix(text, token) {
				best = byte(i)
			}
		}
		packed = append(packed, best)
		text = text[len(c[best]):]
	}
	return packed
}
