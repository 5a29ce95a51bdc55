package elfedit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Section is what a section is to hold.
type Section struct {
	Name string
	Data []byte // nil: the section is removed, if there is one
}

// align is that of what is written: of 64-bit words, as BTF's readers want it.
const align = 8

// plan is an edited file: the bytes of the old one up to keep, with a new file
// header, and then tail.
type plan struct {
	head []byte
	keep int64
	tail []byte
}

// edit plans what the file becomes. The header of a section that is removed
// stays, as one of type NULL: symbols refer to sections by number.
func (f *file) edit(r io.ReaderAt, sections []Section) (*plan, error) {
	end := make([]byte, len(signature))
	if off := f.size - int64(len(end)); off > 0 {
		if _, err := r.ReadAt(end, off); err != nil {
			return nil, err
		}
		if string(end) == signature {
			return nil, &SignedError{off}
		}
	}
	moved := map[int]bool{f.shstrndx: true}
	at := make([]int, len(sections)) // where each is in the headers
	names := slices.Clip(f.names)
	for i, s := range sections {
		at[i] = f.find(s.Name)
		if at[i] > 0 && at[i] != f.shstrndx {
			moved[at[i]] = true
		} else if at[i] >= 0 {
			return nil, fmt.Errorf("section %q cannot be replaced", s.Name)
		}
	}
	keep, err := f.keep(r, moved)
	if err != nil {
		return nil, err
	}

	p := &plan{head: bytes.Clone(f.head), keep: keep}
	for i, s := range sections {
		switch {
		case s.Data == nil && at[i] < 0:
		case s.Data == nil:
			clear(f.header(at[i]))
		default:
			if at[i] < 0 {
				at[i] = f.addHeader(&names, s.Name)
			}
			f.place(at[i], p, s.Data)
		}
	}
	f.place(f.shstrndx, p, names)
	p.pad()
	f.finish(p)
	return p, nil
}

// keep returns how much of the file stays: up to the end of the last thing that
// is not moved. That is the whole file if bytes after it belong to no section.
func (f *file) keep(r io.ReaderAt, moved map[int]bool) (int64, error) {
	type span struct{ off, end uint64 }
	end := uint64(f.ehdr)
	var free []span
	take := func(off, n uint64) { end = max(end, off+n) }
	phoff, phnum := f.word(f.head, f.phoff), uint64(f.order.Uint16(f.head[f.phentsize+2:]))
	if phnum == pnXnum {
		phnum = uint64(f.order.Uint32(f.header(0)[f.shInfo:]))
	}
	if phnum > 0 {
		segments, err := f.bytes(r, phoff, phnum*uint64(f.phdr), "the program headers")
		if err != nil {
			return 0, err
		}
		take(phoff, uint64(len(segments)))
		for h := range slices.Chunk(segments, f.phdr) {
			// A file of debug information may have those of the file it was taken from.
			if off, n := f.word(h, f.pOffset), f.word(h, f.pFilesz); off <= uint64(f.size) && n <= uint64(f.size)-off {
				take(off, n)
			}
		}
	}
	free = append(free, span{uint64(f.shoff), uint64(f.shoff) + uint64(len(f.sections))})
	for i := range f.count() {
		if !f.inFile(i) {
			continue
		}
		off, n := f.offset(i), f.length(i)
		if off > uint64(f.size) || n > uint64(f.size)-off {
			return 0, &FormatError{f.shoff + int64(i*f.shdr), fmt.Sprintf("section %d ends after the file", i)}
		}
		if n > 0 && off < uint64(f.ehdr) {
			return 0, &FormatError{f.shoff + int64(i*f.shdr), fmt.Sprintf("section %d lies on the file header", i)}
		}
		if moved[i] {
			free = append(free, span{off, off + n})
		} else {
			take(off, n)
		}
	}
	// What is between the freed parts may only be what aligns them.
	slices.SortFunc(free, func(a, b span) int { return cmp.Compare(a.off, b.off) })
	reached := end
	for _, s := range free {
		if s.end > reached {
			if s.off > reached+64 {
				return f.size, nil
			}
			reached = s.end
		}
	}
	if reached != uint64(f.size) {
		return f.size, nil
	}
	return int64(end), nil
}

