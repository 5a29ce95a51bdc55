package vmcore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// machine returns a dump with pages of every state: text, random bytes and zeros
// present, some excluded, and holes.
func machine(arch vmcore.Arch, pageSize int) *vmcoretest.Dump {
	random := rand.New(rand.NewPCG(1, 2))
	d := &vmcoretest.Dump{
		Arch:       arch,
		PageSize:   pageSize,
		VMCOREINFO: "OSRELEASE=6.12.0-test\nPAGESIZE=4096\n",
		Uname:      vmcoretest.Uname{Sysname: "Linux", Nodename: "box", Release: "6.12.0-test", Version: "#1 SMP", Machine: arch.Name},
		Time:       time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		CPUs:       []vmcoretest.CPU{{PID: 1}, {PID: 2}},
	}
	at := func(page int) vmcore.PhysAddr { return vmcore.PhysAddr(page * pageSize) }
	d.Put(at(1)+17, bytes.Repeat([]byte("the quick brown fox "), 2*pageSize/20))
	noise := make([]byte, pageSize)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	d.Put(at(4), noise)
	d.Put(at(6), make([]byte, 2*pageSize))
	d.Put(at(98), make([]byte, 5*pageSize)) // a third of the memory ends in it
	for page := 110; page < 240; page += 1 + random.IntN(3) {
		d.Put(at(page), fmt.Appendf(nil, "page %d", page))
	}
	d.Excluded = []vmcore.PhysAddr{at(0), at(9), at(10), at(300)}
	return d
}

// checkMemory compares every page of a dump, and some beyond, with what it was
// made of.
func checkMemory(t *testing.T, d *vmcore.Dump, want vmcore.PhysMemory) {
	t.Helper()
	size := d.PageSize()
	got, exp := make([]byte, size), make([]byte, size)
	for pfn := uint64(0); pfn < d.Header().MaxPFN+3; pfn++ {
		a := vmcore.PhysAddr(pfn * uint64(size))
		_, err := d.ReadPhys(got, a)
		_, wantErr := want.ReadPhys(exp, a)
		if s, w := stateOf(err), stateOf(wantErr); s != w {
			t.Fatalf("page %v is %v (%v), want %v", a, s, err, w)
		}
		if s := d.PageState(a); s != stateOf(err) {
			t.Fatalf("PageState(%v) = %v, but it reads as %v", a, s, stateOf(err))
		}
		if err == nil && !bytes.Equal(got, exp) {
			t.Fatalf("page %v has other bytes", a)
		}
	}
}

func stateOf(err error) vmcore.PageState {
	var fault *vmcore.PhysFaultError
	if errors.As(err, &fault) {
		return fault.State
	}
	return vmcore.Present
}

