package vmcore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

func TestELFReads(t *testing.T) {
	type options = vmcoretest.ELFOptions
	lies := func(vmcore.PhysAddr) vmcore.Addr { return 0xffff_8000_0000_0000 }
	for _, tc := range []struct {
		name     string
		arch     vmcore.Arch
		pageSize int
		opts     options
	}{
		{"plain", vmcoretest.X86_64, 4096, options{}},
		{"section headers first", vmcoretest.X86_64, 4096, options{SectionsFirst: true}},
		{"program headers far away", vmcoretest.X86_64, 4096, options{ProgramHeaders: 12345}},
		{"PN_XNUM", vmcoretest.X86_64, 4096, options{ExtendedCount: true}},
		{"PN_XNUM, section headers first", vmcoretest.X86_64, 4096, options{ExtendedCount: true, SectionsFirst: true}},
		{"p_vaddr lies", vmcoretest.X86_64, 4096, options{Virt: lies}},
		{"64K pages", vmcoretest.AArch64, 65536, options{}},
		{"big-endian", vmcoretest.S390X, 4096, options{ExtendedCount: true}},
		{"little-endian ppc64", vmcoretest.PPC64LE, 4096, options{}},
		{"32-bit", vmcoretest.I686, 4096, options{}},
		{"32-bit, PN_XNUM", vmcoretest.ARM, 4096, options{ExtendedCount: true}},
		{"32-bit big-endian, PN_XNUM", vmcoretest.PPC, 4096, options{ExtendedCount: true, SectionsFirst: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := machine(tc.arch, tc.pageSize)
			src.VMCOREINFO = fmt.Sprintf("OSRELEASE=6.12.0-test\nPAGESIZE=%d\n", tc.pageSize)
			d := openBytes(t, src.ELF(&tc.opts))
			if diff := cmp.Diff(tc.arch, d.Arch()); diff != "" {
				t.Errorf("Arch (-want +got):\n%s", diff)
			}
			if got, want := d.Format().String(), "ELF"; got != want {
				t.Errorf("Format = %q, want %q", got, want)
			}
			if got := d.Header(); got.Release != "6.12.0-test" || got.CPUs != 2 || got.DumpLevel != -1 {
				t.Errorf("Header = %+v", got)
			}
			if d.Virtual() != nil {
				t.Error("Virtual is not nil")
			}
			if w := d.Warnings(); len(w) != 0 {
				t.Errorf("Warnings = %q", w)
			}
			checkMemory(t, d, src.Phys())
			checkRanges(t, d)
		})
	}
}

// checkRanges compares Ranges with Usage and with what can be read.
func checkRanges(t *testing.T, d *vmcore.Dump) {
	t.Helper()
	var total uint64
	end := vmcore.PhysAddr(0)
	for r := range d.Ranges() {
		if r.End <= r.Start || r.Start < end || total > 0 && r.Start == end {
			t.Fatalf("range %v to %v after one that ends at %v", r.Start, r.End, end)
		}
		for _, a := range []vmcore.PhysAddr{r.Start, r.End - 1} {
			if s := d.PageState(a); s != vmcore.Present {
				t.Fatalf("%v is %v, in range %v to %v", a, s, r.Start, r.End)
			}
		}
		total += uint64(r.End - r.Start)
		end = r.End
	}
	// No End can follow the last address of all.
	if got := d.Usage().Present; got != total && end != math.MaxUint64 {
		t.Errorf("Usage.Present = %d, but ranges have %d bytes", got, total)
	}
}

// segmentsDump has RAM that is partly excluded, with the kernel's text once more.
func segmentsDump() *vmcoretest.Dump {
	ram := bytes.Repeat([]byte("0123456789abcdef"), 0x300)
	return &vmcoretest.Dump{
		Segments: []vmcoretest.Segment{
			{Virt: 0xffffffff81000000, Phys: 0x11000, Data: ram[0x1000:0x2000]},
			{Virt: 0xffff888000010000, Phys: 0x10000, Data: ram, MemSize: 0x8000},
			{Virt: 0xffff888000014000, Phys: 0x14000, Data: []byte("in a hole")},
			{Virt: 0xffffffffff600000, Phys: 0xfffffffffffff000, Data: bytes.Repeat([]byte{7}, 0x1000)},
		},
	}
}

