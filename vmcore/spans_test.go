package vmcore

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestSpansMatchSegments compares spans made of random segments with a search
// through the segments, byte by byte, at both ends of the addresses.
func TestSpansMatchSegments(t *testing.T) {
	const addresses, bytesInFile = 64, 200
	random := rand.New(rand.NewPCG(5, 6))
	for _, base := range []uint64{0, 1 << 40, math.MaxUint64 - addresses + 1} {
		for round := range 500 {
			var headers []programHeader
			var all []span
			for range random.IntN(6) {
				first := random.Uint64N(addresses)
				ph := programHeader{paddr: base + first, memsz: 1 + random.Uint64N(addresses-first)}
				ph.filesz = random.Uint64N(ph.memsz + 1)
				ph.off = bytesInFile - addresses + first // the bytes at an address are the same in all
				headers = append(headers, ph)
				all = place(all, ph.paddr, ph, bytesInFile-5)
			}
			m := newSpans(fileAt{r: bytes.NewReader(make([]byte, bytesInFile)), size: bytesInFile - 5}, all)
			for i := range uint64(addresses) {
				want := stateIn(headers, base+i, bytesInFile-5)
				n, got, _ := m.read(make([]byte, addresses), base+i)
				if got != want || n < 1 {
					t.Fatalf("base %#x, round %d: address %#x is %v for %d bytes, want %v in %+v", base, round, base+i, got, n, want, headers)
				}
				for k := range uint64(n) {
					if base+i+k < base+i || i+k >= addresses {
						break
					}
					if s := stateIn(headers, base+i+k, bytesInFile-5); s != want {
						t.Fatalf("base %#x, round %d: %d bytes at %#x are %v, but %#x is %v in %+v", base, round, n, base+i, got, base+i+k, s, headers)
					}
				}
			}
		}
	}
}

// stateIn returns the state of an address by asking each segment.
func stateIn(headers []programHeader, a, fileSize uint64) PageState {
	state := Unmapped
	for _, ph := range headers {
		switch at := a - ph.paddr; {
		case a < ph.paddr || at >= ph.memsz:
		case at >= ph.filesz:
			if state == Unmapped {
				state = Excluded
			}
		case ph.off+at >= fileSize:
			if state != Present {
				state = Missing
			}
		default:
			state = Present
		}
	}
	return state
}

// TestSpansRunOutOfFile has a file that is cut after it was opened.
func TestSpansRunOutOfFile(t *testing.T) {
	m := spans{
		file: fileAt{r: bytes.NewReader([]byte("1234")), size: 100, name: "vmcore"},
		all:  []span{{first: 0x1000, last: 0x1fff, off: 2}},
	}
	p := make([]byte, 8)
	n, state, err := m.read(p, 0x1000)
	if got, want := fmt.Sprint(string(p[:n]), " ", state, " ", err), "34 present <nil>"; got != want {
		t.Errorf("read = %s, want %s", got, want)
	}
	_, state, err = m.read(p, 0x1002)
	if got, want := fmt.Sprint(state, " ", err), "missing vmcore: offset 0x4: unreadable: file truncated"; got != want {
		t.Errorf("read = %s, want %s", got, want)
	}
}

// TestSysInfo reads the note that /sys/kernel/vmcoreinfo points to.
func TestSysInfo(t *testing.T) {
	note := append([]byte{11, 0, 0, 0, 21, 0, 0, 0, 0, 0, 0, 0}, "VMCOREINFO\x00\x00OSRELEASE=4.9.0-test\x00\x00\x00"...)
	arch := Arch{Name: "x86_64", Layout: Layout{WordSize: 8}}
	e := &elfFile{phys: spans{
		file: fileAt{r: bytes.NewReader(note), size: int64(len(note))},
		all:  []span{{first: 0x1000, last: 0x1000 + uint64(len(note)) - 1}},
	}}
	for where, want := range map[string]string{
		fmt.Sprintf("0x0000000000001000 %x\n", len(note)): "4.9.0-test",
		"0x1000 ffffffff\n": "",
		"0x9000 10\n":       "",
		"":                  "",
	} {
		got := ""
		if v := sysInfo(e, where, arch); v != nil {
			got = v.Release()
		}
		if got != want {
			t.Errorf("sysInfo(%q) has release %q, want %q", where, got, want)
		}
	}
}
