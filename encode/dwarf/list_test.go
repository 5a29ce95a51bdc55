package dwarf_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// raw builds a section: bytes, "a" for an address and "h" for 2, "w" for 4 bytes
// before the number that follows, and "o" for an offset.
func raw(d dwarftest.File, items ...any) []byte {
	var b []byte
	order := d.Order()
	size := 1
	for _, item := range items {
		switch item := item.(type) {
		case string:
			switch item {
			case "a":
				size = d.AddrSize()
			case "h":
				size = 2
			case "w":
				size = 4
			case "o":
				if size = 4; d.Dwarf64 {
					size = 8
				}
			}
			continue
		case int:
			switch size {
			case 1:
				b = append(b, byte(item))
			case 2:
				b = order.AppendUint16(b, uint16(item))
			case 4:
				b = order.AppendUint32(b, uint32(item))
			case 8:
				b = order.AppendUint64(b, uint64(item))
			}
		}
		size = 1
	}
	return b
}

// TestListsV4 reads .debug_loc and .debug_ranges: offsets from the address of
// the unit, or from a base that the list sets.
func TestListsV4(t *testing.T) {
	everywhere(t, []int{2, 3, 4}, func(t *testing.T, d dwarftest.File) {
		form := "sec_offset"
		if d.Version < 4 {
			if form = "data4"; d.Dwarf64 {
				form = "data8"
			}
		}
		d.Info = lines(strings.ReplaceAll(`
			unit
			compile_unit low_pc:addr=0x1000
				formal_parameter location:FORM=1 byte_size:data1=7
				subprogram ranges:FORM=1
				formal_parameter location:FORM=0x7000`, "FORM", form))
		d.Sections = []dwarftest.Section{
			{Name: ".debug_loc", Data: raw(d, 0xee,
				"a", 0x10, "a", 0x20, "h", 1, 0x55, // reg5
				"a", -1, "a", 0x8000,
				"a", 0, "a", 4, "h", 4, 0xf3, 1, 0x55, 0x9f, // entry value of reg5
				"a", 0, "a", 0)},
			{Name: ".debug_ranges", Data: raw(d, 0xee, "a", 0x40, "a", 0x50, "a", 0x20, "a", 0x30, "a", 0, "a", 0)},
		}
		got, err := dump(assemble(t, d))
		if err != nil {
			t.Fatal(err)
		}
		want := lines(`
			compile_unit pc=0x1000
				formal_parameter size=7 locs=(0x1010-0x1020 reg5; 0x8000-0x8004 entry(reg5), stack_value)
				subprogram pc=0x1040 ranges=(0x1040-0x1050; 0x1020-0x1030)
				formal_parameter locs=(.debug_loc at 0x7000: unexpected end)
			`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestListsV5 reads every kind of entry of .debug_loclists and .debug_rnglists,
// by offset and by index.
func TestListsV5(t *testing.T) {
	everywhere(t, only5, func(t *testing.T, d dwarftest.File) {
		d.Info = lines(`
			unit
			compile_unit low_pc:addr=0x1000
				label low_pc:addrx=0x2000
				label low_pc:addrx=0x2100
				formal_parameter location:sec_offset=LOC byte_size:data1=7
				formal_parameter location:loclistx=1
				subprogram ranges:sec_offset=LOC
				subprogram ranges:rnglistx=1
				formal_parameter location:loclistx=2`)
		header := make([]any, 0, 20) // contents of no interest
		size := 12
		if d.Dwarf64 {
			size = 20
		}
		for range size {
			header = append(header, 0xee)
		}
		table := 2 * 4
		if d.Dwarf64 {
			table = 2 * 8
		}
		header = append(header, "o", table, "o", table)
		d.Info = strings.ReplaceAll(d.Info, "LOC", map[bool]string{false: "20", true: "36"}[d.Dwarf64])
		d.Sections = []dwarftest.Section{
			{Name: ".debug_loclists", Data: raw(d, append(header,
				9, 1, 2, // views, of GCC
				4, 0x10, 0x20, 1, 0x55,
				1, 1, 4, 1, 2, 1, 0x50,
				6, "a", 0x8000, 4, 1, 2, 1, 0x51,
				2, 0, 1, 1, 0x52,
				3, 0, 0x10, 1, 0x53,
				7, "a", 0x9000, "a", 0x9001, 0,
				8, "a", 0x9000, 0x20, 1, 0x54,
				5, 2, 0x91, 0x7c,
				0)...)},
			{Name: ".debug_rnglists", Data: raw(d, append(header,
				4, 0x10, 0x20,
				1, 1, 4, 1, 2,
				5, "a", 0x8000, 4, 1, 2,
				2, 0, 1,
				3, 0, 0x10,
				6, "a", 0x9000, "a", 0x9001,
				7, "a", 0x9000, 0x20,
				0)...)},
		}
		got, err := dump(assemble(t, d))
		if err != nil {
			t.Fatal(err)
		}
		locs := "locs=(0x1010-0x1020 reg5; 0x2101-0x2102 reg0; 0x8001-0x8002 reg1; 0x2000-0x2100 reg2; 0x2000-0x2010 reg3; " +
			"0x9000-0x9001; 0x9000-0x9020 reg4; default fbreg -4)"
		ranges := "pc=0x1010 ranges=(0x1010-0x1020; 0x2101-0x2102; 0x8001-0x8002; 0x2000-0x2100; 0x2000-0x2010; " +
			"0x9000-0x9001; 0x9000-0x9020)"
		want := lines(`
			compile_unit pc=0x1000
				label pc=0x2000
				label pc=0x2100
				formal_parameter size=7 ` + locs + `
				formal_parameter ` + locs + `
				subprogram ` + ranges + `
				subprogram ` + ranges + `
				formal_parameter locs=(GARBAGE)
			`)
		got = cutError(got, "beyond", "unexpected", "unknown", "ends")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// cutError replaces the last list, which is malformed and reads differently in
// each layout, if it is an error of one of the kinds.
func cutError(s string, kinds ...string) string {
	i := strings.LastIndex(s, "locs=(")
	for _, kind := range kinds {
		if strings.Contains(s[i:], kind) {
			return s[:i] + "locs=(GARBAGE)\n"
		}
	}
	return s
}
