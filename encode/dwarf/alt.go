package dwarf

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// altLink names the supplementary file that dwz moved entries and strings to
// which several files have.
type altLink struct {
	name    string
	buildID []byte
}

// openAlt opens the supplementary file where there is one, and adds its units.
func (f *File) openAlt() error {
	link, err := f.altLink()
	if err != nil || link.name == "" {
		return err
	}
	f.altName = link.name
	for _, name := range link.places(f.name) {
		alt, err := open(name, true)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("supplementary file: %w", err)
		}
		if id, err := alt.buildID(); err != nil || len(link.buildID) > 0 && !bytes.Equal(id, link.buildID) {
			alt.Close()
			continue
		}
		f.alt = alt
		for _, u := range alt.units {
			u.main, u.Index = f, len(f.units)
			f.units = append(f.units, u)
		}
		return nil
	}
	return nil
}

// noAlt says why there is no supplementary file to refer to.
func (f *File) noAlt() string {
	if f.altName == "" {
		return "reference to a supplementary file, but the file names none"
	}
	return fmt.Sprintf("reference to the supplementary file %s, which is not found or has another build ID", f.altName)
}

// places are where the supplementary file of the file of that name may be: where
// the link says, seen from the file and from what it is a symbolic link to, and
// where debuggers look for a build ID.
func (l altLink) places(name string) []string {
	var places []string
	if filepath.IsAbs(l.name) {
		places = append(places, l.name)
	} else {
		places = append(places, filepath.Join(filepath.Dir(name), l.name))
		if real, err := filepath.EvalSymlinks(name); err == nil {
			places = append(places, filepath.Join(filepath.Dir(real), l.name))
		}
	}
	if len(l.buildID) > 1 {
		id := hex.EncodeToString(l.buildID)
		places = append(places, filepath.Join("/usr/lib/debug/.build-id", id[:2], id[2:]+".debug"))
	}
	return places
}

// altLink reads .gnu_debugaltlink (name, NUL, build ID) or .debug_sup (DWARF 5,
// 7.3.6: version, whether this is the supplementary file, name, checksum).
func (f *File) altLink() (l altLink, err error) {
	for i := range f.sections {
		s := &f.sections[i]
		if s.Name != ".gnu_debugaltlink" && s.Name != ".debug_sup" {
			continue
		}
		data, err := s.Data()
		if err != nil {
			return l, err
		}
		c := cursor{data: data, big: f.big}
		if s.Name == ".debug_sup" {
			if version, self := c.u16(), c.u8(); version != 5 || self != 0 {
				continue
			}
		}
		name, rest, ok := bytes.Cut(data[min(c.off, uint64(len(data))):], []byte{0})
		if c.msg != "" || !ok {
			return l, f.errorf(s.Name, c.off, "name of the supplementary file does not end")
		}
		l.name = string(name)
		if l.buildID = rest; s.Name == ".debug_sup" {
			n, size := uleb(rest, 0)
			if size == 0 || n > uint64(len(rest))-size {
				return l, f.errorf(s.Name, c.off, "unexpected end of the checksum")
			}
			l.buildID = rest[size : size+n]
		}
		return l, nil
	}
	return l, nil
}

// buildID returns the build ID of the file, or the checksum of a DWARF 5
// supplementary file; nil if it has neither.
func (f *File) buildID() ([]byte, error) {
	for i := range f.sections {
		s := &f.sections[i]
		switch {
		case s.Type == elf.SHT_NOTE && s.Name == ".note.gnu.build-id":
			data, err := s.Data()
			c := cursor{data: data, big: f.big}
			name, desc, _ := c.u32(), c.u32(), c.u32()
			c.bytes((uint64(name) + 3) &^ 3)
			return c.bytes(uint64(desc)), err
		case s.Name == ".debug_sup":
			data, err := s.Data()
			c := cursor{data: data, big: f.big}
			c.u16()
			c.u8()
			c.bytes(uint64(len(cString(data[min(c.off, uint64(len(data))):]))) + 1)
			return c.bytes(c.uleb()), err
		}
	}
	return nil, nil
}
