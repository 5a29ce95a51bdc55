package repl

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/repl/cmds"
	"github.com/kdbg/kdbg/vmcore"
)

var damagePlaces = flag.Int("damage", 60, "how many words of each dump's memory TestDamagedMemory changes, one at a time, and at least one for each line")

// damagedLines are the lines that are tried of a command, where that is not just
// its name. Commands without lines do not walk through memory, or are tried by
// other tests.
var damagedLines = map[string][]string{
	"*":          nil,
	"alias":      nil,
	"apropos":    nil,
	"ascii":      nil,
	"bpf":        {"bpf -P", "bpf -M"},
	"bt":         {"bt -a", "bt -e", "bt -T"},
	"btop":       nil,
	"cgroup":     {"cgroup", "cgroup -p 1", "cgroup -t /"},
	"declare":    nil,
	"dev":        {"dev", "dev -d", "dev -i", "dev -p"},
	"diff":       nil,
	"dis":        {"dis schedule"},
	"eval":       nil,
	"files":      {"files 1", "files -c 1"},
	"foreach":    {"foreach bt", "foreach files", "foreach net -s"},
	"fuser":      {"fuser /dev/console"},
	"help":       nil,
	"irq":        {"irq", "irq -a", "irq -s"},
	"kmem":       {"kmem -s", "kmem -S", "kmem -i", "kmem -f", "kmem -v", "kmem -z", "kmem -n", "kmem -V", "kmem -p", "kmem init_task"},
	"list":       {"list -H modules -o module.list -s module.name,state", "list -h init_task -o task_struct.tasks -s task_struct.comm"},
	"lock":       {"lock", "lock -t mutex rtnl_mutex"},
	"mach":       {"mach", "mach -m"},
	"mount":      {"mount", "mount /proc"},
	"net":        {"net", "net -a"},
	"print":      nil,
	"ps":         {"ps", "ps -c 1", "ps -g 1", "ps -l", "ps -p 1", "ps -r 1", "ps -t"},
	"pte":        nil,
	"ptob":       nil,
	"ptov":       nil,
	"ptype":      nil,
	"quit":       nil,
	"rd":         nil,
	"repeat":     nil,
	"runq":       {"runq", "runq -t"},
	"rustfilt":   nil,
	"sbitmapq":   nil,
	"search":     {"search -t init_task"},
	"set":        nil,
	"sig":        {"sig 1"},
	"struct":     {"struct task_struct init_task"},
	"sym":        nil,
	"sys":        {"sys", "sys -c"},
	"task":       {"task -R comm,mm,signal.nr_threads 1"},
	"timer":      {"timer", "timer -r"},
	"tree":       {"tree -t xarray vmap_area_root"},
	"types-from": nil,
	"union":      nil,
	"vm":         {"foreach user vm", "foreach user vm -p"},
	"vtop":       {"vtop init_task", "vtop -c 1 400000"},
	"waitq":      {"waitq log_wait"},
	"whatis":     nil,
	"wq":         {"wq", "wq -q"},
	"x":          nil,
}

const (
	// damageHang is how long a command takes that does not end: far beyond the
	// two seconds that each has, as tests run on slow and busy machines.
	damageHang = 2 * time.Minute
	// damageGrowth bounds what a command allocates on a damaged dump: this many
	// times what it takes on the whole one, and damageMore bytes.
	damageGrowth, damageMore = 3, 128 << 20
)

