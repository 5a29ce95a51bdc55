package vmcore_test

import (
	"fmt"
	"log"

	"github.com/kdbg/kdbg/vmcore"
)

func ExampleOpen() {
	dump, err := vmcore.Open("../testdata/dumps/vars-7.2-amd64.kdump", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer dump.Close()
	fmt.Println(dump.Format())
	fmt.Println(dump.Arch().Name, dump.Header().Release)
	fmt.Println(dump.Info().Symbol("init_uts_ns"))
	// Output:
	// kdump-compressed version 6, zstd
	// x86_64 7.2.13-kdbg
	// 0xffffffffb0d49640 true
}
