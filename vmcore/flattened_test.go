package vmcore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
)

// record is one record of a flattened file.
type record struct {
	off  int64
	data string
}

func flattenedOf(records ...record) []byte {
	raw := make([]byte, flatHeaderSize)
	copy(raw, flatSignature)
	raw[23], raw[31] = 1, 1 // type and version
	for _, r := range records {
		raw = appendRecordHead(raw, r.off, int64(len(r.data)))
		raw = append(raw, r.data...)
	}
	return appendRecordHead(raw, flatEnd, flatEnd)
}

func appendRecordHead(raw []byte, off, size int64) []byte {
	raw = binary.BigEndian.AppendUint64(raw, uint64(off))
	return binary.BigEndian.AppendUint64(raw, uint64(size))
}

func unflatten(t *testing.T, raw []byte) (fileAt, error) {
	t.Helper()
	return newFlattened(fileAt{r: bytes.NewReader(raw), size: int64(len(raw)), name: "flat"})
}

func TestFlattened(t *testing.T) {
	for _, tc := range []struct {
		name    string
		records []record
		want    string // dots are zeros
	}{
		{"empty", nil, ""},
		{"in order", []record{{0, "abc"}, {3, "def"}}, "abcdef"},
		{"out of order", []record{{3, "def"}, {0, "abc"}}, "abcdef"},
		{"gap", []record{{2, "ab"}, {6, "cd"}}, "..ab..cd"},
		{"later wins", []record{{0, "aaaaaa"}, {2, "bb"}}, "aabbaa"},
		{"later wins over many", []record{{0, "aa"}, {2, "bb"}, {6, "cc"}, {1, "xxxxxx"}}, "axxxxxxc"},
		{"covered and split again", []record{{2, "bb"}, {0, "aaaaaa"}, {3, "c"}, {3, "d"}}, "aaadaa"},
		{"record of no bytes", []record{{0, "ab"}, {2, ""}, {2, "cd"}}, "abcd"},
	} {
		f, err := unflatten(t, flattenedOf(tc.records...))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		got, err := io.ReadAll(io.NewSectionReader(f.r, 0, f.size))
		if s := string(bytes.ReplaceAll(got, []byte{0}, []byte("."))); s != tc.want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", tc.name, s, err, tc.want)
		}
		if w := f.r.(*flattened).warnings(); len(w) > 0 {
			t.Errorf("%s: warnings %q", tc.name, w)
		}
	}
}

func TestFlattenedDamaged(t *testing.T) {
	whole := flattenedOf(record{0, "abcd"}, record{8, "efgh"})
	first := whole[:flatHeaderSize+flatRecordHead+4]
	for _, tc := range []struct {
		name string
		raw  []byte
		want string // the error of reading byte 5, which is in a gap
	}{
		{"no end record", whole[:len(whole)-flatRecordHead], "flat: offset 0x1028: no end record: file truncated"},
		{"cut in the data", whole[:len(whole)-flatRecordHead-1], "flat: offset 0x1028: no end record: file truncated"},
		{"cut in a head", whole[:len(first)+5], "flat: offset 0x1014: no end record: file truncated"},
		{"negative size", appendRecordHead(bytes.Clone(first), 9, -2), "flat: offset 0x1014: record of -2 bytes for offset 0x9"},
		{"huge size", appendRecordHead(bytes.Clone(first), 9, math.MaxInt64), "flat: offset 0x1014: record of 9223372036854775807 bytes for offset 0x9"},
		{"huge gap", flattenedOf(record{0, "abcd"}, record{1 << 40, "x"}), "flat: offset 0x1000: the records leave 0xfffffffffc of 0x10000000001 bytes unwritten"},
	} {
		f, err := unflatten(t, tc.raw)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		var b [4]byte
		if n, err := f.r.ReadAt(b[:], 0); string(b[:n]) != "abcd" || err != nil {
			t.Errorf("%s: what is there reads as %q, %v", tc.name, b[:n], err)
		}
		_, err = f.r.ReadAt(b[:], 5)
		if fmt.Sprint(err) != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, err, tc.want)
		}
		if w := f.r.(*flattened).warnings(); len(w) != 1 || w[0] != tc.want {
			t.Errorf("%s: warnings %q", tc.name, w)
		}
	}
}

