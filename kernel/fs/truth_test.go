package fs_test

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/fs"
)

const dumps = "../../testdata/dumps/"

// TestMountsMatchDWARF compares the mounts of the real dumps with what drgn read
// through DWARF.
func TestMountsMatchDWARF(t *testing.T) {
	for _, dump := range []string{"vars-7.2-amd64", "crash-7.2-amd64", "debian-6.12-amd64"} {
		t.Run(dump, func(t *testing.T) {
			k := openDump(t, dump)
			ns, err := fs.Namespace(k, kernel.Value{})
			if err != nil {
				t.Fatal(err)
			}
			var got [][3]string
			for m, err := range fs.Mounts(ns) {
				if err != nil {
					t.Error(err)
				}
				got = append(got, [3]string{m.Source, m.Target, m.Type})
			}
			if diff := cmp.Diff(readMounts(t, dump), got); diff != "" {
				t.Errorf("-truth +got:\n%s", diff)
			}
		})
	}
}

// Every file of every task of the real dumps can be read: none of their pages
// were left out.
func TestFilesOfDumps(t *testing.T) {
	for dump, atLeast := range map[string]int{"vars-7.2-amd64": 15, "crash-7.2-amd64": 15, "debian-6.12-amd64": 17} {
		t.Run(dump, func(t *testing.T) {
			k := openDump(t, dump)
			count := 0
			for task, err := range k.Tasks() {
				if err != nil {
					t.Fatal(err)
				}
				if dirs, ok, err := fs.DirectoriesOf(task.Value()); err != nil || ok && (dirs.Root.Name != "/" || dirs.Current.Name == "") {
					t.Errorf("task %d: directories %v, %v", task.PID, dirs, err)
				}
				for f, err := range fs.Files(task.Value()) {
					if err != nil || f.Name == "" || f.Inode == 0 {
						t.Errorf("task %d: file %+v, %v", task.PID, f, err)
					}
					count++
				}
			}
			if count < atLeast {
				t.Errorf("%d files, want at least %d", count, atLeast)
			}
		})
	}
}

func openDump(t *testing.T, name string) *kernel.Kernel {
	k, err := kernel.Open(t.Context(), kernel.Options{Files: []string{dumps + name + ".kdump"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// readMounts returns the mounts that drgn saw: source, target and type.
func readMounts(t *testing.T, dump string) [][3]string {
	f, err := os.Open(dumps + dump + ".tasks.json.xz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	var truth struct{ Mounts [][3]string }
	if err := json.NewDecoder(r).Decode(&truth); err != nil {
		t.Fatal(err)
	}
	return truth.Mounts
}
