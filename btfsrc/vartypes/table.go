package vartypes

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

//go:generate go run ./generate -o table.zst $KDBG_KERNELS

//go:embed table.zst
var embedded []byte

// Table says of which types the variables of some kernels are.
//
// It is a text, sorted by bytes, that is searched as it is: nothing is built of
// it. The first line has the kernels' releases; each other one a name, and after
// a tab each a set of kernels, in hexadecimal, and the spelling of the type that
// it has there:
//
//	init_task	fff stask_struct;
//	cpu_devices	00f tstruct_x86_cpu;	ff0 sx86_cpu;
//	__tracepoint_*	fff stracepoint;
//
//	__bpf_trace_tp_map_*	fff <event sbpf_raw_event_map;handler tbtf_trace_$;>
//
// A star stands for the rest of the names that a macro of the kernel makes, and
// a dollar for that rest in the type. The length 0 of an array means that it
// differs, and follows from the symbol.
type Table struct {
	kernels []Kernel
	lines   []byte
}

// Kernel is one whose variables a table has.
type Kernel struct {
	Release string // as uname -r prints it
	BuildID string // in hexadecimal
}

// Variant is one of the types that a variable has.
type Variant struct {
	Spelling string // see [Spell]
	Kernels  uint64 // a bit for each of the table's kernels
}

// Entry is what is known of a name.
type Entry struct {
	Name     string // ends with * where it stands for all names that begin so
	Variants []Variant
}

// Rest stands in a spelling for what a star in the name does.
const Rest = "$"

// The largest table that is read, in bytes.
const maxTable = 32 << 20

// embeddedTable returns the table in the program, decompressed when it is first
// asked for.
var embeddedTable = sync.OnceValues(func() (*Table, error) { return Read(embedded) })

// Read returns a compressed table.
func Read(compressed []byte) (*Table, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxTable), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	text, err := d.DecodeAll(compressed, nil)
	if err != nil {
		return nil, fmt.Errorf("table of variables: %w", err)
	}
	return parse(text)
}

// parse returns the table of a text.
func parse(text []byte) (*Table, error) {
	first, lines, ok := bytes.Cut(text, []byte("\n"))
	if !ok {
		return nil, fmt.Errorf("table of variables: no line of kernels")
	}
	t := &Table{lines: lines}
	for word := range strings.FieldsSeq(string(first)) {
		release, id, _ := strings.Cut(word, "/")
		t.kernels = append(t.kernels, Kernel{release, id})
	}
	return t, nil
}

// Write returns the compressed table of entries, which it sorts: the same bytes
// for the same entries.
func Write(kernels []Kernel, entries []Entry) ([]byte, error) {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	var text []byte
	for _, k := range kernels {
		text = fmt.Appendf(text, "%s/%s ", k.Release, k.BuildID)
	}
	text = append(text, '\n')
	for _, e := range entries {
		text = append(text, e.Name...)
		for _, v := range e.Variants {
			text = fmt.Appendf(text, "\t%x %s", v.Kernels, v.Spelling)
		}
		text = append(text, '\n')
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.EncodeAll(text, nil), nil
}

// Kernels returns the kernels of the table, in the order of their bits.
func (t *Table) Kernels() []Kernel { return t.kernels }

// own returns the variants of the kernel with a build ID; all, where it is not one
// of the table or did not have the name.
func (t *Table) own(all []Variant, buildID string) (variants []Variant, own bool) {
	i := slices.IndexFunc(t.kernels, func(k Kernel) bool { return k.BuildID == buildID })
	if buildID == "" || i < 0 {
		return all, false
	}
	for _, v := range all {
		if v.Kernels>>i&1 != 0 {
			variants = append(variants, v)
		}
	}
	if variants == nil {
		return all, false
	}
	return variants, true
}

// Lookup returns the entry of a name, or else that of the longest beginning of
// the name that has one.
func (t *Table) Lookup(name string) (Entry, bool) {
	if e, ok := t.find(name); ok {
		return e, true
	}
	for end := len(name); ; {
		end = strings.LastIndexByte(name[:end], '_')
		if end < 0 {
			return Entry{}, false
		}
		if e, ok := t.find(name[:end+1] + "*"); ok {
			for i, v := range e.Variants {
				e.Variants[i].Spelling = strings.ReplaceAll(v.Spelling, Rest, name[end+1:])
			}
			return e, true
		}
	}
}

// All returns every entry, sorted by name.
func (t *Table) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for line := range bytes.Lines(t.lines) {
			if !yield(parseLine(string(line))) {
				return
			}
		}
	}
}

// find returns the line that begins with a key.
func (t *Table) find(key string) (Entry, bool) {
	// The search is over offsets; each stands for the line that it lies in.
	at := sort.Search(len(t.lines), func(off int) bool {
		line := t.lineAt(off)
		tab := bytes.IndexByte(line, '\t')
		return string(line[:max(tab, 0)]) >= key
	})
	if at == len(t.lines) {
		return Entry{}, false
	}
	e := parseLine(string(t.lineAt(at)))
	return e, e.Name == key
}

// lineAt returns the line that an offset lies in.
func (t *Table) lineAt(off int) []byte {
	start := bytes.LastIndexByte(t.lines[:off], '\n') + 1
	end := bytes.IndexByte(t.lines[off:], '\n')
	if end < 0 {
		return t.lines[start:]
	}
	return t.lines[start : off+end+1]
}

// parseLine reads a line. What is malformed is left out.
func parseLine(line string) Entry {
	name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
	e := Entry{Name: name}
	for part := range strings.SplitSeq(rest, "\t") {
		set, spelling, ok := strings.Cut(part, " ")
		kernels, err := strconv.ParseUint(set, 16, 64)
		if ok && err == nil {
			e.Variants = append(e.Variants, Variant{Spelling: spelling, Kernels: kernels})
		}
	}
	return e
}
