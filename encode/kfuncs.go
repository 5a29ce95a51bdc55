package encode

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"slices"

	"github.com/kdbg/kdbg/encode/dwarf"
)

// kfunc is a function that BPF programs may call: a member of a set in .BTF_ids
// whose flags say so.
type kfunc struct {
	name  string
	flags uint32
}

// Flags in .BTF_ids (include/linux/btf.h).
const (
	setOfKfuncs   = 1 << 0  // BTF_SET8_KFUNCS, of a set
	kfuncFastcall = 1 << 12 // KF_FASTCALL, of a member
	kfuncArenaRet = 1 << 13 // KF_ARENA_RET
	kfuncArenaArg = 1 << 14 // KF_ARENA_ARG1; KF_ARENA_ARG2 is the next bit
)

const (
	idsSection  = ".BTF_ids"
	setPrefix   = "__BTF_ID__set8__"
	kfuncPrefix = "__BTF_ID__func__"
)

// readKfuncs returns the kfuncs of f by name. A set is a count, flags, and for
// each member a type number, which the kernel build fills in after us, and
// flags; symbols say where a set lies and what its members are.
func readKfuncs(f *dwarf.File) ([]kfunc, error) {
	sections := f.Sections()
	i := slices.IndexFunc(sections, func(s dwarf.Section) bool { return s.Name == idsSection })
	if i < 0 {
		return nil, nil
	}
	data, err := sections[i].Data()
	if err != nil {
		return nil, err
	}
	r := idsReader{data: data, order: f.Layout().Order}
	if f.Type() != elf.ET_REL {
		r.addr = sections[i].Addr
	}
	for s := range f.Symbols() {
		if s.Section == i && bytes.HasPrefix(s.Name, []byte(setPrefix)) {
			r.set(s)
		}
	}
	var list []kfunc
	for s := range f.Symbols() {
		if s.Section == i && bytes.HasPrefix(s.Name, []byte(kfuncPrefix)) {
			list = r.member(list, s)
		}
	}
	slices.SortFunc(list, func(a, b kfunc) int { return cmp.Compare(a.name, b.name) })
	return merge(list), nil
}

// idsReader reads .BTF_ids.
type idsReader struct {
	data  []byte
	addr  uint64
	order binary.ByteOrder
	sets  []span
}

// span is the addresses from start to before end.
type span struct{ start, end uint64 }

// word returns the 32-bit word at an address.
func (r *idsReader) word(addr uint64) (uint32, bool) {
	off := addr - r.addr
	if off > uint64(len(r.data)) || uint64(len(r.data))-off < 4 {
		return 0, false
	}
	return r.order.Uint32(r.data[off:]), true
}

func (r *idsReader) set(s dwarf.Symbol) {
	if flags, ok := r.word(s.Value + 4); ok && flags&setOfKfuncs != 0 {
		r.sets = append(r.sets, span{s.Value, s.Value + s.Size})
	}
}

func (r *idsReader) member(list []kfunc, s dwarf.Symbol) []kfunc {
	if !slices.ContainsFunc(r.sets, func(set span) bool { return set.start < s.Value && s.Value < set.end }) {
		return list
	}
	name := s.Name[len(kfuncPrefix):]
	if i := bytes.LastIndex(name, []byte("__")); i > 0 {
		name = name[:i] // a number that makes the symbol unique
	}
	flags, ok := r.word(s.Value + 4)
	if !ok {
		return list
	}
	return append(list, kfunc{string(name), flags})
}

// merge makes one of a kfunc that is in several sets.
func merge(list []kfunc) []kfunc {
	merged := list[:0]
	for _, k := range list {
		if n := len(merged); n > 0 && merged[n-1].name == k.name {
			merged[n-1].flags |= k.flags
		} else {
			merged = append(merged, k)
		}
	}
	return merged
}
