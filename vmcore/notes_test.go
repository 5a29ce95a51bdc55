package vmcore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// note makes an ELF note of a little-endian machine.
func note(name string, typ uint32, desc []byte) []byte {
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	var b []byte
	for _, u := range []uint32{uint32(len(name) + 1), uint32(len(desc)), typ} {
		b = binary.LittleEndian.AppendUint32(b, u)
	}
	return pad(append(pad(append(b, name+"\x00"...)), desc...))
}

var x86_64 = Arch{Name: "x86_64", Layout: Layout{WordSize: 8}}

func TestNotes(t *testing.T) {
	prstatus := make([]byte, 336)
	prstatus[32] = 42
	info := func(text string) []byte { return note("VMCOREINFO", 0, []byte(text)) }
	good := "OSRELEASE=6.12.0\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\n"
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, tc := range []struct {
		name string
		data []byte
		want string // CPUs' tasks; release; error
	}{
		{"none", nil, "[]; ; <nil>"},
		{"one of each", join(note("CORE", 1, prstatus), info(good)), "[42]; 6.12.0; <nil>"},
		{"padding between", join(note("CORE", 1, prstatus), make([]byte, 100), info(good), make([]byte, 7)), "[42]; 6.12.0; <nil>"},
		{"nothing but padding", make([]byte, 1<<20), "[]; ; <nil>"},
		{"behind too much padding", join(make([]byte, 1<<17), info(good)), "[]; ; <nil>"},
		{"without end", bytes.Repeat(note("GNU", 1, make([]byte, 4)), maxNoteRead/20+noteBuffer), "[]; ; offset 0x2010804: ELF note: notes go on after 32 MiB"},
		{"Xen's VMCOREINFO", join(note("VMCOREINFO_XEN", 0, []byte("OSRELEASE=4.17\n")), info(good)), "[]; 6.12.0; <nil>"},
		{"the better VMCOREINFO", join(info("OSRELEASE=5.0\n"), info(good), info("OSRELEASE=5.1\n")), "[]; 6.12.0; <nil>"},
		{"device dump skipped", join(note("LINUX", 0x700, make([]byte, 300_000)), info(good)), "[]; 6.12.0; <nil>"},
		{"QEMU has no tasks", join(note("CORE", 1, prstatus), note("QEMU", 0, make([]byte, 440))), "[-1]; ; <nil>"},
		{"more of QEMU's than CPUs", note("QEMU", 0, nil), "[]; ; <nil>"},
		{"PRSTATUS too short", note("CORE", 1, prstatus[:60]), "[-1]; ; <nil>"},
		{"without last padding", info("OSRELEASE=1")[:12+12+11], "[]; 1; <nil>"},
		{"cut descriptor", info(good)[:50], "[]; ; offset 0x0: ELF note: longer than what holds it"},
		{"cut later", join(note("CORE", 1, prstatus), info(good)[:50]), "[42]; ; offset 0x164: ELF note: longer than what holds it"},
		{"cut name", info(good)[:18], "[]; ; offset 0x0: ELF note: longer than what holds it"},
		{"name of 4 GiB", []byte("\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00CORE"), "[]; ; offset 0x0: ELF note: longer than what holds it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := parseNotes(tc.data, x86_64)
			tasks := []int{}
			for _, c := range n.cpus(x86_64) {
				tasks = append(tasks, c.PID)
			}
			release := ""
			if n.vmcoreinfo != nil {
				release = n.vmcoreinfo.Release()
			}
			if got := fmt.Sprintf("%v; %s; %v", tasks, release, err); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestRegisters(t *testing.T) {
	for _, tc := range []struct {
		arch   Arch
		regsAt int
		want   string
	}{
		{x86_64, 112, "r15=1 rsp=20 rip=17 pc=17 sp=20 gs=27"},
		{Arch{Name: "i686", Layout: Layout{WordSize: 4}}, 72, "ebx=1 eip=13 pc=13 sp=16 ss=17"},
		{Arch{Name: "aarch64", Layout: Layout{WordSize: 8}}, 112, "x0=1 x30=31 sp=32 pc=33 pstate=34"},
		{Arch{Name: "arm", Layout: Layout{WordSize: 4}}, 72, "r0=1 sp=14 lr=15 pc=16"},
		{Arch{Name: "riscv64", Layout: Layout{WordSize: 8}}, 112, "pc=1 ra=2 sp=3 t6=32"},
		{Arch{Name: "s390x", Layout: Layout{BigEndian: true, WordSize: 8}}, 112, "psw_mask=1 pc=2 r0=3 sp=18"},
		{Arch{Name: "ppc64", Layout: Layout{BigEndian: true, WordSize: 8}}, 112, "r0=1 sp=2 pc=33 msr=34"},
		{Arch{Name: "loongarch64", Layout: Layout{WordSize: 8}}, 112, "r0=1 sp=4 orig_a0=33 pc=34"},
		{Arch{Name: "ELF machine 240", Layout: Layout{WordSize: 8}}, 112, ""},
	} {
		word, order := tc.arch.Layout.WordSize, tc.arch.Layout.ByteOrder()
		desc := make([]byte, tc.regsAt+50*word)
		for i := range 50 {
			if word == 8 {
				order.PutUint64(desc[tc.regsAt+i*8:], uint64(i+1))
			} else {
				order.PutUint32(desc[tc.regsAt+i*4:], uint32(i+1))
			}
		}
		n := notes{prstatus: []prstatus{parsePRStatus(desc, tc.arch)}}
		cpu := n.cpus(tc.arch)[0]
		var got []string
		for field := range strings.FieldsSeq(tc.want) {
			name, _, _ := strings.Cut(field, "=")
			if v, ok := cpu.Register(name); ok {
				got = append(got, fmt.Sprintf("%s=%d", name, v))
			}
		}
		if got := strings.Join(got, " "); got != tc.want {
			t.Errorf("%s: %s\nwant %s", tc.arch.Name, got, tc.want)
		}
		if _, ok := cpu.Register("nosuch"); ok {
			t.Errorf("%s has a register nosuch", tc.arch.Name)
		}
		if _, ok := cpu.Register(""); ok {
			t.Errorf("%s has a register without a name", tc.arch.Name)
		}
	}
}

// FuzzNotes checks that a note put before any others is read, and changes
// nothing about them.
func FuzzNotes(f *testing.F) {
	f.Add(note("VMCOREINFO", 0, []byte("OSRELEASE=6.12.0\n")))
	f.Add(append(note("CORE", 1, make([]byte, 336)), note("QEMU", 0, make([]byte, 440))...))
	f.Add(append(make([]byte, 20), note("CORE", 4, nil)...))
	first := note("CORE", 1, make([]byte, 336))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parseNotes(data, x86_64)
		more, moreErr := parseNotes(append(bytes.Clone(first), data...), x86_64)
		if (err == nil) != (moreErr == nil) {
			t.Fatalf("error %v alone, %v behind another note", err, moreErr)
		}
		if len(more.prstatus) != len(n.prstatus)+1 {
			t.Fatalf("%d CPUs alone, %d behind another", len(n.prstatus), len(more.prstatus))
		}
		more.prstatus = more.prstatus[1:]
		more.spent, n.spent = 0, 0
		if len(n.prstatus) == 0 {
			more.prstatus = nil
		}
		if !reflect.DeepEqual(n, more) {
			t.Fatalf("notes %+v alone, %+v behind another", n, more)
		}
		n.cpus(x86_64)
	})
}
