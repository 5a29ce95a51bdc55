package btfsrc_test

import (
	"fmt"
	"log"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// A dump describes its own types.
func Example() {
	dump, err := vmcore.Open("../testdata/dumps/vars-7.2-amd64.kdump", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer dump.Close()
	image, err := paging.NewImage(dump, dump.Arch(), dump.Info(), dump.Segments())
	if err != nil {
		log.Fatal(err)
	}
	start, end := image.Bounds()
	raw, _, err := btfsrc.Scan(image, start, end, dump.Arch().Layout)
	if err != nil {
		log.Fatal(err)
	}
	types, err := btfsrc.Load(raw, dump.Arch().Layout)
	if err != nil {
		log.Fatal(err)
	}
	for _, typ := range types.Lookup(btfsrc.KindStruct, "kref") {
		fmt.Println(types.Definition(typ, &btfsrc.DefinitionOptions{Offsets: true}))
	}
	for _, v := range types.Vars("init_task") {
		fmt.Println(btfsrc.Declaration(v.Type, v.Name), "in", v.Section)
	}
	// Output:
	// struct kref {
	//     refcount_t refcount;                        /*     0         4 */
	// }; /* size: 4 */
	// struct task_struct init_task in .data
}
