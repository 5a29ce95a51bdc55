package vmcoretest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/anchore/go-lzo"
	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
)

// sample is a small machine: two runs of RAM, one with excluded pages.
func sample(arch vmcore.Arch) *Dump {
	return &Dump{
		Arch: arch,
		Memory: map[vmcore.PhysAddr][]byte{
			0x1000: bytes.Repeat([]byte("kdbg"), 1024),
			0x2010: []byte("two pages on"),
			0x6000: make([]byte, 4096),
			0x7000: make([]byte, 4096),
		},
		Excluded:   Pages(0x3000, 0x5000),
		CPUs:       []CPU{{PID: 42, Registers: []uint64{1, 2, 3}}},
		VMCOREINFO: "OSRELEASE=6.12.0\n",
		Uname:      Uname{Release: "6.12.0", Machine: arch.Name},
	}
}

var layouts = []vmcore.Arch{X86_64, I686, S390X, PPC}

// TestELF reads the file with the standard library, which knows all but PN_XNUM.
func TestELF(t *testing.T) {
	for _, arch := range layouts {
		for _, opts := range []*ELFOptions{
			nil,
			{ProgramHeaders: 0x400},
			{SectionsFirst: true},
			{Virt: func(a vmcore.PhysAddr) vmcore.Addr { return vmcore.Addr(a) + 0xc0000000 }},
		} {
			t.Run(fmt.Sprintf("%s %+v", arch.Name, opts), func(t *testing.T) {
				f, err := elf.NewFile(bytes.NewReader(sample(arch).ELF(opts)))
				if err != nil {
					t.Fatal(err)
				}
				var got strings.Builder
				for _, p := range f.Progs {
					if p.Type == elf.PT_LOAD {
						fmt.Fprintf(&got, "%#x+%#x/%#x ", p.Paddr, p.Filesz, p.Memsz)
					}
				}
				const want = "0x1000+0x2000/0x4000 0x6000+0x2000/0x2000 "
				if got.String() != want {
					t.Errorf("segments: got %s, want %s", got.String(), want)
				}
				data, err := io.ReadAll(f.Progs[1].Open())
				if err != nil || !bytes.HasPrefix(data, []byte("kdbgkdbg")) || !bytes.Contains(data, []byte("two pages on")) {
					t.Errorf("first segment: %.16q, %v", data, err)
				}
			})
		}
	}
}

func TestELFExtendedCount(t *testing.T) {
	for _, arch := range layouts {
		for _, first := range []bool{false, true} {
			raw := sample(arch).ELF(&ELFOptions{ExtendedCount: true, SectionsFirst: first})
			order := arch.Layout.ByteOrder()
			shoff, phnumAt, infoAt := order.Uint64(raw[40:]), 56, 44
			if arch.Layout.WordSize == 4 {
				shoff, phnumAt, infoAt = uint64(order.Uint32(raw[32:])), 44, 28
			}
			phnum, info := order.Uint16(raw[phnumAt:]), order.Uint32(raw[shoff+uint64(infoAt):])
			if phnum != 0xffff || info != 3 {
				t.Errorf("%s: e_phnum %#x, sh_info %d, want 0xffff and 3", arch.Name, phnum, info)
			}
		}
	}
}

func TestNotes(t *testing.T) {
	raw := marshalNotes(X86_64.Layout, sample(X86_64).notes())
	if got := binary.LittleEndian.Uint32(raw[12+8+32:]); got != 42 {
		t.Errorf("pr_pid = %d, want 42", got)
	}
	if got := binary.LittleEndian.Uint64(raw[12+8+112+16:]); got != 3 {
		t.Errorf("third register = %d, want 3", got)
	}
	status := PRStatus(X86_64.Layout, CPU{Registers: X86Registers(map[string]uint64{"rip": 7})})
	if len(status.Desc) != 336 || status.Desc[112+16*8] != 7 {
		t.Errorf("PRSTATUS of %d bytes, rip %d; want 336 and 7", len(status.Desc), status.Desc[112+16*8])
	}
	qemu := QEMUState(map[string]uint64{"cr3": 0x1000, "rip": 9})
	if len(qemu.Desc) != 440 || binary.LittleEndian.Uint64(qemu.Desc[416:]) != 0x1000 || qemu.Desc[8+16*8] != 9 {
		t.Errorf("QEMU note: %x", qemu.Desc)
	}
}

