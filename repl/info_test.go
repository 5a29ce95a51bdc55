package repl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// infoOf returns what info prints.
func infoOf(t *testing.T, k *kernel.Kernel) string {
	t.Helper()
	var out bytes.Buffer
	s := New(k, &out, &out, nil)
	if err := s.Exec(t.Context(), "info"); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	return out.String()
}

// TestInfo looks at dumps of which little can be known.
func TestInfo(t *testing.T) {
	page := bytes.Repeat([]byte{1}, 4096)
	for _, tc := range []struct {
		name string
		dump []byte
		want []string // lines, or parts of them
	}{
		{
			name: "an architecture without page tables",
			dump: (&vmcoretest.Dump{
				Arch:       vmcoretest.S390X,
				Memory:     map[vmcore.PhysAddr][]byte{0: page},
				VMCOREINFO: "OSRELEASE=6.1.0\nPAGESIZE=4096\nCRASHTIME=1700000000\n",
				CPUs:       []vmcoretest.CPU{{}, {}},
			}).ELF(nil),
			want: []string{
				"format      ELF, ", "release     6.1.0", "machine     s390x", "CPUs        2",
				"crash time  2023-11-14T22:13:20Z", "memory      4.0 KiB present, 0 bytes excluded",
				"VMCOREINFO  note", "symbols     none", "BTF         none",
				"what is missing:", "  no virtual memory: ", "s390x",
			},
		},
		{
			name: "no VMCOREINFO",
			dump: (&vmcoretest.Dump{
				Uname:    vmcoretest.Uname{Machine: "x86_64"},
				Memory:   map[vmcore.PhysAddr][]byte{0: page},
				Excluded: vmcoretest.Pages(0x1000, 0x3000),
			}).Kdump(nil),
			want: []string{
				"crash time  unknown", "memory      4.0 KiB present, 8.0 KiB excluded", "VMCOREINFO  none",
				"  no VMCOREINFO: ", "--vmcoreinfo",
			},
		},
		{
			name: "names made to harm",
			dump: (&vmcoretest.Dump{
				Memory: map[vmcore.PhysAddr][]byte{0: page},
				Uname:  vmcoretest.Uname{Machine: "x86_64", Release: "6\x1b[31m", Nodename: "\u202e"},
			}).Kdump(nil),
			want: []string{`release     6\x1b[31m`, `machine     x86_64 \u202e`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "vmcore")
			if err := os.WriteFile(name, tc.dump, 0o600); err != nil {
				t.Fatal(err)
			}
			k, err := kernel.Open(t.Context(), kernel.Options{Files: []string{name}})
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			got := infoOf(t, k)
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
		})
	}
}

// filtered is a memory whose pages outside of the kernel image were excluded,
// as by a filter that takes slab pages for free ones.
type filtered struct{ vmcore.Memory }

func (f filtered) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	if a < 0xffffffff80000000 {
		return 0, &vmcore.FaultError{Addr: a, State: vmcore.Excluded}
	}
	return f.Memory.ReadMemory(p, a)
}

func TestInfoOfFilteredDump(t *testing.T) {
	k := openDump(t, "vars-7.2-amd64")
	k = kernel.New(kernel.Config{
		Arch: k.Arch(), Info: k.Info(), Symbols: k.Symbols(), Types: k.Types(),
		Mem: filtered{k.Memory()},
	})
	got := infoOf(t, k)
	_, got, _ = strings.Cut(got, "tasks ")
	want := `                0 readable, 1 excluded
modules               7 readable
mounted file systems  0 readable, 1 excluded
slab caches           0 readable, 10 excluded
other kernel objects  0 readable, 5 excluded
`
	if !strings.HasPrefix(got, want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
	for _, want := range []string{" structures that every kernel needs were filtered out", "makedumpfile"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
