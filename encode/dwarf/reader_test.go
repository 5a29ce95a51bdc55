package dwarf_test

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// everywhere runs a test for each version of DWARF, byte order, size of
// addresses and size of offsets. The File it gives has these set.
func everywhere(t *testing.T, versions []int, test func(t *testing.T, d dwarftest.File)) {
	for _, version := range versions {
		for _, big := range []bool{false, true} {
			for _, elf32 := range []bool{false, true} {
				for _, dwarf64 := range []bool{false, true} {
					if dwarf64 && version == 2 {
						continue // came with DWARF 3
					}
					d := dwarftest.File{Version: version, Big: big, ELF32: elf32, Dwarf64: dwarf64}
					name := fmt.Sprintf("v%d,big=%v,elf32=%v,dwarf64=%v", version, big, elf32, dwarf64)
					t.Run(name, func(t *testing.T) { test(t, d) })
				}
			}
		}
	}
}

var (
	allVersions = []int{2, 3, 4, 5}
	since4      = []int{4, 5}
	only5       = []int{5}
)

// formTests have one form each, or forms that mean the same. Every attribute is
// followed by one whose value is known, which shows that it had the right size.
var formTests = []struct {
	name     string
	versions []int
	entry    string
	want     string
}{
	{"strings", allVersions, `name:string="a" linkage_name:strp="b"`, `name="a" linkage="b"`},
	{"line_strp", only5, `name:line_strp="a" linkage_name:line_strp="b"`, `name="a" linkage="b"`},
	{"strx", only5, `name:strx="a" linkage_name:strx="b"`, `name="a" linkage="b"`},
	{"strx1-4", only5, `name:strx1="a" linkage_name:strx2="b"`, `name="a" linkage="b"`},
	{"strx3-4", only5, `name:strx3="a" linkage_name:strx4="b"`, `name="a" linkage="b"`},
	{"GNU_str_index", since4, `name:GNU_str_index="a"`, `name="a"`},
	{"MIPS linkage name", allVersions, `MIPS_linkage_name:strp="a"`, `linkage="a"`},

	{"ref1", allVersions, `type:ref1=@int`, `type=int`},
	{"ref2", allVersions, `type:ref2=@int`, `type=int`},
	{"ref4", allVersions, `type:ref4=@int sibling:ref4=@end`, `type=int sibling=end`},
	{"ref8", allVersions, `type:ref8=@int`, `type=int`},
	{"ref_udata", allVersions, `type:ref_udata=@int`, `type=int`},
	{"ref_addr", allVersions, `type:ref_addr=@int`, `type=int`},
	{"other references", allVersions, `specification:ref4=@int abstract_origin:ref4=@end GNU_annotation:ref4=@int import:ref_addr=@end`,
		`spec=int origin=end annotation=int import=end`},

	{"data1", allVersions, `byte_size:data1=255 upper_bound:data1=255`, `size=255 upper=-1`},
	{"data2", allVersions, `byte_size:data2=0xfedc upper_bound:data2=0xfffe`, `size=65244 upper=-2`},
	{"data4", allVersions, `byte_size:data4=0xfedcba98 upper_bound:data4=0x7fffffff`, `size=4275878552 upper=2147483647`},
	{"data8", allVersions, `byte_size:data8=0xfedcba9876543210 upper_bound:data8=0x8000000000000000`,
		`size=18364758544493064720 upper=-9223372036854775808`},
	{"udata", allVersions, `byte_size:udata=624485 const_value:udata=0xffffffffffffffff`, `size=624485 const=-1/18446744073709551615`},
	{"sdata", allVersions, `bit_size:sdata=-129 const_value:sdata=-9223372036854775808`,
		`bits=18446744073709551487 const=-9223372036854775808/9223372036854775808`},
	{"implicit_const", only5, `byte_size:implicit_const=-3 count:implicit_const=7 encoding:implicit_const=5`,
		`size=18446744073709551613 count=7 encoding=5`},
	{"data16 is skipped", only5, `const_value:data16=1 byte_size:data1=3`, `size=3`},
	{"constant block", allVersions, `const_value:block1={01 02} byte_size:data1=9`, `size=9 const=0/0`},
	{"signs of constants", allVersions, `const_value:data1=0x80`, `const=-128/128`},
	{"bit-fields", allVersions, `bit_offset:data1=1 data_bit_offset:data1=2 bit_size:data1=3`, `bits=3 bitoff=1 databit=2`},

	{"flag", allVersions, `external:flag=1 declaration:flag=0 artificial:flag=1`, `external artificial`},
	{"flag_present", since4, `external:flag_present prototyped:flag_present GNU_vector:flag_present`, `external prototyped vector`},

	{"member location", allVersions, `data_member_location:data1=12`, `at=12`},
	{"member location, expression", allVersions, `data_member_location:block1={23 uleb:300}`, `at=300`},
	{"member location, constant and plus", allVersions, `data_member_location:block={10 uleb:301 22}`, `at=301`},
	{"member location, computed", allVersions, `data_member_location:block1={12 06 22} byte_size:data1=1`, `size=1`},

	{"addr", allVersions, `low_pc:addr=0x12345678`, `pc=0x12345678`},
	{"addrx", only5, `low_pc:addrx=0x12345678`, `pc=0x12345678`},
	{"addrx1", only5, `low_pc:addrx1=0x12345678`, `pc=0x12345678`},
	{"addrx2", only5, `low_pc:addrx2=0x12345678`, `pc=0x12345678`},
	{"addrx3", only5, `low_pc:addrx3=0x12345678`, `pc=0x12345678`},
	{"addrx4", only5, `low_pc:addrx4=0x12345678`, `pc=0x12345678`},
	{"GNU_addr_index", since4, `low_pc:GNU_addr_index=0x12345678`, `pc=0x12345678`},
	{"entry_pc", allVersions, `entry_pc:addr=0x12345678`, `pc=0x12345678`},
	{"offset of the end", since4, `low_pc:addr=0x1000 high_pc:data4=0x20 byte_size:data1=1`, `size=1 pc=0x1000`},

	{"block1", allVersions, `location:block1={03 addr:0x1000}`, `loc=[addr 0x1000]`},
	{"block2", allVersions, `location:block2={03 addr:0x1000 23 08}`, `loc=[addr 0x1000, plus_uconst 8]`},
	{"block4", allVersions, `location:block4={91 sleb:-20}`, `loc=[fbreg -20]`},
	{"block", allVersions, `location:block={77 sleb:-200}`, `loc=[breg7-200]`},
	{"exprloc", since4, `location:exprloc={a3 01 55 9f}`, `loc=[entry(reg5), stack_value]`},
	{"address index in an expression", only5, `location:exprloc={a1 addrx:0x2000}`, `loc=[addr 0x2000]`},
	{"old number of an operation", since4, `location:exprloc={f3 01 54 93 uleb:4}`, `loc=[entry(reg4), piece 4]`},
	{"thread-local", allVersions, `location:block1={0c u4:16 e0}`, `loc=[0xc 16, tls]`},

	{"indirect", allVersions, `byte_size:indirect/data2=300 name:indirect/string="a" type:indirect/ref4=@int`, `name="a" type=int size=300`},
	{"indirect flag", since4, `external:indirect/flag_present byte_size:indirect/udata=200`, `size=200 external`},
	{"indirect, skipped", allVersions, `decl_line:indirect/data2=300 comp_dir:indirect/string="abc" byte_size:data1=9`, `size=9`},

	{"skipped, fixed", allVersions, `decl_file:data1=1 decl_line:data2=2 stmt_list:data4=4 0x2001:data8=5 byte_size:data1=9`, `size=9`},
	{"skipped, at the end", allVersions, `byte_size:data1=9 decl_line:data4=4 decl_column:udata=300`, `size=9`},
	{"skipped, blocks", allVersions, `frame_base:block1={01 02} 0x2001:block2={01} 0x2002:block4={} 0x2003:block={01 02 03} byte_size:data1=9`, `size=9`},
	{"skipped, strings", allVersions, `comp_dir:string="abc" 0x2001:strp="x" byte_size:data1=9`, `size=9`},
	{"skipped, numbers", allVersions, `decl_line:udata=70000 decl_file:sdata=-70000 byte_size:data1=9`, `size=9`},
	{"skipped, references", allVersions, `0x2001:ref1=1 0x2002:ref_addr=2 0x2003:ref_udata=3 byte_size:data1=9`, `size=9`},
	{"skipped, DWARF 5", only5, `0x2001:strx="a" 0x2002:addrx3=1 0x2003:data16=1 0x2004:loclistx=300 0x2005:ref_sup8=1 0x2006:implicit_const=5 byte_size:data1=9`, `size=9`},
	{"of another class", allVersions, `upper_bound:block1={30} byte_size:ref4=@int name:data1=1 bit_size:data1=9`, `bits=9`},
}