func TestELFOverlap(t *testing.T) {
	d := openBytes(t, segmentsDump().ELF(nil))
	for _, tc := range []struct {
		at   vmcore.PhysAddr
		want string
	}{
		{0xfff8, "0 bytes; physical address 0xfff8: not mapped"},
		{0x10ffc, `"cdef0123"`},
		{0x11ffc, `"cdef0123"`},
		{0x12ffc, "4 bytes; physical address 0x13000: page excluded from the dump"},
		{0x14001, `"n a hole"`},
		{0x14002, "7 bytes; physical address 0x14009: page excluded from the dump"},
		{0x17ff8, "0 bytes; physical address 0x17ff8: page excluded from the dump"},
		{0x18000, "0 bytes; physical address 0x18000: not mapped"},
		{0xfffffffffffffff8, `"\a\a\a\a\a\a\a\a"`},
		{0xfffffffffffffffa, "6 bytes; physical address 0x0: not mapped: beyond the last address"},
	} {
		p := make([]byte, 8)
		n, err := d.ReadPhys(p, tc.at)
		got := fmt.Sprintf("%q", p)
		if err != nil {
			got = fmt.Sprintf("%d bytes; %v", n, err)
		}
		if got != tc.want {
			t.Errorf("read at %v = %s, want %s", tc.at, got, tc.want)
		}
	}
	want := vmcore.Usage{Present: 0x3000 + 9 + 0x1000, Excluded: 0x5000 - 9}
	if diff := cmp.Diff(want, d.Usage()); diff != "" {
		t.Errorf("Usage (-want +got):\n%s", diff)
	}
	if got := d.Segments()[1]; got != (vmcore.Segment{Virt: 0xffff888000010000, Phys: 0x10000, PhysValid: true, MemSize: 0x8000, FileSize: 0x3000}) {
		t.Errorf("Segments()[1] = %+v", got)
	}
}

