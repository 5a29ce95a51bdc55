package rawbtf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

// everyKind adds one type of each kind, and more where a kind has variants.
func everyKind(b *Builder) { everyKindAt(b, b.Next()-1) }

// everyKindAt is everyKind for types numbered on from after last.
func everyKindAt(b *Builder, last ID) {
	n := b.String
	id := func(i int) ID { return last + ID(i) }
	b.Int(n("int"), 4, Signed, 0, 32)                                                                      // 1
	b.Int(n("char"), 1, 0, 0, 8)                                                                           // 2
	b.Float(n("double"), 8)                                                                                // 3
	b.Struct(n("list_head"), 16, []Member{{n("next"), id(5), 0, 0}, {n("prev"), id(5), 64, 0}})            // 4
	b.Ptr(id(4))                                                                                           // 5
	b.Struct(n("flags"), 4, []Member{{n("a"), id(1), 0, 3}, {n("b"), id(1), 3, 5}, {n("c"), id(2), 8, 0}}) // 6
	b.Union(0, 8, []Member{{n("d"), id(3), 0, 0}, {n("i"), id(1), 0, 0}})                                  // 7
	b.Array(id(2), id(1), 16)                                                                              // 8
	b.Enum(n("colour"), 4, true, []Enumerator{{n("RED"), 0}, {n("NONE"), ^uint64(0)}})                     // 9
	b.Enum64(n("wide"), 8, false, []Enumerator{{n("TOP"), 1 << 40}})                                       // 10
	b.Fwd(n("opaque"), false)                                                                              // 11
	b.Typedef(n("buf_t"), id(8))                                                                           // 12
	b.Qualifier(KindConst, id(2))                                                                          // 13
	b.Qualifier(KindVolatile, id(13))                                                                      // 14
	b.TypeTag(n("user"), id(14), false)                                                                    // 15
	b.Ptr(id(15))                                                                                          // 16
	b.Qualifier(KindRestrict, id(16))                                                                      // 17
	b.FuncProto(id(1), []Param{{n("fmt"), id(17)}, {}})                                                    // 18
	b.Func(n("printk"), id(18), Static)                                                                    // 19
	b.Var(n("mode"), id(9), Global)                                                                        // 20
	b.Var(n("buf"), id(12), Static)                                                                        // 21
	b.Datasec(n(".data"), 24, []Entry{{id(20), 0, 4}, {id(21), 8, 16}})                                    // 22
	b.DeclTag(n("bpf_kfunc"), id(19), -1, false)                                                           // 23
	b.DeclTag(n("first"), id(6), 0, false)                                                                 // 24
}

// lines writes each type of b as one readable line.
func lines(b *Blob) []string {
	var out []string
	for id, t := range b.All() {
		s := fmt.Sprintf("%d %v", id, t.Kind)
		if b.Name(t.Name) != "" {
			s += " " + b.Name(t.Name)
		}
		switch t.Kind {
		case KindInt:
			enc, off, bits := t.Int()
			s += fmt.Sprintf(" size=%d enc=%d bits=%d+%d", t.Size, enc, off, bits)
		case KindArray:
			elem, index, n := t.Array()
			s += fmt.Sprintf(" %d[%d by %d]", elem, n, index)
		case KindStruct, KindUnion:
			s += fmt.Sprintf(" size=%d", t.Size)
			for i := range t.Vlen {
				m := t.Member(i)
				s += fmt.Sprintf(" %s:%d@%d", b.Name(m.Name), m.Type, m.BitOffset)
				if m.BitSize != 0 {
					s += fmt.Sprintf("/%d", m.BitSize)
				}
			}
		case KindEnum, KindEnum64:
			s += fmt.Sprintf(" size=%d signed=%v", t.Size, t.Flag)
			for i := range t.Vlen {
				e := t.Enumerator(i)
				s += fmt.Sprintf(" %s=%d", b.Name(e.Name), int64(e.Value))
			}
		case KindFuncProto:
			s += fmt.Sprintf(" %d(", t.Ref())
			for i := range t.Vlen {
				p := t.Param(i)
				s += fmt.Sprintf("%s:%d,", b.Name(p.Name), p.Type)
			}
			s += ")"
		case KindVar, KindFunc:
			s += fmt.Sprintf(" %d linkage=%d", t.Ref(), t.Linkage())
		case KindDatasec:
			s += fmt.Sprintf(" size=%d", t.Size)
			for i := range t.Vlen {
				e := t.Entry(i)
				s += fmt.Sprintf(" %d@%d+%d", e.Var, e.Offset, e.Size)
			}
		case KindDeclTag:
			s += fmt.Sprintf(" %d.%d", t.Ref(), t.Component())
		case KindFloat:
			s += fmt.Sprintf(" size=%d", t.Size)
		case KindFwd:
		default:
			s += fmt.Sprintf(" %d", t.Ref())
		}
		out = append(out, s)
	}
	return out
}

