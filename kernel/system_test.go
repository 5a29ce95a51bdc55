package kernel_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// TestSyscallsDamaged changes an entry of the table of system calls: the others
// are there all the same.
func TestSyscallsDamaged(t *testing.T) {
	real := openDump(t, "vars-7.2-amd64")
	var whole []kernel.Syscall
	for s, err := range real.Syscalls() {
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, s)
	}
	if len(whole) < 300 {
		t.Fatalf("%d system calls", len(whole))
	}
	table := real.Lookup("sys_call_table")[0].Addr
	for _, test := range []struct {
		name   string
		number int
		to     uint64
		says   string
	}{
		{"the first", 0, 0, "system call 0: no function begins at 0x0"},
		{"amid a function", 39, uint64(whole[39].Addr) + 1, "system call 39: no function begins at " + (whole[39].Addr + 1).String()},
		{"astray", 200, 0x4141414141414141, "system call 200: no function begins at 0x4141414141414141"},
		{"the last", len(whole) - 1, 0, ""}, // nothing tells it from the end of the table
	} {
		t.Run(test.name, func(t *testing.T) {
			k := kernel.New(kernel.Config{
				Arch: real.Arch(), Mem: &changed{real.Memory(), table + vmcore.Addr(8*test.number), test.to},
				Info: real.Info(), Symbols: real.Symbols(), Types: real.Types(),
			})
			var got []kernel.Syscall
			says := ""
			for s, err := range k.Syscalls() {
				if err != nil {
					says += err.Error()
					continue
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(slices.Delete(slices.Clone(whole), test.number, test.number+1), got); diff != "" {
				t.Error(diff)
			}
			if says != test.says {
				t.Errorf("it says %q, want %q", says, test.says)
			}
		})
	}
}
