package dwarf_test

import (
	"fmt"
	"log"

	"github.com/kdbg/kdbg/encode/dwarf"
	"github.com/kdbg/kdbg/encode/dwarf/dwarftest"
)

// The structures of a file and their sizes.
func ExampleReader() {
	d := dwarftest.File{Info: `
unit
compile_unit name:strp="list.c"
	structure_type @s name:strp="list_head" byte_size:data1=16
		member name:strp="next" type:ref4=@p data_member_location:data1=0
		member name:strp="prev" type:ref4=@p data_member_location:data1=8
	pointer_type @p byte_size:data1=8 type:ref4=@s`}
	f, err := dwarf.New(d.Bytes(), "list.o")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	var r dwarf.Reader
	for _, u := range f.Units() {
		for r.Reset(u); r.Next(); {
			if e := &r.Entry; e.Tag == dwarf.TagStructureType && !e.Declaration() {
				fmt.Printf("struct %s: %d bytes\n", f.String(e.Name()), e.ByteSize())
			}
		}
		if err := r.Err(); err != nil {
			log.Fatal(err)
		}
	}
	// Output: struct list_head: 16 bytes
}
