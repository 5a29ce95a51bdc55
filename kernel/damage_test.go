package kernel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

var damageFlips = flag.Int("damage", 100, "how many bytes of each dump TestDamage changes, one at a time")

const (
	damageCuts = 40
	// Bounds on one damaged dump. Whole, they take some 20 MiB and one file size.
	damageAlloc = 256 << 20 // bytes allocated
	damageReads = 4         // file sizes read
)

// TestDamage cuts the real dumps short, and changes single bytes of them. What is
// then said of the kernel must be right, or an error that says what is wrong, or
// come with a warning about the dump.
func TestDamage(t *testing.T) {
	for _, name := range []string{"vars-7.2-amd64", "debian-6.12-amd64"} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile("../testdata/dumps/" + name + ".kdump")
			if err != nil {
				t.Fatal(err)
			}
			whole := &damagedFile{raw: raw, size: int64(len(raw))}
			want := ask(t, whole)
			for _, a := range want {
				if a.err != nil {
					t.Fatalf("%s: %v", a.question, a.err)
				}
			}
			places := damagePlaces(raw, whole.starts)
			flips := *damageFlips
			if testing.Short() {
				flips = min(flips, 30)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for i := range damageCuts {
				cut := int64(i * len(raw) / damageCuts)
				if p := i / 2; i%2 == 1 && p < len(places) { // at, or inside of, something
					cut = places[p].starts[0] + int64(i%3)*places[p].size/2
				}
				checkDamage(t, fmt.Sprintf("cut at %#x", cut), want, &damagedFile{raw: raw, size: cut})
			}
			for i := range flips {
				p := places[i%len(places)]
				at := p.starts[random.IntN(len(p.starts))] + random.Int64N(p.size)
				changed := raw[at] ^ 1<<random.IntN(8)
				if i%3 == 0 {
					changed = raw[at] ^ byte(1+random.IntN(255))
				}
				what := fmt.Sprintf("%s, byte %#x from %#x to %#x", p.name, at, raw[at], changed)
				checkDamage(t, what, want, &damagedFile{raw: raw, size: int64(len(raw)), change: true, at: at, to: changed})
			}
		})
	}
}

// checkDamage compares what a damaged dump says with what it said when whole.
func checkDamage(t *testing.T, what string, want []answer, f *damagedFile) {
	t.Run(what, func(t *testing.T) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := ask(t, f)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > damageAlloc {
			t.Errorf("allocated %d MiB", n>>20)
		}
		if f.read > damageReads*int64(len(f.raw)) {
			t.Errorf("read %d MiB", f.read>>20)
		}
		for i, a := range got {
			switch {
			case a.err != nil:
				checkError(t, a)
			case a.text != want[i].text && !a.warned && !strings.Contains(a.text, `"error":`):
				t.Errorf("%s: %.200s\nwant %.200s\nor a warning", a.question, a.text, want[i].text)
			}
		}
	})
}

// checkError holds an error against what a person and a script need of it.
func checkError(t *testing.T, a answer) {
	switch kind := kernel.ErrorKind(a.err); kind {
	case "", kernel.KindSyntax, kernel.KindType, kernel.KindAmbiguous:
		t.Errorf("%s: error %q is of kind %q", a.question, a.err, kind)
	}
	if text := a.err.Error(); text == "" || len(text) > 1000 {
		t.Errorf("%s: error of %d bytes: %.200s", a.question, len(text), text)
	}
}

// damagedFile is a dump cut to a size, or with one byte changed. It counts what
// is read.
type damagedFile struct {
	raw    []byte
	size   int64
	change bool // of the byte at an offset
	at     int64
	to     byte

	mu     sync.Mutex
	read   int64          // bytes
	starts map[int64]bool // offsets that were read from
}