// TestKdumpHeader checks fields at the offsets that crash's diskdump.h gives
// them, in the layouts of x86-64, i686 and ARM.
func TestKdumpHeader(t *testing.T) {
	for _, tc := range []struct {
		arch   vmcore.Arch
		packed bool
		want   string
	}{
		{X86_64, false, "block_size@428 sub@432 bitmap@436 max@440; level@8 info@32 note@48 max@96"},
		{S390X, false, "block_size@428 sub@432 bitmap@436 max@440; level@8 info@32 note@48 max@96"},
		{I686, true, "block_size@416 sub@420 bitmap@424 max@428; level@4 info@20 note@32 max@72"},
		{ARM, false, "block_size@416 sub@420 bitmap@424 max@428; level@4 info@24 note@40 max@88"},
		{PPC, false, "block_size@416 sub@420 bitmap@424 max@428; level@4 info@24 note@40 max@88"},
	} {
		raw := sample(tc.arch).Kdump(&KdumpOptions{Packed: tc.packed, DumpLevel: 31, PhysBase: 1})
		order := tc.arch.Layout.ByteOrder()
		var blockSize, sub, bitmap, maxPFN, level, info, note, maxPFN64 int
		if _, err := fmt.Sscanf(tc.want, "block_size@%d sub@%d bitmap@%d max@%d; level@%d info@%d note@%d max@%d",
			&blockSize, &sub, &bitmap, &maxPFN, &level, &info, &note, &maxPFN64); err != nil {
			t.Fatal(err)
		}
		infoOff := order.Uint64(raw[4096+info:])
		noteOff := order.Uint64(raw[4096+note:])
		got := fmt.Sprintf("%s%d %d %d %d %d level %d max %d %s %s", raw[:8], order.Uint32(raw[8:]), order.Uint32(raw[blockSize:]),
			order.Uint32(raw[sub:]), order.Uint32(raw[bitmap:]), order.Uint32(raw[maxPFN:]),
			order.Uint32(raw[4096+level:]), order.Uint64(raw[4096+maxPFN64:]), raw[infoOff:infoOff+9], raw[noteOff+12:noteOff+16])
		const want = "KDUMP   6 4096 1 2 8 level 31 max 8 OSRELEASE CORE"
		if got != want {
			t.Errorf("%s packed=%t: got %s, want %s", tc.arch.Name, tc.packed, got, want)
		}
	}
}

