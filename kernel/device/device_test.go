package device_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel/device"
	"github.com/kdbg/kdbg/kernel/kerneltest"
	"github.com/kdbg/kdbg/vmcore"
)

// layouts are the structures that this package asks for: those of kernels before
// v6.5 where they differ.
var layouts = []string{
	"list_head next:long prev:long",
	"cpumask bits:long",
	"irq_chip name:char*",
	"irq_data chip:irq_chip*",
	"irq_common_data affinity:cpumask",
	"irqaction handler:long next:irqaction* thread:long name:char*",
	"irq_desc irq_common_data:irq_common_data irq_data:irq_data action:irqaction* name:char* kstat_irqs:int*",
	"resource start:long end:long name:char* sibling:resource* child:resource*",
	"cdev ops:long",
	"char_device_struct next:char_device_struct* major:int baseminor:int minorct:int name:char[64] cdev:cdev*",
	"probe next:probe* dev:int range:long data:long",
	"kobj_map probes:probe*[255]",
	"sbitmap_word word:long cleared:long",
	"sbitmap depth:int shift:int map_nr:int round_robin:char map:sbitmap_word* alloc_hint:int*",
	"wait_queue_head head:list_head",
	"sbq_wait_state wait:wait_queue_head",
	"sbitmap_queue sb:sbitmap wake_batch:int wake_index:int ws:sbq_wait_state* ws_active:int min_shallow_depth:int",
}

const (
	ports   = kerneltest.Data + 0x10
	irqs    = kerneltest.Data + 0x100
	cdevs   = kerneltest.Data + 0x200
	numbers = kerneltest.Data + 0x300
	masks   = kerneltest.Data + 0xc00
)

func newWorld(t testing.TB) *kerneltest.World {
	w := kerneltest.New(t, layouts,
		kallsymstest.Symbol{Addr: ports, Type: 'D', Name: "ioport_resource"},
		kallsymstest.Symbol{Addr: irqs, Type: 'D', Name: "irq_desc"},
		kallsymstest.Symbol{Addr: cdevs, Type: 'D', Name: "cdev_map"},
		kallsymstest.Symbol{Addr: numbers, Type: 'D', Name: "chrdevs"},
		kallsymstest.Symbol{Addr: masks, Type: 'D', Name: "__cpu_possible_mask"},
		kallsymstest.Symbol{Addr: masks + 8, Type: 'D', Name: "__cpu_online_mask"},
	)
	w.Put(uint64(masks), 0b1, 0b1)
	return w
}

// collect lists what a walk finds, and "error" for what is broken.
func collect[T any](seq func(func(T, error) bool), text func(T) string) string {
	var got []string
	for item, err := range seq {
		if err != nil {
			got = append(got, "error")
			continue
		}
		got = append(got, text(item))
	}
	return strings.Join(got, ", ")
}

func TestResources(t *testing.T) {
	w := newWorld(t)
	name := w.Text("part")
	inner := w.Object(2, 3, name, 0, 0)
	second := w.Object(8, 15, name, 0, 0)
	first := w.Object(0, 7, name, second, inner)
	list := func() string {
		return collect(device.Ports(w.Kernel), func(r device.Resource) string { return fmt.Sprintf("%d %x-%x", r.Depth, r.Start, r.End) })
	}
	for _, tc := range []struct {
		what           string
		child, sibling uint64 // of the innermost
		want           string
	}{
		{"a tree", 0, 0, "0 0-ffff, 1 0-7, 2 2-3, 1 8-f"},
		{"a child above itself", first, 0, "0 0-ffff, 1 0-7, 2 2-3, error, 1 8-f"},
		{"a sibling of itself", 0, inner, "0 0-ffff, 1 0-7, 2 2-3, error, 1 8-f"},
		{"a sibling that was left out", 0, uint64(kerneltest.Excluded), "0 0-ffff, 1 0-7, 2 2-3, 2 0-0, error, 1 8-f"},
	} {
		w.Put(uint64(ports), 0, 0xffff, name, 0, first)
		w.Put(inner+24, tc.sibling, tc.child)
		if got := list(); got != tc.want {
			t.Errorf("%s: %s\nwant %s", tc.what, got, tc.want)
		}
	}
}