// TestDamagedMemory changes words in the memory of the real dumps: lists are cut,
// or lead back to themselves, pointers lead astray, numbers are huge. Each command
// then ends, says what is broken in words that scripts know, and takes no more
// memory for it.
func TestDamagedMemory(t *testing.T) {
	var lines []string
	for _, c := range cmds.All() {
		more, ok := damagedLines[c.Name]
		if !ok {
			more = []string{c.Name}
		}
		lines = append(lines, more...)
	}
	places := max(*damagePlaces, len(lines))
	if testing.Short() {
		places = min(places, 20)
	}
	for _, name := range []string{"vars-7.2-amd64", "crash-7.2-amd64", "debian-6.12-amd64"} {
		t.Run(name, func(t *testing.T) {
			d := newDamagedDump(t, "../testdata/dumps/"+name+".kdump")
			whole := map[string]answer{}
			for _, line := range lines {
				a := d.ask(t, line)
				if len(a.pages) == 0 {
					t.Fatalf("%s reads no memory", line)
				}
				whole[line] = a
			}
			random := rand.New(rand.NewPCG(3, 4))
			for i := range places {
				line := lines[i%len(lines)]
				what := d.damage(random, whole[line].pages)
				t.Run(fmt.Sprintf("%s, %s", line, what), func(t *testing.T) {
					got := d.ask(t, line)
					if most := damageGrowth*whole[line].allocated + damageMore; got.allocated > most {
						t.Errorf("allocated %d MiB, %d MiB where nothing is damaged", got.allocated>>20, whole[line].allocated>>20)
					}
				})
				d.mend()
			}
		})
	}
}

// answer is what a command cost and which pages it read.
type answer struct {
	allocated uint64
	pages     []frame
}

// frame is a page of a dump: its number and where its descriptor is.
type frame struct{ number, descriptor int64 }

// damagedDump is a kdump file in memory, one page of which may be replaced. The
// format is described in vmcore.
type damagedDump struct {
	raw    []byte // the file, and behind it the page that replaces another
	size   int
	frames map[int64]frame // by where their data begins
	offset vmcore.Addr     // of the direct map
	phys   vmcore.PhysMemory
	was    []byte // the descriptor of the page that is replaced
	at     int64  // where that is in the file

	mu   sync.Mutex
	read map[frame]bool
}

const (
	damagePage       = 4096
	damageDescriptor = 24 // struct page_desc
)