// TestForms reads every form in every version, byte order and size.
func TestForms(t *testing.T) {
	for _, tt := range formTests {
		t.Run(tt.name, func(t *testing.T) {
			everywhere(t, tt.versions, func(t *testing.T, d dwarftest.File) {
				d.Info = lines(`
					unit
					compile_unit
						base_type @int name:string="int"
						member ` + tt.entry + `
						typedef @end name:string="end"`)
				got, err := dump(assemble(t, d))
				if err != nil {
					t.Fatal(err)
				}
				want := "compile_unit\n\tbase_type name=\"int\"\n\tmember " + tt.want + "\n\ttypedef name=\"end\"\n"
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestTree walks nested entries, several units and codes that are out of order.
func TestTree(t *testing.T) {
	everywhere(t, allVersions, func(t *testing.T, d dwarftest.File) {
		d.Info = lines(`
			unit
			compile_unit name:string="a.c" language:data1=12 producer:strp="cc"
				structure_type @s name:string="s" byte_size:data1=8
					member name:string="next" type:ref4=@p data_member_location:data1=0
				pointer_type @p type:ref4=@s
			unit codes=1000
			compile_unit name:string="b.c" language:data2=0x8001
				variable name:string="v" type:ref_addr=@s
			unit codes=127
			compile_unit
				lexical_block
					lexical_block
						label
			unit
			compile_unit`)
		f := assemble(t, d)
		got, err := dump(f)
		if err != nil {
			t.Fatal(err)
		}
		want := lines(`
			compile_unit name="a.c"
				structure_type name="s" size=8
					member name="next" type=pointer_type at=0
				pointer_type type=s
			compile_unit name="b.c"
				variable name="v" type=s
			compile_unit
				lexical_block
					lexical_block
						label
			compile_unit
			`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		var about []string
		for _, u := range f.Units() {
			name, err := u.Name()
			if err != nil {
				t.Fatal(err)
			}
			producer, _ := u.Producer()
			language, _ := u.Language()
			about = append(about, fmt.Sprintf("%s|%s|%#x", f.String(name), f.String(producer), language))
		}
		if want := "a.c|cc|0xc b.c||0x8001 ||0x0 ||0x0"; strings.Join(about, " ") != want {
			t.Errorf("units are %s, want %s", about, want)
		}
	})
}

// TestSkipChildren skips with and without DW_AT_sibling.
func TestSkipChildren(t *testing.T) {
	const text = `
		unit
		compile_unit
			structure_type name:string="a"%s
				union_type
					member name:string="x"
				member name:string="y"
			typedef @b name:string="b"
				union_type
			typedef name:string="c"
		unit
		compile_unit name:string="next"`
	for _, sibling := range []string{"", " sibling:ref4=@b", " sibling:ref_udata=@b"} {
		f := assemble(t, dwarftest.File{Info: lines(fmt.Sprintf(text, sibling))})
		var got []string
		var r dwarf.Reader
		for _, u := range f.Units() {
			for r.Reset(u); r.Next(); {
				got = append(got, fmt.Sprintf("%d%s", r.Depth, f.String(r.Entry.Name())))
				if r.Depth > 0 {
					r.SkipChildren()
				}
			}
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{"0", "1a", "1b", "1c", "0next"}; !slices.Equal(got, want) {
			t.Errorf("sibling %q: read %v, want %v", sibling, got, want)
		}
	}
}

// TestConcurrent walks a file with several Readers at once, gives memory back,
// and walks it again.
func TestConcurrent(t *testing.T) {
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "unit\ncompile_unit name:strx=\"a.c\"\n\tbase_type @i%[1]d name:strp=\"int\"\n\ttypedef type:ref4=@i%[1]d\n", i)
	}
	d := dwarftest.File{Info: text.String()}
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, d.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := dwarf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var group sync.WaitGroup
	texts := make([]string, 4)
	for i := range texts {
		group.Go(func() {
			texts[i], _ = dump(f)
			for _, u := range f.Units() {
				u.Release()
			}
		})
	}
	group.Wait()
	again, err := dump(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if text != again || strings.Count(text, "\n") != 600 {
			t.Errorf("walks differ:\n%s\n%s", text, again)
		}
	}
}

// TestTypeUnits follows signatures into .debug_types, into a unit of
// .debug_info, and into sections of an ET_REL file that hold one unit each.
func TestTypeUnits(t *testing.T) {
	const text = `
		unit %[1]s sig=0x1122334455667788 type=@s
		type_unit
			namespace
				structure_type @s name:string="s" byte_size:data1=4
		unit %[1]s sig=0x99 type=@u
		type_unit
			union_type @u name:string="u"
				member type:ref4=@u
		unit
		compile_unit
			variable type:ref_sig8=0x1122334455667788
			structure_type declaration:flag=1 signature:ref_sig8=0x99
			pointer_type @p
			typedef type:ref_addr=@p`
	entries := map[bool]string{
		true: lines(`
			type_unit
				namespace
					structure_type name="s" size=4
			type_unit
				union_type name="u"
					member type=u
			`),
		false: lines(`
			compile_unit
				variable type=s
				structure_type signature=u declaration
				pointer_type
				typedef type=pointer_type
			`),
	}
	for _, tt := range []struct {
		name    string
		d       dwarftest.File
		where   string
		ordered []bool
	}{
		{"v4", dwarftest.File{Version: 4}, "types", []bool{false, true}},
		{"v4, big endian, 64-bit", dwarftest.File{Version: 4, Big: true, Dwarf64: true}, "types", []bool{false, true}},
		{"v5", dwarftest.File{}, "", []bool{true, false}},
		{"v5, 64-bit", dwarftest.File{Dwarf64: true}, "", []bool{true, false}},
		{"v5, section groups", dwarftest.File{Type: elf.ET_REL}, "section", []bool{false, true}},
		{"v5, section groups, compressed", dwarftest.File{Type: elf.ET_REL, Compress: "zstd"}, "section", []bool{false, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.d.Info = lines(fmt.Sprintf(text, tt.where))
			f := assemble(t, tt.d)
			got, err := dump(f)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(entries[tt.ordered[0]]+entries[tt.ordered[1]], got); diff != "" {
				t.Error(diff)
			}
			for _, u := range f.Units() {
				var r dwarf.Reader
				if r.Reset(u); !r.Next() || u.Type != (r.Entry.Tag == dwarf.TagTypeUnit) {
					t.Errorf("unit at %#x: Type is %v", u.Offset, u.Type)
				}
				if f.UnitOf(r.Entry.Offset) != u {
					t.Errorf("UnitOf(%#x) is another unit", r.Entry.Offset)
				}
			}
		})
	}
}

// TestAllocations walks a unit without allocating.
func TestAllocations(t *testing.T) {
	for _, d := range []dwarftest.File{{}, {Version: 2, Big: true}} {
		d.Info = sample(d)
		f := assemble(t, d)
		u := f.Units()[0]
		var r dwarf.Reader
		n := 0
		allocs := testing.AllocsPerRun(10, func() {
			for r.Reset(u); r.Next(); {
				n++
				if x, ok := r.Entry.Location(); ok {
					x.Next()
				}
			}
		})
		if r.Err() != nil || n < 100 || allocs != 0 {
			t.Errorf("%v allocations for %d entries, %v", allocs, n, r.Err())
		}
	}
}
