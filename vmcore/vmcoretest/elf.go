package vmcoretest

import (
	"debug/elf"
	"fmt"

	"github.com/kdbg/kdbg/vmcore"
)

// ELFOptions chooses among what producers of ELF cores do differently.
type ELFOptions struct {
	// ProgramHeaders is e_phoff. Default: right after what is before it.
	ProgramHeaders uint64

	// SectionsFirst puts a section header between the ELF header and the
	// program headers, as QEMU does.
	SectionsFirst bool

	// ExtendedCount writes PN_XNUM for the number of program headers and the
	// number itself in section 0, as is needed from 65,535 segments on.
	ExtendedCount bool

	// Virt gives the p_vaddr of RAM at a physical address. Default: the
	// physical address itself, as QEMU writes without -p.
	Virt func(vmcore.PhysAddr) vmcore.Addr

	// Flags is e_flags: makedumpfile sets bit 0 for an incomplete dump.
	Flags uint32
}

var elfMachines = map[string]elf.Machine{
	"x86_64": elf.EM_X86_64, "i686": elf.EM_386, "aarch64": elf.EM_AARCH64, "arm": elf.EM_ARM,
	"riscv64": elf.EM_RISCV, "s390x": elf.EM_S390, "ppc64le": elf.EM_PPC64, "ppc64": elf.EM_PPC64,
	"ppc": elf.EM_PPC, "loongarch64": elf.EM_LOONGARCH,
}

// ELF writes the dump as an ELF core. Excluded pages are the part of a segment
// that is in memory and not in the file.
func (d *Dump) ELF(opts *ELFOptions) []byte {
	if opts == nil {
		opts = &ELFOptions{}
	}
	return d.elf(opts, d.notes())
}

// Kcore writes the dump in the shape of /proc/kcore: the direct map's segments
// at directMap, and the notes that tell it from a vmcore. Segments that are
// virtual only belong in d.Segments with [NoPhys].
func (d *Dump) Kcore(directMap vmcore.Addr) []byte {
	notes := []Note{
		PRStatus(d.arch().Layout, CPU{Registers: make([]uint64, len(x86Registers))}),
		{Name: "CORE", Type: ntPRPSInfo, Desc: make([]byte, 136)},
		{Name: "CORE", Type: ntTaskStruct, Desc: make([]byte, 1024)},
	}
	if d.VMCOREINFO != "" {
		notes = append(notes, VMCOREINFO(d.VMCOREINFO))
	}
	virt := func(a vmcore.PhysAddr) vmcore.Addr { return directMap + vmcore.Addr(a) }
	return d.elf(&ELFOptions{Virt: virt}, append(notes, d.Notes...))
}

// Sizes of the ELF structures by class.
type elfSizes struct{ header, program, section uint64 }

func (d *Dump) elf(opts *ELFOptions, notes []Note) []byte {
	arch := d.arch()
	sizes := elfSizes{header: 64, program: 56, section: 64}
	if arch.Layout.WordSize == 4 {
		sizes = elfSizes{header: 52, program: 32, section: 40}
	}
	segments := append(d.Segments[:len(d.Segments):len(d.Segments)], d.ramSegments(opts.Virt)...)
	noteData := marshalNotes(arch.Layout, notes)
	numProgs := len(segments)
	if len(noteData) > 0 {
		numProgs++
	}

	phoff, shoff := sizes.header, uint64(0)
	if opts.SectionsFirst {
		shoff = phoff
		phoff += sizes.section
	}
	if opts.ProgramHeaders != 0 {
		phoff = opts.ProgramHeaders
	}
	end := phoff + uint64(numProgs)*sizes.program
	if opts.ExtendedCount && shoff == 0 {
		shoff = end
		end += sizes.section
	}

	w := &writer{Layout: arch.Layout}
	header := elfHeader{machine: arch.Name, flags: opts.Flags, phoff: phoff, shoff: shoff, phnum: numProgs, extended: opts.ExtendedCount}
	header.write(w, sizes)
	if shoff != 0 && shoff < phoff {
		header.writeSection(w)
	}
	w.padTo(phoff)
	if len(noteData) > 0 {
		writeProgram(w, elf.PT_NOTE, Segment{Data: noteData}, end)
		end += uint64(len(noteData))
	}
	for _, s := range segments {
		writeProgram(w, elf.PT_LOAD, s, end)
		end += uint64(len(s.Data))
	}
	if shoff > phoff {
		header.writeSection(w)
	}
	w.bytes(noteData)
	for _, s := range segments {
		w.bytes(s.Data)
	}
	return w.b
}

