package kallsyms_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/vmcore"
)

var (
	le64 = vmcore.Layout{WordSize: 8}
	be64 = vmcore.Layout{WordSize: 8, BigEndian: true}
	le32 = vmcore.Layout{WordSize: 4}
	be32 = vmcore.Layout{WordSize: 4, BigEndian: true}
)

// image is a small kernel's symbols, relative to the start of its image.
const image = `
0000 T _text
0000 T _stext
0000 T do_one
0100 t helper
0180 W weak
01f0 t helper
0200 T _etext
1000 D __start_rodata
1000 r table
1100 d __start_notes
1140 d __stop_notes
2000 R __end_rodata
2000 D _sdata
2000 T init_task
2800 D jiffies
2800 D jiffies_64
3000 D _edata
3000 r orc_header
4000 D __init_begin
4000 t setup
4800 d setup_data
5000 D __init_end
5000 B __bss_start
5000 b counter
5ff0 B __bss_stop
6000 B _end
`

// symbols parses lines of an offset, a type and a name.
func symbols(text string, base vmcore.Addr) []kallsymstest.Symbol {
	var list []kallsymstest.Symbol
	for line := range strings.Lines(strings.TrimSpace(text)) {
		var s kallsymstest.Symbol
		var letter string
		if _, err := fmt.Sscanf(line, "%x %s %s", &s.Addr, &letter, &s.Name); err != nil {
			panic(err)
		}
		s.Addr, s.Type = s.Addr+base, letter[0]
		list = append(list, s)
	}
	return list
}

// perCPU gives a kernel per-CPU symbols at address 0, as x86-64 had.
func perCPU(list []kallsymstest.Symbol) []kallsymstest.Symbol {
	return append(list, symbols("0 A __per_cpu_start\n0 A cpu_info\n40 A runqueues\n1000 A __per_cpu_end", 0)...)
}

// many adds n functions with names of every length up to 200.
func many(list []kallsymstest.Symbol, n int) []kallsymstest.Symbol {
	base := list[0].Addr
	for i := range n {
		name := fmt.Sprintf("function_%d_%s", i, strings.Repeat("Zq", i%90))
		list = append(list, kallsymstest.Symbol{Addr: base + vmcore.Addr(0x10+i%0x1f0), Type: 't', Name: name})
	}
	return list
}

const (
	start64 = 0xffffffff81000000
	start32 = 0xc0100000
)

var kernels = []struct {
	name   string
	kernel kallsymstest.Kernel
}{
	{"v2.6 absolute", kallsymstest.Kernel{Era: kallsymstest.V406, Layout: le64, Symbols: symbols(image, start64)}},
	{"v2.6 absolute 32-bit", kallsymstest.Kernel{Era: kallsymstest.V406, Layout: be32, Symbols: symbols(image, start32)}},
	{"v4.6 base", kallsymstest.Kernel{Era: kallsymstest.V406, Layout: be64, Encoding: kallsyms.BaseRelative, Symbols: many(symbols(image, start64), 600)}},
	{"v4.6 percpu", kallsymstest.Kernel{Era: kallsymstest.V406, Layout: le64, Encoding: kallsyms.AbsolutePerCPU, Symbols: perCPU(symbols(image, start64))}},
	{"v4.20 base", kallsymstest.Kernel{Era: kallsymstest.V420, Layout: be64, Encoding: kallsyms.BaseRelative, Symbols: symbols(image, start64)}},
	{"v4.20 percpu", kallsymstest.Kernel{Era: kallsymstest.V420, Layout: le64, Encoding: kallsyms.AbsolutePerCPU, Symbols: many(perCPU(symbols(image, start64)), 300)}},
	{"v6.0 absolute", kallsymstest.Kernel{Era: kallsymstest.V600, Layout: le64, Symbols: many(symbols(image, start64), 900)}},
	{"v6.0 base 32-bit", kallsymstest.Kernel{Era: kallsymstest.V600, Layout: le32, Encoding: kallsyms.BaseRelative, Symbols: many(symbols(image, start32), 900)}},
	{"v6.1 percpu", kallsymstest.Kernel{Era: kallsymstest.V601, Layout: le64, Encoding: kallsyms.AbsolutePerCPU, Symbols: many(perCPU(symbols(image, start64)), 900)}},
	{"v6.2 base", kallsymstest.Kernel{Era: kallsymstest.V602, Layout: le64, Encoding: kallsyms.BaseRelative, Symbols: many(symbols(image, start64), 900)}},
	{"v6.4 base", kallsymstest.Kernel{Era: kallsymstest.V604, Layout: be64, Encoding: kallsyms.BaseRelative, Symbols: many(symbols(image, start64), 900)}},
	{"v6.4 percpu", kallsymstest.Kernel{Era: kallsymstest.V604, Layout: le64, Encoding: kallsyms.AbsolutePerCPU, Symbols: perCPU(symbols(image, start64))}},
	{"v7.0", kallsymstest.Kernel{Era: kallsymstest.V700, Layout: le64, Encoding: kallsyms.PlaceRelative, Symbols: many(symbols(image, start64), 900)}},
	{"v7.0 big-endian", kallsymstest.Kernel{Era: kallsymstest.V700, Layout: be64, Encoding: kallsyms.PlaceRelative, Symbols: symbols(image, start64)}},
	{"v7.0 32-bit", kallsymstest.Kernel{Era: kallsymstest.V700, Layout: be32, Encoding: kallsyms.PlaceRelative, Symbols: symbols(image, start32)}},
	{"v7.0 absolute", kallsymstest.Kernel{Era: kallsymstest.V700, Layout: le32, Encoding: kallsyms.AddressesAbsolute, Symbols: many(symbols(image, start32), 300)}},
}

