package kallsyms

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"math/rand/v2"

	"github.com/kdbg/kdbg/vmcore"
)

// maxName is more than the longest name of any kernel, in bytes: KSYM_NAME_LEN
// is 512 since v6.1, and was 128.
const maxName = 1024

// maxPerName is the most bytes that a symbol adds to the names, the markers and
// the order by name: a length, 512 tokens and 3 bytes, and a share of a marker.
const maxPerName = 520

// names is the kernel's table of compressed names, kallsyms_names. A symbol is
// a length and that many bytes, each of which stands for a token. Its text
// begins with the type letter.
type names struct {
	data   []byte
	starts []uint32 // where in data each symbol begins
	long   bool     // lengths over 127 take two bytes
	tokens *tokens
}

// nameLength decodes the length at the start of b: n bytes follow the first
// size bytes. The size is 0 when b is too short for either.
//
// Linux kernel commit 73bbb94466fd ("kallsyms: support "big" kernel symbols")
// (in v6.1) made lengths over 127 take two bytes, 7 bits each, lower first,
// bit 7 of the first set. Before it every length took one byte. Nothing in
// memory says which it is.
func nameLength(b []byte, long bool) (n, size int) {
	if len(b) == 0 {
		return 0, 0
	}
	n, size = int(b[0]), 1
	if long && n >= 0x80 {
		if len(b) < 2 {
			return 0, 0
		}
		n, size = n&0x7f|int(b[1])<<7, 2
	}
	if n > len(b)-size {
		return 0, 0
	}
	return n, size
}

// walk finds where each of count symbols begins. It returns the offset of the
// byte behind the last, and false when the data ends before that or a symbol
// is empty, without even a type.
func (n *names) walk(count int) (end int, ok bool) {
	if count > len(n.data)/2 {
		return 0, false
	}
	n.starts = make([]uint32, count)
	for i := range n.starts {
		length, size := nameLength(n.data[end:], n.long)
		if length == 0 {
			return 0, false
		}
		n.starts[i] = uint32(end)
		end += size + length
	}
	return end, true
}

// typed reports whether the text of each symbol begins with a letter, as a type
// does.
func (n *names) typed() bool {
	for i := range n.starts {
		first := n.tokens.text(n.packed(i)[0])
		if len(first) == 0 || !isLetter(first[0]) {
			return false
		}
	}
	return true
}

// packed returns the tokens of symbol i.
func (n *names) packed(i int) []byte {
	b := n.data[n.starts[i]:]
	length, size := nameLength(b, n.long)
	return b[size : size+length]
}

// expand appends the text of symbol i, its type first, to b until that is at
// least limit bytes long.
func (n *names) expand(b []byte, i, limit int) []byte {
	for _, c := range n.packed(i) {
		if len(b) >= limit {
			break
		}
		b = append(b, n.tokens.text(c)...)
	}
	return b
}

// text returns the type and the name of symbol i.
func (n *names) text(i int) (typ byte, name string) {
	var buf [maxName]byte
	b := n.expand(buf[:0], i, maxName)
	return b[0], string(b[1:])
}

// equal reports whether name is the name of symbol i.
func (n *names) equal(i int, name string) bool {
	var buf [maxName]byte
	return string(n.expand(buf[:0], i, maxName)[1:]) == name
}

// hasPrefix reports whether the name of symbol i begins with p.
func (n *names) hasPrefix(i int, p string) bool {
	var buf [maxName]byte
	return bytes.HasPrefix(n.expand(buf[:0], i, 1+len(p))[1:], []byte(p))
}

// markers looks for kallsyms_markers, the offset in the names of every 256th
// symbol, at the next aligned place behind the end of the names, and compares
// them with the walk. Labels are aligned to 4 or 8 bytes; the markers are 4
// bytes wide, and before v4.20 a word (Linux kernel commit 80ffbaa5b1bd
// ("kallsyms: reduce size a little on 64-bit")). It returns the offset of the
// byte behind the markers.
func (n *names) markers(layout vmcore.Layout, end int) (behind int, ok bool) {
	for _, align := range []int{4, 8} {
		for layout.WordSize = 4; layout.WordSize <= 8; layout.WordSize += 4 {
			if behind, ok := n.markersAt(layout, alignUp(end, align)); ok {
				return behind, true
			}
		}
	}
	return 0, false
}

func (n *names) markersAt(layout vmcore.Layout, at int) (behind int, ok bool) {
	for i := 0; i < len(n.starts); i += 256 {
		if at+layout.WordSize > len(n.data) || layout.Word(n.data[at:]) != uint64(n.starts[i]) {
			return 0, false
		}
		at += layout.WordSize
	}
	return at, true
}