// ramSegments makes one segment of each run of pages. A run ends at a gap, and
// where a present page follows excluded ones.
func (d *Dump) ramSegments(virt func(vmcore.PhysAddr) vmcore.Addr) []Segment {
	if virt == nil {
		virt = func(a vmcore.PhysAddr) vmcore.Addr { return vmcore.Addr(a) }
	}
	m := d.memory()
	var segments []Segment
	for _, pfn := range m.pfns() {
		if m.absent[pfn] == vmcore.Missing {
			panic("vmcoretest: an ELF file cannot state missing pages: truncate it")
		}
		a := vmcore.PhysAddr(pfn * m.pageSize)
		last := len(segments) - 1
		page, present := m.present[pfn]
		joins := last >= 0 && a == segments[last].Phys+vmcore.PhysAddr(segments[last].MemSize) &&
			(!present || uint64(len(segments[last].Data)) == segments[last].MemSize)
		if !joins {
			segments = append(segments, Segment{Virt: virt(a), Phys: a})
			last++
		}
		segments[last].Data = append(segments[last].Data, page...)
		segments[last].MemSize += m.pageSize
	}
	return segments
}

type elfHeader struct {
	machine      string
	flags        uint32
	phoff, shoff uint64
	phnum        int
	extended     bool
}

func (h elfHeader) write(w *writer, sizes elfSizes) {
	machine, ok := elfMachines[h.machine]
	if !ok {
		panic(fmt.Sprintf("vmcoretest: no ELF machine for %q", h.machine))
	}
	class, data := elf.ELFCLASS64, elf.ELFDATA2LSB
	if w.WordSize == 4 {
		class = elf.ELFCLASS32
	}
	if w.BigEndian {
		data = elf.ELFDATA2MSB
	}
	w.bytes([]byte(elf.ELFMAG))
	w.u8(uint8(class))
	w.u8(uint8(data))
	w.u8(uint8(elf.EV_CURRENT))
	w.padTo(elf.EI_NIDENT)
	w.u16(uint16(elf.ET_CORE))
	w.u16(uint16(machine))
	w.u32(uint32(elf.EV_CURRENT))
	w.word(0) // e_entry
	w.word(h.phoff)
	w.word(h.shoff)
	w.u32(h.flags)
	w.u16(uint16(sizes.header))
	w.u16(uint16(sizes.program))
	const pnXNum = 0xffff
	switch {
	case h.extended:
		w.u16(pnXNum)
	case h.phnum >= pnXNum:
		panic("vmcoretest: so many segments need ExtendedCount")
	default:
		w.u16(uint16(h.phnum))
	}
	w.u16(uint16(sizes.section))
	if h.shoff != 0 {
		w.u16(1) // e_shnum
	} else {
		w.u16(0)
	}
	w.u16(0) // e_shstrndx
}

// writeSection writes section 0, which has the number of program headers in
// sh_info when the ELF header cannot hold it.
func (h elfHeader) writeSection(w *writer) {
	w.zeros(2*4 + 4*w.WordSize + 4) // sh_name to sh_link
	if h.extended {
		w.u32(uint32(h.phnum)) // sh_info
	} else {
		w.u32(0)
	}
	w.zeros(2 * w.WordSize) // sh_addralign, sh_entsize
}

func writeProgram(w *writer, typ elf.ProgType, s Segment, off uint64) {
	memSize := s.MemSize
	if memSize == 0 {
		memSize = uint64(len(s.Data))
	}
	flags := uint32(elf.PF_R | elf.PF_W | elf.PF_X)
	w.u32(uint32(typ))
	if w.WordSize == 8 {
		w.u32(flags)
	}
	w.word(off)
	w.word(uint64(s.Virt))
	w.word(uint64(s.Phys))
	w.word(uint64(len(s.Data)))
	w.word(memSize)
	if w.WordSize == 4 {
		w.u32(flags)
	}
	w.word(0) // p_align
}
