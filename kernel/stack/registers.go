package stack

import (
	"iter"
	"slices"

	"github.com/kdbg/kdbg/vmcore"
)

// Registers are what a CPU had in its registers, as far as they were saved.
type Registers struct {
	At     vmcore.Addr // where they were saved; 0 for those in the notes of a dump
	names  []string
	values []uint64
}

// Get returns a register by its name in lower case, such as "rip".
func (r *Registers) Get(name string) (uint64, bool) {
	if r == nil {
		return 0, false
	}
	if i := slices.Index(r.names, name); i >= 0 {
		return r.values[i], true
	}
	return 0, false
}

// All yields the registers in the order of the architecture.
func (r *Registers) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, name := range r.names {
			if !yield(name, r.values[i]) {
				return
			}
		}
	}
}

// noted returns the registers in the note of a CPU.
func noted(cpu vmcore.CPU) *Registers {
	r := new(Registers)
	for name, value := range cpu.Registers() {
		r.names = append(r.names, name)
		r.values = append(r.values, value)
	}
	return r
}

// User reports whether the registers are those of a program. On x86-64, the
// lowest bits of CS are the privilege level.
func (r *Registers) User() bool {
	cs, ok := r.Get("cs")
	return ok && cs&3 == 3
}