func TestELFTruncated(t *testing.T) {
	src := &vmcoretest.Dump{}
	src.Put(0x10000, make([]byte, 0x4000))
	raw := src.ELF(nil)
	cut := len(raw) - 0x1800
	d := openBytes(t, raw[:cut])

	want := fmt.Sprintf("file ends at %#x, header wants %#x", cut, len(raw))
	if diff := cmp.Diff([]string{want}, d.Warnings()); diff != "" {
		t.Errorf("Warnings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(vmcore.Usage{Present: 0x2800, Missing: 0x1800}, d.Usage()); diff != "" {
		t.Errorf("Usage (-want +got):\n%s", diff)
	}
	n, err := d.ReadPhys(make([]byte, 0x1000), 0x12000)
	if n != 0x800 || !errors.Is(err, vmcore.ErrMissing) || !errors.Is(err, vmcore.ErrTruncated) || errors.Is(err, vmcore.ErrExcluded) {
		t.Errorf("read of half a page: %d bytes, %v", n, err)
	}
	wantErr := fmt.Sprintf("physical address 0x13000: page missing from the file: offset %#x: file ends at %#x, header wants %#x: file truncated",
		len(raw)-0x1000, cut, len(raw))
	if _, err := d.ReadPhys(make([]byte, 1), 0x13000); err == nil || err.Error() != wantErr {
		t.Errorf("read of a lost page: %v\nwant %s", err, wantErr)
	}
	checkRanges(t, d)
}

// TestELFManySegments has more segments than e_phnum can count.
func TestELFManySegments(t *testing.T) {
	const count = 70_000
	d := openBytes(t, manySegments(count).ELF(&vmcoretest.ELFOptions{ExtendedCount: true}))
	if got := len(d.Segments()); got != count {
		t.Fatalf("%d segments, want %d", got, count)
	}
	p := make([]byte, 4)
	for i := 0; i < count; i += 999 {
		if _, err := d.ReadPhys(p, vmcore.PhysAddr(i)<<16); err != nil || binary.LittleEndian.Uint32(p) != uint32(i) {
			t.Fatalf("segment %d reads as %x, %v", i, p, err)
		}
	}
	checkRanges(t, d)
}

// manySegments has segments of 4 bytes, each its own number, 64 KiB apart.
func manySegments(count int) *vmcoretest.Dump {
	src := &vmcoretest.Dump{}
	for i := range count {
		src.Segments = append(src.Segments, vmcoretest.Segment{Phys: vmcore.PhysAddr(i) << 16, Data: binary.LittleEndian.AppendUint32(nil, uint32(i))})
	}
	return src
}

func TestELFArch(t *testing.T) {
	// A 32-bit kernel with more than 4 GiB of memory makes an ELF64 core.
	raw := machine(vmcoretest.X86_64, 4096).ELF(nil)
	raw[18] = 3 // EM_386
	if diff := cmp.Diff(vmcoretest.I686, openBytes(t, raw).Arch()); diff != "" {
		t.Errorf("Arch of an ELF64 core of i686 (-want +got):\n%s", diff)
	}
	raw[18] = 0xf0
	if got, want := openBytes(t, raw).Arch().Name, "ELF machine 240"; got != want {
		t.Errorf("Arch of an unknown machine = %q, want %q", got, want)
	}
}

func TestELFIncomplete(t *testing.T) {
	d := openBytes(t, machine(vmcoretest.X86_64, 4096).ELF(&vmcoretest.ELFOptions{Flags: 1}))
	if !d.Header().Incomplete || len(d.Warnings()) != 1 {
		t.Errorf("Header = %+v, Warnings = %q", d.Header(), d.Warnings())
	}
}

// Segments that contradict themselves or each other do not go unnoticed, and
// leave what lies behind them alone.
func TestELFContradictions(t *testing.T) {
	src := &vmcoretest.Dump{Segments: []vmcoretest.Segment{
		{Phys: 0x1000, Virt: 0x1000, Data: bytes.Repeat([]byte("a"), 0x1000)},
		{Phys: 0x2000, Virt: 0x2000, Data: bytes.Repeat([]byte("b"), 0x1000)},
	}, VMCOREINFO: "OSRELEASE=6.12.0\n"}
	const first, offset, fileSize = 64 + 56, 8, 32 // behind the notes' program header
	for _, tc := range []struct {
		name string
		at   int
		add  uint64
		want string
	}{
		{"as it was", 0, 0, ""},
		{"more of the file than of memory", first + fileSize, 0x1000,
			"segment at physical address 0x1000 has 0x2000 bytes in the file for 0x1000 of memory"},
		{"elsewhere in the file", first + offset, 0x20,
			"offset # is in the segments at physical addresses 0x1000 and 0x2000: one of them is damaged"},
	} {
		raw := src.ELF(nil)
		le := binary.LittleEndian
		if tc.add != 0 {
			le.PutUint64(raw[tc.at:], le.Uint64(raw[tc.at:])+tc.add)
		}
		d := openBytes(t, raw)
		second := fmt.Sprintf("offset %#x", le.Uint64(raw[first+56+offset:]))
		if got := strings.Replace(strings.Join(d.Warnings(), "; "), second, "offset #", 1); got != tc.want {
			t.Errorf("%s: warnings %q, want %q", tc.name, got, tc.want)
		}
		var b [1]byte
		if _, err := d.ReadPhys(b[:], 0x2000); string(b[:]) != "b" {
			t.Errorf("%s: read %q, %v, want \"b\"", tc.name, b, err)
		}
	}
}

func TestELFErrors(t *testing.T) {
	put := func(off int, b ...byte) func([]byte) []byte {
		return func(raw []byte) []byte { copy(raw[off:], b); return raw }
	}
	cut := func(n int) func([]byte) []byte {
		return func(raw []byte) []byte { return raw[:n] }
	}
	for _, tc := range []struct {
		name   string
		damage func([]byte) []byte
		want   string
	}{
		{"header cut", cut(60), "offset 0x34: file ends at 0x3c within ELF header: file truncated"},
		{"program headers cut", cut(0x90), "offset 0x80: file ends at 0x90 within 3 program headers: file truncated"},
		{"class", put(4, 3), "offset 0x4: ELF class 3 is neither 1 (32-bit) nor 2 (64-bit)"},
		{"byte order", put(5, 0), "offset 0x5: ELF byte order 0 is neither 1 (little-endian) nor 2 (big-endian)"},
		{"executable", put(16, 2), "not a crash dump that kdbg knows: it is an ELF executable such as vmlinux, not a core"},
		{"no program headers", put(56, 0, 0), "offset 0x38: ELF core without program headers"},
		{"count lies", put(56, 0x10, 0x27), "offset 0x80: file ends at 0x2151 within 10000 program headers: file truncated"},
		{"program headers too short", put(54, 12), "offset 0x36: program headers of 12 bytes; they have 56"},
		{"program headers nowhere", put(32, 0, 0, 0, 0, 0, 0, 0, 0xff), "offset 0x20: program headers at 0xff00000000000000, which no file reaches"},
		{"section headers nowhere", put(40, 0, 0, 0, 0, 0, 0, 0, 0xff), "offset 0x28: section headers at 0xff00000000000000, which no file reaches"},
		{"section headers beyond the end", put(40, 0, 0, 0, 1), "offset 0x100002c: file ends at 0x2151 within section header 0, which has the number of program headers: file truncated"},
		{"hostile count", put(0x40+44, 0xff, 0xff, 0xff, 0x7f), "offset 0x38: 2147483647 program headers; kdbg reads up to 1048576"},
		{"no memory", put(56, 1, 0), "offset 0x80: ELF core without memory: no PT_LOAD among its program headers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := &vmcoretest.Dump{VMCOREINFO: "OSRELEASE=6.12.0\n"}
			src.Put(0x1000, []byte("a page"))
			src.Put(0x4000, []byte("another"))
			raw := src.ELF(&vmcoretest.ELFOptions{ExtendedCount: true, SectionsFirst: true})
			raw = tc.damage(raw[:len(raw)-3])
			_, err := vmcore.New(bytes.NewReader(raw), int64(len(raw)), nil)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v\nwant  %s", err, tc.want)
			}
		})
	}
}