func TestFlattenedRefused(t *testing.T) {
	raw := flattenedOf()
	raw[31] = 2
	if _, err := unflatten(t, raw); !errors.Is(err, ErrUnsupported) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := unflatten(t, raw[:20]); !errors.Is(err, ErrTruncated) {
		t.Errorf("cut in the header: %v", err)
	}
}

// The index grows with the runs of records, not with the records.
func TestFlattenedIndexIsCompact(t *testing.T) {
	var records []record
	for i := range int64(1000) {
		records = append(records, record{i * 3, "abc"})
	}
	f, err := unflatten(t, flattenedOf(records...))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.r.(*flattened).runs); n != (1000+runRecords-1)/runRecords {
		t.Errorf("%d runs for 1000 records in a row", n)
	}
}

// applyRecords is the plain way to unwrap a file: it writes each record to a
// buffer. written says which bytes any record wrote. It stops as newFlattened
// should, and fails where the result would be too large for a test.
func applyRecords(raw []byte) (out []byte, written []bool, complete, ok bool) {
	const limit = 1 << 16
	for pos := int64(flatHeaderSize); ; {
		if int64(len(raw)) < pos+flatRecordHead {
			return out, written, false, true
		}
		off := int64(binary.BigEndian.Uint64(raw[pos:]))
		size := int64(binary.BigEndian.Uint64(raw[pos+8:]))
		if off == flatEnd {
			return out, written, true, true
		}
		if off < 0 || size < 0 || off > math.MaxInt64-size || size > math.MaxInt64-flatRecordHead-pos {
			return out, written, false, true
		}
		if off+size > limit {
			return nil, nil, false, false
		}
		if grow := off + size - int64(len(out)); grow > 0 {
			out = append(out, make([]byte, grow)...)
			written = append(written, make([]bool, grow)...)
		}
		pos += flatRecordHead
		for i := range size {
			// A record cut short hides what was there before it.
			written[off+i] = pos+i < int64(len(raw))
			if written[off+i] {
				out[off+i] = raw[pos+i]
			}
		}
		pos += size
	}
}

// FuzzFlattened compares reads with records applied in order to a buffer: bytes
// that a record wrote read the same, gaps are zeros in a complete file and
// errors in a damaged one.
func FuzzFlattened(f *testing.F) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 8 {
		var records []record
		for range random.IntN(60) {
			data := make([]byte, random.IntN(30))
			for i := range data {
				data[i] = byte('a' + len(records)%26)
			}
			records = append(records, record{random.Int64N(400), string(data)})
		}
		f.Add(flattenedOf(records...)[flatHeaderSize:], uint16(random.IntN(300)), uint16(random.IntN(300)))
	}
	f.Fuzz(func(t *testing.T, records []byte, off, size uint16) {
		raw := append(flattenedOf()[:flatHeaderSize], records...)
		w, err := unflatten(t, raw)
		if err != nil {
			t.Fatal(err)
		}
		want, written, complete, ok := applyRecords(raw)
		if !ok {
			return
		}
		if w.size != int64(len(want)) {
			t.Fatalf("size %d, want %d", w.size, len(want))
		}
		got := make([]byte, size)
		n, err := w.r.ReadAt(got, int64(off))
		for i := range n {
			at := int(off) + i
			if got[i] != want[at] || !written[at] && !complete {
				t.Fatalf("byte %d is %#x, want %#x (written: %v)", at, got[i], want[at], written[at])
			}
		}
		if n == len(got) {
			return
		}
		if at := int(off) + n; err == nil || at < len(want) && (written[at] || complete) {
			t.Fatalf("read stops at %d of %d with %v", at, len(want), err)
		}
	})
}
