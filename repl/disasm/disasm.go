// Package disasm turns machine code into text, in the syntax of the GNU tools.
//
// It owns what golang.org/x/arch gets wrong or does not know of the instructions
// that kernels use, and the differences between its text and that of objdump. It
// knows no symbol and reads no memory: what an instruction refers to comes as an
// address, and command dis above it names it.
package disasm

import (
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// MaxLen is how long an instruction can be, in bytes.
const MaxLen = 15

// Inst is one instruction.
type Inst struct {
	Addr vmcore.Addr
	Len  int
	Text string // mnemonic and operands; "(bad)" where the bytes are no instruction
	// Ref is where the instruction branches to, or the memory or address that it
	// names without a register; 0 for none.
	Ref    vmcore.Addr
	Branch bool // Ref is a place in the code, and stands in Text
	PerCPU bool // Ref is in the memory of the CPU, which %gs leads to
}

// UnsupportedError says that instructions of a machine are not known.
type UnsupportedError struct{ Arch string }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("disassembling %s is not supported yet", e.Arch)
}

// Is reports whether target is [vmcore.ErrUnsupported].
func (e *UnsupportedError) Is(target error) bool { return target == vmcore.ErrUnsupported }

// Decode decodes the instruction at the beginning of b, which lies at an address.
// b must not be empty. What is no instruction is one byte long.
func Decode(arch vmcore.Arch, b []byte, at vmcore.Addr) (Inst, error) {
	if arch.Name != "x86_64" {
		return Inst{}, &UnsupportedError{arch.Name}
	}
	return x86(b[:min(len(b), MaxLen)], at), nil
}
