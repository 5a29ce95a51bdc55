package kernel_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/kerneltest"
	"github.com/kdbg/kdbg/vmcore"
)

// containerTypes returns the containers of a kernel, with nodes of four slots.
func containerTypes(t testing.TB) *btfsrc.Types {
	u8, u32, u64 := &btf.Int{Name: "unsigned char", Size: 1}, &btf.Int{Name: "unsigned int", Size: 4}, &btf.Int{Name: "unsigned long", Size: 8}
	ptr := &btf.Pointer{Target: &btf.Void{}}
	array := func(elem btf.Type, n uint32) btf.Type { return &btf.Array{Index: u32, Type: elem, Nelems: n} }
	structure := func(name string, size uint32, members ...btf.Member) *btf.Struct {
		return &btf.Struct{Name: name, Size: size, Members: members}
	}
	at := func(name string, typ btf.Type, byte uint32) btf.Member {
		return btf.Member{Name: name, Type: typ, Offset: btf.Bits(byte * 8)}
	}
	rb := structure("rb_node", 24, at("__rb_parent_color", u64, 0), at("rb_right", ptr, 8), at("rb_left", ptr, 16))
	link := structure("hlist_node", 16, at("next", ptr, 0), at("pprev", ptr, 8))
	xa := structure("xarray", 16, at("xa_lock", u32, 0), at("xa_flags", u32, 4), at("xa_head", ptr, 8))
	all := []btf.Type{
		structure("item", 48, at("value", u64, 0), at("link", link, 8), at("rb", rb, 24)),
		xa,
		structure("xa_node", 48, at("shift", u8, 0), at("offset", u8, 1), at("parent", ptr, 8), at("slots", array(ptr, 4), 16)),
		structure("idr", 24, at("idr_rt", xa, 0), at("idr_base", u32, 16)),
		structure("maple_tree", 16, at("ma_root", ptr, 8)),
		structure("maple_node", 256, at("parent", ptr, 0), at("slot", array(ptr, 31), 8)),
		structure("maple_range_64", 64, at("parent", ptr, 0), at("pivot", array(u64, 3), 8), at("slot", array(ptr, 4), 32)),
		structure("maple_arange_64", 96, at("parent", ptr, 0), at("pivot", array(u64, 3), 8), at("slot", array(ptr, 4), 32), at("gap", array(u64, 4), 64)),
	}
	return kerneltest.Types(t, all)
}

// containers returns a kernel whose memory is words at addresses.
func containers(t testing.TB, types *btfsrc.Types, memory map[vmcore.Addr][]uint64) *kernel.Kernel {
	mem := make(sparse)
	for a, w := range memory {
		mem[a] = words(w...)
	}
	return kernel.New(kernel.Config{Arch: vmcore.Arch{Layout: vmcore.Layout{WordSize: 8}}, Mem: mem, Types: types})
}

// collect writes what a walk yields, errors in brackets. A walk must end.
func collect[T any](t *testing.T, seq iter.Seq2[T, error], text func(T) string) string {
	var all []string
	for item, err := range seq {
		if len(all) > 1000 {
			t.Fatal("the walk goes on")
		}
		if err != nil {
			all = append(all, "["+err.Error()+"]")
		} else {
			all = append(all, text(item))
		}
	}
	return strings.Join(all, " ")
}

func value(v kernel.Value) string {
	n, err := v.UintAt("value")
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(n)
}