func newDamagedDump(t *testing.T, file string) *damagedDump {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	block := int64(le.Uint32(raw[428:]))
	bitmaps := block * (1 + int64(le.Uint32(raw[432:])))
	half := block * int64(le.Uint32(raw[436:])) / 2
	d := &damagedDump{size: len(raw), frames: map[int64]frame{}, read: map[frame]bool{}}
	at := bitmaps + 2*half
	for i, b := range raw[bitmaps+half : at] {
		for ; b != 0; b &= b - 1 {
			d.frames[int64(le.Uint64(raw[at:]))] = frame{int64(8*i + bits.TrailingZeros8(b)), at}
			at += damageDescriptor
		}
	}
	d.raw = append(raw, make([]byte, damagePage)...)
	k := d.open(t)
	d.phys = k.Phys()
	base, err := k.Pointer(k.Lookup("page_offset_base")[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	d.offset = base
	return d
}

func (d *damagedDump) open(t *testing.T) *kernel.Kernel {
	t.Helper()
	dump, err := vmcore.New(d, int64(len(d.raw)), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernel.FromDump(t.Context(), dump, kernel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// ReadAt notes what is read.
func (d *damagedDump) ReadAt(p []byte, off int64) (int, error) {
	if f, ok := d.frames[off]; ok {
		d.mu.Lock()
		d.read[f] = true
		d.mu.Unlock()
	}
	return bytes.NewReader(d.raw).ReadAt(p, off)
}

// ask runs a command on the dump as it is now. The kernel's own types and symbols
// are read before: that they may be damaged is the business of other tests.
func (d *damagedDump) ask(t *testing.T, line string) answer {
	t.Helper()
	var out bytes.Buffer
	s := New(d.open(t), &out, &out, &Options{JSON: true})
	for _, line := range []string{"ptype struct task_struct", "sym schedule"} {
		if err := s.Exec(t.Context(), line); err != nil {
			t.Fatal(err)
		}
	}
	out.Reset()
	clear(d.read)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d.run(t, s, line)
	runtime.ReadMemStats(&after)
	for line := range bytes.Lines(out.Bytes()) {
		checkObject(t, line)
	}
	a := answer{allocated: after.TotalAlloc - before.TotalAlloc}
	a.pages = slices.SortedFunc(maps.Keys(d.read), func(a, b frame) int { return cmp.Compare(a.number, b.number) })
	return a
}

func (d *damagedDump) run(t *testing.T, s *Session, line string) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: panic: %v\n%s", line, p, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), damageHang)
	defer cancel()
	if err := s.Exec(ctx, line); err != nil {
		s.Report(line, err)
	}
	s.Flush()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("%s does not end", line)
	}
}

// checkObject holds a line of output against what scripts need of it.
func checkObject(t *testing.T, line []byte) {
	t.Helper()
	var o struct {
		Error json.RawMessage
	}
	if err := json.Unmarshal(line, &o); err != nil {
		t.Fatalf("%v: %.200s", err, line)
	}
	var e struct{ Kind, Message string }
	if o.Error == nil || json.Unmarshal(o.Error, &e) != nil {
		return // a word, such as the error of a value
	}
	switch e.Kind {
	case kernel.KindNotFound, kernel.KindExcluded, kernel.KindMissing, kernel.KindUnmapped, kernel.KindUnsupported, kernel.KindIO:
	default:
		t.Errorf("error of kind %q: %s", e.Kind, line)
	}
	if e.Message == "" || len(e.Message) > 1000 {
		t.Errorf("error with a text of %d bytes: %.300s", len(e.Message), line)
	}
}

// damage changes a word in one of the pages, most often one that looks like a
// pointer, and says how.
func (d *damagedDump) damage(random *rand.Rand, pages []frame) string {
	le := binary.LittleEndian
	page := d.raw[d.size:]
	for {
		f := pages[random.IntN(len(pages))]
		start := uint64(f.number * damagePage)
		if _, err := d.phys.ReadPhys(page, vmcore.PhysAddr(start)); err != nil {
			continue
		}
		pointers, words := pointersIn(page)
		if random.IntN(4) == 0 || len(pointers) == 0 {
			pointers = words
		}
		if len(pointers) == 0 {
			continue // zeros
		}
		word := pointers[random.IntN(len(pointers))]
		self := uint64(d.offset) + start + uint64(word)
		was := le.Uint64(page[word:])
		is := [...]uint64{
			0,
			self,
			le.Uint64(page[pointers[random.IntN(len(pointers))]:]), // where another leads
			was + 1 + random.Uint64N(7),
			0xdead000000000122, // LIST_POISON2 in include/linux/poison.h
			1<<64 - 1,
			0x414141414141,
			random.Uint64(),
		}[random.IntN(8)]
		le.PutUint64(page[word:], is)
		d.at = f.descriptor
		d.was = slices.Clone(d.raw[d.at : d.at+damageDescriptor])
		clear(d.raw[d.at : d.at+damageDescriptor]) // no flags: not compressed
		le.PutUint64(d.raw[d.at:], uint64(d.size))
		le.PutUint32(d.raw[d.at+8:], damagePage)
		return fmt.Sprintf("%#x from %#x to %#x", start+uint64(word), was, is)
	}
}

// mend undoes the last damage.
func (d *damagedDump) mend() { copy(d.raw[d.at:], d.was) }

// pointersIn returns where in a page there are pointers, and where there is
// anything.
func pointersIn(page []byte) (pointers, words []int) {
	for i := 0; i < len(page); i += 8 {
		v := binary.LittleEndian.Uint64(page[i:])
		if v != 0 {
			words = append(words, i)
		}
		if v>>56 == 0xff && v>>32 != 0xffff_ffff || v>>31 == 1<<33-1 {
			pointers = append(pointers, i)
		}
	}
	return pointers, words
}