// textStart is the address of _stext, the first that is not per-CPU.
func textStart(k kallsymstest.Kernel) vmcore.Addr { return k.Symbols[0].Addr }

// write returns the image of a kernel whose tables are in its rodata.
func write(k kallsymstest.Kernel) *kallsymstest.Image {
	k.Start = textStart(k) + 0x1008
	return k.Image()
}

func TestKernels(t *testing.T) {
	for _, tt := range kernels {
		img := write(tt.kernel)
		info := vmcore.ParseVMCOREINFO([]byte(img.VMCOREINFO))
		scan := func(info *vmcore.VMCOREINFO) (*kallsyms.Table, error) {
			start := textStart(tt.kernel)
			return kallsyms.Scan(img, start, start+1<<20, info, tt.kernel.Layout)
		}
		t.Run(tt.name+"/scan", func(t *testing.T) {
			table, err := scan(nil)
			checkTable(t, tt.kernel, table, err)
		})
		t.Run(tt.name+"/load", func(t *testing.T) {
			table, err := kallsyms.Load(img, info, tt.kernel.Layout)
			if tt.kernel.Era < kallsymstest.V600 {
				if !errors.Is(err, vmcore.ErrNotFound) {
					t.Fatalf("error %v, want not found", err)
				}
				table, err = scan(info)
			}
			checkTable(t, tt.kernel, table, err)
		})
	}
}

// checkTable checks that a table has the symbols of the kernel it is from.
func checkTable(t *testing.T, k kallsymstest.Kernel, table *kallsyms.Table, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if table.Encoding() != k.Encoding {
		t.Errorf("encoding %v, want %v", table.Encoding(), k.Encoding)
	}
	var got []kallsymstest.Symbol
	for s := range table.All() {
		got = append(got, kallsymstest.Symbol{Addr: s.Addr, Type: s.Type, Name: s.Name})
	}
	want := slices.Clone(k.Symbols)
	slices.SortStableFunc(want, func(a, b kallsymstest.Symbol) int { return cmp.Compare(a.Addr, b.Addr) })
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("symbols (-want +got):\n%s", diff)
	}
	for s := range table.All() {
		if !slices.Contains(table.Lookup(s.Name), s) || !slices.Contains(table.At(s.Addr), s) {
			t.Fatalf("%v is not found by name and address", s)
		}
	}
}