// addHeader adds the header of a new section and returns its number.
func (f *file) addHeader(names *[]byte, name string) int {
	h := make([]byte, f.shdr)
	i := bytes.Index(*names, append([]byte(name), 0))
	if i < 0 {
		i = len(*names)
		*names = append(append(*names, name...), 0)
	}
	f.order.PutUint32(h, uint32(i))
	f.sections = append(f.sections, h...)
	f.putWord(f.header(f.count()-1), f.shAlign, align)
	return f.count() - 1
}

// place puts a section's data at the end of the file. An empty one of the
// linker's, which may be NOBITS, becomes one with bytes; one that a segment loads
// stays in the segment as it was, and what is put is not loaded.
func (f *file) place(i int, p *plan, data []byte) {
	p.pad()
	h := f.header(i)
	if kind := f.kind(i); kind == shtNull || kind == shtNobits {
		f.order.PutUint32(h[4:], shtProgbits)
	}
	if flags := f.word(h, f.shFlags); flags&shfAlloc != 0 {
		f.putWord(h, f.shFlags, flags&^shfAlloc)
		f.putWord(h, f.shAddr, 0)
	}
	f.putWord(h, f.shOffset, uint64(p.keep)+uint64(len(p.tail)))
	f.putWord(h, f.shSize, uint64(len(data)))
	p.tail = append(p.tail, data...)
}

// pad aligns the end of the file.
func (p *plan) pad() {
	for (p.keep+int64(len(p.tail)))%align != 0 {
		p.tail = append(p.tail, 0)
	}
}

// finish writes the section headers at the end and names them in the file header.
func (f *file) finish(p *plan) {
	n, zero := f.count(), f.header(0)
	counts := p.head[f.phentsize:]
	if n >= shnLoreserve {
		f.order.PutUint16(counts[6:], 0)
		f.putWord(zero, f.shSize, uint64(n))
	} else {
		f.order.PutUint16(counts[6:], uint16(n))
	}
	f.putWord(p.head, f.layout.shoff, uint64(p.keep)+uint64(len(p.tail)))
	p.tail = append(p.tail, f.sections...)
}

// Rewrite writes an ELF file of size bytes with sections changed.
func Rewrite(w io.Writer, r io.ReaderAt, size int64, sections ...Section) error {
	f, err := read(r, size)
	if err != nil {
		return err
	}
	p, err := f.edit(r, sections)
	if err != nil {
		return err
	}
	n := int64(len(p.head))
	_, err = io.Copy(w, io.MultiReader(bytes.NewReader(p.head), io.NewSectionReader(r, n, p.keep-n), bytes.NewReader(p.tail)))
	return err
}

// Put changes sections of a file. The file has either its old or its new
// contents, whatever happens; links to it under other names keep the old.
func Put(name string, sections ...Section) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	f, err := read(in, info.Size())
	if err != nil {
		return err
	}
	p, err := f.edit(in, sections)
	if err != nil {
		return err
	}
	return Replace(name, info.Mode().Perm(), func(out *os.File) error {
		// io.CopyN between files is done by the kernel, without a buffer of ours.
		if _, err := io.CopyN(out, in, p.keep); err != nil {
			return err
		}
		if _, err := out.Write(p.tail); err != nil {
			return err
		}
		_, err := out.WriteAt(p.head, 0)
		return err
	})
}

// Replace writes a file with write and puts it in the place of name, once it is
// whole. mode 0 is that of a new file.
func Replace(name string, mode os.FileMode, write func(*os.File) error) (err error) {
	out, err := create(name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(out.Name())
		}
	}()
	if err := write(out); err != nil {
		return err
	}
	if mode != 0 {
		if err := out.Chmod(mode); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(out.Name(), name)
}

// create makes a file beside name. It does what os.CreateTemp does, with the
// permissions that a new file has.
func create(name string) (*os.File, error) {
	dir, base := filepath.Split(name)
	for try := range 1000 {
		temp := fmt.Sprintf("%s.%s.%d.%d", dir, base, os.Getpid(), try)
		out, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, os.ErrExist) {
			return out, err
		}
	}
	return nil, &os.PathError{Op: "create", Path: name, Err: os.ErrExist}
}
