// Package btfsrc is where types come from: the BTF in a dump, the split BTF of
// its modules, BTF files. It looks types and variables up by name, computes
// sizes and member offsets, and writes types as C.
//
// The types themselves are those of github.com/cilium/ebpf/btf. This package
// reads no dump format and finds no symbol: package kernel above it says where
// the BTF lies and joins the VARs with addresses; memory comes from packages
// vmcore and paging below. Package vartypes types well-known variables of
// kernels whose BTF has no VAR for them.
//
// BTF is hostile input. A blob whose structure is broken is refused with the
// offset; a reference that leads nowhere becomes a type that says so in its
// name, because one bad type must not cost the others. A type graph may hold
// cycles that C cannot express, so every function here bounds its walk and its
// output.
package btfsrc

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/kdbg/kdbg/vmcore"
)

// Source says where the type of a variable comes from.
type Source uint8

// The sources, in the order in which they are asked.
const (
	SourceNone     Source = iota
	SourceBTF             // a VAR in the kernel's own BTF
	SourceModule          // a VAR in the BTF of a loaded module
	SourceFile            // a VAR in a BTF file named by the user
	SourceDeclared        // a declaration typed by the user
	SourceTable           // the table of package vartypes
)

// Sources are all sources in the order in which they are asked, and none at the
// end.
var Sources = []Source{SourceBTF, SourceModule, SourceFile, SourceDeclared, SourceTable, SourceNone}

var sourceNames = [...]string{"", "btf", "module", "file", "declared", "table"}

// String returns the source's name as printed, such as "btf"; that of
// [SourceNone] is empty.
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// Types holds the types of one kernel: its own, those of its modules and those
// of files. It is safe for concurrent use.
type Types struct {
	layout vmcore.Layout

	mu    sync.Mutex // guards blobs (replaced, never changed) and each blob's decoded
	blobs []*blob    // the kernel's own first, then by source and in the order they were added
}

// Load returns the types in raw, a kernel's own BTF of the byte order in
// layout. The result keeps raw, which must not change. Nothing is decoded yet.
// The error is a [*vmcore.FormatError] when raw is not BTF.
func Load(raw []byte, layout vmcore.Layout) (*Types, error) {
	b, err := parseBlob(raw, layout, nil)
	if err != nil {
		return nil, fmt.Errorf("kernel BTF: %w", err)
	}
	b.source = SourceBTF
	return &Types{layout: layout, blobs: []*blob{b}}, nil
}

// Empty returns the types of a kernel that has no BTF: there are none until
// files that stand alone are added.
func Empty(layout vmcore.Layout) *Types {
	b := &blob{layout: layout, source: SourceBTF, strs: "\x00"}
	return &Types{layout: layout, blobs: []*blob{b}}
}

// AddSplit adds the BTF of a module (SourceModule) or a user's file
// (SourceFile) under a name. Its type ids and string offsets continue those of
// the kernel's BTF. A file may also stand alone, as that of a whole vmlinux does,
// and bring types of its own; where it is the kernel's own, nothing is added.
//
// The error is a [*BaseError] when raw was made for another kernel, a
// [*vmcore.FormatError] when it is not BTF.
func (t *Types) AddSplit(name string, src Source, raw []byte) error {
	own := t.snapshot()[0]
	base := own
	if src == SourceFile && standsAlone(raw, t.layout) {
		base = nil
	}
	b, err := parseBlob(raw, t.layout, base)
	if err != nil {
		return fmt.Errorf("BTF of %s: %w", name, err)
	}
	b.name, b.source = name, src
	if base == nil {
		if bytes.Equal(b.raw, own.raw) {
			return nil
		}
		err = b.checkTwin(own)
	} else {
		err = b.checkBase()
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	blobs := append(slices.Clone(t.blobs), b)
	slices.SortStableFunc(blobs, func(a, b *blob) int { return int(a.source) - int(b.source) })
	t.blobs = blobs
	return nil
}

// Layout returns the byte order and word size of the kernel's machine.
func (t *Types) Layout() vmcore.Layout { return t.layout }

// NumTypes returns the number of BTF types, void not counted.
func (t *Types) NumTypes() int {
	n := 0
	for _, b := range t.snapshot() {
		n += b.end() - b.start()
	}
	return n
}

// NumVars returns the number of VARs.
func (t *Types) NumVars() int {
	n := 0
	for _, b := range t.snapshot() {
		n += b.numVars
	}
	return n
}

func (t *Types) snapshot() []*blob {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.blobs
}
