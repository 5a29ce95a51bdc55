package bpf

import (
	"fmt"
	"iter"
)

// Instruction is one of a program's, as the verifier left it.
type Instruction struct {
	Number int    // in instructions of 8 bytes
	Bytes  []byte // 8, or 16 for one that loads a constant of 64 bits
	Text   string
}

const (
	// maxInstructions is BPF_COMPLEXITY_LIMIT_INSNS of include/linux/bpf.h.
	maxInstructions = 1000000

	insSize = 8 // sizeof(struct bpf_insn)
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
			if b[0] == opLoadConstant && len(b) >= 2*insSize {
				size = 2 * insSize
			}
			ins := Instruction{Number: number, Bytes: b[:size], Text: newInsn(k.Arch().Layout, b[:size]).text(p)}
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
