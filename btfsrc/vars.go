package btfsrc

import (
	"iter"
	"slices"

	"github.com/cilium/ebpf/btf"
)

// Var is a variable that some BTF has a VAR for. A static name of several
// source files gives several; section and offset tell them apart.
type Var struct {
	Name    string
	Type    btf.Type
	Section string // name of the ELF section, such as ".data"; empty when no DATASEC lists the VAR
	Offset  uint32 // in bytes from the section's start
	Size    uint32 // in bytes, as the DATASEC has it
	Source  Source
	Module  string // the name given to AddSplit; empty for the kernel's own
}

// Vars returns every variable of a name, the kernel's own first; nil when there
// is none. The weak and the strong definition of one variable, which some
// encoders both keep, give one Var when they agree on everything.
func (t *Types) Vars(name string) []Var {
	if name == "" {
		return nil
	}
	var vars []Var
	seen := map[Var]bool{}
	for _, b := range t.snapshot() {
		for id := range b.named(name) {
			if b.record(id).kind() != kindVar {
				continue
			}
			if v := t.newVar(b, id, b.entryOf(id)); !seen[v] {
				seen[v] = true
				vars = append(vars, v)
			}
		}
	}
	return vars
}

// Sections returns the names of all DATASECs, each once, in order.
func (t *Types) Sections() []string {
	var names []string
	for _, b := range t.snapshot() {
		for _, id := range b.datasecs {
			names = append(names, b.label(b.record(id).nameOff))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Section returns the variables of every DATASEC of a name, in its order, the
// kernel's own first.
func (t *Types) Section(name string) iter.Seq[Var] {
	return func(yield func(Var) bool) {
		for _, b := range t.snapshot() {
			for _, sec := range b.datasecs {
				rec := b.record(sec)
				if b.label(rec.nameOff) != name {
					continue
				}
				for i := range rec.vlen() {
					id, _, _ := b.secinfo(rec, i)
					if b.isOwnVar(id) && !yield(t.newVar(b, id, entry{section: sec, index: uint32(i)})) {
						return
					}
				}
			}
		}
	}
}

// entry is where a DATASEC lists a VAR: the DATASEC's id, 0 when none does, and
// the number of the entry in it.
type entry struct{ section, index uint32 }

func (t *Types) newVar(b *blob, id uint32, e entry) Var {
	v := Var{
		Name:   b.label(b.record(id).nameOff),
		Type:   t.decode(b, id).(*btf.Var).Type,
		Source: b.source,
		Module: b.name,
	}
	if e.section != 0 {
		rec := b.record(e.section)
		v.Section = b.label(rec.nameOff)
		_, v.Offset, v.Size = b.secinfo(rec, int(e.index))
	}
	return v
}

// secinfo returns entry i of a DATASEC: struct btf_var_secinfo.
func (b *blob) secinfo(rec record, i int) (id, offset, size uint32) {
	return b.word(rec.body, 3*i), b.word(rec.body, 3*i+1), b.word(rec.body, 3*i+2)
}

// isOwnVar reports whether id is one of b's own VARs. A DATASEC lists functions
// too in BTF that is not the kernel's.
func (b *blob) isOwnVar(id uint32) bool {
	return b.owner(id) == b && b.record(id).kind() == kindVar
}

// entryOf returns where a VAR of b is listed. The DATASECs are gone through
// once, at the first call; when two entries claim a VAR, the first has it.
func (b *blob) entryOf(id uint32) entry {
	b.entriesOnce.Do(func() {
		b.entries = make([]entry, len(b.offsets))
		for _, sec := range b.datasecs {
			rec := b.record(sec)
			for i := range rec.vlen() {
				id, _, _ := b.secinfo(rec, i)
				if !b.isOwnVar(id) {
					continue
				}
				if e := &b.entries[int(id)-b.start()]; e.section == 0 {
					*e = entry{section: sec, index: uint32(i)}
				}
			}
		}
	})
	return b.entries[int(id)-b.start()]
}
