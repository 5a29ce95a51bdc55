package kallsyms

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/kdbg/kdbg/vmcore"
)

const (
	maxHits   = 1000      // places that have the digits
	maxTables = 8         // places that have a token table
	maxWalk   = 16 << 20  // names walked over at places that are not the names
	maxNames  = 16 << 20  // bytes from the number of symbols to the tokens
	maxTokens = 16 << 10  // bytes of the tokens before the digits, and behind
	chunk     = 256 << 10 // bytes read at a time
)

// digits stands in every token table: characters of names stand for themselves.
var digits = []byte("0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00")

// Scan finds and decodes the kernel's symbols without knowing where the tables
// are: in the dumps of kernels before v6.0, and where VMCOREINFO is lost or cut
// short. It searches the kernel image, which lies in start to end; pages that
// cannot be read are passed over.
//
// It takes a table for the kernel's only when everything fits: the digits as
// tokens 0x30 to 0x39, the 512 bytes of the token index, names that end exactly
// at the markers, markers that end at the tokens, addresses that ascend and
// have _stext inside the image, at the place VMCOREINFO says if it does.
// info may be nil. The error matches [vmcore.ErrNotFound] when nothing fits.
func Scan(mem vmcore.Memory, start, end vmcore.Addr, info *vmcore.VMCOREINFO, layout vmcore.Layout) (*Table, error) {
	s := scanner{loader: loader{mem: mem, layout: layout}, known: truths{start: start, end: end}}
	if info != nil {
		if stext, ok := info.Symbol("_stext"); ok {
			s.known.symbols = map[string]vmcore.Addr{"_stext": stext}
		}
	}
	cause := errors.New("no token table")
	hits, tables := 0, 0
	for hit := range s.search(digits, start, end) {
		if hits++; hits > maxHits || tables == maxTables {
			break
		}
		tok, at, ok := s.tokensAround(hit)
		if !ok {
			continue
		}
		tables++
		t, err := s.decode(tok, at)
		if err == nil {
			t.scanned = true
			t.sections = kernelSections(t)
			return t, nil
		}
		cause = err
	}
	return nil, fmt.Errorf("kallsyms in %v to %v: %w: %w", start, end, vmcore.ErrNotFound, cause)
}

// scanner searches an image for tables.
type scanner struct {
	loader
	known truths
}

// search yields the addresses of what in start to end, ascending.
func (s *scanner) search(what []byte, start, end vmcore.Addr) iter.Seq[vmcore.Addr] {
	return func(yield func(vmcore.Addr) bool) {
		buf := make([]byte, chunk)
		for start < end && end-start >= vmcore.Addr(len(what)) {
			b := buf[:min(chunk, end-start)]
			n, err := s.mem.ReadMemory(b, start)
			b = b[:n]
			at := start
			for i := bytes.Index(b, what); i >= 0; i = bytes.Index(b, what) {
				if !yield(at + vmcore.Addr(i)) {
					return
				}
				at += vmcore.Addr(i + 1)
				b = b[i+1:]
			}
			next := start + vmcore.Addr(n-len(what)+1)
			if err != nil || n < len(what) {
				next = (start + vmcore.Addr(n)) | 0xfff + 1 // behind the page that cannot be read
			}
			if next <= start {
				return
			}
			start = next
		}
	}
}

// tokensAround parses the token table whose digits are at address hit. Token
// 0x30 is the first of them, so that the table ends behind 208 more NULs, and
// entry 0x30 of the index, which follows, says where the table starts.
func (s *scanner) tokensAround(hit vmcore.Addr) (tok *tokens, at vmcore.Addr, ok bool) {
	b, from := s.readBack(hit, maxTokens)
	digit := len(b)
	b = slices.Grow(b, maxTokens)[:digit+maxTokens]
	n, _ := s.mem.ReadMemory(b[digit:], hit)
	b = b[:digit+n]

	end := digit
	for range 256 - '0' {
		n := bytes.IndexByte(b[end:], 0)
		if n < 0 {
			return nil, 0, false
		}
		end += n + 1
	}
	for _, align := range []vmcore.Addr{4, 8} {
		index := int(alignUp(from+vmcore.Addr(end), align) - from)
		if index+512 > len(b) {
			continue
		}
		start := digit - int(s.layout.Uint16(b[index+2*'0':]))
		if start < 0 {
			continue
		}
		tok, err := parseTokens(b[start:])
		if err == nil && start+len(tok.table) == end && tok.isIndex(b[index:], s.layout) {
			return tok, from + vmcore.Addr(start), true
		}
	}
	return nil, 0, false
}