func TestHashAndLocklessLists(t *testing.T) {
	types := containerTypes(t)
	item := types.Lookup(btfsrc.KindStruct, "item")[0]
	for _, test := range []struct {
		name       string
		last       uint64 // what the second node's next is
		hash, lock string
	}{
		{"whole", 0, "1 2", "1 2"},
		{"nulls", 7, "1 2", "1 2 address 0xffffffffffffffff: not mapped [list at 0x100 is damaged: node 0x7: its next node cannot be read: address 0x7: not mapped]"},
		{"cycle", 0x1008, "1 2 1 [list at 0x100 is damaged: node 0x2008: it does not come back to its head]",
			"1 2 1 [list at 0x100 is damaged: node 0x2008: it does not come back to its head]"},
		{"poison", 0xdead000000000122, "1 2 [list at 0x100 is damaged: node 0x2008: its next node is LIST_POISON2, of a node that was removed]",
			"1 2 [list at 0x100 is damaged: node 0x2008: its next node is LIST_POISON2, of a node that was removed]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := containers(t, types, map[vmcore.Addr][]uint64{
				0x100: {0x1008}, 0x1000: {1, 0x2008, 0x100}, 0x2000: {2, test.last, 0x1008},
			})
			if got := collect(t, k.HList(0x100, item, "link"), value); got != test.hash {
				t.Errorf("HList: got  %s\nwant %s", got, test.hash)
			}
			if got := collect(t, k.LList(0x100, item, "link"), value); got != test.lock {
				t.Errorf("LList: got  %s\nwant %s", got, test.lock)
			}
		})
	}
	k := containers(t, types, map[vmcore.Addr][]uint64{0x100: {0}, 0x108: {1}})
	for _, head := range []vmcore.Addr{0x100, 0x108} {
		if got := collect(t, k.HList(head, item, "link"), value); got != "" {
			t.Errorf("an empty list has %s", got)
		}
	}
	if got := collect(t, k.HList(0x100, item, "nosuch"), value); got != `[no member "nosuch" in struct item]` {
		t.Error(got)
	}
}