func TestIRQs(t *testing.T) {
	w := newWorld(t)
	second := w.Object(0xffffffff81000100, 0, 0, w.Text("ehci"))
	first := w.Object(0xffffffff81000200, second, 0, w.Text("uhci"))
	circle := w.Object(0, 0, 0, w.Text("loop"))
	w.Put(circle+8, circle)
	chip := w.Object(w.Text("IO-APIC"))
	w.Put(uint64(irqs), 0b11, chip, first, w.Text("edge"), 0) // CPU 1 is not possible
	w.Put(uint64(irqs)+40, 1, 0, circle, 0, 0)
	w.Put(uint64(irqs)+80, 1, 0, uint64(kerneltest.Excluded), 0, 0)
	got := collect(device.IRQs(w.Kernel), func(irq device.IRQ) string {
		text := fmt.Sprintf("%d %s-%s", irq.Number, irq.Chip, irq.Flow)
		for _, a := range irq.Actions {
			text += " " + a.Name
		}
		cpus, err := irq.Affinity()
		if err != nil {
			t.Error(err)
		}
		return fmt.Sprintf("%s %v", text, cpus)
	})
	want := "0 IO-APIC-edge uhci ehci [0], 1 - loop [0], error, 2 -  [0], error"
	if got, _, _ = strings.Cut(got, ", 3 -"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestCharDevices(t *testing.T) {
	w := newWorld(t)
	chars := func(major, minor, count uint64, name string, cdev uint64) uint64 {
		at := w.Room(0x100)
		w.Put(at, 0, major, minor, count, w.Memory[vmcore.Addr(w.Text(name))])
		w.Put(at+96, cdev)
		return at
	}
	wide, narrow := w.Object(0x1000), w.Object(0x2000)
	mem := chars(1, 0, 256, "mem", 0)
	tty := chars(4, 0, 64, "tty", 0)
	tty2 := chars(4, 64, 1, "ttyS", 0)
	own := chars(10, 0, 1, "misc", w.Object(0x3000))
	w.Put(tty, tty2)
	w.Put(uint64(numbers)+8*1, mem)
	w.Put(uint64(numbers)+8*4, tty)
	w.Put(uint64(numbers)+8*10, own)
	table := w.Room(255 * 8)
	w.Put(uint64(cdevs), table)
	inside := w.Object(0, 4<<20, 1, narrow)
	w.Put(table+8*4, w.Object(inside, 4<<20, 256, wide))
	list := func() string {
		devices, errs := device.CharDevices(w.Kernel)
		var rows []string
		for _, c := range devices {
			rows = append(rows, fmt.Sprintf("%d:%d %s %x", c.Major, c.Minor, c.Name, uint64(c.Ops)))
		}
		for range errs {
			rows = append(rows, "error")
		}
		return strings.Join(rows, ", ")
	}
	if got, want := list(), "1:0 mem 0, 4:0 tty 2000, 4:64 ttyS 1000, 10:0 misc 3000"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	w.Put(tty2, tty)
	w.Put(mem, uint64(kerneltest.Excluded))
	if got, want := list(), "1:0 mem 0, 4:0 tty 2000, 4:64 ttyS 1000, 10:0 misc 3000, error, error"; !strings.HasSuffix(got, "error, error") || len(got) > 200 {
		t.Errorf("chains that lead back and astray: %s\nwant %s", got, want)
	}
}

func TestBitmapQueue(t *testing.T) {
	w := newWorld(t)
	words := w.Object(0b1011, 0b0010, 1<<63|0xff, 0)
	queues := w.Room(8 * 16)
	for i := range uint64(8) {
		w.Put(queues+16*i, queues+16*i)
	}
	w.Put(queues+16*3, queues) // something waits
	at := w.Object(68, 6, 2, 1, words, 0, 8, 0, queues, 1, 4)
	q, err := device.BitmapQueueAt(w.Kernel, vmcore.Addr(at))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(q.Depth, q.BitsPerWord, q.Set, q.Cleared, q.RoundRobin, q.WakeBatch, q.Queues, q.MinDepth)
	want := "68 64 [0 3 64 65 66 67] 1 true 8 [false false false true false false false false] 4"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, tc := range []struct{ depth, shift, words uint64 }{
		{0xffffffff, 6, 0x4000000}, {68, 63, 1}, {68, 200, 1}, {68, 6, 0xffffffff}, {68, 7, 1},
	} {
		w.Put(at, tc.depth, tc.shift, tc.words)
		if _, err := device.BitmapQueueAt(w.Kernel, vmcore.Addr(at)); err == nil {
			t.Errorf("a bitmap of %d bits in %d words of 2^%d", tc.depth, tc.words, tc.shift)
		}
	}
}
