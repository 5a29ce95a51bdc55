package vmcoretest_test

import (
	"bytes"
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// One page of a machine goes into a compressed dump and comes out again; the
// next one was filtered out.
func Example() {
	raw := (&vmcoretest.Dump{
		Memory:     map[vmcore.PhysAddr][]byte{0x1000: []byte("Linux version")},
		Excluded:   vmcoretest.Pages(0x2000, 0x3000),
		VMCOREINFO: "OSRELEASE=6.12.0\n",
	}).Kdump(&vmcoretest.KdumpOptions{Compression: []vmcoretest.Compression{vmcoretest.Zstd}})

	d, err := vmcore.New(bytes.NewReader(raw), int64(len(raw)), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	p := make([]byte, 13)
	n, err := d.ReadPhys(p, 0x1000)
	fmt.Printf("%s %q %v\n", d.Info().Release(), p[:n], err)
	_, err = d.ReadPhys(p, 0x2000)
	fmt.Println(err)
	// Output:
	// 6.12.0 "Linux version" <nil>
	// physical address 0x2000: page excluded from the dump
}
