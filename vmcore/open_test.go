package vmcore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

func TestOpenUnrecognized(t *testing.T) {
	executable := (&vmcoretest.Dump{Segments: []vmcoretest.Segment{{Data: []byte{1}}}}).ELF(nil)
	executable[16] = 2
	process := (&vmcoretest.Dump{
		Segments: []vmcoretest.Segment{{Data: []byte{1}}},
		Notes:    []vmcoretest.Note{{Name: "CORE", Type: 6, Desc: make([]byte, 16)}},
	}).ELF(nil)
	for _, tc := range []struct{ name, raw, want, hint string }{
		{"empty", "", "empty", "full disk"},
		{"executable", string(executable), "an ELF executable such as vmlinux, not a core", "give kdbg the vmcore"},
		{"process", string(process), "the core of a user process", "gdb reads this one"},
		{"gzip", "\x1f\x8b\x08\x00", "a gzip-compressed file", "decompress it first: gunzip"},
		{"xz", "\xfd7zXZ\x00\x00", "an xz-compressed file", "decompress it first: unxz"},
		{"zstd", "\x28\xb5\x2f\xfd\x04", "a zstd-compressed file", "decompress it first: unzstd"},
		{"text", "[    0.000000] Linux version 6.12.0\n", "a text file", "vmcore-dmesg.txt"},
		{"text in UTF-8", strings.Repeat("é", 3000) + "x", "a text file", "vmcore-dmesg.txt"},
		{"zeros", string(make([]byte, 5000)), "zeros where a header should be", "not written to its end"},
		{"binary", "\x01\x02\x03\x04", "of an unknown format", "flattened or not"},
		{"s390", "\xa8\x19\x01\x73\x61\x8f\x23\xfd", "an s390 stand-alone dump", "zgetdump"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(name, []byte(tc.raw), 0o600); err != nil {
				t.Fatal(err)
			}
			checkUnrecognized(t, name, tc.want, tc.hint)
		})
	}
	checkUnrecognized(t, t.TempDir(), "a directory", "give the dump file in it")
	checkUnrecognized(t, os.DevNull, "not a regular file", "save the dump to a file first")
}

func checkUnrecognized(t *testing.T, name, looks, hint string) {
	t.Helper()
	_, err := vmcore.Open(name, nil)
	var unknown *vmcore.UnrecognizedError
	if !errors.As(err, &unknown) || !errors.Is(err, vmcore.ErrUnrecognized) {
		t.Fatalf("error %v (%T)", err, err)
	}
	if want := name + ": not a crash dump that kdbg knows: it is " + looks; err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
	if !strings.Contains(unknown.Hint(), hint) {
		t.Errorf("hint %q lacks %q", unknown.Hint(), hint)
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := vmcore.OpenSet(nil, nil); err == nil {
		t.Error("a dump of no files opens")
	}
	if _, err := vmcore.Open(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v for a file that does not exist", err)
	}
	elf := machine(vmcoretest.X86_64, 4096).ELF(nil)
	names := writeFiles(t, [][]byte{elf, elf})
	if _, err := vmcore.OpenSet(names, nil); !errors.Is(err, vmcore.ErrUnrecognized) {
		t.Errorf("error %v for a set of ELF cores", err)
	}
}

// refusing is a file that the system does not let be read.
type refusing struct{ name string }

func (r refusing) ReadAt([]byte, int64) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: r.name, Err: syscall.EPERM}
}

func TestOpenRefused(t *testing.T) {
	_, err := vmcore.New(refusing{"/proc/kcore"}, 1<<20, nil)
	var refused *vmcore.PermissionError
	if !errors.As(err, &refused) || !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("error %v (%T)", err, err)
	}
	if got, want := err.Error(), "read /proc/kcore: operation not permitted"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	for name, want := range map[string]string{"/proc/kcore": "CAP_SYS_RAWIO", "/host/proc/kcore": "lockdown", "/var/crash/vmcore": "root"} {
		if hint := (&vmcore.PermissionError{Name: name}).Hint(); !strings.Contains(hint, want) {
			t.Errorf("hint for %s lacks %q: %s", name, want, hint)
		}
	}
}

// TestOpenFlattened wraps an ELF core, also one whose wrapping ends early.
func TestOpenFlattened(t *testing.T) {
	src := machine(vmcoretest.X86_64, 4096)
	raw := vmcoretest.Flatten(src.ELF(nil), nil)
	d := openBytes(t, raw)
	if got, want := d.Format().String(), "ELF, flattened"; got != want {
		t.Errorf("Format = %q, want %q", got, want)
	}
	checkMemory(t, d, src.Phys())
	cut, err := vmcore.New(bytes.NewReader(raw[:len(raw)/2]), int64(len(raw)/2), nil)
	if err != nil {
		t.Fatal(err)
	}
	if w := strings.Join(cut.Warnings(), "\n"); !strings.Contains(w, "file truncated") {
		t.Errorf("Warnings = %q", w)
	}
	if cut.Usage().Missing == 0 {
		t.Errorf("Usage = %+v, with nothing missing", cut.Usage())
	}
}

// TestRealDumps opens what real machines wrote.
func TestRealDumps(t *testing.T) {
	for name, want := range map[string]string{
		"debian-6.12-amd64.kdump": "kdump-compressed version 6, zstd; x86_64; 6.12.107+deb13-cloud-amd64; 65536 frames; 71270400 present, 197033984 excluded; " +
			"sub-header with _stext 0xffffffffa1800000; CPU 0 at 0xffffffffa24b00df, cr3 0x289e000; CPU 1 at 0x4edd65, cr3 0x2826000",
		"vars-7.2-amd64.kdump": "kdump-compressed version 6, zstd; x86_64; 7.2.13-kdbg; 32768 frames; 43786240 present, 23191552 excluded; " +
			"sub-header with _stext 0xffffffffafa00000; CPU 0 at 0xffffffffb039ae77, cr3 0x2812000; CPU 1 at 0x401160, cr3 0xa29000",
	} {
		d, err := vmcore.Open(filepath.Join("..", "testdata", "dumps", name), nil)
		if err != nil {
			t.Fatal(err)
		}
		u := d.Usage()
		stext, _ := d.Info().Symbol("_stext")
		got := fmt.Sprintf("%v; %s; %s; %d frames; %d present, %d excluded; %s with _stext %v", d.Format(), d.Arch().Name, d.Header().Release,
			d.Header().MaxPFN, u.Present, u.Excluded, d.Info().Source(), stext)
		for _, c := range d.CPUs() {
			pc, _ := c.Register("pc")
			cr3, _ := c.Register("cr3")
			got += fmt.Sprintf("; CPU %d at %#x, cr3 %#x", c.ID, pc, cr3)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