// TestRBTree walks a tree of five: 4 above 2 and 5, 2 above 1 and 3.
func TestRBTree(t *testing.T) {
	types := containerTypes(t)
	item := types.Lookup(btfsrc.KindStruct, "item")[0]
	node := func(n uint64) uint64 { return n<<12 + 24 }
	for _, test := range []struct {
		name   string
		damage func(m map[vmcore.Addr][]uint64)
		want   string
	}{
		{"whole", nil, "1 2 3 4 5"},
		{"unreadable", func(m map[vmcore.Addr][]uint64) { delete(m, 0x2000) },
			"[rbtree at 0x100 is damaged: node 0x2018: it cannot be read: address 0x2018: not mapped] 4 5"},
		{"another's child", func(m map[vmcore.Addr][]uint64) { m[0x5000][4] = node(1) },
			"1 2 3 4 5 [rbtree at 0x100 is damaged: node 0x1018: its parent is 0x2018, not 0x5018]"},
		{"a cycle", func(m map[vmcore.Addr][]uint64) { m[0x3000][5] = node(4) },
			"1 2 [rbtree at 0x100 is damaged: node 0x4018: its parent is 0x0, not 0x3018] 3 4 5"},
		{"one child twice", func(m map[vmcore.Addr][]uint64) { m[0x2000][4] = node(1) },
			"[rbtree at 0x100 is damaged: node 0x2018: its two children are one] 4 5"},
		{"no root", func(m map[vmcore.Addr][]uint64) { m[0x100] = []uint64{0} }, ""},
		{"root unreadable", func(m map[vmcore.Addr][]uint64) { delete(m, 0x100) },
			"[rbtree at 0x100 is damaged: node 0x100: its root cannot be read: address 0x100: not mapped]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := map[vmcore.Addr][]uint64{
				0x100:  {node(4)},
				0x4000: {4, 0, 0, 1, node(5), node(2)},
				0x2000: {2, 0, 0, node(4) | 1, node(3), node(1)},
				0x5000: {5, 0, 0, node(4) | 1, 0, 0},
				0x1000: {1, 0, 0, node(2), 0, 0},
				0x3000: {3, 0, 0, node(2), 0, 0},
			}
			if test.damage != nil {
				test.damage(memory)
			}
			if got := collect(t, containers(t, types, memory).RBTree(0x100, item, "rb"), value); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestRBTreeDepth walks a line that is deeper than any tree.
func TestRBTreeDepth(t *testing.T) {
	types := containerTypes(t)
	memory := map[vmcore.Addr][]uint64{0x100: {0x10018}}
	for i := range vmcore.Addr(200) {
		up := uint64(0x10018 + (i-1)*0x100)
		if i == 0 {
			up = 0
		}
		memory[0x10000+i*0x100] = []uint64{uint64(i), 0, 0, up, 0, uint64(0x10018 + (i+1)*0x100)}
	}
	got := collect(t, containers(t, types, memory).RBTree(0x100, types.Lookup(btfsrc.KindStruct, "item")[0], "rb"), value)
	if !strings.HasPrefix(got, "[rbtree at 0x100 is damaged: node 0x18018: it is below 128 others] 127 126 ") {
		t.Errorf("%.200s", got)
	}
}

func entryText(e kernel.Entry) string { return fmt.Sprintf("%d:%v", e.Index, e.Entry) }

// TestXArray walks an array of two levels: a root whose slot 0 is a node with
// entries 0 and 2, and slot 1 a node with entry 7.
func TestXArray(t *testing.T) {
	types := containerTypes(t)
	const shift2, slot1 = 2, 1 << 8
	for _, test := range []struct {
		name   string
		damage func(m map[vmcore.Addr][]uint64)
		want   string
	}{
		{"whole", nil, "0:0x10 2:0x20 7:0x30"},
		{"empty", func(m map[vmcore.Addr][]uint64) { m[0x100][1] = 0 }, ""},
		{"one entry", func(m map[vmcore.Addr][]uint64) { m[0x100][1] = 0x40 }, "0:0x40"},
		{"values and reserved", func(m map[vmcore.Addr][]uint64) { m[0x4000][2], m[0x4000][3] = 0x15, 0x406 }, "0:0x15 2:0x20 7:0x30"},
		{"child of another", func(m map[vmcore.Addr][]uint64) { m[0x4000][1] = 0x5000 },
			"[xarray at 0x100 is damaged: node 0x4000: it is slot 0 of node 0x5000, not slot 0 of 0x3000] 7:0x30"},
		{"child twice", func(m map[vmcore.Addr][]uint64) { m[0x3000][4] = 0x4002 },
			"0:0x10 2:0x20 7:0x30 [xarray at 0x100 is damaged: node 0x4000: it is slot 0 of node 0x3000, not slot 2 of 0x3000]"},
		{"a cycle", func(m map[vmcore.Addr][]uint64) { m[0x3000][3] = 0x3002 },
			"0:0x10 2:0x20 [xarray at 0x100 is damaged: node 0x3000: its shift is 2]"},
		{"shift", func(m map[vmcore.Addr][]uint64) { m[0x3000][0] = 3 },
			"[xarray at 0x100 is damaged: node 0x3000: its shift is 3]"},
		{"unreadable", func(m map[vmcore.Addr][]uint64) { delete(m, 0x4000) },
			"[xarray at 0x100 is damaged: node 0x4000: it cannot be read: address 0x4000: not mapped] 7:0x30"},
		{"head unreadable", func(m map[vmcore.Addr][]uint64) { delete(m, 0x100) },
			"[xarray at 0x100 is damaged: node 0x100: its head cannot be read: address 0x108: not mapped]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := map[vmcore.Addr][]uint64{
				0x100:  {0, 0x3002, 1},
				0x3000: {shift2, 0, 0x4002, 0x5002, 0, 0},
				0x4000: {0, 0x3000, 0x10, 0, 0x20, 0},
				0x5000: {slot1, 0x3000, 0, 0, 0, 0x30},
			}
			if test.damage != nil {
				test.damage(memory)
			}
			k := containers(t, types, memory)
			if got := collect(t, k.XArray(0x100), entryText); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if test.name == "whole" {
				if got := collect(t, k.IDR(0x100), entryText); got != "1:0x10 3:0x20 8:0x30" {
					t.Errorf("an IDR that begins with 1: %s", got)
				}
			}
		})
	}
}

