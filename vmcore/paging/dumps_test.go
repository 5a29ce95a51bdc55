package paging_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
)

// A realDump is a dump in testdata with the addresses that its truth file has
// and the offsets that its BTF has.
type realDump struct {
	name                     string
	levels                   int
	initTask, modules        vmcore.Addr
	pid1                     vmcore.Addr // the task with PID 1
	comm, mm, pgd, argStart  vmcore.Addr // offsets in task_struct and mm_struct
	wantModules, wantCommand string
}

var realDumps = []realDump{
	{
		name: "debian-6.12-amd64", levels: 5,
		initTask: 0xffffffffa3410940, modules: 0xffffffffa352ea80, pid1: 0xff16c475c124a100,
		comm: 2976, mm: 2304, pgd: 120, argStart: 368,
		wantModules: "xfs tun nf_tables",
		wantCommand: "page excluded from the dump", // as makedumpfile -d 31 leaves user memory out
	},
	{
		name: "vars-7.2-amd64", levels: 4,
		initTask: 0xffffffffb0c0aa00, modules: 0xffffffffb0cce2a0, pid1: 0xffff8fe80027e000,
		comm: 1648, mm: 1048, pgd: 104, argStart: 432,
		wantModules: "sit tunnel4 ip_tunnel",
		wantCommand: "/bin/busybox",
	},
}

func openReal(t testing.TB, name string) (*paging.Image, *paging.Space) {
	t.Helper()
	d, err := vmcore.Open(filepath.Join("../../testdata/dumps", name+".kdump"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	img, err := paging.NewImage(d, d.Arch(), d.Info(), d.Segments())
	if err != nil {
		t.Fatal(err)
	}
	s, err := paging.NewKernel(img, d.Info())
	if err != nil {
		t.Fatal(err)
	}
	return img, s
}

func TestRealDumps(t *testing.T) {
	for _, d := range realDumps {
		t.Run(d.name, func(t *testing.T) {
			_, s := openReal(t, d.name)
			path, err := s.Walk(d.initTask)
			if err != nil || path[0].Level != "PGD" || len(path) != d.levels-1 { // a large page
				t.Errorf("walk to init_task: %+v, %v", path, err)
			}
			if got := readString(t, s, d.initTask+d.comm); got != "swapper/0" {
				t.Errorf("init_task.comm = %q", got)
			}
			if got := readString(t, s, d.pid1+d.comm); got != "init" {
				t.Errorf("comm of PID 1 = %q", got)
			}
			if got := moduleNames(t, s, d.modules); !strings.HasPrefix(got, d.wantModules) {
				t.Errorf("modules %q, want %s first", got, d.wantModules)
			}
			checkStack(t, s, d.pid1)
			checkUser(t, s, d)
		})
	}
}

// moduleNames walks the list of modules, which is outside of the image.
func moduleNames(t *testing.T, s *paging.Space, head vmcore.Addr) string {
	t.Helper()
	const nameAfterList = 16 // bytes, in struct module
	var names []string
	for at := readAddr(t, s, head); at != head; at = readAddr(t, s, at) {
		if len(names) > 100 {
			t.Fatal("the list of modules does not end")
		}
		names = append(names, readString(t, s, at+nameAfterList))
	}
	return strings.Join(names, " ")
}

// checkStack reads a stack in vmalloc memory down to its end, where the kernel
// keeps STACK_END_MAGIC (include/uapi/linux/magic.h).
func checkStack(t *testing.T, s *paging.Space, task vmcore.Addr) {
	t.Helper()
	const stackOffset = 32 // in task_struct of both kernels
	stack := make([]byte, 16<<10)
	if _, err := s.ReadMemory(stack, readAddr(t, s, task+stackOffset)); err != nil {
		t.Fatal(err)
	}
	if want := []byte{0x9d, 0x6e, 0xac, 0x57}; !bytes.HasPrefix(stack, want) {
		t.Errorf("stack starts with %x, want %x", stack[:4], want)
	}
}

// checkUser reads the first argument of PID 1 from its own memory.
func checkUser(t *testing.T, s *paging.Space, d realDump) {
	t.Helper()
	mm := readAddr(t, s, d.pid1+d.mm)
	pgd, err := s.Translate(readAddr(t, s, mm+d.pgd))
	if err != nil {
		t.Fatal(err)
	}
	user := s.User(pgd.Phys)
	arg := readAddr(t, user, mm+d.argStart) // its tables map the kernel, too
	p := make([]byte, len(d.wantCommand))
	n, err := user.ReadMemory(p, arg)
	got := string(p[:n])
	if errors.Is(err, vmcore.ErrExcluded) {
		got = vmcore.ErrExcluded.Error()
	}
	if got != d.wantCommand {
		t.Errorf("first argument at %v: %q, %v; want %q", arg, got, err, d.wantCommand)
	}
	if _, err := s.Translate(arg); !errors.Is(err, vmcore.ErrUnmapped) {
		t.Errorf("%v in the kernel's own tables: %v", arg, err)
	}
}

// TestImageAgreesWithTables holds the image map against the page tables: the
// same up to the end of the image, nothing above it.
func TestImageAgreesWithTables(t *testing.T) {
	for _, d := range realDumps {
		img, s := openReal(t, d.name)
		start, end := img.Bounds()
		var runs []string
		for a := start; a < end; a += 2 << 20 {
			fromImage, err := img.Translate(a)
			if err != nil {
				t.Fatal(err)
			}
			fromTables, err := s.Translate(a)
			state := "same"
			switch {
			case errors.Is(err, vmcore.ErrUnmapped):
				state = "unmapped"
			case err != nil || fromTables.Phys != fromImage.Phys:
				state = fmt.Sprintf("%v: %+v, %v", a, fromTables, err)
			}
			if len(runs) == 0 || runs[len(runs)-1] != state {
				runs = append(runs, state)
			}
		}
		if diff := cmp.Diff([]string{"same", "unmapped"}, runs); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d.name, diff)
		}
	}
}

func readAddr(t *testing.T, m vmcore.Memory, a vmcore.Addr) vmcore.Addr {
	t.Helper()
	var b [8]byte
	if _, err := m.ReadMemory(b[:], a); err != nil {
		t.Fatal(err)
	}
	return vmcore.Addr(vmcore.Layout{WordSize: 8}.Word(b[:]))
}

func readString(t *testing.T, m vmcore.Memory, a vmcore.Addr) string {
	t.Helper()
	var b [16]byte
	if _, err := m.ReadMemory(b[:], a); err != nil {
		t.Fatal(err)
	}
	text, _, _ := bytes.Cut(b[:], []byte{0})
	return string(text)
}