// TestELFDamaged cuts a core everywhere and flips the bytes of its headers: what
// opens still tells each state of its memory, what does not says why.
func TestELFDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	src := machine(vmcoretest.X86_64, 4096)
	src.Notes = []vmcoretest.Note{vmcoretest.QEMUState(nil)}
	raw := src.ELF(&vmcoretest.ELFOptions{SectionsFirst: true})
	headers := 64 + 64 + 56*90 + 2000
	for i := range 40 {
		checkDamaged(t, raw[:i*len(raw)/40])
	}
	for range 1000 {
		flipped := slices.Clone(raw)
		flipped[random.IntN(headers)] ^= 1 << random.IntN(8)
		checkDamaged(t, flipped)
	}
}

func checkDamaged(t *testing.T, raw []byte) {
	t.Helper()
	d, err := vmcore.New(bytes.NewReader(raw), int64(len(raw)), nil)
	if err != nil {
		var format *vmcore.FormatError
		var unknown *vmcore.UnrecognizedError
		if d != nil || !errors.As(err, &format) && !errors.As(err, &unknown) {
			t.Fatalf("error %v (%T), dump %v", err, err, d)
		}
		return
	}
	checkRanges(t, d)
	p := make([]byte, 4096)
	for a := vmcore.PhysAddr(0); a < 310<<12; a += 4096 {
		n, err := d.ReadPhys(p, a)
		var fault *vmcore.PhysFaultError
		if err == nil && n != len(p) || err != nil && (!errors.As(err, &fault) || fault.Addr != a+vmcore.PhysAddr(n)) {
			t.Fatalf("read at %v: %d bytes, %v", a, n, err)
		}
	}
}

func TestKcore(t *testing.T) {
	const directMap = vmcore.Addr(0xffff888000000000)
	src := machine(vmcoretest.X86_64, 4096)
	src.Excluded = nil
	src.Segments = []vmcoretest.Segment{
		{Virt: 0xffffc90000000000, Phys: vmcoretest.NoPhys, Data: []byte("vmalloc area")},
		{Virt: 0xffffffffffffff00, Phys: vmcoretest.NoPhys, Data: bytes.Repeat([]byte("x"), 0x100)},
	}
	d := openBytes(t, src.Kcore(directMap))
	if got, want := d.Format().String(), "/proc/kcore, saved to a file"; got != want {
		t.Errorf("Format = %q, want %q", got, want)
	}
	if got := d.CPUs(); got != nil {
		t.Errorf("CPUs = %v; those of /proc/kcore are empty", got)
	}
	checkMemory(t, d, src.Phys())
	for _, tc := range []struct {
		at   vmcore.Addr
		want string
	}{
		{0xffffc90000000000, `"vmal"`},
		{0xffffc9000000000a, "2 bytes; address 0xffffc9000000000c: not mapped"},
		{directMap + 0x1011, `"the "`},
		{0x1000, "0 bytes; address 0x1000: not mapped"},
		{0xfffffffffffffffc, `"xxxx"`},
		{0xfffffffffffffffe, "2 bytes; address 0x0: not mapped: beyond the last address"},
	} {
		p := make([]byte, 4)
		n, err := d.Virtual().ReadMemory(p, tc.at)
		got := fmt.Sprintf("%q", p)
		if err != nil {
			got = fmt.Sprintf("%d bytes; %v", n, err)
		}
		if got != tc.want {
			t.Errorf("read at %v = %s, want %s", tc.at, got, tc.want)
		}
	}
	if s := d.Segments()[0]; s.PhysValid {
		t.Errorf("segment %+v has a physical address", s)
	}
}

