package cmds

import (
	"fmt"
	"strings"

	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// maxUntyped bounds the bytes that are shown of a variable without a type, and
// defaultUntyped is how many are where the symbol table does not tell its size.
const (
	maxUntyped     = 256
	defaultUntyped = 64
)

// showUntyped shows what can be told of a variable without a type: its bytes, and
// what its words point to.
func (e *Env) showUntyped(s kallsyms.Symbol) error {
	a, where := s.Addr, ""
	if s.Class == kallsyms.PerCPU {
		cpus, err := e.Kernel.OnlineCPUs()
		if err != nil {
			return err
		}
		v, err := e.Kernel.PerCPU(e.Kernel.VariableAs(s, e.Kernel.BasicType("char")), cpus[0])
		if err != nil {
			return err
		}
		a, _ = v.Addr()
		where = fmt.Sprintf(" on CPU %d", cpus[0])
	}
	shown, size := uint64(defaultUntyped), "bytes of unknown number"
	if s.Size != 0 {
		shown, size = min(s.Size, maxUntyped), fmt.Sprintf("%d bytes", s.Size)
	}
	if err := e.Printf("%s: %s at %v%s, in %v\n", s.Name, size, a, where, s.Class); err != nil {
		return err
	}
	b := make([]byte, shown)
	n, err := e.Kernel.Memory().ReadMemory(b, a)
	if err := e.showBytes(b[:n]); err != nil {
		return err
	}
	if err != nil {
		return e.Printf("  %v\n", err)
	}
	if shown < s.Size {
		return e.Printf("  … %d more bytes: x/%dxg %v shows them\n", s.Size-shown, s.Size/8, a)
	}
	return nil
}

// showBytes writes bytes in hexadecimal and as characters, 16 to a line, and
// behind each line the symbols that its words point to.
func (e *Env) showBytes(b []byte) error {
	const perLine = 16
	for at := 0; at < len(b); at += perLine {
		line := b[at:min(at+perLine, len(b))]
		text := fmt.Sprintf("  +0x%02x  %-47s |%s|%s", at, fmt.Sprintf("% x", line), dots(line), e.pointees(line))
		if err := e.Printf("%s\n", strings.TrimRight(text, " ")); err != nil {
			return err
		}
	}
	return nil
}

// pointees returns the symbols that the words of a line point to.
func (e *Env) pointees(line []byte) string {
	layout := e.Kernel.Arch().Layout
	var text strings.Builder
	for ; len(line) >= layout.WordSize; line = line[layout.WordSize:] {
		if name := e.Kernel.SymbolName(vmcore.Addr(layout.Word(line))); name != "" {
			fmt.Fprintf(&text, " <%s>", name)
		}
	}
	return text.String()
}