// TestMapleTree walks a tree of two levels: [5, 9] and [16, 31] in the first
// leaf, [100, 199] and the rest in the second.
func TestMapleTree(t *testing.T) {
	types := containerTypes(t)
	const leaf, inner, arange = 1 << 3, 2 << 3, 3 << 3
	const last = ^uint64(0)
	text := func(r kernel.MapleRange) string { return fmt.Sprintf("%d-%d:%v", r.First, r.Last, r.Entry) }
	page := func(w ...uint64) []uint64 { return append(w, make([]uint64, 32-len(w))...) }
	for _, test := range []struct {
		name   string
		damage func(m map[vmcore.Addr][]uint64)
		want   string
	}{
		{"whole", nil, "5-9:0x10 16-31:0x20 100-199:0x30 200-18446744073709551615:0x40"},
		{"of ranges", func(m map[vmcore.Addr][]uint64) { m[0x100][1] = 0x3002 | inner }, "5-9:0x10 16-31:0x20 100-199:0x30 200-18446744073709551615:0x40"},
		{"empty", func(m map[vmcore.Addr][]uint64) { m[0x100][1] = 0 }, ""},
		{"one entry", func(m map[vmcore.Addr][]uint64) { m[0x100][1] = 0x50 }, "0-0:0x50"},
		{"dense", func(m map[vmcore.Addr][]uint64) { m[0x100][1], m[0x3000] = 0x3002, page(0, 0x10, 0, 0x20) }, "0-0:0x10 2-2:0x20"},
		{"reserved", func(m map[vmcore.Addr][]uint64) { m[0x4000][5] = 0x406 }, "16-31:0x20 100-199:0x30 200-18446744073709551615:0x40"},
		{"pivots fall", func(m map[vmcore.Addr][]uint64) { m[0x4000][2] = 4 },
			"[maple tree at 0x100 is damaged: node 0x4000: pivot 1 is 0x4, not between 0x5 and 0x1f] 100-199:0x30 200-18446744073709551615:0x40"},
		{"child twice", func(m map[vmcore.Addr][]uint64) { m[0x3000][5] = m[0x3000][4] },
			"5-9:0x10 16-31:0x20 [maple tree at 0x100 is damaged: node 0x4000: pivot 0 is 0x4, not between 0x20 and 0xffffffffffffffff]"},
		{"a cycle", func(m map[vmcore.Addr][]uint64) { m[0x3000][5] = 0x3004 | arange },
			"5-9:0x10 16-31:0x20 [maple tree at 0x100 is damaged: node 0x3000: pivot 0 is 0x1f, not between 0x20 and 0xffffffffffffffff]"},
		{"kind", func(m map[vmcore.Addr][]uint64) { m[0x3000][4] = 0x4004 | 9<<3 },
			"[maple tree at 0x100 is damaged: node 0x4000: there is no kind 9 of nodes] 100-199:0x30 200-18446744073709551615:0x40"},
		{"unreadable", func(m map[vmcore.Addr][]uint64) { delete(m, 0x5000) },
			"5-9:0x10 16-31:0x20 [maple tree at 0x100 is damaged: node 0x5000: it cannot be read: address 0x5000: not mapped]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := map[vmcore.Addr][]uint64{
				0x100:  {0, 0x3002 | arange},
				0x3000: page(1, 31, last, 0, 0x4004|leaf, 0x5004|leaf),
				0x4000: page(0x3000, 4, 9, 15, 0, 0x10, 0, 0x20),
				0x5000: page(0x3008, 99, 199, 0, 0, 0x30, 0x40),
			}
			if test.damage != nil {
				test.damage(memory)
			}
			if got := collect(t, containers(t, types, memory).MapleTree(0x100), text); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestContainersStop ends walks early, as a reader with enough does.
func TestContainersStop(t *testing.T) {
	k := openDump(t, "vars-7.2-amd64")
	var pids []int
	for task, err := range k.Tasks() {
		if err != nil {
			t.Fatal(err)
		}
		if pids = append(pids, task.PID); len(pids) == 4 {
			break
		}
	}
	if diff := cmp.Diff([]int{0, 0, 1, 2}, pids); diff != "" {
		t.Error(diff)
	}
	init, err := k.Task(1)
	if err != nil {
		t.Fatal(err)
	}
	mm, ok, err := init.MM()
	if err != nil || !ok {
		t.Fatal(err)
	}
	tree, err := mm.Field("mm_mt")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := tree.Addr()
	var all []kernel.MapleRange
	for r, err := range k.MapleTree(a) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if n, _ := mm.UintAt("map_count"); uint64(len(all)) != n {
		t.Errorf("%d ranges, map_count is %d", len(all), n)
	}
	if !slices.IsSortedFunc(all, func(a, b kernel.MapleRange) int { return int(a.First>>12) - int(b.First>>12) }) {
		t.Error("not in order")
	}
}