// readBack returns the bytes that end at address end and where they begin: up
// to size of them, and back to the first page that cannot be read.
func (s *scanner) readBack(end vmcore.Addr, size int) ([]byte, vmcore.Addr) {
	start := max(s.known.start, end-min(end, vmcore.Addr(size)))
	b := make([]byte, end-start)
	for at := end; at > start; {
		page := max(start, (at-1)&^0xfff)
		if _, err := s.mem.ReadMemory(b[page-start:at-start], page); err != nil {
			return b[at-start:], at
		}
		at = page
	}
	return b, start
}

// decode finds and decodes the tables that go with the tokens at address at.
// In all kernels the number of symbols, the names, the markers, from v6.2 to
// v6.3 the order by name, and the tokens follow each other. So the number is
// searched backwards from the tokens.
func (s *scanner) decode(tok *tokens, at vmcore.Addr) (*Table, error) {
	b, from := s.readBack(at, maxNames)
	cause := errors.New("no names")
	walked := 0
	for i := len(b) - 8; i >= 0 && walked < maxWalk; i -= 4 {
		count := int(s.layout.Uint32(b[i:]))
		if rest := len(b) - i; count == 0 || count > rest/2 || (rest-64)/maxPerName > count {
			continue
		}
		start := i + 4
		if s.layout.Uint32(b[start:]) == 0 { // the number is a word, or the names are aligned
			start += 4
		}
		walked += count
		n, ok := findNames(b[start:], count, tok, s.layout)
		if !ok {
			continue
		}
		number, names := from+vmcore.Addr(i), from+vmcore.Addr(start)
		t := &Table{names: n}
		t.index, cause = newIndex(&t.names)
		if cause == nil {
			readings := s.guesses(number, at+vmcore.Addr(len(tok.table)), count)
			cause = t.setAddrs(readings, s.layout, s.expect(names, at))
		}
		if cause == nil {
			return t, nil
		}
	}
	return nil, &TableError{Table: "kallsyms_token_table", Addr: at, Err: cause}
}

// findNames decodes data, which ends where the tokens start, as count names.
// It fails unless names, the markers and perhaps the order by name fill data.
func findNames(data []byte, count int, tok *tokens, layout vmcore.Layout) (names, bool) {
	for _, long := range []bool{true, false} {
		n := names{data: data, long: long, tokens: tok}
		if _, ok := n.walk(min(count, 300)); !ok || !n.typed() { // cheap, and enough for most
			continue
		}
		end, ok := n.walk(count)
		if !ok {
			continue
		}
		behind, ok := n.markers(layout, end)
		rest := len(data) - behind
		if ok && (rest < 8 || rest >= 3*count && rest < 3*count+16) {
			return n, true
		}
	}
	return names{}, false
}

// expect adds to what is known the places of the tables found, which some
// kernels have symbols for.
func (s *scanner) expect(names, tokens vmcore.Addr) truths {
	known := s.known
	known.symbols = map[string]vmcore.Addr{"kallsyms_names": names, "kallsyms_token_table": tokens}
	maps.Copy(known.symbols, s.known.symbols)
	return known
}

// guesses returns all that may be the table of count addresses: before the
// number of symbols, where kernels up to v6.3 have it, and behind the token
// index, where later ones do. tokensEnd is the end of the token table.
//
// Tables that are not there read as garbage, which does not ascend. Only
// zeros, read as place-relative, do: hence the order.
func (s *scanner) guesses(number, tokensEnd vmcore.Addr, count int) []stored {
	word := vmcore.Addr(s.layout.WordSize)
	var all []stored
	numbers := []vmcore.Addr{number}
	if s.layout.BigEndian && word == 8 {
		numbers = append(numbers, number-4) // the lower half of a word
	}
	for _, number := range numbers {
		at := number - vmcore.Addr(count)*word
		if raw, err := s.read("kallsyms_addresses", at, count*int(word)); err == nil {
			all = append(all, stored{encoding: AddressesAbsolute, at: at, raw: raw})
		}
		at = (number - word - 4*vmcore.Addr(count)) &^ (word - 1)
		all = append(all, s.offsets(at, number-word, count)...)
	}
	for _, align := range []vmcore.Addr{4, 8} {
		at := alignUp(tokensEnd, align) + 512
		base := alignUp(at+4*vmcore.Addr(count), word)
		all = append(all, s.offsets(at, base, count)...)
		if raw, err := s.read("kallsyms_offsets", at, 4*count); err == nil {
			all = append(all, baseless(at, raw, s.layout)...)
		}
	}
	return all
}

// offsets returns the readings of count offsets from a base, if both are there.
func (s *scanner) offsets(at, base vmcore.Addr, count int) []stored {
	raw, err := s.read("kallsyms_offsets", at, 4*count)
	if err != nil {
		return nil
	}
	b, err := s.read("kallsyms_relative_base", base, s.layout.WordSize)
	if err != nil {
		return nil
	}
	return relative(at, vmcore.Addr(s.layout.Word(b)), raw, s.layout)
}
