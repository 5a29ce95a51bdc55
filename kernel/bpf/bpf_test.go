package bpf_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/kallsyms/kallsymstest"
	"github.com/kdbg/kdbg/kernel/bpf"
	"github.com/kdbg/kdbg/kernel/kerneltest"
	"github.com/kdbg/kdbg/vmcore"
)

var layouts = []string{
	"xarray xa_head:long",
	"xa_node shift:char offset:char parent:xa_node* slots:long[64]",
	"idr idr_rt:xarray idr_base:int",
	"user_struct uid:int",
	"bpf_map id:int map_type:int name:char[16] key_size:int value_size:int max_entries:int map_flags:int",
	"bpf_prog_aux name:char[16] load_time:long user:user_struct* used_map_cnt:int used_maps:bpf_map**",
	"bpf_prog aux:bpf_prog_aux* type:int len:int bpf_func:long jited:int jited_len:int pages:int gpl_compatible:int tag:char[8] insnsi:long",
}

const (
	programs = kerneltest.Data + 0x100
	maps     = kerneltest.Data + 0x200
	helpers  = kerneltest.Text + 0x100 // __bpf_call_base
)

func newWorld(t testing.TB) *kerneltest.World {
	return kerneltest.New(t, layouts,
		kallsymstest.Symbol{Addr: helpers, Type: 'T', Name: "__bpf_call_base"},
		kallsymstest.Symbol{Addr: helpers + 0x20, Type: 'T', Name: "bpf_helper"},
		kallsymstest.Symbol{Addr: programs, Type: 'd', Name: "prog_idr"},
		kallsymstest.Symbol{Addr: maps, Type: 'd', Name: "map_idr"},
	)
}

// words returns the two words of a name of 16 bytes.
func words(w *kerneltest.World, name string) []uint64 {
	at := vmcore.Addr(w.Text(name))
	return []uint64{w.Memory[at], w.Memory[at+8]}
}

// newMap puts a map, the only one there is.
func newMap(w *kerneltest.World) uint64 {
	at := w.Object(slices.Concat([]uint64{3, 1}, words(w, "values"), []uint64{4, 8, 16, 0})...)
	w.Put(uint64(maps), at)
	return at
}

// newProgram puts a program that uses a map.
func newProgram(w *kerneltest.World, mapAt uint64, instructions ...uint64) {
	aux := w.Object(append(words(w, "life_program"), 1000, w.Object(0), 1, w.Object(mapAt))...)
	count := uint64(len(instructions))
	header := []uint64{aux, 1, count, 0xffffffffc0000000, 1, 61, 1, 1, 0x8877665544332211}
	w.Put(uint64(programs), w.Object(append(header, instructions...)...))
}

func TestPrograms(t *testing.T) {
	w := newWorld(t)
	newProgram(w, newMap(w), 0x95)
	for p, err := range bpf.Programs(w.Kernel) {
		got := fmt.Sprint(p.ID, " ", p.Type, " ", p.Name, " ", p.Tag, " ", p.Maps, " ", p.Translated, " ", p.CompiledSize, " ", p.UID, " ", err)
		if want := "0 1 life_program 1122334455667788 [3] 8 61 0 <nil>"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	for m, err := range bpf.Maps(w.Kernel) {
		if got, want := fmt.Sprint(m.Type, " ", m.Name, " ", m.KeySize, " ", m.ValueSize, " ", m.MaxEntries, " ", err), "1 values 4 8 16 <nil>"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	w.Put(uint64(programs), uint64(kerneltest.Excluded))
	for p, err := range bpf.Programs(w.Kernel) {
		if err == nil && p.Name != "<excluded>" {
			t.Errorf("of an excluded program: %+v", p)
		}
	}
}

// Each instruction is two numbers of 32 bits: code, registers and offset, and a
// constant.
func TestInstructions(t *testing.T) {
	w := newWorld(t)
	mapAt := newMap(w)
	for _, tc := range []struct {
		words []uint64
		want  string
	}{
		{[]uint64{0x00000001_fffc0a62}, "0 *(u32 *)(r10 -4) = 1"},
		{[]uint64{0x00000000_0008217b}, "0 *(u64 *)(r1 +8) = r2"},
		{[]uint64{0x00000000_ffff2371}, "0 r3 = *(u8 *)(r2 -1)"},
		{[]uint64{0x00000000_00042391}, "0 r3 = *(s8 *)(r2 +4)"},
		{[]uint64{0x0000000e_00000028}, "0 r0 = *(u16 *)skb[14]"},
		{[]uint64{0x00000118 | mapAt<<32, mapAt >> 32 << 32}, "0 r1 = map[id:3]"},
		{[]uint64{0x00000001_00000218, 0x00000002_00000000}, "0 r2 = 0x200000001"},
		{[]uint64{0xfffffffc_00000207}, "0 r2 += -4"},
		{[]uint64{0x00000000_0000a2bf}, "0 r2 = r10"},
		{[]uint64{0x00000007_000001b4}, "0 w1 = 7"},
		{[]uint64{0x00000000_000821bf}, "0 r1 = (s8)r2"},
		{[]uint64{0x00000000_0001213f}, "0 r1 s/= r2"},
		{[]uint64{0x00000000_00000187}, "0 r1 = -r1"},
		{[]uint64{0x00000010_000001dc}, "0 r1 = be16 r1"},
		{[]uint64{0x00000000_00010015}, "0 if r0 == 0 goto +1"},
		{[]uint64{0x00000000_fffe216e}, "0 if w1 s> w2 goto -2"},
		{[]uint64{0x00000000_00030005}, "0 goto +3"},
		{[]uint64{0x00000020_00000085}, "0 call bpf_helper"},
		{[]uint64{0x7fffffff_00000085}, "0 call 2147483647"},
		{[]uint64{0x00000005_00001085}, "0 call +5"},
		{[]uint64{0x00000000_000021db}, "0 lock *(u64 *)(r1 +0) += r2"},
		{[]uint64{0x00000041_000021c3}, "0 r2 = fetch(lock *(u32 *)(r1 +0) |= r2)"},
		{[]uint64{0x000000f1_000021db}, "0 r0 = cmpxchg(*(u64 *)(r1 +0), r0, r2)"},
		{[]uint64{0x00000077_000021db}, "0 code 0xdb dst r1 src r2 off 0 imm 119"},
		{[]uint64{0x00000000_000000ff}, "0 code 0xff dst r0 src r0 off 0 imm 0"},
		{[]uint64{0x95, 0x18}, "0 exit, 1 r0 = 0x0"}, // the second is cut off
	} {
		newProgram(w, mapAt, tc.words...)
		var got []string
		for p, err := range bpf.Programs(w.Kernel) {
			if err != nil {
				t.Fatal(err)
			}
			for i, err := range p.Instructions() {
				if err != nil {
					t.Error(err)
				}
				got = append(got, fmt.Sprint(i.Number, " ", i.Text))
			}
		}
		if text := strings.Join(got, ", "); text != tc.want {
			t.Errorf("%#x: %s\nwant %s", tc.words, text, tc.want)
		}
	}
}
