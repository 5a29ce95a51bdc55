package paging_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/kdbg/kdbg/vmcore"
	"github.com/kdbg/kdbg/vmcore/paging"
	"github.com/kdbg/kdbg/vmcore/vmcoretest"
)

// FuzzTranslate fills 16 pages of memory with page tables made of the input:
// pairs of (page and index, entry). Many entries then lead to other tables, to
// themselves and to nothing. Whatever they say, the answers must agree with one
// another: a read with reading byte by byte, a translation with that of each
// byte it covers, the cache with a fresh walk.
func FuzzTranslate(f *testing.F) {
	seed := binary.LittleEndian.AppendUint64([]byte{0, 0, 1, 0x13}, 0x2003)
	f.Add(uint64(0xffff888000000ffc), seed, uint8(0))
	f.Add(uint64(0x400ffd), append(seed, 0, 0x20, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0), uint8(1))
	f.Add(uint64(0xffffffffa0000000), seed, uint8(3))
	f.Fuzz(func(t *testing.T, at uint64, input []byte, options uint8) {
		d := hostileTables(input)
		levels := 4 + int(options&1)
		p := paging.Params{Levels: levels, SMEMask: uint64(options&2) << 46}
		phys := d.Phys()
		img, err := paging.NewImage(phys, vmcoretest.X86_64, vmcore.ParseVMCOREINFO([]byte(vmcoreinfo(levels, ""))), nil)
		if err != nil {
			t.Fatal(err)
		}
		fresh := func() *paging.Space {
			s, err := paging.New(img, p)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := fresh()
		a := vmcore.Addr(at)
		checkTranslation(t, s, fresh(), a)

		whole := make([]byte, 3*4096)
		n, err := s.ReadMemory(whole, a)
		if (n == len(whole)) != (err == nil) {
			t.Fatalf("read %d of %d bytes with error %v", n, len(whole), err)
		}
		for i := 0; i <= min(n, len(whole)-1); i += 1 + i%61 {
			checkByte(t, s, a+vmcore.Addr(i), whole, i, n)
		}
		if n < len(whole) {
			checkByte(t, s, a+vmcore.Addr(n), whole, n, n)
			var fe *vmcore.FaultError
			if !errors.As(err, &fe) || fe.Addr != a+vmcore.Addr(n) {
				t.Fatalf("after %d bytes from %v: %v", n, a, err)
			}
		}
	})
}

// hostileTables is memory of 16 pages whose third is excluded.
func hostileTables(input []byte) *vmcoretest.Dump {
	d := &vmcoretest.Dump{Excluded: []vmcore.PhysAddr{0x3000}}
	for pfn := range vmcore.PhysAddr(16) {
		if pfn != 3 {
			page := make([]byte, 4096)
			for i := range page {
				page[i] = byte(pfn) << 4
			}
			d.Put(pfn<<12, page)
		}
	}
	for ; len(input) >= 12; input = input[12:] {
		page := d.Memory[vmcore.PhysAddr(input[0]&15)<<12]
		if page == nil {
			continue
		}
		// Most entries should lead somewhere: keep the address low.
		entry := binary.LittleEndian.Uint64(input[4:])
		if input[3]&1 != 0 {
			entry = entry&0xfff | uint64(input[3]>>4)<<12
		}
		binary.LittleEndian.PutUint64(page[8*(int(input[1])<<1|int(input[2]&1)):], entry)
	}
	return d
}

// checkTranslation compares a translation with the walk and with those of other
// addresses in the same page.
func checkTranslation(t *testing.T, s, fresh *paging.Space, a vmcore.Addr) {
	t.Helper()
	tr, err := s.Translate(a)
	if again, err2 := fresh.Translate(a); again != tr || (err == nil) != (err2 == nil) {
		t.Fatalf("%v: %+v, %v; fresh: %+v, %v", a, tr, err, again, err2)
	}
	path, walkErr := s.Walk(a)
	if err != nil {
		var fe *vmcore.FaultError
		if !errors.As(err, &fe) || fe.Addr != a || walkErr == nil {
			t.Fatalf("%v: %v, walk %v", a, err, walkErr)
		}
		return
	}
	if tr.PageSize != 0 && (walkErr != nil || path[len(path)-1].Value != tr.Entry) {
		t.Fatalf("%v: entry %#x, walk %+v, %v", a, tr.Entry, path, walkErr)
	}
	for _, off := range []uint64{1, 7, tr.Len / 2, tr.Len - 1} {
		if off >= tr.Len {
			continue
		}
		other, err := s.Translate(a + vmcore.Addr(off))
		if err != nil || other.Phys != tr.Phys+vmcore.PhysAddr(off) || other.Len != tr.Len-off {
			t.Fatalf("%v: %+v; %#x further: %+v, %v", a, tr, off, other, err)
		}
	}
}

// checkByte reads the byte that a longer read gave at index i, or that stopped
// it at index n.
func checkByte(t *testing.T, s *paging.Space, a vmcore.Addr, whole []byte, i, n int) {
	t.Helper()
	var b [1]byte
	m, err := s.ReadMemory(b[:], a)
	switch {
	case i < n && (m != 1 || err != nil || b[0] != whole[i]):
		t.Fatalf("byte at %v: %#x, %v; in the longer read: %#x", a, b[0], err, whole[i])
	case i == n && i < len(whole) && err == nil && a != 0:
		t.Fatalf("byte at %v is readable and stopped the longer read", a)
	}
}
