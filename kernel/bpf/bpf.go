// Package bpf reads the BPF programs and maps of a dumped kernel.
//
// The machine code of programs is of who shows code; this package says where it
// is. The command bpf is above it.
package bpf

import (
	"encoding/hex"
	"fmt"
	"iter"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/vmcore"
)

// Program is a BPF program (struct bpf_prog and its struct bpf_prog_aux).
type Program struct {
	ID            uint64
	Addr, Aux     vmcore.Addr
	Type          string // "SOCKET_FILTER", …
	Name          string
	Tag           string   // a hash of the program
	Maps          []uint64 // IDs of the maps that it uses
	Translated    uint64   // bytes of the code that the verifier left
	Code          vmcore.Addr
	Compiled      bool   // Code is machine code
	CompiledSize  uint64 // in bytes
	Pages         uint64
	GPLCompatible bool
	UID           uint64
	Loaded        uint64 // nanoseconds after the boot
	value         kernel.Value
	mapIDs        map[vmcore.Addr]uint64 // those of Maps by struct bpf_map
}

// Map is a BPF map (struct bpf_map).
type Map struct {
	ID                 uint64
	Addr               vmcore.Addr
	Type               string // "HASH", …
	Name               string
	KeySize, ValueSize uint64
	MaxEntries         uint64
	Flags              uint64
}

// Programs returns the programs that are loaded, by ID. One of which something
// cannot be read comes with what can, and the error after it.
func Programs(k *kernel.Kernel) iter.Seq2[Program, error] {
	return objects(k, "prog_idr", "bpf_prog", readProgram)
}

// Maps returns the maps, by ID, as [Programs] does programs.
func Maps(k *kernel.Kernel) iter.Seq2[Map, error] {
	return objects(k, "map_idr", "bpf_map", readMap)
}

// objects walks a variable that maps IDs to structures. A kernel without BPF has
// no such variable and no objects.
func objects[T any](k *kernel.Kernel, variable, structName string, read func(uint64, kernel.Value) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		symbols := k.Lookup(variable)
		if len(symbols) == 0 {
			return
		}
		t, err := k.Struct(structName)
		if err != nil {
			yield(none, err)
			return
		}
		for e, err := range k.IDR(symbols[0].Addr) {
			if err != nil {
				if !yield(none, fmt.Errorf("%s: %w", variable, err)) {
					return
				}
				continue
			}
			o, err := read(e.Index, k.At(e.Entry, t))
			if !yield(o, nil) {
				return
			}
			if err != nil && !yield(none, fmt.Errorf("%s %d at %v: %w", structName, e.Index, e.Entry, err)) {
				return
			}
		}
	}
}

// maxMaps bounds the maps of one program (MAX_USED_MAPS is 64).
const maxMaps = 1 << 10

func readProgram(id uint64, v kernel.Value) (Program, error) {
	r := kernel.Reader{Value: v}
	p := Program{
		ID: id, Aux: r.Pointer("aux"), Type: enumerator(&r, "BPF_PROG_TYPE_", "type"), Name: r.Text("aux", "name"),
		Translated: 8 * r.Uint("len"), // sizeof(struct bpf_insn)
		Code:       r.Pointer("bpf_func"), Compiled: r.Uint("jited") != 0, CompiledSize: r.Uint("jited_len"),
		Pages: r.Uint("pages"), GPLCompatible: r.Uint("gpl_compatible") != 0, Loaded: r.Uint("aux", "load_time"), value: v,
		mapIDs: make(map[vmcore.Addr]uint64),
	}
	p.Addr, _ = v.Addr()
	tag, err := v.Path("tag")
	if err == nil {
		var b []byte
		b, err = tag.Bytes()
		p.Tag = hex.EncodeToString(b)
	}
	if err != nil && r.Err == nil {
		r.Err = err
	}
	if r.Uint("aux", "user") != 0 {
		p.UID = r.Uint("aux", "user", "uid")
	}
	for i := range min(r.Uint("aux", "used_map_cnt"), maxMaps) {
		used, err := r.Path("aux", "used_maps")
		if err == nil {
			used, err = used.Index(int64(i))
		}
		u := kernel.Reader{Value: used, Err: err}
		if err == nil {
			id, at := u.Uint("id"), u.Pointer()
			p.Maps = append(p.Maps, id)
			p.mapIDs[at] = id
		}
		if u.Err != nil {
			return p, fmt.Errorf("map %d of those it uses: %w", i, u.Err)
		}
	}
	return p, r.Err
}

func readMap(id uint64, v kernel.Value) (Map, error) {
	r := kernel.Reader{Value: v}
	m := Map{
		ID: id, Type: enumerator(&r, "BPF_MAP_TYPE_", "map_type"), Name: r.Text("name"),
		KeySize: r.Uint("key_size"), ValueSize: r.Uint("value_size"), MaxEntries: r.Uint("max_entries"), Flags: r.Uint("map_flags"),
	}
	m.Addr, _ = v.Addr()
	return m, r.Err
}

// enumerator returns the name of an enumerator without what all names of its
// type begin with.
func enumerator(r *kernel.Reader, prefix, member string) string {
	v, err := r.Path(member)
	if err != nil {
		return "<" + kernel.ErrorKind(err) + ">"
	}
	return strings.TrimPrefix(v.Enumerator(), prefix)
}