// TestKdumpPages follows the descriptors of a file by hand.
func TestKdumpPages(t *testing.T) {
	d := sample(X86_64)
	d.Missing = []vmcore.PhysAddr{0x5000}
	raw := d.Kdump(nil)
	ram, dumped := raw[2*4096], raw[3*4096]
	if ram != 0b11111110 || dumped != 0b11100110 {
		t.Errorf("bitmaps %08b %08b", ram, dumped)
	}
	if status := binary.LittleEndian.Uint32(raw[424:]); status != statusIncomplete {
		t.Errorf("status %#x", status)
	}
	var got []string
	for i := range 5 {
		desc := raw[4*4096+24*i:]
		off, size := binary.LittleEndian.Uint64(desc), binary.LittleEndian.Uint32(desc[8:])
		got = append(got, fmt.Sprintf("%#x+%#x %.2q", off, size, raw[off:off+uint64(size)]))
	}
	want := []string{`0x4078+0x1000 "kd"`, `0x5078+0x1000 "\x00\x00"`, `0x0+0x0 ""`, `0x6078+0x1000 "\x00\x00"`, `0x6078+0x1000 "\x00\x00"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("descriptors (-want +got):\n%s", diff)
	}
}

func TestSplit(t *testing.T) {
	files := sample(X86_64).Split(3, &KdumpOptions{Version: 2})
	var got []string
	for _, raw := range files {
		sub := raw[4096:]
		got = append(got, fmt.Sprintf("split %d pfn %d..%d", sub[12], sub[16], sub[24]))
	}
	want := []string{"split 1 pfn 0..2", "split 1 pfn 2..5", "split 1 pfn 5..8"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLZO1X decompresses with a library what lzo1x wrote.
func TestLZO1X(t *testing.T) {
	run := func(c string, n int) string { return strings.Repeat(c, n) }
	for _, src := range []string{
		run("a", 4096),
		"ab" + run("c", 33) + "d" + run("e", 34) + "fgh" + run("i", 290) + "jkl" + run("m", 1000) + "nopqrst",
		run("xyz", 300) + run("w", 20) + run("xyz", 7) + run("v", 600) + run("xyz", 300),
		run("a", 238) + "b", "a", "ab", "abc", "abcd", run("ab", 119), run("ab", 120),
	} {
		packed := lzo1x([]byte(src))
		got := make([]byte, len(src))
		n, err := lzo.Decompress(packed, got)
		if err != nil || n != len(src) || string(got) != src {
			t.Errorf("%.40q (%d bytes): %d bytes, %v", src, len(src), n, err)
		}
	}
}

func TestCompressionKeepsWhatDoesNotShrink(t *testing.T) {
	for _, c := range []Compression{Zlib, LZO, Snappy, Zstd} {
		if stored, flags := c.compress(bytes.Repeat([]byte{0xaa}, 4096)); flags != c || len(stored) >= 4096 {
			t.Errorf("%#x: %d bytes with flags %#x", c, len(stored), flags)
		}
		if stored, flags := c.compress([]byte("q")); flags != None || string(stored) != "q" {
			t.Errorf("%#x: %q with flags %#x", c, stored, flags)
		}
	}
}

// TestFlatten puts records back in the order they were written.
func TestFlatten(t *testing.T) {
	raw := sample(X86_64).ELF(nil)
	for _, opts := range []*FlattenOptions{
		nil, {RecordSize: 1000}, {RecordSize: 1000, Shuffle: 1}, {RecordSize: 512, Shuffle: 2, Overwrite: true},
	} {
		flat := Flatten(raw, opts)
		got := make([]byte, len(raw))
		at := 4096
		for {
			off, size := binary.BigEndian.Uint64(flat[at:]), int(binary.BigEndian.Uint64(flat[at+8:]))
			at += 16
			if off == ^uint64(0) {
				break
			}
			copy(got[off:], flat[at:at+size])
			at += size
		}
		if at != len(flat) || !bytes.Equal(got, raw) {
			t.Errorf("%+v does not give the file back", opts)
		}
	}
}

func TestPhys(t *testing.T) {
	d := sample(X86_64)
	d.Missing = []vmcore.PhysAddr{0x5000}
	p := make([]byte, 16)
	for _, tc := range []struct {
		at   vmcore.PhysAddr
		want string
	}{
		{0x200a, `16 <nil>`},
		{0x2ff8, `8 physical address 0x3000: page excluded from the dump`},
		{0x5000, `0 physical address 0x5000: page missing from the file`},
		{0x7ff0, `16 <nil>`},
		{0x9000, `0 physical address 0x9000: not mapped`},
	} {
		n, err := d.Phys().ReadPhys(p, tc.at)
		if got := fmt.Sprint(n, " ", err); got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.at, got, tc.want)
		}
	}
	_, err := d.Phys().ReadPhys(p, 0x3000)
	if !errors.Is(err, vmcore.ErrExcluded) {
		t.Errorf("%v is not ErrExcluded", err)
	}
}

func TestPageTables(t *testing.T) {
	d := &Dump{}
	pt := d.PageTables(0x10000, 5)
	pt.Map(0xff11000000001000, 0x5000, Size4K, PageNX)
	pt.Map(0xff11000040000000, 0x80000000, Size1G, 0)
	for level, want := range map[int]vmcore.PhysAddr{5: 0x10000, 4: 0x12000, 3: 0x13000, 2: 0x14000, 1: 0x15000} {
		if got := pt.Table(0xff11000000001000, level); got != want {
			t.Errorf("level %d: table at %v, want %v", level, got, want)
		}
	}
	entry := X86_64.Layout.Uint64(d.Memory[0x15000][8:])
	huge := X86_64.Layout.Uint64(d.Memory[0x13000][8:])
	if entry != 0x8000000000005003 || huge != 0x80000083 {
		t.Errorf("entries %#x and %#x", entry, huge)
	}
}
