package kallsyms

import (
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// Encoding is how a kernel stores the addresses of its symbols.
type Encoding uint8

const (
	// AddressesAbsolute tables hold one word per symbol. Modules' tables are
	// of this encoding, and kernels' without CONFIG_KALLSYMS_BASE_RELATIVE.
	AddressesAbsolute Encoding = iota
	// BaseRelative tables hold unsigned 32-bit offsets from a base. Linux
	// kernel commit 2213e9a66bb8 ("kallsyms: add support for relative offsets
	// in kallsyms address table") (in v4.6).
	BaseRelative
	// AbsolutePerCPU tables hold signed 32-bit numbers: those of per-CPU and
	// absolute symbols as they are, others as base - 1 - offset. They came
	// with base-relative tables, for x86-64, and were removed by Linux kernel
	// commit 01157ddc58dc ("kallsyms: Remove KALLSYMS_ABSOLUTE_PERCPU") (in
	// v6.15).
	AbsolutePerCPU
	// PlaceRelative tables hold signed 32-bit offsets, each from its own
	// place in the table. Linux kernel commit a081b5789255 ("kallsyms: Get rid
	// of kallsyms relative base") (in v7.0).
	PlaceRelative
)

var encodings = [...]string{"absolute", "base-relative", "absolute-percpu", "place-relative"}

// String returns the encoding's name, such as "place-relative".
func (e Encoding) String() string {
	if int(e) < len(encodings) {
		return encodings[e]
	}
	return fmt.Sprintf("Encoding(%d)", uint8(e))
}

// stored is a table of addresses as the kernel stores it, under one reading.
type stored struct {
	encoding Encoding
	at       vmcore.Addr // where the table is
	base     vmcore.Addr // kallsyms_relative_base
	raw      []byte
}

// decode returns the addresses. Those of 32-bit machines wrap at 32 bits.
func (s *stored) decode(layout vmcore.Layout) []vmcore.Addr {
	width := 4
	if s.encoding == AddressesAbsolute {
		width = layout.WordSize
	}
	addrs := make([]vmcore.Addr, len(s.raw)/width)
	mask := vmcore.Addr(1)<<(8*layout.WordSize-1)<<1 - 1
	for i := range addrs {
		b := s.raw[i*width:]
		var a vmcore.Addr
		switch s.encoding {
		case AddressesAbsolute:
			a = vmcore.Addr(layout.Word(b))
		case BaseRelative:
			a = s.base + vmcore.Addr(layout.Uint32(b))
		case AbsolutePerCPU:
			a = vmcore.Addr(layout.Uint32(b))
			if offset := int32(a); offset < 0 {
				a = s.base - 1 - vmcore.Addr(offset)
			}
		case PlaceRelative:
			a = s.at + vmcore.Addr(4*i) + vmcore.Addr(int32(layout.Uint32(b)))
		}
		addrs[i] = a & mask
	}
	return addrs
}

// relative returns the two readings of a table of offsets with a base, the more
// likely one first: nothing in memory says which it is, but under
// [AbsolutePerCPU] all but per-CPU symbols are negative.
func relative(at, base vmcore.Addr, raw []byte, layout vmcore.Layout) []stored {
	negative := 0
	for i := 0; i+4 <= len(raw); i += 4 {
		negative += int(layout.Uint32(raw[i:]) >> 31)
	}
	readings := []stored{
		{encoding: BaseRelative, at: at, base: base, raw: raw},
		{encoding: AbsolutePerCPU, at: at, base: base, raw: raw},
	}
	if negative >= len(raw)/8 {
		readings[0], readings[1] = readings[1], readings[0]
	}
	return readings
}

// baseless returns the readings of a table of offsets without a base. A 32-bit
// kernel that is not relocatable stores addresses in it.
func baseless(at vmcore.Addr, raw []byte, layout vmcore.Layout) []stored {
	readings := []stored{{encoding: PlaceRelative, at: at, raw: raw}}
	if layout.WordSize == 4 {
		readings = append(readings, stored{encoding: AddressesAbsolute, at: at, raw: raw})
	}
	return readings
}

// truths is what is known of a kernel's addresses before its table is decoded:
// the self-check of an encoding.
type truths struct {
	symbols    map[string]vmcore.Addr
	start, end vmcore.Addr // _stext is in between, unless both are 0
}

// setAddrs gives the table the addresses of the first reading under which they
// ascend and agree with the truths. It fails with what is wrong with the first.
func (t *Table) setAddrs(readings []stored, layout vmcore.Layout, known truths) error {
	var first error
	for _, s := range readings {
		t.addrs, t.encoding = s.decode(layout), s.encoding
		err := t.check(known)
		if err == nil {
			return nil
		}
		if first == nil {
			first = &TableError{Table: "addresses", Addr: s.at, Msg: "read as " + s.encoding.String(), Err: err}
		}
	}
	return first
}

func (t *Table) check(known truths) error {
	for i := 1; i < len(t.addrs); i++ {
		if t.addrs[i] < t.addrs[i-1] {
			return fmt.Errorf("symbol %d is at %v, below the one before at %v", i, t.addrs[i], t.addrs[i-1])
		}
	}
	for name, want := range known.symbols {
		if got, ok := t.addr(name); ok && got != want {
			return fmt.Errorf("%s comes out at %v, not at %v", name, got, want)
		}
	}
	if known.start == known.end {
		return nil
	}
	if got, ok := t.addr("_stext"); !ok || got < known.start || got >= known.end {
		return fmt.Errorf("_stext comes out at %v, outside %v to %v", got, known.start, known.end)
	}
	return nil
}