var everyKindLines = []string{
	"1 int int size=4 enc=1 bits=0+32",
	"2 int char size=1 enc=0 bits=0+8",
	"3 float double size=8",
	"4 struct list_head size=16 next:5@0 prev:5@64",
	"5 ptr 4",
	"6 struct flags size=4 a:1@0/3 b:1@3/5 c:2@8",
	"7 union size=8 d:3@0 i:1@0",
	"8 array 2[16 by 1]",
	"9 enum colour size=4 signed=true RED=0 NONE=-1",
	"10 enum64 wide size=8 signed=false TOP=1099511627776",
	"11 fwd opaque",
	"12 typedef buf_t 8",
	"13 const 2",
	"14 volatile 13",
	"15 type_tag user 14",
	"16 ptr 15",
	"17 restrict 16",
	"18 func_proto 1(fmt:17,:0,)",
	"19 func printk 18 linkage=0",
	"20 var mode 9 linkage=1",
	"21 var buf 12 linkage=0",
	"22 datasec .data size=24 20@0+4 21@8+16",
	"23 decl_tag bpf_kfunc 19.-1",
	"24 decl_tag first 6.0",
}

func mustBytes(t testing.TB, b *Builder) []byte {
	t.Helper()
	raw, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func mustParse(t testing.TB, raw []byte, base *Blob) *Blob {
	t.Helper()
	b, err := Parse(raw, base)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuilder(t *testing.T) {
	for _, test := range []struct {
		name   string
		opts   *BuilderOptions
		header int
	}{
		{"default", nil, 24},
		{"big endian", &BuilderOptions{Order: binary.BigEndian}, 24},
		{"layout", &BuilderOptions{Layout: true}, 32},
		{"big endian with layout", &BuilderOptions{Order: binary.BigEndian, Layout: true, WideVlen: true}, 32},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := NewBuilder(test.opts)
			everyKind(b)
			raw := mustBytes(t, b)
			blob := mustParse(t, raw, nil)
			if diff := cmp.Diff(everyKindLines, lines(blob)); diff != "" {
				t.Errorf("types (-want +got):\n%s", diff)
			}
			if got := int(blob.header.size); got != test.header {
				t.Errorf("header of %d bytes, want %d", got, test.header)
			}
			spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
			if err != nil {
				t.Fatalf("cilium/ebpf: %v", err)
			}
			var flags *btf.Struct
			if err := spec.TypeByName("flags", &flags); err != nil || flags.Members[1].BitfieldSize != 5 {
				t.Errorf("cilium/ebpf reads struct flags as %v, %v", flags, err)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	b := NewBuilder(nil)
	everyKind(b)
	base := mustParse(t, mustBytes(t, b), nil)

	b = NewBuilder(&BuilderOptions{Base: base, Layout: true})
	if got, ok := base.Lookup([]byte("mode")); !ok || b.String("mode") != got {
		t.Errorf("a string of the base is not reused")
	}
	v := b.Var(b.String("extra"), 4, Global)
	b.Datasec(b.String(".bss"), 16, []Entry{{v, 0, 16}})
	b.Typedef(b.String("buf_t"), v)
	split := mustParse(t, mustBytes(t, b), base)
	want := []string{
		"25 var extra 4 linkage=1",
		"26 datasec .bss size=16 25@0+16",
		"27 typedef buf_t 25",
	}
	if diff := cmp.Diff(want, lines(split)); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	if got := len(split.strs); got != len("extra\x00.bss\x00") {
		t.Errorf("%d bytes of strings: %q", got, split.strs)
	}
	if got := split.Name(split.Type(split.Type(25).Ref()).Name); got != "list_head" {
		t.Errorf("the variable's type is %q", got)
	}
	if split.HasLayout() {
		t.Error("a split BTF has a layout section")
	}

	// A split of the split.
	b = NewBuilder(&BuilderOptions{Base: split})
	b.Typedef(b.String("again"), 26)
	b.Typedef(b.String("extra"), 1)
	third := mustParse(t, mustBytes(t, b), split)
	if diff := cmp.Diff([]string{"28 typedef again 26", "29 typedef extra 1"}, lines(third)); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}

// TestRepeats finds a string that is there twice, or only at the end of another.
func TestRepeats(t *testing.T) {
	for text, want := range map[string]bool{"": false, "lint\x00": false, "lint\x00int\x00": true, "in\x00int": false} {
		b := NewBuilder(nil)
		b.Int(b.String("int"), 4, Signed, 0, 32)
		b.strs = append(b.strs, text...)
		raw, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		blob, err := Parse(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := blob.Repeats(); got != want {
			t.Errorf("with %q: %v, want %v", text, got, want)
		}
		if s, ok := blob.Lookup([]byte("int")); !ok || s != 1 {
			t.Errorf("with %q: int is at %d", text, s)
		}
	}
}

func TestBuilderLimits(t *testing.T) {
	const big = 1 << 24
	for _, test := range []struct {
		name string
		opts *BuilderOptions
		add  func(*Builder)
		want string
	}{
		{"vlen", nil, func(b *Builder) { b.Datasec(b.String(".bss"), 1, make([]Entry, 1<<16)) },
			"type 1 (datasec .bss): number of elements is 65536, BTF allows 65535"},
		{"wide vlen", &BuilderOptions{WideVlen: true}, func(b *Builder) { b.Datasec(b.String(".bss"), 1, make([]Entry, 1<<16)) }, ""},
		{"bit offset", nil, func(b *Builder) {
			b.Struct(b.String("huge"), big/8+4, []Member{{0, 1, 0, 1}, {0, 1, big, 0}})
		}, "type 1 (struct huge): bit offset of member 1 is 16777216, BTF allows 16777215"},
		{"bit offset without bit-fields", nil, func(b *Builder) { b.Struct(0, big, []Member{{0, 1, big, 0}}) }, ""},
		{"reference", nil, func(b *Builder) { b.Typedef(b.String("t"), 1<<20) },
			"type 1 (typedef t): type number is 1048576, BTF allows 1048574"},
		{"strings", nil, func(b *Builder) { b.Str(bytes.Repeat([]byte("x"), big)) },
			"size of the strings is 16777217, BTF allows 16777215"},
		{"ids", nil, func(b *Builder) {
			for range 1 << 20 {
				b.Ptr(0)
			}
		}, "type 1048575 (ptr): type number is 1048575, BTF allows 1048574"},
		{"the first error stays", nil, func(b *Builder) { b.Ptr(1 << 20); b.Ptr(1 << 21) },
			"type 1 (ptr): type number is 1048576, BTF allows 1048574"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := NewBuilder(test.opts)
			test.add(b)
			_, err := b.Bytes()
			var limit *LimitError
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (!errors.As(err, &limit) || err.Error() != test.want):
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	b := NewBuilder(nil)
	everyKind(b)
	raw := mustBytes(t, b)
	set := func(off int, v uint32) []byte {
		c := bytes.Clone(raw)
		binary.LittleEndian.PutUint32(c[off:], v)
		return c
	}
	for _, test := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "too few for a header"},
		{"ELF", []byte("\x7fELF" + strings.Repeat("x", 100)), "no BTF: it begins with 7f 45 4c 46"},
		{"version", set(0, 0x0002eb9f), "version 2"},
		{"header", set(4, 1<<31), "header of 2147483648 bytes"},
		{"types", set(12, 1<<31), "type section"},
		{"strings", set(20, 1<<31), "string section"},
		{"overflow", set(8, ^uint32(0)), "type section"},
		{"kind", set(24+4, 20<<24), "unknown kind 20"},
		{"long record", set(24+4, 4<<24|0xffff), "is longer than"},
		{"short record", set(12, 16+4), "4 bytes are left"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.raw, nil)
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestReadFile reads raw files, and finds that a split one lacks its base or has
// the wrong one.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, raw []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	bases := make([]*Blob, 2)
	for i := range bases {
		b := NewBuilder(nil)
		b.Typedef(b.String([]string{"longer_than_the_other", "short"}[i]), 0)
		everyKind(b)
		var err error
		if bases[i], err = ReadFile(file("base", mustBytes(t, b)), nil); err != nil {
			t.Fatal(err)
		}
	}
	b := NewBuilder(&BuilderOptions{Base: bases[0]})
	b.Struct(b.String("list_head"), 4, []Member{{b.String("colour"), 1, 0, 0}, {b.String("printk"), 1, 0, 0}})
	split := file("split", mustBytes(t, b))
	if _, err := ReadFile(split, bases[0]); err != nil {
		t.Error(err)
	}
	if _, err := ReadFile(split, nil); !errors.As(err, new(*SplitError)) {
		t.Errorf("without a base: %v", err)
	}
	if _, err := ReadFile(split, bases[1]); !errors.As(err, new(*BaseError)) {
		t.Errorf("with the wrong base: %v", err)
	}
}
