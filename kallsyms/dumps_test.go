package kallsyms_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// dump is a real dump: its kernel image and its VMCOREINFO.
type dump struct {
	*paging.Image
	info   *vmcore.VMCOREINFO
	layout vmcore.Layout
}

func openDump(tb testing.TB, name string) dump {
	tb.Helper()
	d, err := vmcore.Open("../testdata/dumps/"+name, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	image, err := paging.NewImage(d, d.Arch(), d.Info(), d.Segments())
	if err != nil {
		tb.Fatal(err)
	}
	return dump{Image: image, info: d.Info(), layout: d.Arch().Layout}
}

var dumps = []struct {
	file    string
	summary string
	symbols string // looked up, one a line, moved back by KERNELOFFSET
}{
	{
		"debian-6.12-amd64.kdump",
		"157648 symbols, absolute-percpu; bss 6312, data 19879, init 10920, percpu 388, rodata 19926, text 100201, unknown 22",
		`
__per_cpu_start 0x0 4096 percpu A
pcpu_hot 0x35000 64 percpu A
runqueues 0x35e80 3456 percpu A
__per_cpu_end 0x39000 0 percpu A
_stext 0xffffffff81000000 16 text T
_etext 0xffffffff82000000 0 text T
kallsyms_names 0xffffffff82150ce8 2179224 rodata D
__end_rodata 0xffffffff82ac0000 0 rodata D
init_task 0xffffffff82c10940 9792 data D
jiffies 0xffffffff82c079c0 64 data D
modules 0xffffffff82d2ea80 32 data D
_edata 0xffffffff82e728c0 0 data D
kallsyms_init 0xffffffff833669e0 48 init t
__init_end 0xffffffff836cd000 0 init R
_end 0xffffffff83c30000 0 bss B
`,
	},
	{
		"vars-7.2-amd64.kdump",
		"68676 symbols, place-relative; bss 2207, data 8421, init 4921, percpu 298, rodata 20824, text 31993, unknown 12",
		`
_stext 0xffffffff81000000 64 text T
_etext 0xffffffff819a8c10 0 text T
kallsyms_names 0xffffffff81aaf348 910164 rodata D
init_task 0xffffffff8220aa00 2688 data T
jiffies 0xffffffff82207a00 64 data T
modules 0xffffffff822ce2a0 32 data T
orc_header 0xffffffff8236c180 20 unknown r
__per_cpu_start 0xffffffff82749000 4096 percpu D
runqueues 0xffffffff827721c0 3328 percpu D
__per_cpu_end 0xffffffff82773998 0 percpu D
__init_end 0xffffffff82774000 0 init R
_end 0xffffffff827f2000 0 bss B
`,
	},
}

func TestDumps(t *testing.T) {
	for _, tt := range dumps {
		t.Run(tt.file, func(t *testing.T) {
			d := openDump(t, tt.file)
			table, err := kallsyms.Load(d, d.info, d.layout)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.summary, summary(table)); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			moved, _ := d.info.Hex("KERNELOFFSET")
			var got strings.Builder
			for line := range strings.Lines(strings.TrimSpace(tt.symbols)) {
				name, _, _ := strings.Cut(line, " ")
				for _, s := range table.Lookup(name) {
					if s.Class != kallsyms.PerCPU || s.Type != 'A' {
						s.Addr -= vmcore.Addr(moved)
					}
					fmt.Fprintf(&got, "%s %v %d %v %c\n", s.Name, s.Addr, s.Size, s.Class, s.Type)
				}
			}
			if diff := cmp.Diff(strings.TrimSpace(tt.symbols), strings.TrimSpace(got.String())); diff != "" {
				t.Errorf("symbols (-want +got):\n%s", diff)
			}
			start, end := d.Bounds()
			scanned, err := kallsyms.Scan(d, start, end, nil, d.layout)
			if err != nil {
				t.Fatal(err)
			}
			sameTable(t, table, scanned)
		})
	}
}

func summary(t *kallsyms.Table) string {
	count := map[kallsyms.Class]int{}
	for s := range t.All() {
		count[s.Class]++
	}
	var classes []string
	for c, n := range count {
		classes = append(classes, fmt.Sprintf("%v %d", c, n))
	}
	slices.Sort(classes)
	return fmt.Sprintf("%d symbols, %v; %s", t.Len(), t.Encoding(), strings.Join(classes, ", "))
}

// sameTable checks that two tables have the same symbols, in the same order.
func sameTable(t *testing.T, want, got *kallsyms.Table) {
	t.Helper()
	if want.Len() != got.Len() || want.Encoding() != got.Encoding() {
		t.Fatalf("%d symbols, %v, want %d, %v", got.Len(), got.Encoding(), want.Len(), want.Encoding())
	}
	next, stop := iter.Pull(got.All())
	defer stop()
	for w := range want.All() {
		if g, _ := next(); g != w {
			t.Fatalf("got %v, want %v", g, w)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, tt := range dumps {
		d := openDump(b, tt.file)
		b.Run(tt.file, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := kallsyms.Load(d, d.info, d.layout); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	d := openDump(b, dumps[0].file)
	start, end := d.Bounds()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := kallsyms.Scan(d, start, end, d.info, d.layout); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTable(b *testing.B) {
	d := openDump(b, dumps[0].file)
	t, err := kallsyms.Load(d, d.info, d.layout)
	if err != nil {
		b.Fatal(err)
	}
	inside := t.Lookup("schedule")[0].Addr + 5
	for _, bb := range []struct {
		name string
		do   func()
	}{
		{"Lookup", func() { t.Lookup("init_task") }},
		{"Resolve", func() { t.Resolve(inside) }},
		{"Prefix", func() {
			for range t.Prefix("init_task") {
			}
		}},
		{"All", func() {
			for range t.All() {
			}
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bb.do()
			}
		})
	}
}
