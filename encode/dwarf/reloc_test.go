package dwarf_test

import (
	"debug/elf"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// alloc returns sections that addresses of an ET_REL file are relative to.
func alloc() []dwarftest.Section {
	return []dwarftest.Section{
		{Name: ".text", Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Data: make([]byte, 64)},
		{Name: ".data", Flags: elf.SHF_ALLOC | elf.SHF_WRITE, Data: make([]byte, 64)},
		{Name: ".bss", Type: elf.SHT_NOBITS, Flags: elf.SHF_ALLOC | elf.SHF_WRITE},
	}
}

func symbols() []dwarftest.Symbol {
	return []dwarftest.Symbol{
		{Name: "f", Section: ".text", Value: 0x10, Size: 8, Type: elf.STT_FUNC, Bind: elf.STB_GLOBAL},
		{Name: "v", Section: ".data", Value: 0x20, Size: 4, Type: elf.STT_OBJECT, Bind: elf.STB_GLOBAL},
		{Name: "b", Section: ".bss", Value: 0, Size: 4, Type: elf.STT_OBJECT, Bind: elf.STB_WEAK},
		{Name: "abs", Section: "*ABS*", Value: 0x30},
		{Name: "com", Section: "*COMMON*", Value: 8},
		{Name: "undef", Section: ""},
	}
}

// TestRelocations reads ET_REL files of every machine: strings and references
// are relocated too, and addresses keep the section of their symbol.
func TestRelocations(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    dwarftest.File
	}{
		{"x86-64", dwarftest.File{Machine: elf.EM_X86_64}},
		{"arm64", dwarftest.File{Machine: elf.EM_AARCH64}},
		{"riscv64", dwarftest.File{Machine: elf.EM_RISCV}},
		{"s390x", dwarftest.File{Machine: elf.EM_S390, Big: true}},
		{"ppc64", dwarftest.File{Machine: elf.EM_PPC64, Big: true}},
		{"ppc64le", dwarftest.File{Machine: elf.EM_PPC64}},
		{"loongarch64", dwarftest.File{Machine: elf.EM_LOONGARCH}},
		{"i386, addends in place", dwarftest.File{Machine: elf.EM_386, ELF32: true}},
		{"armeb, addends in place", dwarftest.File{Machine: elf.EM_ARM, ELF32: true, Big: true}},
		{"64-bit DWARF", dwarftest.File{Dwarf64: true}},
		{"zlib", dwarftest.File{Compress: "zlib"}},
		{"more sections than 16 bits count", dwarftest.File{ManySections: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.d.Type, tt.d.Sections, tt.d.Symbols = elf.ET_REL, alloc(), symbols()
			tt.d.Info = lines(`
				unit
				compile_unit name:strp="a.c"
					base_type @int name:strp="int"
				unit
				compile_unit name:line_strp="b.c"
					subprogram name:strx1="f" low_pc:addr=f
					subprogram name:strx1="g" low_pc:addrx=f+4
					variable name:strp="v" type:ref_addr=@int location:exprloc={03 addr:v+8}
					variable name:strp="b" location:exprloc={a1 addrx:b}
					variable location:exprloc={03 addr:abs+1}
					variable location:exprloc={03 addr:com}
					variable location:exprloc={03 addr:undef}
					variable location:exprloc={03 addr:0x40}`)
			if tt.d.Compress != "" && tt.d.ELF32 {
				t.Fatal("the assembler cannot put addends into compressed sections")
			}
			got, err := dump(assemble(t, tt.d))
			if err != nil {
				t.Fatal(err)
			}
			want := lines(`
				compile_unit name="a.c"
					base_type name="int"
				compile_unit name="b.c"
					subprogram name="f" pc=.text+0x10
					subprogram name="g" pc=.text+0x14
					variable name="v" type=int loc=[addr .data+0x28]
					variable name="b" loc=[addr .bss+0x0]
					variable loc=[addr <0xfff1>+0x31]
					variable loc=[addr <0xfff2>+0x8]
					variable loc=[addr 0x0]
					variable loc=[addr 0x40]
				`)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestExecutable shows that relocations which a linker kept (--emit-relocs) are
// not applied again.
func TestExecutable(t *testing.T) {
	d := dwarftest.File{
		Info: "unit\ncompile_unit name:strp=\"a.c\" low_pc:addr=0x1000",
		Sections: []dwarftest.Section{{Name: ".rela.debug_info", Type: elf.SHT_RELA,
			Data: make([]byte, 24)}},
	}
	got, err := dump(assemble(t, d))
	if want := "compile_unit name=\"a.c\" pc=0x1000\n"; err != nil || got != want {
		t.Errorf("read %q, %v, want %q", got, err, want)
	}
}

// TestSymbols lists the symbol table as the debugger's side of an encoder needs
// it.
func TestSymbols(t *testing.T) {
	want := []string{
		`f .text+0x10 8 STT_FUNC STB_GLOBAL`, `v .data+0x20 4 STT_OBJECT STB_GLOBAL`, `b .bss+0x0 4 STT_OBJECT STB_WEAK`,
		`abs <0xfff1>+0x30 0 STT_NOTYPE STB_LOCAL`, `com <0xfff2>+0x8 0 STT_NOTYPE STB_LOCAL`, `undef 0x0 0 STT_NOTYPE STB_LOCAL`,
	}
	for _, d := range []dwarftest.File{
		{}, {Big: true}, {ELF32: true}, {ELF32: true, Big: true}, {ManySections: true}, {ManySections: true, ELF32: true, Big: true},
	} {
		d.Type, d.Sections, d.Symbols = elf.ET_REL, alloc(), symbols()
		d.Info = "unit\ncompile_unit"
		f := assemble(t, d)
		var got []string
		for s := range f.Symbols() {
			if s.Type == elf.STT_SECTION {
				continue
			}
			at := address(f, dwarf.Address{Value: s.Value, Section: s.Section})
			got = append(got, fmt.Sprintf("%s %s %d %v %v", s.Name, at, s.Size, s.Type, s.Bind))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("big=%v elf32=%v many=%v: %s", d.Big, d.ELF32, d.ManySections, diff)
		}
		if l := f.Layout(); l.Order.String() != d.Order().String() || l.AddrSize != d.AddrSize() || f.Type() != elf.ET_REL {
			t.Errorf("layout is %v, %v, type %v", l.Order, l.AddrSize, f.Type())
		}
	}
}

// TestDifferences reads what riscv and loongarch leave to the linker: the
// difference of two labels, as a pair of relocations.
func TestDifferences(t *testing.T) {
	type pair struct {
		off      int
		add, sub uint32
	}
	for _, tt := range []struct {
		name    string
		machine elf.Machine
		pairs   []pair
	}{
		{"riscv64", elf.EM_RISCV, []pair{{0, 33, 37}, {1, 34, 38}, {3, 35, 39}, {7, 36, 40}, {15, 53, 52}, {16, 60, 61}}},
		{"loongarch64", elf.EM_LOONGARCH, []pair{{0, 47, 52}, {1, 48, 53}, {3, 50, 55}, {7, 51, 56}, {16, 107, 108}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dwarftest.File{Machine: tt.machine, Type: elf.ET_REL, Sections: alloc(), Symbols: []dwarftest.Symbol{
				{Name: "from", Section: ".text", Value: 0x10}, {Name: "to", Section: ".text", Value: 0x15},
			}}
			// The values begin behind the header of the unit and the code of the entry.
			d.Info = "unit\ncompile_unit 0x2001:data1=0 0x2002:data2=0 0x2003:data4=0 byte_size:data8=0 count:data1=0x80 bit_size:udata={80 80 00}"
			const begin, from, to = 13, 4, 5 // symbols 1 to 3 are those of sections
			var table []byte
			for _, p := range tt.pairs {
				for _, r := range []struct {
					typ uint32
					sym int
				}{{p.add, to}, {p.sub, from}} {
					table = d.Order().AppendUint64(table, uint64(begin+p.off))
					table = d.Order().AppendUint64(table, uint64(r.sym)<<32|uint64(r.typ))
					table = d.Order().AppendUint64(table, 0)
				}
			}
			d.Relocs = map[string][]byte{".debug_info": table}
			got, err := dump(assemble(t, d))
			want := "compile_unit size=5 bits=5 count=133\n"
			if tt.machine == elf.EM_LOONGARCH {
				want = "compile_unit size=5 bits=5 count=128\n"
			}
			if err != nil || got != want {
				t.Errorf("read %q, %v, want %q", got, err, want)
			}
		})
	}
}