func alignUp[T int | vmcore.Addr](n, align T) T { return (n + align - 1) &^ (align - 1) }

// tokens is the kernel's kallsyms_token_table: what each byte of a compressed
// name stands for.
type tokens struct {
	table  []byte      // the texts, each ended by a NUL
	starts [257]uint16 // where in table each text begins; the last is the end
	hashes [256]tokenHash
	first  [256]tokenHash // of the tokens less a byte, the type of a symbol
}

// parseTokens reads 256 tokens at the start of table. What follows is ignored.
func parseTokens(table []byte) (*tokens, error) {
	t := &tokens{table: table}
	end := 0
	for i := range 256 {
		n := bytes.IndexByte(table[end:min(len(table), end+maxName)], 0)
		if n < 0 {
			return nil, fmt.Errorf("token %d of 256 has no end", i)
		}
		t.hashes[i] = hashToken(table[end : end+n])
		t.first[i] = hashToken(table[min(end+1, end+n) : end+n])
		if end += n + 1; end > 0xffff {
			return nil, errors.New("tokens longer than their index can say")
		}
		t.starts[i+1] = uint16(end)
	}
	t.table = table[:end:end]
	return t, nil
}

// isIndex reports whether b begins with the kallsyms_token_index of the table:
// the offsets of the tokens. 512 bytes that match leave no doubt that both
// tables are what they seem.
func (t *tokens) isIndex(b []byte, layout vmcore.Layout) bool {
	if len(b) < 512 {
		return false
	}
	for i, start := range t.starts[:256] {
		if layout.Uint16(b[2*i:]) != start {
			return false
		}
	}
	return true
}

func (t *tokens) text(c byte) []byte { return t.table[t.starts[c] : t.starts[int(c)+1]-1] }

// index finds symbols by the hash of their names. Buckets are chained through
// next, so that no choice of names makes building it slow.
type index struct {
	shift uint
	heads []uint32 // by bucket: the first symbol's number plus 1, or 0
	next  []uint32 // by symbol: the next one's number plus 1, or 0
}

// newIndex hashes all names without expanding them. It fails when one is longer
// than any kernel's, or has not even a type.
func newIndex(n *names) (index, error) {
	width := uint(max(1, bits.Len(uint(len(n.starts)))))
	x := index{shift: 64 - width, heads: make([]uint32, 1<<width), next: make([]uint32, len(n.starts))}
	for i := len(n.starts) - 1; i >= 0; i-- {
		hash, size := n.hash(i)
		if size >= maxName || len(n.tokens.text(n.packed(i)[0])) == 0 {
			return index{}, fmt.Errorf("symbol %d has a name of %d bytes, or no type", i, size)
		}
		head := &x.heads[mix(hash)>>x.shift]
		x.next[i], *head = *head, uint32(i+1)
	}
	return x, nil
}

// bucket yields the symbols that may have a name of this hash, ascending.
func (x *index) bucket(hash uint64) iter.Seq[int] {
	return func(yield func(int) bool) {
		if len(x.next) == 0 {
			return
		}
		for i := x.heads[mix(hash)>>x.shift]; i != 0; i = x.next[i-1] {
			if !yield(int(i - 1)) {
				return
			}
		}
	}
}

// The hash of a name is a polynomial of its bytes, so that the hashes of its
// tokens make up its own and a table of 187,000 names is hashed in
// milliseconds. The base is random: no dump is made of names that collide.
var hashBase = rand.Uint64() | 1

// tokenHash is the hash of a text, hashBase to the power of its length, and
// its length.
type tokenHash struct {
	sum, power uint64
	size       int
}

func hashToken(b []byte) tokenHash {
	h := tokenHash{power: 1, size: len(b)}
	for _, c := range b {
		h.sum = h.sum*hashBase + uint64(c) + 1
		h.power *= hashBase
	}
	return h
}

// hash returns the hash of the name of symbol i, and the name's length.
func (n *names) hash(i int) (sum uint64, size int) {
	packed := n.packed(i)
	first := &n.tokens.first[packed[0]]
	sum, size = first.sum, first.size
	for _, c := range packed[1:] {
		h := &n.tokens.hashes[c]
		sum = sum*h.power + h.sum
		size += h.size
	}
	return sum, size
}

// mix spreads a hash over its upper bits.
func mix(hash uint64) uint64 { return (hash ^ hash>>32) * 0x9e3779b97f4a7c15 }
