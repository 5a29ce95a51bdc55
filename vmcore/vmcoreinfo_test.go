package vmcore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

func TestVMCOREINFO(t *testing.T) {
	v := vmcore.ParseVMCOREINFO([]byte(strings.Join([]string{
		"OSRELEASE=6.12.0-test",
		"BUILD-ID=0123456789abcdef0123456789abcdef01234567",
		"PAGESIZE=4096",
		"SYMBOL(_stext)=ffffffff81000000",
		"SYMBOL(prefixed)=0xffffffff81000010",
		"SYMBOL(bad)=xyz",
		"SIZE(page)=64",
		"OFFSET(list_head.next)=8",
		"LENGTH(zone.free_area)=11",
		"NUMBER(phys_base)=-16777216",
		"NUMBER(VMALLOC_START)=0xffffc90000000000",
		"NUMBER(NR_FREE_PAGES)=0",
		"NUMBER(bad)=12three",
		"KERNELOFFSET=1a000000",
		"CONFIG_X=y=z",
		"no value",
		"=no key",
		"  spaces=around  \r",
		"SIZE(page)=72", // the last one counts
		"CRASHTIME=1700000000",
		"LENGTH(last)=1", // no newline
	}, "\n")))

	value := func(s string, ok bool) string { return fmt.Sprintf("%q %t", s, ok) }
	number := func(u any, ok bool) string { return fmt.Sprintf("%#x %t", u, ok) }
	symbol := func(a vmcore.Addr, ok bool) string { return fmt.Sprintf("%v %t", a, ok) }
	got := map[string]string{
		"release":    v.Release(),
		"build ID":   v.BuildID(),
		"page size":  fmt.Sprint(v.PageSize()),
		"crash time": fmt.Sprint(v.CrashTime()),
		"_stext":     symbol(v.Symbol("_stext")),
		"prefixed":   symbol(v.Symbol("prefixed")),
		"bad symbol": symbol(v.Symbol("bad")),
		"no symbol":  symbol(v.Symbol("nosuch")),
		"size":       number(v.Size("page")),
		"offset":     number(v.Offset("list_head.next")),
		"length":     number(v.Length("zone.free_area")),
		"no newline": number(v.Length("last")),
		"negative":   number(v.Number("phys_base")),
		"hex number": number(v.Number("VMALLOC_START")),
		"zero":       number(v.Number("NR_FREE_PAGES")),
		"bad number": number(v.Number("bad")),
		"hex":        number(v.Hex("KERNELOFFSET")),
		"no hex":     number(v.Hex("KERNELOFFPHYS")),
		"value":      value(v.Value("CONFIG_X")),
		"no value":   value(v.Value("no value")),
		"spaces":     value(v.Value("spaces")),
	}
	want := map[string]string{
		"release":    "6.12.0-test",
		"build ID":   "0123456789abcdef0123456789abcdef01234567",
		"page size":  "4096",
		"crash time": "2023-11-14 22:13:20 +0000 UTC true",
		"_stext":     "0xffffffff81000000 true",
		"prefixed":   "0xffffffff81000010 true",
		"bad symbol": "0x0 false",
		"no symbol":  "0x0 false",
		"size":       "0x48 true",
		"offset":     "0x8 true",
		"length":     "0xb true",
		"no newline": "0x1 true",
		"negative":   "-0x1000000 true",
		"hex number": "-0x370000000000 true",
		"zero":       "0x0 true",
		"bad number": "0x0 false",
		"hex":        "0x1a000000 true",
		"no hex":     "0x0 false",
		"value":      `"y=z" true`,
		"no value":   `"" false`,
		"spaces":     `"around" true`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// fullPage is a VMCOREINFO that the kernel had to cut at the end of its page.
func fullPage() string {
	text := "OSRELEASE=6.12.0\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\n"
	for i := 0; len(text) < 4096; i++ {
		text += fmt.Sprintf("SYMBOL(symbol_%d)=ffffffff82000000\n", i)
	}
	return text[:4090] + "SYMBOL"
}

func TestVMCOREINFOTruncated(t *testing.T) {
	text := fullPage()
	cut := strings.LastIndex(text[:4090], "\n") + 1
	text = text[:cut] + "SYMBOL(kallsyms_offsets)=ffffffff83000000"[:4096-cut]
	v := vmcore.ParseVMCOREINFO([]byte(text))
	if a, ok := v.Symbol("kallsyms_offsets"); ok {
		t.Errorf("an address of a line cut short: %v", a)
	}
	if !v.Truncated() || v.Release() != "6.12.0" || len(v.Text()) != 4096 {
		t.Errorf("Truncated %t, release %q, %d bytes", v.Truncated(), v.Release(), len(v.Text()))
	}
	d := openBytes(t, (&vmcoretest.Dump{VMCOREINFO: text, Segments: []vmcoretest.Segment{{Data: []byte{1}}}}).ELF(nil))
	want := []string{"VMCOREINFO is cut at 4096 bytes: the kernel had no more room"}
	if diff := cmp.Diff(want, d.Warnings()); diff != "" {
		t.Errorf("Warnings (-want +got):\n%s", diff)
	}
}

func TestVMCOREINFOSource(t *testing.T) {
	src := machine(vmcoretest.X86_64, 4096)
	user := &vmcore.Options{VMCOREINFO: []byte("OSRELEASE=mine\n")}
	none := machine(vmcoretest.X86_64, 4096)
	none.VMCOREINFO = ""
	for _, tc := range []struct {
		name string
		raw  []byte
		opts *vmcore.Options
		want string
	}{
		{"ELF", src.ELF(nil), nil, "note 6.12.0-test"},
		{"kdump", src.Kdump(nil), nil, "sub-header 6.12.0-test"},
		{"kcore", src.Kcore(0), nil, "note 6.12.0-test"},
		{"options", src.ELF(nil), user, "options mine"},
		{"options for kdump", src.Kdump(nil), user, "options mine"},
		{"none", none.ELF(nil), nil, " "},
	} {
		d, err := vmcore.New(bytes.NewReader(tc.raw), int64(len(tc.raw)), tc.opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Info().Source() + " " + d.Info().Release(); got != tc.want {
			t.Errorf("%s: VMCOREINFO from %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestFindVMCOREINFO(t *testing.T) {
	info := func(release, more string) []byte {
		return []byte("OSRELEASE=" + release + "\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\n" + more)
	}
	asNote := func(text []byte) []byte {
		return append(append([]byte{11, 0, 0, 0, byte(len(text)), 0, 0, 0, 0, 0, 0, 0}, "VMCOREINFO\x00\x00"...), text...)
	}
	only := func(release string) func(*vmcore.VMCOREINFO) bool {
		return func(v *vmcore.VMCOREINFO) bool { return v.Release() == release }
	}
	type memory = map[vmcore.PhysAddr][]byte
	for _, tc := range []struct {
		name   string
		memory memory
		accept func(*vmcore.VMCOREINFO) bool
		want   string
	}{
		{"none", memory{0x1000: []byte("OSRELEASE")}, nil, "VMCOREINFO in the memory of the dump: not found"},
		{"one", memory{0x1000: []byte("x"), 0x5000: info("a", "")}, nil, "memory at 0x5000: a"},
		{"not at the start of a page", memory{0x5010: info("a", "")}, nil, "VMCOREINFO in the memory of the dump: not found"},
		{"no kernel's", memory{0x5000: []byte("OSRELEASE=a\n"), 0x6000: []byte("OSRELEASE=b\nPAGESIZE=4096\n")}, nil, "VMCOREINFO in the memory of the dump: not found"},
		{"the note", memory{0x5000: asNote(info("a", ""))}, nil, "memory at 0x5018: a"},
		{"the most complete", memory{0x5000: info("a", ""), 0x7000: info("b", "SIZE(page)=64\n"), 0x9000: info("c", "")}, nil, "memory at 0x7000: b"},
		{"the one with a time of crash", memory{0x5000: info("a", "SIZE(page)=64\nSIZE(zone)=1\n"), 0x7000: asNote(info("b", "CRASHTIME=1\n"))}, nil, "memory at 0x7018: b"},
		{"the accepted one", memory{0x5000: info("a", "SIZE(page)=64\n"), 0x7000: info("b", "")}, only("b"), "memory at 0x7000: b"},
		{"none accepted", memory{0x5000: info("a", "")}, only("b"), "VMCOREINFO in the memory of the dump: not found"},
		{"a full page before another", memory{0x5000: append([]byte(fullPage()), info("b", "")...)}, only("6.12.0"), "memory at 0x5000: 6.12.0"},
		{"beyond the first read", memory{0x10000: make([]byte, 0x100000), 0x110000: info("a", "")}, nil, "memory at 0x110000: a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := &vmcoretest.Dump{Memory: tc.memory, Excluded: []vmcore.PhysAddr{0x3000, 0x4000, 0x8000}}
			for _, raw := range [][]byte{src.ELF(nil), src.Kdump(nil)} {
				d := openBytes(t, raw)
				got := ""
				if v, err := d.FindVMCOREINFO(t.Context(), tc.accept); err != nil {
					got = err.Error()
				} else {
					got = v.Source() + ": " + v.Release()
				}
				if got != tc.want {
					t.Errorf("%v: %s, want %s", d.Format(), got, tc.want)
				}
			}
		})
	}
}

func TestFindVMCOREINFOStops(t *testing.T) {
	d := openBytes(t, machine(vmcoretest.X86_64, 4096).ELF(nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.FindVMCOREINFO(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

// FuzzVMCOREINFO checks that every value is in the text where its key says, and
// that reading the text again gives the same.
func FuzzVMCOREINFO(f *testing.F) {
	f.Add([]byte("OSRELEASE=6.12.0\nPAGESIZE=4096\nCRASHTIME=1\n"), "OSRELEASE")
	f.Add([]byte("NUMBER(x)=-5\r\nNUMBER(x)=0xffffffffffffffff"), "NUMBER(x)")
	f.Add([]byte(fullPage()), "SYMBOL(symbol_0)")
	f.Add([]byte("SYMBOL(a)=1\x00SYMBOL(a)=2\n"), "SYMBOL(a)")
	f.Fuzz(func(t *testing.T, text []byte, key string) {
		v := vmcore.ParseVMCOREINFO(text)
		if !bytes.HasPrefix(text, v.Text()) || bytes.IndexByte(v.Text(), 0) >= 0 {
			t.Fatalf("text %q of %q", v.Text(), text)
		}
		if s, ok := v.Value(key); ok && !bytes.Contains(v.Text(), []byte(key+"="+s)) {
			t.Fatalf("%q is %q, which is not in %q", key, s, v.Text())
		}
		if diff := cmp.Diff(v, vmcore.ParseVMCOREINFO(v.Text()), cmp.AllowUnexported(vmcore.VMCOREINFO{})); diff != "" {
			t.Fatalf("read again (-first +again):\n%s", diff)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(key, "SYMBOL("), ")")
		if a, ok := v.Symbol(name); ok {
			s, _ := v.Value("SYMBOL(" + name + ")")
			if digits := fmt.Sprintf("%x", uint64(a)); !strings.HasSuffix(strings.ToLower(s), digits) {
				t.Fatalf("symbol %q is %v, written %q", name, a, s)
			}
		}
	})
}

func BenchmarkParseVMCOREINFO(b *testing.B) {
	text := []byte(fullPage())
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		vmcore.ParseVMCOREINFO(text)
	}
}