func openBytes(t testing.TB, raw []byte) *vmcore.Dump {
	t.Helper()
	d, err := vmcore.New(bytes.NewReader(raw), int64(len(raw)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestKdumpReads(t *testing.T) {
	all := []vmcoretest.Compression{vmcoretest.Zlib, vmcoretest.None, vmcoretest.LZO, vmcoretest.Snappy, vmcoretest.Zstd}
	type options = vmcoretest.KdumpOptions
	for _, tc := range []struct {
		name     string
		arch     vmcore.Arch
		pageSize int
		opts     options
		want     string // format and architecture
	}{
		{"v1", vmcoretest.X86_64, 4096, options{Version: 1}, "kdump-compressed version 1 of x86_64"},
		{"v2", vmcoretest.X86_64, 4096, options{Version: 2}, "kdump-compressed version 2 of x86_64"},
		{"v3", vmcoretest.X86_64, 4096, options{Version: 3}, "kdump-compressed version 3 of x86_64"},
		{"v4", vmcoretest.X86_64, 4096, options{Version: 4}, "kdump-compressed version 4 of x86_64"},
		{"v5", vmcoretest.X86_64, 4096, options{Version: 5}, "kdump-compressed version 5 of x86_64"},
		{"v6", vmcoretest.X86_64, 4096, options{}, "kdump-compressed version 6 of x86_64"},
		{"zlib", vmcoretest.X86_64, 4096, options{Compression: all[:1]}, "kdump-compressed version 6, zlib of x86_64"},
		{"lzo", vmcoretest.X86_64, 4096, options{Compression: all[2:3]}, "kdump-compressed version 6, lzo of x86_64"},
		{"snappy", vmcoretest.X86_64, 4096, options{Compression: all[3:4]}, "kdump-compressed version 6, snappy of x86_64"},
		{"zstd", vmcoretest.X86_64, 4096, options{Compression: all[4:]}, "kdump-compressed version 6, zstd of x86_64"},
		{"mixed", vmcoretest.X86_64, 4096, options{Compression: all}, "kdump-compressed version 6, zlib, lzo, snappy, zstd of x86_64"},
		{"64K pages", vmcoretest.AArch64, 65536, options{Compression: all}, "kdump-compressed version 6, zlib, lzo, snappy, zstd of aarch64"},
		{"big-endian", vmcoretest.S390X, 4096, options{Compression: all}, "kdump-compressed version 6, zlib, lzo, snappy, zstd of s390x"},
		{"32-bit packed", vmcoretest.I686, 4096, options{Packed: true}, "kdump-compressed version 6 of i686"},
		{"32-bit padded", vmcoretest.ARM, 4096, options{}, "kdump-compressed version 6 of arm"},
		{"32-bit big-endian", vmcoretest.PPC, 4096, options{}, "kdump-compressed version 6 of ppc"},
		{"32-bit, v3", vmcoretest.PPC, 4096, options{Version: 3}, "kdump-compressed version 3 of ppc"},
		{"32-bit, pages as many as a block has bytes", vmcoretest.I686, 4096, options{Packed: true, MaxPFN: 4096}, "kdump-compressed version 6 of i686"},
		{"diskdump", vmcoretest.X86_64, 4096, options{Version: 1, Signature: "DISKDUMP"}, "kdump-compressed version 1 of x86_64"},
		{"erased", vmcoretest.X86_64, 4096, options{EraseInfo: "erase jiffies"}, "kdump-compressed version 6 of x86_64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := machine(tc.arch, tc.pageSize)
			d := openBytes(t, src.Kdump(&tc.opts))
			if got := fmt.Sprintf("%v of %s", d.Format(), d.Arch().Name); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if d.Arch().Layout != tc.arch.Layout {
				t.Errorf("layout %+v, want %+v", d.Arch().Layout, tc.arch.Layout)
			}
			if tc.opts.Version == 0 || tc.opts.Version >= 3 {
				if got := d.Info().Release(); got != "6.12.0-test" {
					t.Errorf("VMCOREINFO says release %q", got)
				}
			}
			checkMemory(t, d, src.Phys())
		})
	}
}

func TestKdumpHeader(t *testing.T) {
	raw := machine(vmcoretest.X86_64, 4096).Kdump(&vmcoretest.KdumpOptions{DumpLevel: 31})
	want := vmcore.Header{
		Release: "6.12.0-test", Version: "#1 SMP", Machine: "x86_64", NodeName: "box",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		CPUs: 2, DumpLevel: 31, Size: int64(len(raw)), MaxPFN: 301,
	}
	if diff := cmp.Diff(want, openBytes(t, raw).Header()); diff != "" {
		t.Error(diff)
	}
}

// A single bitmap knows only what is in the file. Its size tells it from two.
func TestKdumpSingleBitmap(t *testing.T) {
	src := machine(vmcoretest.X86_64, 4096)
	src.Excluded = nil
	d := openBytes(t, src.Kdump(&vmcoretest.KdumpOptions{SingleBitmap: true, MaxPFN: 20000}))
	checkMemory(t, d, src.Phys())
	if got := d.Usage(); got.Excluded != 0 || got.Missing != 0 {
		t.Errorf("usage %+v", got)
	}
}

func TestKdumpIncomplete(t *testing.T) {
	src := machine(vmcoretest.X86_64, 4096)
	src.Missing = vmcoretest.Pages(0x300000, 0x304000)
	d := openBytes(t, src.Kdump(nil))
	checkMemory(t, d, src.Phys())
	if !d.Header().Incomplete {
		t.Error("header does not say incomplete")
	}
	if got := d.Usage().Missing; got != 0x4000 {
		t.Errorf("%#x bytes missing, want 0x4000", got)
	}
	_, err := d.ReadPhys(make([]byte, 8), 0x301010)
	const want = "physical address 0x301010: page missing from the file: offset 0x4768: page descriptor: empty, as the writing of the dump was cut short"
	if !errors.Is(err, vmcore.ErrMissing) || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

// writeFiles puts each volume in a file.
func writeFiles(t testing.TB, volumes [][]byte) []string {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for i, raw := range volumes {
		name := filepath.Join(dir, fmt.Sprintf("volume%d", i+1))
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func openSet(t testing.TB, names ...string) *vmcore.Dump {
	t.Helper()
	d, err := vmcore.OpenSet(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestKdumpSplit(t *testing.T) {
	for _, arch := range []vmcore.Arch{vmcoretest.X86_64, vmcoretest.PPC} {
		for _, version := range []int{2, 5, 6} {
			src := machine(arch, 4096)
			whole := openBytes(t, src.Kdump(&vmcoretest.KdumpOptions{Version: version}))
			v := writeFiles(t, src.Split(3, &vmcoretest.KdumpOptions{Version: version}))
			for _, names := range [][]string{{v[0], v[1], v[2]}, {v[2], v[0], v[1]}, {v[1], v[2], v[0]}} {
				d := openSet(t, names...)
				checkMemory(t, d, src.Phys())
				if got, want := d.Usage(), whole.Usage(); got != want {
					t.Errorf("usage %+v, want %+v", got, want)
				}
				if diff := cmp.Diff(slices.Collect(whole.Ranges()), slices.Collect(d.Ranges())); diff != "" {
					t.Errorf("ranges differ from those of the whole dump:\n%s", diff)
				}
			}
		}
	}
}

func TestKdumpMissingVolume(t *testing.T) {
	src := machine(vmcoretest.X86_64, 4096)
	v := writeFiles(t, src.Split(3, nil))
	d := openSet(t, v[2], v[0]) // the pages 100 to 199 are in the other
	want := []string{"page frames 0x64 to 0xc8 are in a volume not given"}
	if diff := cmp.Diff(want, d.Warnings()); diff != "" {
		t.Error(diff)
	}
	whole := openBytes(t, src.Kdump(nil))
	missing := uint64(0)
	for pfn := uint64(0); pfn < 301; pfn++ {
		a := vmcore.PhysAddr(pfn * 4096)
		want := whole.PageState(a)
		if want == vmcore.Present && pfn >= 100 && pfn < 200 {
			want = vmcore.Missing
			missing += 4096
		}
		if got := d.PageState(a); got != want {
			t.Errorf("page %v is %v, want %v", a, got, want)
		}
	}
	if got := d.Usage().Missing; got != missing {
		t.Errorf("usage has %#x bytes missing, want %#x", got, missing)
	}
}

func TestKdumpDamagedVolume(t *testing.T) {
	volumes := machine(vmcoretest.X86_64, 4096).Split(3, nil)
	volumes[1][0x3000+120/8] ^= 1 << (120 % 8) // page 120 of its second bitmap
	names := writeFiles(t, volumes)
	want := []string{names[1] + ": offset 0x3000: the bitmap of the dumped pages is damaged: pages may be taken for others"}
	if diff := cmp.Diff(want, openSet(t, names...).Warnings()); diff != "" {
		t.Error(diff)
	}
}

func TestKdumpBadSet(t *testing.T) {
	src := machine(vmcoretest.X86_64, 4096)
	v := src.Split(2, nil)
	other := machine(vmcoretest.X86_64, 4096)
	other.Uname.Release = "6.1.0-other"
	names := writeFiles(t, [][]byte{v[0], v[1], other.Split(2, nil)[1], src.Kdump(nil)})
	for _, tc := range []struct {
		files []string
		want  string
	}{
		{[]string{names[0], names[0]}, "volume1: offset 0x1000: holds page frame 0x0, as volume1 does"},
		{[]string{names[0], names[2]}, "volume3: offset 0x0: belongs to another dump than volume1"},
		{[]string{names[0], names[3]}, "volume4: offset 0x1000: not a volume of a split dump"},
	} {
		_, err := vmcore.OpenSet(tc.files, nil)
		if err == nil {
			t.Errorf("no error, want %q", tc.want)
			continue
		}
		if got := strings.ReplaceAll(err.Error(), filepath.Dir(names[0])+"/", ""); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

// Where the parts of what machine makes are in the file.
const (
	offVersion     = 8
	offBlockSize   = 428
	offSubBlocks   = 432
	offBitmaps     = 436
	offSub         = 0x1000
	offDescriptors = 0x4000
)

func TestKdumpBadHeader(t *testing.T) {
	put32 := binary.LittleEndian.PutUint32
	put64 := binary.LittleEndian.PutUint64
	for _, tc := range []struct {
		name string
		edit func(raw []byte) []byte
		want string
	}{
		{"cut in the header", func(raw []byte) []byte { return raw[:100] }, "offset 0x64: kdump header: file truncated"},
		{"cut in the sub-header", func(raw []byte) []byte { return raw[:offSub+50] }, "offset 0x1032: kdump sub-header: file truncated"},
		{"block size", func(raw []byte) []byte { put32(raw[offBlockSize:], 12345); return raw },
			"offset 0x8: kdump header has no plausible block size for any byte order and word size"},
		{"bitmaps too small", func(raw []byte) []byte { put32(raw[offBitmaps:], 0); return raw },
			"offset 0x0: kdump header: 0 blocks of bitmaps are too few for 0x12d pages"},
		{"two counts of pages", func(raw []byte) []byte { put64(raw[offSub+96:], 0x12e); return raw },
			"offset 0x1000: max_mapnr_64 0x12e of the sub-header contradicts max_mapnr 0x12d"},
		{"volume range", func(raw []byte) []byte { put32(raw[offSub+12:], 1); put64(raw[offSub+80:], 7); return raw },
			"offset 0x1000: kdump header: volume has page frames 0x7 to 0x0 of 0x12d"},
		{"address space", func(raw []byte) []byte {
			put32(raw[440:], 0xffffffff)
			put64(raw[offSub+96:], 1<<50)
			return raw
		}, "offset 0x1000: kdump header: 0x4000000000000 pages of 4096 bytes are more than any machine has"},
	} {
		raw := tc.edit(machine(vmcoretest.X86_64, 4096).Kdump(nil))
		_, err := vmcore.New(bytes.NewReader(raw), int64(len(raw)), nil)
		var format *vmcore.FormatError
		if !errors.As(err, &format) || err.Error() != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, err, tc.want)
		}
	}
}

func TestKdumpWarnings(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts vmcoretest.KdumpOptions
		edit func(raw []byte) []byte
		want string
	}{
		{name: "none"},
		{
			name: "newer", opts: vmcoretest.KdumpOptions{Version: 7},
			want: "kdump header version 7 is newer than 6: read as 6",
		},
		{
			name: "erased", opts: vmcoretest.KdumpOptions{EraseInfo: "erase jiffies"},
			want: "makedumpfile erased some data: it reads as X",
		},
		{
			name: "cut in the bitmaps", edit: func(raw []byte) []byte { return raw[:0x2345] },
			want: "file truncated at 0x2345: its bitmaps end at 0x4000",
		},
		{
			name: "cut in the data", edit: func(raw []byte) []byte { return raw[:0x6000] },
			want: "file truncated at 0x6000: pages are missing",
		},
		{
			name: "one byte short", edit: func(raw []byte) []byte { return raw[:len(raw)-1] },
			want: "file truncated at #: pages are missing",
		},
		{
			name: "bit of a page lost", edit: func(raw []byte) []byte { raw[0x3000] &^= 1 << 4; return raw },
			want: "offset 0x3000: the bitmap of the dumped pages is damaged: pages may be taken for others",
		},
		{
			name: "no VMCOREINFO", edit: func(raw []byte) []byte {
				binary.LittleEndian.PutUint64(raw[offSub+32:], 1<<40)
				return raw
			},
			want: "offset 0x10000000000: VMCOREINFO of 36 bytes in a file of #: file truncated",
		},
	} {
		raw := machine(vmcoretest.X86_64, 4096).Kdump(&tc.opts)
		if tc.edit != nil {
			raw = tc.edit(raw)
		}
		got := strings.Join(openBytes(t, raw).Warnings(), "; ")
		for _, length := range []string{fmt.Sprintf("%#x", len(raw)), fmt.Sprint(len(raw))} {
			if !strings.Contains(tc.want, length) {
				got = strings.ReplaceAll(got, length, "#")
			}
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestKdumpBadPage(t *testing.T) {
	put32 := binary.LittleEndian.PutUint32
	put64 := binary.LittleEndian.PutUint64
	const page = 0x1000 // the first one present
	for _, tc := range []struct {
		name string
		edit func(raw, desc []byte)
		want string
	}{
		{"no offset", func(_, desc []byte) { put64(desc, 0) }, "offset 0x4000: page descriptor: offset 0"},
		{"no bytes", func(_, desc []byte) { put32(desc[8:], 0) }, "offset 0x4000: page descriptor: 0 bytes for a page of 4096"},
		{"more than a page", func(_, desc []byte) { put32(desc[8:], 4097) }, "offset 0x4000: page descriptor: 4097 bytes for a page of 4096"},
		{"behind the file", func(_, desc []byte) { put64(desc, 1<<40); put32(desc[8:], 16) },
			"offset 0x4000: page descriptor: bytes 0x10000000000 to 0x10000000010 of a file of #: file truncated"},
		{"unknown method", func(_, desc []byte) { put32(desc[12:], 0x40) }, "offset 0x4000: page descriptor: unknown compression 0x40: not supported"},
		{"raw and short", func(_, desc []byte) { put32(desc[12:], 0) }, "offset #: data of page frame 0x1: none: page expands to # bytes, not 4096"},
		{"damaged zlib", func(raw, desc []byte) { raw[binary.LittleEndian.Uint64(desc)] ^= 0xff },
			"offset #: data of page frame 0x1: zlib: zlib: invalid header"},
		{"damaged checksum", func(raw, desc []byte) {
			end := binary.LittleEndian.Uint64(desc) + uint64(binary.LittleEndian.Uint32(desc[8:]))
			raw[end-1] ^= 0xff
		}, "offset #: data of page frame 0x1: zlib: zlib: invalid checksum"},
	} {
		raw := machine(vmcoretest.X86_64, 4096).Kdump(&vmcoretest.KdumpOptions{Compression: []vmcoretest.Compression{vmcoretest.Zlib}})
		desc := raw[offDescriptors:]
		dataOff := fmt.Sprintf("%#x", binary.LittleEndian.Uint64(desc))
		dataSize := fmt.Sprint(binary.LittleEndian.Uint32(desc[8:]))
		tc.edit(raw, desc)
		d := openBytes(t, raw)
		_, err := d.ReadPhys(make([]byte, 8), page)
		if !errors.Is(err, vmcore.ErrMissing) {
			t.Errorf("%s: got %v, want a missing page", tc.name, err)
			continue
		}
		got := strings.TrimPrefix(err.Error(), "physical address 0x1000: page missing from the file: ")
		got = strings.Replace(got, "offset "+dataOff, "offset #", 1)
		got = strings.Replace(got, "to "+dataSize+" bytes", "to # bytes", 1)
		got = strings.Replace(got, fmt.Sprintf("file of %#x", len(raw)), "file of #", 1)
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
		if s := d.PageState(0x2000); s != vmcore.Present {
			t.Errorf("%s: the next page is %v", tc.name, s)
		}
	}
}

// However a file is cut, each page is right or missing, and the dump says that
// it was cut.
func TestKdumpTruncated(t *testing.T) {
	src := machine(vmcoretest.X86_64, 4096)
	raw := src.Kdump(&vmcoretest.KdumpOptions{Compression: []vmcoretest.Compression{vmcoretest.Zstd}})
	want := src.Phys()
	got, exp := make([]byte, 4096), make([]byte, 4096)
	for size := 0x2000; size < len(raw); size += 101 {
		d := openBytes(t, raw[:size])
		if len(d.Warnings()) == 0 {
			t.Errorf("cut at %#x: no warning", size)
		}
		missing := uint64(0)
		for pfn := range uint64(301) {
			_, err := d.ReadPhys(got, vmcore.PhysAddr(pfn*4096))
			want.ReadPhys(exp, vmcore.PhysAddr(pfn*4096))
			switch {
			case errors.Is(err, vmcore.ErrMissing):
				missing += 4096
				if !errors.Is(err, vmcore.ErrTruncated) {
					t.Fatalf("cut at %#x: page %#x: %v", size, pfn, err)
				}
			case err == nil && !bytes.Equal(got, exp):
				t.Fatalf("cut at %#x: page %#x has other bytes", size, pfn)
			}
		}
		if u := d.Usage(); size >= offDescriptors && u.Missing != missing {
			t.Fatalf("cut at %#x: usage has %#x bytes missing, want %#x", size, u.Missing, missing)
		}
	}
}

func TestKdumpFlattened(t *testing.T) {
	src := machine(vmcoretest.X86_64, 4096)
	raw := src.Kdump(&vmcoretest.KdumpOptions{Compression: []vmcoretest.Compression{vmcoretest.Snappy}})
	for _, opts := range []vmcoretest.FlattenOptions{
		{}, {RecordSize: 100}, {RecordSize: 1 << 20}, {RecordSize: 512, Shuffle: 7}, {RecordSize: 777, Shuffle: 8, Overwrite: true},
	} {
		d := openBytes(t, vmcoretest.Flatten(raw, &opts))
		if !d.Format().Flattened {
			t.Errorf("%+v: format %v", opts, d.Format())
		}
		checkMemory(t, d, src.Phys())
	}
}

// Readers in parallel, with a cache too small for them, see the same memory.
func TestKdumpConcurrent(t *testing.T) {
	src := machine(vmcoretest.X86_64, 4096)
	raw := src.Kdump(&vmcoretest.KdumpOptions{Compression: []vmcoretest.Compression{vmcoretest.Zlib, vmcoretest.LZO, vmcoretest.Snappy, vmcoretest.Zstd}})
	d, err := vmcore.New(bytes.NewReader(raw), int64(len(raw)), &vmcore.Options{CacheSize: 40 * 4096})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			checkMemory(t, d, src.Phys())
		})
	}
}