// TestKcoreWithoutPhys has a kcore as kernels before v4.11 made it.
func TestKcoreWithoutPhys(t *testing.T) {
	src := &vmcoretest.Dump{Segments: []vmcoretest.Segment{
		{Virt: 0xffff888000000000, Data: []byte("direct map")},
		{Virt: 0xffffc90000000000, Data: []byte("vmalloc area")},
	}}
	d := openBytes(t, src.Kcore(0))
	if s := d.PageState(0); s != vmcore.Unmapped {
		t.Errorf("physical address 0 is %v, want unmapped", s)
	}
	p := make([]byte, 7)
	if _, err := d.Virtual().ReadMemory(p, 0xffffc90000000000); string(p) != "vmalloc" {
		t.Errorf("virtual read %q, %v", p, err)
	}
}

// sparse is a file of zeros behind its first bytes.
type sparse struct {
	head []byte
	size int64
}

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	clear(p)
	if off < int64(len(s.head)) {
		copy(p, s.head[off:])
	}
	return len(p), nil
}

// hugeELF is a core with a terabyte of memory, and notes without end.
func hugeELF() sparse {
	src := &vmcoretest.Dump{Segments: []vmcoretest.Segment{{Phys: 0, Data: []byte{0}}}, VMCOREINFO: "OSRELEASE=6.12.0\n"}
	raw := src.ELF(nil)
	le := binary.LittleEndian
	le.PutUint64(raw[64+32:], 1<<40)    // p_filesz of the notes
	le.PutUint64(raw[64+56+32:], 1<<40) // of the segment
	le.PutUint64(raw[64+56+40:], 1<<40) // p_memsz
	return sparse{raw, 1 << 41}
}

func TestELFHuge(t *testing.T) {
	huge := hugeELF()
	d, err := vmcore.New(huge, huge.size, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.Info().Release(), "6.12.0"; got != want {
		t.Errorf("release %q, want %q", got, want)
	}
	if w := d.Warnings(); len(w) != 0 {
		t.Errorf("Warnings = %q", w)
	}
	if n, err := d.ReadPhys(make([]byte, 8), 1<<40-8); n != 8 {
		t.Errorf("read at the end: %v", err)
	}
}

func FuzzELF(f *testing.F) {
	small := &vmcoretest.Dump{VMCOREINFO: "OSRELEASE=6.12.0\n", CPUs: []vmcoretest.CPU{{PID: 1}}}
	small.Put(0x1000, []byte("page"))
	small.Excluded = []vmcore.PhysAddr{0x2000}
	f.Add(small.ELF(&vmcoretest.ELFOptions{ExtendedCount: true}))
	f.Add(small.ELF(&vmcoretest.ELFOptions{SectionsFirst: true}))
	f.Add(small.Kcore(0xffff888000000000))
	f.Add(segmentsDump().ELF(nil))
	small.Arch = vmcoretest.PPC
	f.Add(small.ELF(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !bytes.HasPrefix(raw, []byte("\x7fELF")) {
			return
		}
		checkDamaged(t, raw)
	})
}

func BenchmarkOpenELF(b *testing.B) {
	for _, count := range []int{10, 100_000} {
		raw := manySegments(count).ELF(&vmcoretest.ELFOptions{ExtendedCount: true})
		b.Run(fmt.Sprintf("segments=%d", count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				openBytes(b, raw)
			}
		})
	}
	b.Run("memory=1TiB", func(b *testing.B) {
		huge := hugeELF()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := vmcore.New(huge, huge.size, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkReadPhysELF(b *testing.B) {
	const count = 100_000
	d := openBytes(b, manySegments(count).ELF(&vmcoretest.ELFOptions{ExtendedCount: true}))
	p := make([]byte, 4)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := d.ReadPhys(p, vmcore.PhysAddr(i*7919%count)<<16); err != nil {
			b.Fatal(err)
		}
	}
}