func load(t *testing.T, k kallsymstest.Kernel) *kallsyms.Table {
	t.Helper()
	img := write(k)
	table, err := kallsyms.Load(img, vmcore.ParseVMCOREINFO([]byte(img.VMCOREINFO)), k.Layout)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestClassesAndSizes(t *testing.T) {
	table := load(t, kallsymstest.Kernel{
		Era: kallsymstest.V604, Layout: le64, Encoding: kallsyms.AbsolutePerCPU,
		Symbols: append(perCPU(symbols(image, start64)), symbols("2000 A a_number", 0)...),
	})
	var got strings.Builder
	for s := range table.All() {
		fmt.Fprintf(&got, "%x %s %v %#x\n", uint64(s.Addr)&0xffff, s.Name, s.Class, s.Size)
	}
	want := `
0 __per_cpu_start percpu 0x40
0 cpu_info percpu 0x40
40 runqueues percpu 0xfc0
1000 __per_cpu_end percpu 0x0
2000 a_number absolute 0x0
0 _text text 0x100
0 _stext text 0x100
0 do_one text 0x100
100 helper text 0x80
180 weak text 0x70
1f0 helper text 0x10
200 _etext text 0x0
1000 __start_rodata rodata 0x100
1000 table rodata 0x100
1100 __start_notes rodata 0x40
1140 __stop_notes rodata 0x0
2000 __end_rodata rodata 0x0
2000 _sdata data 0x800
2000 init_task data 0x800
2800 jiffies data 0x800
2800 jiffies_64 data 0x800
3000 _edata data 0x0
3000 orc_header unknown 0x1000
4000 __init_begin init 0x800
4000 setup init 0x800
4800 setup_data init 0x800
5000 __init_end init 0x0
5000 __bss_start bss 0xff0
5000 counter bss 0xff0
5ff0 __bss_stop bss 0x0
6000 _end bss 0x0
`
	if diff := gocmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got.String())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	atZero := load(t, kallsymstest.Kernel{
		Era: kallsymstest.V601, Layout: le64, Encoding: kallsyms.AbsolutePerCPU,
		Symbols: perCPU(symbols(image, start64)),
	})
	mapped := load(t, kallsymstest.Kernel{
		Era: kallsymstest.V700, Layout: le64, Encoding: kallsyms.PlaceRelative,
		Symbols: append(symbols(image, start64), symbols("4900 d __per_cpu_start\n4940 d runqueues\n4980 d __per_cpu_end", start64)...),
	})
	resolve := func(table *kallsyms.Table, a vmcore.Addr) string {
		s, offset, ok := table.Resolve(a)
		if !ok {
			return "none"
		}
		return fmt.Sprintf("%s+%#x %v", s.Name, offset, s.Class)
	}
	names := func(list []kallsyms.Symbol) string {
		var all []string
		for _, s := range list {
			all = append(all, fmt.Sprintf("%s@%x", s.Name, uint64(s.Addr)&0xffff))
		}
		return strings.Join(all, " ")
	}
	for _, tt := range []struct{ what, got, want string }{
		{"first of aliases", resolve(atZero, start64+8), "_text+0x8 text"},
		{"in a function", resolve(atZero, start64+0x17f), "helper+0x7f text"},
		{"end of text", resolve(atZero, start64+0x200), "_etext+0x0 text"},
		{"behind the text", resolve(atZero, start64+0x201), "none"},
		{"between sections", resolve(atZero, start64+0x3001), "orc_header+0x1 unknown"},
		{"behind the image", resolve(atZero, start64+0x6001), "none"},
		{"below the image", resolve(atZero, start64-1), "none"},
		{"zero", resolve(atZero, 0), "none"},
		{"a per-CPU offset", resolve(atZero, 0x48), "none"},
		{"a per-CPU address", resolve(mapped, start64+0x4948), "runqueues+0x8 percpu"},
		{"lookup of several", names(atZero.Lookup("helper")), "helper@100 helper@1f0"},
		{"lookup of none", names(atZero.Lookup("nosuch")), ""},
		{"lookup of the empty name", names(atZero.Lookup("")), ""},
		{"lookup of a type and a name", names(atZero.Lookup("Tinit_task")), ""},
		{"per-CPU lookup", names(atZero.Lookup("runqueues")), "runqueues@40"},
		{"aliases", names(atZero.At(start64 + 0x2800)), "jiffies@2800 jiffies_64@2800"},
		{"at none", names(atZero.At(start64 + 1)), ""},
		{"prefix", names(slices.Collect(atZero.Prefix("_s"))), "_stext@0 _sdata@2000"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, tt.got, tt.want)
		}
	}
}

