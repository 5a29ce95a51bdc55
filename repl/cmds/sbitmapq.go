package cmds

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/device"
)

func init() {
	register(&Command{
		Name: "sbitmapq",
		Args: "[-s STRUCT[.MEMBER] -a ARRAY [-p] [-v]] ADDRESS",
		Help: "show a struct sbitmap_queue",
		Doc: `sbitmapq shows a struct sbitmap_queue, by which block devices and others hand out
tags, and the bits that are taken. With -s and -a it shows what an array has at
their places.

    sbitmapq ffff888003a40000
    sbitmapq -s iscsi_cmd -a ffff888003b00000 ffff888003a40000
                        the number and address of each that is taken
    -p                  the array is one of pointers
    -v                  show each structure, or the members after a dot`,
		Run: runSBitmapQ,
	})
}

func runSBitmapQ(ctx context.Context, env *Env, args string) error {
	opts, words, err := options("sbitmapq", args, "s:a:pv")
	switch {
	case err != nil:
		return err
	case len(words) != 1:
		return usage("sbitmapq", "sbitmapq needs the address of a struct sbitmap_queue")
	case opts.has('s') != opts.has('a'):
		return usage("sbitmapq", "-s and -a belong together")
	}
	a, err := env.address(ctx, words[0])
	if err != nil {
		return err
	}
	q, err := device.BitmapQueueAt(env.Kernel, a)
	if err != nil {
		return err
	}
	switch {
	case opts.has('s'):
		return env.showTagged(ctx, q, opts)
	case env.JSON:
		return env.Object(newBitmapObject(q))
	}
	return env.Printf("%s", bitmapText(q))
}

// bitmapObject is a struct sbitmap_queue in JSON.
type bitmapObject struct {
	Depth       uint64   `json:"depth"`
	Busy        int      `json:"busy"`
	Cleared     uint64   `json:"cleared"`
	BitsPerWord uint64   `json:"bits_per_word"`
	Words       uint64   `json:"map_nr"`
	Hints       []uint64 `json:"alloc_hint"`
	WakeBatch   uint64   `json:"wake_batch"`
	WakeIndex   uint64   `json:"wake_index"`
	Waiting     uint64   `json:"ws_active"`
	Queues      []bool   `json:"ws"`
	RoundRobin  bool     `json:"round_robin"`
	MinDepth    uint64   `json:"min_shallow_depth"`
	Set         []uint64 `json:"set"`
}

func newBitmapObject(q *device.BitmapQueue) bitmapObject {
	o := bitmapObject{
		q.Depth, len(q.Set), q.Cleared, q.BitsPerWord, q.Words, q.Hints, q.WakeBatch, q.WakeIndex, q.Waiting, q.Queues, q.RoundRobin,
		q.MinDepth, q.Set,
	}
	if o.Set == nil {
		o.Set = []uint64{}
	}
	return o
}

// bitmapText writes a struct sbitmap_queue as crash does: its members, then the
// bits as bytes.
func bitmapText(q *device.BitmapQueue) string {
	var b strings.Builder
	fmt.Fprintf(&b, "depth = %d\nbusy = %d\ncleared = %d\nbits_per_word = %d\nmap_nr = %d\n", q.Depth, len(q.Set), q.Cleared, q.BitsPerWord, q.Words)
	var hints []string
	for _, h := range q.Hints {
		hints = append(hints, strconv.FormatUint(h, 10))
	}
	fmt.Fprintf(&b, "alloc_hint = {%s}\nwake_batch = %d\nwake_index = %d\nws_active = %d\nws = {\n", strings.Join(hints, ", "), q.WakeBatch, q.WakeIndex, q.Waiting)
	for _, active := range q.Queues {
		state := "inactive"
		if active {
			state = "active"
		}
		fmt.Fprintf(&b, "  { .wait = %s },\n", state)
	}
	fmt.Fprintf(&b, "}\nround_robin = %d\nmin_shallow_depth = %d\n", boolDigit(q.RoundRobin), q.MinDepth)
	bytes := make([]byte, (q.Depth+7)/8)
	for _, bit := range q.Set {
		bytes[bit/8] |= 1 << (bit % 8)
	}
	for i, c := range bytes {
		if i%16 == 0 {
			fmt.Fprintf(&b, "\n%08x:", i)
		}
		if i%2 == 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%02x", c)
	}
	b.WriteByte('\n')
	return b.String()
}

func boolDigit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// showTagged writes what an array has at the places whose bits are taken.
func (e *Env) showTagged(ctx context.Context, q *device.BitmapQueue, opts flags) error {
	structName, member, _ := strings.Cut(opts.value('s'), ".")
	t, err := e.Kernel.Struct(structName)
	if err != nil {
		return err
	}
	if opts.has('p') {
		t = &btf.Pointer{Target: t}
	}
	a, err := e.address(ctx, opts.value('a'))
	if err != nil {
		return err
	}
	array := e.Kernel.At(a, &btf.Array{Index: e.Kernel.BasicType("unsigned int"), Type: t, Nelems: uint32(q.Depth)})
	for _, bit := range q.Set {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := array.Index(int64(bit))
		if err == nil && opts.has('p') {
			v, err = v.Deref()
		}
		if err != nil {
			e.Problem(fmt.Errorf("place %d: %w", bit, err))
			continue
		}
		if err := e.showTag(bit, v, member, opts.has('v')); err != nil {
			return err
		}
	}
	return nil
}

// showTag writes one of them: its address, or, with all, what is there.
func (e *Env) showTag(bit uint64, v kernel.Value, member string, all bool) error {
	at, _ := v.Addr()
	if all && member != "" {
		var err error
		if v, err = v.Path(member); err != nil {
			return err
		}
	}
	switch {
	case e.JSON:
		o := struct {
			Bit     uint64 `json:"bit"`
			Address string `json:"address"`
			Value   any    `json:"value,omitempty"`
		}{Bit: bit, Address: at.String()}
		if all {
			o.Value = json.RawMessage(v.AppendJSON(nil))
		}
		return e.Object(o)
	case !all:
		return e.Printf("%d: %s\n", bit, hexAddr(at))
	}
	if err := e.Printf("%d (%s): ", bit, hexAddr(at)); err != nil {
		return err
	}
	if err := v.Format(e.Out, e.Settings.formatOptions(0)); err != nil {
		return err
	}
	return e.Printf("\n")
}