func (f *damagedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(f.raw[:f.size]).ReadAt(p, off)
	if i := f.at - off; f.change && i >= 0 && i < int64(n) {
		p[i] = f.to
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read += int64(n)
	if f.starts == nil {
		f.starts = make(map[int64]bool)
	}
	f.starts[off] = true
	return n, err
}

// place is a part of a dump: pieces of one size.
type place struct {
	name   string
	starts []int64
	size   int64
}

// damagePlaces returns the parts of a kdump file of x86-64, the same as struct
// disk_dump_header and struct kdump_sub_header describe. Of the page descriptors
// and of the pages they are those that were read from.
func damagePlaces(raw []byte, read map[int64]bool) []place {
	le := binary.LittleEndian
	block := int64(le.Uint32(raw[428:]))
	bitmaps := block * (1 + int64(le.Uint32(raw[432:])))
	half := block * int64(le.Uint32(raw[436:])) / 2
	sub := raw[block:]
	info, infoSize := int64(le.Uint64(sub[32:])), int64(le.Uint64(sub[40:]))
	notes := int64(le.Uint64(sub[48:]))

	descriptors := place{name: "page descriptor", size: 24}
	data := place{name: "page", size: 64}
	first := bitmaps + 2*half
	for at := first; at < first+24*1<<15; at += 24 {
		if page := int64(le.Uint64(raw[at:])); read[page] {
			descriptors.starts = append(descriptors.starts, at)
			data.starts = append(data.starts, page)
		}
	}
	return []place{
		{"header", []int64{0}, 464},
		{"sub-header", []int64{block}, 104},
		{"notes", []int64{notes}, info - notes},
		{"VMCOREINFO", []int64{info}, infoSize},
		{"first bitmap", []int64{bitmaps}, half},
		{"second bitmap", []int64{bitmaps + half}, half},
		descriptors,
		data,
	}
}

// answer is what a dump says to a question.
type answer struct {
	question string
	text     string
	err      error
	warned   bool // the dump warns that something is wrong with it
}

// ask opens a dump and asks it for things that need every part of it. The number
// of answers is the same for each dump.
func ask(t *testing.T, f *damagedFile) []answer {
	questions := []struct {
		text string
		ask  func(context.Context, *kernel.Kernel) (string, error)
	}{
		{"symbol", askSymbol},
		{"name of the first task", askTask},
		{"run queues", askRunQueues},
		{"modules", askModules},
		{"everything else", askRest},
	}
	k, openErr := openDamaged(t, f)
	if openErr == nil {
		defer k.Close()
	}
	var answers []answer
	for _, q := range questions {
		a := answer{question: q.text, err: openErr}
		if openErr == nil {
			a.text, a.err = q.ask(t.Context(), k)
			a.warned = len(k.Dump().Warnings()) > 0
		}
		answers = append(answers, a)
	}
	return answers
}

// openDamaged opens a dump. What vmcore says of one that it refuses has a type.
func openDamaged(t *testing.T, f *damagedFile) (*kernel.Kernel, error) {
	d, err := vmcore.New(f, f.size, nil)
	var format *vmcore.FormatError
	var unknown *vmcore.UnrecognizedError
	switch {
	case err == nil:
		return kernel.FromDump(t.Context(), d, kernel.Options{})
	case !errors.As(err, &format) && !errors.As(err, &unknown):
		t.Errorf("%v is a %T", err, err)
	}
	return nil, err
}

func askSymbol(_ context.Context, k *kernel.Kernel) (string, error) {
	syms := k.Lookup("schedule")
	if len(syms) == 0 {
		return "", errors.Join(k.Problems()...)
	}
	return fmt.Sprint(syms[0].Addr, k.SymbolName(syms[0].Addr+8)), nil
}

func askTask(_ context.Context, k *kernel.Kernel) (string, error) {
	syms, task := k.Lookup("init_task"), k.LookupType(btfsrc.KindStruct, "task_struct")
	if len(syms) == 0 || len(task) == 0 {
		return "", errors.Join(k.Problems()...)
	}
	comm, err := k.At(syms[0].Addr, task[0]).Field("comm")
	if err != nil {
		return "", err
	}
	return comm.CString(16)
}

func askRunQueues(_ context.Context, k *kernel.Kernel) (string, error) {
	v, err := k.Var("runqueues")
	if err != nil {
		return "", err
	}
	cpus, err := k.OnlineCPUs()
	if err != nil {
		return "", err
	}
	var text []byte
	for _, cpu := range cpus {
		rq, err := k.PerCPU(v, cpu)
		if err != nil {
			return "", err
		}
		if err := rq.Format(io.Discard, nil); err != nil {
			return "", err
		}
		text = rq.AppendJSON(text)
	}
	return string(text), nil
}

func askModules(_ context.Context, k *kernel.Kernel) (string, error) {
	mods, errs := k.Modules()
	var names []string
	for _, m := range mods {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	if len(errs) > 0 { // each is reported by itself
		return strings.Join(names, " "), errs[0]
	}
	return strings.Join(names, " "), nil
}

// askRest asks for what may differ: how much memory there is, for example.
func askRest(ctx context.Context, k *kernel.Kernel) (string, error) {
	k.Samples(ctx)
	k.Dump().Usage()
	for r := range k.Dump().Ranges() {
		if r.Start >= r.End {
			return fmt.Sprintf("range %v to %v", r.Start, r.End), nil
		}
	}
	for _, p := range k.Problems() {
		if p.Error() == "" {
			return "a problem without a text", nil
		}
	}
	return "", nil
}