func TestDemangled(t *testing.T) {
	for name, want := range map[string]string{
		"init_task":         "init_task",
		"_RNvC6_123foo3bar": "123foo::bar",
	} {
		if got := (kallsyms.Symbol{Name: name}).Demangled(); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	kernel := kallsymstest.Kernel{Era: kallsymstest.V604, Layout: le64, Encoding: kallsyms.BaseRelative, Symbols: many(symbols(image, start64), 600)}
	for _, tt := range []struct {
		name  string
		spoil func(img *kallsymstest.Image)
		want  string
	}{
		{"no line", func(img *kallsymstest.Image) {
			img.VMCOREINFO = strings.ReplaceAll(img.VMCOREINFO, "SYMBOL(kallsyms_token_index)", "SYMBOL(x)")
		}, "VMCOREINFO has no SYMBOL(kallsyms_token_index): not found"},
		{"_stext elsewhere", func(img *kallsymstest.Image) {
			img.VMCOREINFO = strings.ReplaceAll(img.VMCOREINFO, "_stext)=ffffffff81000000", "_stext)=ffffffff91000000")
		}, "addresses at %kallsyms_offsets: read as base-relative: _stext comes out at 0xffffffff81000000, not at 0xffffffff91000000"},
		{"no symbols", func(img *kallsymstest.Image) { poke(img, "kallsyms_num_syms", 0, 0, 0, 0, 0) }, "kallsyms_num_syms at %kallsyms_num_syms: 0 symbols"},
		{"too many", func(img *kallsymstest.Image) { poke(img, "kallsyms_num_syms", 0, 255, 255, 255, 255) }, "kallsyms_num_syms at %kallsyms_num_syms: 4294967295 symbols"},
		{"a length", func(img *kallsymstest.Image) { poke(img, "kallsyms_names", 0, 0) }, "kallsyms_names at %kallsyms_names: neither encoding of lengths gives 626 names that end at markers"},
		{"a token", func(img *kallsymstest.Image) { poke(img, "kallsyms_token_table", 0, 0) }, "kallsyms_token_index at %kallsyms_token_index: does not fit the tokens at %kallsyms_token_table"},
		{"an address", func(img *kallsymstest.Image) { poke(img, "kallsyms_offsets", 400, 0, 0, 0, 0) }, "addresses at %kallsyms_offsets: read as base-relative: symbol 100 is at 0xffffffff81000000, below the one before at 0xffffffff81000040"},
		{"cut", func(img *kallsymstest.Image) { img.Bytes = img.Bytes[:img.Labels["kallsyms_offsets"]-img.Start] }, "kallsyms_offsets at %kallsyms_offsets: address 0xffffffff810046df: not mapped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			img := write(kernel)
			tt.spoil(img)
			_, err := kallsyms.Load(img, vmcore.ParseVMCOREINFO([]byte(img.VMCOREINFO)), kernel.Layout)
			want := tt.want
			for label, a := range img.Labels {
				want = strings.ReplaceAll(want, "%"+label, a.String())
			}
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// TestNoMarkers loads a kernel whose markers are somewhere else.
func TestNoMarkers(t *testing.T) {
	for _, era := range []kallsymstest.Era{kallsymstest.V600, kallsymstest.V604} {
		k := kallsymstest.Kernel{Era: era, Layout: le64, Encoding: kallsyms.BaseRelative, Symbols: many(symbols(image, start64), 600)}
		img := write(k)
		poke(img, "kallsyms_markers", 4, 1, 2, 3)
		table, err := kallsyms.Load(img, vmcore.ParseVMCOREINFO([]byte(img.VMCOREINFO)), k.Layout)
		checkTable(t, k, table, err)
	}
}

// poke overwrites bytes of a table.
func poke(img *kallsymstest.Image, label string, offset int, b ...byte) {
	copy(img.Bytes[int(img.Labels[label]-img.Start)+offset:], b)
}

func TestScanNothing(t *testing.T) {
	img := write(kernels[0].kernel)
	img.Bytes = img.Bytes[:len(img.Bytes)-1] // of the token index
	_, err := kallsyms.Scan(img, start64, start64+1<<20, nil, le64)
	if !errors.Is(err, vmcore.ErrNotFound) {
		t.Errorf("error %v, want not found", err)
	}
}
