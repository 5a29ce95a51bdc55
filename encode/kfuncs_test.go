package encode

import (
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// kfuncFile has f1 and f2 in a set of kfuncs, f3 in another kind of set, and is
// for x86-64 or s390x.
func kfuncFile(big bool, addr uint64) dwarftest.File {
	d := dwarftest.File{Big: big, Machine: elf.EM_X86_64, Type: elf.ET_EXEC, Info: lines(`
		unit
		compile_unit name:string="a.c"
			base_type @int name:string="int" byte_size:data1=4 encoding:data1=5
			pointer_type @ptr type:ref4=@int
			subprogram name:string="f1" low_pc:addr=0x1000 type:ref4=@ptr
				formal_parameter name:string="a" type:ref4=@ptr
				formal_parameter name:string="b" type:ref4=@int
			subprogram name:string="f2" low_pc:addr=0x1010
			subprogram name:string="f3" low_pc:addr=0x1020
		`)}
	if big {
		d.Machine = elf.EM_S390
	}
	if addr == 0 {
		d.Type = elf.ET_REL
	}
	var order binary.AppendByteOrder = binary.LittleEndian
	if big {
		order = binary.BigEndian
	}
	var ids []byte
	for _, w := range []uint32{
		0, 1, 0, 1<<12 | 1<<13 | 1<<14, 0, 0, // a set of kfuncs: count, flags, then numbers and flags
		0, 0, 0, 0, // a set of something else
	} {
		ids = order.AppendUint32(ids, w)
	}
	d.Sections = []dwarftest.Section{
		{Name: ".text", Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addr: 0x1000, Data: make([]byte, 64)},
		{Name: ".BTF_ids", Flags: elf.SHF_ALLOC, Addr: addr, Data: ids},
	}
	for i, name := range []string{"f1", "f2", "f3"} {
		d.Symbols = append(d.Symbols, dwarftest.Symbol{Name: name, Section: ".text", Value: 0x1000 + 16*uint64(i), Size: 16, Type: elf.STT_FUNC})
	}
	for _, s := range []struct {
		name     string
		at, size uint64
	}{
		{"__BTF_ID__set8__kfuncs", 0, 24}, {"__BTF_ID__func__f1__123", 8, 4}, {"__BTF_ID__func__f2__124", 16, 4},
		{"__BTF_ID__set8__others", 24, 16}, {"__BTF_ID__func__f3__125", 32, 4}, {"__BTF_ID__func__beyond__1", 0x1000, 4},
	} {
		d.Symbols = append(d.Symbols, dwarftest.Symbol{Name: s.name, Section: ".BTF_ids", Value: addr + s.at, Size: s.size, Type: elf.STT_OBJECT})
	}
	return d
}

func TestKfuncs(t *testing.T) {
	want := []kfunc{{"f1", 1<<12 | 1<<13 | 1<<14}, {"f2", 0}}
	for _, big := range []bool{false, true} {
		for _, addr := range []uint64{0, 0x8000} {
			d := kfuncFile(big, addr)
			f, err := dwarf.New(d.Bytes(), "test")
			if err != nil {
				t.Fatal(err)
			}
			got, err := readKfuncs(f)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(kfunc{})); diff != "" {
				t.Errorf("big endian %t, at %#x: %s", big, addr, diff)
			}
		}
	}
}

func TestKfuncTags(t *testing.T) {
	tests := []struct {
		attributes bool
		want       string
	}{{
		want: `
			int *f1(int *a, int b) ["bpf_kfunc" "bpf_fastcall"]
			void f2() ["bpf_kfunc"]
			void f3()
			`,
	}, {
		attributes: true,
		want: `
			int "address_space(1)" *f1(int "address_space(1)" *a, int b) ["bpf_kfunc" "bpf_fastcall"]
			void f2() ["bpf_kfunc"]
			void f3()
			`,
	}}
	for _, test := range tests {
		o := &Options{Features: DefaultFeatures()}
		o.Attributes = test.attributes
		r := encodeText(t, kfuncFile(false, 0x8000), o)
		got := strings.ReplaceAll(functionLines(t, r.BTF), `["bpf_fastcall" "bpf_kfunc"]`, `["bpf_kfunc" "bpf_fastcall"]`)
		if diff := cmp.Diff(lines(test.want), got); diff != "" {
			t.Errorf("attributes %t: %s", test.attributes, diff)
		}
	}
}
