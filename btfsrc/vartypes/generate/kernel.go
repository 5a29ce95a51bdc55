package main

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kdbg/kdbg/btfsrc"
	"github.com/kdbg/kdbg/btfsrc/vartypes"
	"github.com/kdbg/kdbg/kallsyms"
	"github.com/kdbg/kdbg/vmcore"
)

// kernel is a vmlinux whose .BTF describes its variables.
type kernel struct {
	vartypes.Kernel
	types *btfsrc.Types
	vars  []variable // by address
	image image
}

// variable is a variable that has both a symbol and a VAR.
type variable struct {
	symbol   kallsyms.Symbol
	typ      btf.Type
	spelling string
}

// readKernel reads a vmlinux.
func readKernel(name string) (*kernel, error) {
	f, err := elf.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := btfsrc.ReadFile(name)
	if err != nil {
		return nil, err
	}
	layout := vmcore.Layout{WordSize: 8, BigEndian: f.ByteOrder == binary.BigEndian}
	if f.Class == elf.ELFCLASS32 {
		layout.WordSize = 4
	}
	k := &kernel{}
	if k.types, err = btfsrc.Load(raw.BTF, layout); err != nil {
		return nil, err
	}
	if k.image, err = readImage(f); err != nil {
		return nil, err
	}
	syms, err := readSymbols(f)
	if err != nil {
		return nil, err
	}
	if k.Release, err = k.readRelease(syms); err != nil {
		return nil, err
	}
	if k.BuildID, err = readBuildID(f); err != nil {
		return nil, err
	}
	k.vars = k.join(f, syms)
	if len(k.vars) == 0 {
		return nil, errors.New("its BTF has no variables: make it with kdbg encode --vars-extra")
	}
	return k, nil
}

// readRelease returns the release as uname -r prints it, from the banner.
func (k *kernel) readRelease(syms []kallsyms.Symbol) (string, error) {
	const prefix = "Linux version "
	for _, s := range syms {
		if s.Name != "linux_banner" {
			continue
		}
		text := make([]byte, 256)
		n, _ := k.image.ReadMemory(text, s.Addr)
		if rest, ok := bytes.CutPrefix(text[:n], []byte(prefix)); ok {
			release, _, _ := strings.Cut(string(rest), " ")
			return release, nil
		}
	}
	return "", errors.New("no linux_banner in it")
}

// version returns the part of the release that names a version of Linux: 6.12.
func (k *kernel) version() string {
	n := k.number()
	return fmt.Sprintf("%d.%d", n[0], n[1])
}

// number returns the version in numbers.
func (k *kernel) number() []int {
	n := make([]int, 2)
	fmt.Sscanf(k.Release, "%d.%d", &n[0], &n[1])
	return n
}

// readBuildID returns the build ID from the note that the linker writes.
func readBuildID(f *elf.File) (string, error) {
	sec := f.Section(".notes")
	if sec == nil {
		return "", errors.New("no section .notes in it")
	}
	b, err := sec.Data()
	if err != nil {
		return "", err
	}
	const ntGNUBuildID = 3
	for len(b) >= 12 {
		name, desc, kind := f.ByteOrder.Uint32(b), f.ByteOrder.Uint32(b[4:]), f.ByteOrder.Uint32(b[8:])
		start := 12 + (uint64(name)+3)&^3
		end := start + uint64(desc)
		if end > uint64(len(b)) {
			break
		}
		if kind == ntGNUBuildID && string(b[12:12+name]) == "GNU\x00" {
			return hex.EncodeToString(b[start:end]), nil
		}
		b = b[min((end+3)&^3, uint64(len(b))):]
	}
	return "", errors.New("no build ID in it")
}

// join returns the variables that a symbol and a VAR agree on by name and
// address. A static of a function is none: its symbol has a number behind the
// name, which differs from build to build.
func (k *kernel) join(f *elf.File, syms []kallsyms.Symbol) []variable {
	byName := make(map[string][]kallsyms.Symbol)
	for _, s := range syms {
		byName[s.Name] = append(byName[s.Name], s)
	}
	starts := make(map[string]vmcore.Addr)
	for _, sec := range f.Sections {
		starts[sec.Name] = vmcore.Addr(sec.Addr)
	}
	var vars []variable
	for name, syms := range byName {
		for _, v := range k.types.Vars(name) {
			for _, s := range syms {
				if v.Section == "" && len(syms) > 1 || v.Section != "" && starts[v.Section]+vmcore.Addr(v.Offset) != s.Addr {
					continue
				}
				if spelling, ok := vartypes.Spell(v.Type); ok && isWanted(s) {
					vars = append(vars, variable{s, v.Type, spelling})
				}
				break
			}
		}
	}
	slices.SortFunc(vars, func(a, b variable) int {
		return cmp.Or(cmp.Compare(a.symbol.Addr, b.symbol.Addr), cmp.Compare(a.symbol.Name, b.symbol.Name), cmp.Compare(a.spelling, b.spelling))
	})
	return slices.CompactFunc(vars, func(a, b variable) bool {
		return a.symbol == b.symbol && a.spelling == b.spelling
	})
}

