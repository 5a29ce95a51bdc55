package btfsrc

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
)

// memory is bytes from an address on, but for one page that cannot be read.
type memory struct {
	start vmcore.Addr
	bytes []byte
	hole  vmcore.Addr // 0: none
}

func (m memory) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	end := m.start + vmcore.Addr(len(m.bytes))
	if m.hole != 0 && a < m.hole+0x1000 {
		end = min(end, m.hole)
	}
	if a < m.start || a >= end || a&^0xfff == m.hole && m.hole != 0 {
		return 0, &vmcore.FaultError{Addr: a, State: vmcore.Excluded}
	}
	n := copy(p, m.bytes[a-m.start:end-m.start])
	if n < len(p) {
		return n, &vmcore.FaultError{Addr: a + vmcore.Addr(n), State: vmcore.Excluded}
	}
	return n, nil
}

func TestFromKernel(t *testing.T) {
	raw := sample(big64).bytes()
	mem := memory{start: 0xffffffff81234567, bytes: raw}
	end := mem.start + vmcore.Addr(len(raw))
	types, err := FromKernel(mem, mem.start, end, big64)
	if err != nil {
		t.Fatal(err)
	}
	if got := types.Lookup(KindStruct, "task"); len(got) != 1 {
		t.Errorf("%d structs task, want 1", len(got))
	}
	if _, err := FromKernel(mem, mem.start, end+1, big64); !errors.Is(err, vmcore.ErrExcluded) {
		t.Errorf("past the memory: %v, want ErrExcluded", err)
	}
	for _, stop := range []vmcore.Addr{mem.start - 1, mem.start + 1<<40} {
		if _, err := FromKernel(mem, mem.start, stop, big64); err == nil {
			t.Errorf("stop at %s: no error", stop)
		}
	}
}

func TestScan(t *testing.T) {
	eachForm(t, func(t *testing.T, b *builder) {
		want := b.bytes()
		small := newBuilder(b.layout)
		small.integer("int", 4, true)
		lying := small.bytes()
		copy(lying[8:], []byte{4, 4, 4, 4}) // type_off

		// A BPF program's BTF and headers that lie come first; the kernel's
		// crosses the end of a megabyte and follows a page that is not there.
		image := make([]byte, 3<<20)
		copy(image[0x101:], small.bytes())
		copy(image[0x401:], lying)
		copy(image[0x801:], want[:headerLen])
		at := 1<<20 - 11
		copy(image[at:], want)
		mem := memory{start: 0xffffffff81000000, bytes: image, hole: 0xffffffff81080000}

		raw, found, err := Scan(mem, mem.start, mem.start+vmcore.Addr(len(image)), b.layout)
		if b.headerLen > headerLayoutLen {
			if found == mem.start+vmcore.Addr(at) {
				t.Errorf("found a header of %d bytes, which no encoder writes", b.headerLen)
			}
			return
		}
		if err != nil || found != mem.start+vmcore.Addr(at) || !bytes.Equal(raw, want) {
			t.Errorf("found %d bytes at %s (%v), want %d at %s", len(raw), found, err, len(want), mem.start+vmcore.Addr(at))
		}
		if _, _, err := Scan(mem, mem.start+1<<21, mem.start+3<<20, b.layout); !errors.Is(err, vmcore.ErrNotFound) {
			t.Errorf("error %v, want ErrNotFound", err)
		}
	})
}

func TestReadFile(t *testing.T) {
	raw := sample(little64).bytes()
	tests := []struct {
		name    string
		content []byte
		want    string // error; empty: raw is read
	}{
		{"raw", raw, ""},
		{"elf", elfFile(".BTF", raw), ""},
		{"distilled", elfFile(".BTF", raw, ".BTF.base", raw), "BTF relative to a distilled base (section .BTF.base): not supported"},
		{"no section", elfFile(".data", raw), "section .BTF: not found"},
		{"text", []byte("#!/bin/sh"), "neither BTF nor an ELF file"},
		{"short", []byte{0x9f}, "too short for BTF: unexpected EOF"},
		{"broken elf", elfFile(".BTF", raw)[:100], "EOF"},
	}
	for _, tt := range tests {
		name := filepath.Join(t.TempDir(), tt.name)
		if err := os.WriteFile(name, tt.content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(name)
		switch {
		case tt.want == "":
			if err != nil || !bytes.Equal(got.BTF, raw) {
				t.Errorf("%s: %+v, %v", tt.name, got, err)
			}
		case err == nil || err.Error() != name+": "+tt.want:
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// elfFile returns a 64-bit ELF file of sections, given as name and content.
func elfFile(sections ...any) []byte {
	order := little64.ByteOrder()
	const fileHeader, sectionHeader = 64, 64
	names := "\x00.shstrtab\x00"
	for i := 0; i < len(sections); i += 2 {
		names += sections[i].(string) + "\x00"
	}
	sections = append(sections, ".shstrtab", []byte(names))
	n := len(sections)/2 + 1

	file := make([]byte, fileHeader+n*sectionHeader)
	copy(file, "\x7fELF\x02\x01\x01")
	order.PutUint16(file[16:], 1)  // e_type: ET_REL
	order.PutUint16(file[18:], 62) // e_machine: EM_X86_64
	order.PutUint32(file[20:], 1)  // e_version
	order.PutUint64(file[40:], fileHeader)
	order.PutUint16(file[52:], fileHeader)
	order.PutUint16(file[58:], sectionHeader)
	order.PutUint16(file[60:], uint16(n))
	order.PutUint16(file[62:], uint16(n-1)) // e_shstrndx
	for i := 1; i < n; i++ {
		name, content := sections[2*i-2].(string), sections[2*i-1].([]byte)
		h := file[fileHeader+i*sectionHeader:]
		order.PutUint32(h, uint32(strings.Index(names, "\x00"+name+"\x00")+1))
		order.PutUint32(h[4:], 1) // sh_type: SHT_PROGBITS
		if i == n-1 {
			order.PutUint32(h[4:], 3) // SHT_STRTAB
		}
		order.PutUint64(h[24:], uint64(len(file)))
		order.PutUint64(h[32:], uint64(len(content)))
		file = append(file, content...)
	}
	return file
}
