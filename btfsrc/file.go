package btfsrc

import (
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/kdbg/kdbg/vmcore"
)

// File is the BTF of a file, and what the file says that it is of.
type File struct {
	Name    string
	BTF     []byte
	BuildID string // of a linked ELF file, in hexadecimal; may be empty
	Module  string // the module that an ELF file is; empty for the kernel, and for raw BTF
}

// ReadFile returns the BTF in a file, which holds it raw, as
// /sys/kernel/btf/vmlinux does, or in the section .BTF of an ELF file.
func ReadFile(name string) (*File, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f := &File{Name: name}
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("%s: too short for BTF: %w", name, err)
	}
	switch {
	case string(head[:]) == elf.ELFMAG:
		err = f.readELF(r)
	case isMagic(head[:]):
		if _, err = r.Seek(0, io.SeekStart); err == nil {
			f.BTF, err = io.ReadAll(io.LimitReader(r, maxBTF))
		}
	default:
		err = errors.New("neither BTF nor an ELF file")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// ModuleName returns the name of a file as a module would be called that it is
// of: snd_hda of snd-hda.ko.
func ModuleName(file string) string {
	stem, _, _ := strings.Cut(filepath.Base(file), ".")
	return strings.ReplaceAll(stem, "-", "_")
}

func isMagic(p []byte) bool {
	return p[0] == magic&0xff && p[1] == magic>>8 || p[0] == magic>>8 && p[1] == magic&0xff
}

// readELF reads the section .BTF of an ELF file, and what tells its build.
func (f *File) readELF(r io.ReaderAt) (err error) {
	// debug/elf still has panics on malformed files that it does not count as
	// bugs to fix soon (golang/go#33121).
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed ELF file: %v", p)
		}
	}()
	file, err := elf.NewFile(r)
	if err != nil {
		return err
	}
	sec := file.Section(".BTF")
	if sec == nil {
		return fmt.Errorf("section .BTF: %w", vmcore.ErrNotFound)
	}
	if file.Section(".BTF.base") != nil {
		return fmt.Errorf("BTF relative to a distilled base (section .BTF.base): %w", vmcore.ErrUnsupported)
	}
	if sec.Size > maxBTF {
		return fmt.Errorf("section .BTF of %d bytes: too large", sec.Size)
	}
	if file.Type == elf.ET_REL {
		f.Module = ModuleName(f.Name)
	} else {
		f.BuildID = buildID(file)
	}
	f.BTF, err = sec.Data()
	return err
}

// maxNotes bounds a section of notes.
const maxNotes = 1 << 20

// buildID returns the note that the linker wrote of the build (NT_GNU_BUILD_ID),
// "" if there is none.
func buildID(f *elf.File) string {
	const gnuBuildID = 3
	for _, sec := range f.Sections {
		if sec.Type != elf.SHT_NOTE || sec.Size > maxNotes {
			continue
		}
		notes, err := sec.Data()
		for err == nil && len(notes) >= 12 {
			name, desc := noteLen(f.ByteOrder, notes), noteLen(f.ByteOrder, notes[4:])
			start := 12 + name.padded
			if uint64(len(notes)) < start+desc.padded {
				break
			}
			if f.ByteOrder.Uint32(notes[8:]) == gnuBuildID && string(notes[12:12+name.size]) == "GNU\x00" {
				return hex.EncodeToString(notes[start : start+desc.size])
			}
			notes = notes[start+desc.padded:]
		}
	}
	return ""
}

// length is the length of a part of a note, and with the bytes that fill it up to
// four.
type length struct{ size, padded uint64 }

func noteLen(order binary.ByteOrder, b []byte) length {
	n := uint64(order.Uint32(b))
	return length{n, (n + 3) &^ 3}
}