// readSymbols returns the symbols that kallsyms has too, with the room up to the
// next and the class of their section.
func readSymbols(f *elf.File) ([]kallsyms.Symbol, error) {
	all, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("its symbols: %w", err)
	}
	var syms []kallsyms.Symbol
	ends := make(map[vmcore.Addr]vmcore.Addr) // of the section, by address
	for _, s := range all {
		kind := elf.ST_TYPE(s.Info)
		if kind == elf.STT_SECTION || kind == elf.STT_FILE || int(s.Section) >= len(f.Sections) || isIgnored(s.Name) {
			continue
		}
		sec := f.Sections[s.Section]
		if sec.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		a := vmcore.Addr(s.Value)
		syms = append(syms, kallsyms.Symbol{Name: s.Name, Addr: a, Class: classOf(sec)})
		ends[a] = vmcore.Addr(sec.Addr + sec.Size)
	}
	slices.SortStableFunc(syms, func(a, b kallsyms.Symbol) int { return cmp.Compare(a.Addr, b.Addr) })
	init := bounds(syms, "__init_begin", "__init_end")
	next := vmcore.Addr(0)
	for i := len(syms) - 1; i >= 0; i-- {
		s := &syms[i]
		if i+1 < len(syms) && syms[i+1].Addr != s.Addr {
			next = syms[i+1].Addr
		}
		if end := ends[s.Addr]; next > end || next <= s.Addr {
			next = end
		}
		s.Size = uint64(max(next, s.Addr) - s.Addr)
		if init[0] <= s.Addr && s.Addr < init[1] && s.Class != kallsyms.PerCPU {
			s.Class = kallsyms.Init
		}
	}
	return syms, nil
}

func bounds(syms []kallsyms.Symbol, start, end string) (b [2]vmcore.Addr) {
	for _, s := range syms {
		switch s.Name {
		case start:
			b[0] = s.Addr
		case end:
			b[1] = s.Addr
		}
	}
	return b
}

// isIgnored reports whether scripts/kallsyms.c leaves a name out.
func isIgnored(name string) bool {
	return name == "" || strings.HasPrefix(name, "$") || strings.HasPrefix(name, ".L") || strings.HasPrefix(name, "__pfx_") || strings.HasPrefix(name, "__crc_")
}

func classOf(sec *elf.Section) kallsyms.Class {
	switch {
	case strings.HasPrefix(sec.Name, ".data..percpu"):
		return kallsyms.PerCPU
	case strings.HasPrefix(sec.Name, ".init.") || strings.HasPrefix(sec.Name, "__init"):
		return kallsyms.Init
	case sec.Flags&elf.SHF_EXECINSTR != 0 && sec.Flags&elf.SHF_WRITE == 0:
		return kallsyms.Text
	case sec.Type == elf.SHT_NOBITS:
		return kallsyms.BSS
	case sec.Flags&elf.SHF_WRITE == 0 || strings.HasPrefix(sec.Name, ".rodata"):
		return kallsyms.ROData
	}
	return kallsyms.Data
}

// image is the initialised memory of a vmlinux: sections, by address.
type image []segment

type segment struct {
	start vmcore.Addr
	data  []byte
}

func readImage(f *elf.File) (image, error) {
	var m image
	for _, sec := range f.Sections {
		if sec.Flags&elf.SHF_ALLOC == 0 || sec.Addr == 0 || sec.Size == 0 {
			continue
		}
		data := make([]byte, sec.Size)
		if sec.Type != elf.SHT_NOBITS {
			var err error
			if data, err = sec.Data(); err != nil {
				return nil, err
			}
		}
		m = append(m, segment{vmcore.Addr(sec.Addr), data})
	}
	slices.SortFunc(m, func(a, b segment) int { return cmp.Compare(a.start, b.start) })
	return m, nil
}

// ReadMemory implements [vmcore.Memory].
func (m image) ReadMemory(p []byte, a vmcore.Addr) (int, error) {
	n := 0
	for _, s := range m {
		if at := a + vmcore.Addr(n); n < len(p) && at >= s.start && uint64(at-s.start) < uint64(len(s.data)) {
			n += copy(p[n:], s.data[at-s.start:])
		}
	}
	if n < len(p) {
		return n, &vmcore.FaultError{Addr: a + vmcore.Addr(n), State: vmcore.Unmapped}
	}
	return n, nil
}
