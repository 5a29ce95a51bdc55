package bpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/cilium/ebpf/asm"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Instruction is one of a program's, as the verifier left it.
type Instruction struct {
	Number int    // in instructions of 8 bytes
	Bytes  []byte // 8, or 16 for one that loads a constant of 64 bits
	Text   string
}

// maxInstructions is BPF_COMPLEXITY_LIMIT_INSNS of include/linux/bpf.h.
const maxInstructions = 1000000

// Codes of instructions (include/uapi/linux/bpf.h).
const (
	opCall  = 0x85 // BPF_JMP | BPF_CALL
	opLoad  = 0x18 // BPF_LD | BPF_IMM | BPF_DW, two instructions long
	insSize = 8
)

// Instructions returns the instructions of a program.
func (p *Program) Instructions() iter.Seq2[Instruction, error] {
	return func(yield func(Instruction, error) bool) {
		k := p.value.Kernel()
		code, err := p.value.Path("insnsi")
		if err != nil {
			yield(Instruction{}, err)
			return
		}
		if p.Translated > maxInstructions*insSize {
			yield(Instruction{}, fmt.Errorf("program %d has %d instructions", p.ID, p.Translated/insSize))
			return
		}
		at, _ := code.Addr()
		b := make([]byte, p.Translated)
		n, readErr := k.Memory().ReadMemory(b, at)
		b = b[:n-n%insSize]
		for number := 0; len(b) > 0; {
			size := insSize
			if b[0] == opLoad && len(b) >= 2*insSize {
				size = 2 * insSize
			}
			ins := Instruction{Number: number, Bytes: b[:size], Text: text(k, b[:size])}
			if !yield(ins, nil) {
				return
			}
			number += size / insSize
			b = b[size:]
		}
		if readErr != nil {
			yield(Instruction{}, fmt.Errorf("code of program %d: %w", p.ID, readErr))
		}
	}
}

// text writes an instruction. A call of a function of the kernel has its
// distance from __bpf_call_base in place of a number that asm knows: the
// verifier puts it there (bpf_patch_call_args, kernel/bpf/verifier.c).
func text(k *kernel.Kernel, b []byte) string {
	order := binary.ByteOrder(binary.LittleEndian)
	if k.Arch().Layout.BigEndian {
		order = binary.BigEndian
	}
	sourceRegister := b[1] >> 4
	if k.Arch().Layout.BigEndian {
		sourceRegister = b[1] & 0xf
	}
	if b[0] == opCall && sourceRegister == 0 {
		distance := int32(order.Uint32(b[4:]))
		if base := k.Lookup("__bpf_call_base"); len(base) == 1 {
			a := base[0].Addr + vmcore.Addr(int64(distance))
			if name := k.SymbolName(a); name != "" {
				return "Call " + name
			}
		}
		return fmt.Sprintf("Call %d", distance)
	}
	var ins asm.Instruction
	if err := ins.Unmarshal(bytes.NewReader(b), order, "linux"); err != nil {
		return fmt.Sprintf("% x", b)
	}
	return fmt.Sprint(ins)
}
