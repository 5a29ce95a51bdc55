package vmcore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Open opens a dump in a file of any format: it is recognised by its contents.
// The error is an [*UnrecognizedError] where the file is something else, a
// [*FormatError] where it is damaged beyond use, and a [*PermissionError] where
// it may not be read. opts may be nil.
//
// Opening reads headers and notes, and nothing that grows with the memory that
// was dumped.
func Open(name string, opts *Options) (*Dump, error) {
	return OpenSet([]string{name}, opts)
}

// OpenSet opens the files that makedumpfile --split made of one dump, in any
// order. With one name it is the same as [Open].
func OpenSet(names []string, opts *Options) (*Dump, error) {
	if len(names) == 0 {
		return nil, errors.New("no dump file given")
	}
	var files []fileAt
	var closers []io.Closer
	d, err := func() (*Dump, error) {
		for _, name := range names {
			f, err := openFile(name)
			if err != nil {
				return nil, err
			}
			closers = append(closers, f)
			size, err := sizeOf(f)
			if err != nil {
				return nil, err
			}
			file := fileAt{r: f, size: size, name: name}
			if isKcore(name) {
				file.r = &oneAtATime{r: f}
			}
			files = append(files, file)
		}
		return newDump(files, opts)
	}()
	if err != nil {
		for _, c := range closers {
			c.Close() // only ever read from: nothing can be lost
		}
		return nil, err
	}
	d.files = closers
	return d, nil
}

// New opens a dump of size bytes that r holds: one in memory, for example. The
// caller keeps r until it is done with the dump. opts may be nil.
func New(r io.ReaderAt, size int64, opts *Options) (*Dump, error) {
	return newDump([]fileAt{{r: r, size: size}}, opts)
}

// newDump finds out what the files are.
func newDump(files []fileAt, opts *Options) (*Dump, error) {
	if opts == nil {
		opts = &Options{}
	}
	var head []byte
	var wrapped []*flattened
	for i := range files {
		var err error
		if head, err = readHead(files[i]); err != nil {
			return nil, err
		}
		if sniffFlattened(head) {
			if files[i], err = newFlattened(files[i]); err != nil {
				return nil, err
			}
			if w, ok := files[i].r.(*flattened); ok {
				wrapped = append(wrapped, w)
			}
			if head, err = readHead(files[i]); err != nil {
				return nil, err
			}
		}
		if !sniffKdump(head) && (len(files) > 1 || !sniffELF(head)) {
			return nil, unrecognized(files[i], head, len(files) > 1)
		}
	}
	d, err := openFormat(files, head, opts)
	for _, w := range wrapped {
		if err != nil && w.damage != nil {
			err = fmt.Errorf("%w: %w", w.damage, err)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, w := range wrapped {
		d.format.Flattened = true
		d.warnings = append(d.warnings, w.warnings()...)
	}
	return d, nil
}

// openFormat opens files of a format known to be one that kdbg reads.
func openFormat(files []fileAt, head []byte, opts *Options) (*Dump, error) {
	if sniffELF(head) {
		e, err := newELF(files[0])
		if err != nil {
			return nil, err
		}
		return fromELF(e, opts), nil
	}
	k, err := newKdump(files, opts)
	if err != nil {
		return nil, err
	}
	return fromKdump(k, opts), nil
}

func sniffELF(head []byte) bool { return bytes.HasPrefix(head, []byte(elfMagic)) }

// readHead reads as much of the beginning as tells formats apart.
func readHead(f fileAt) ([]byte, error) {
	head := make([]byte, 4096)
	n, err := f.r.ReadAt(head, 0)
	if err != nil && err != io.EOF && n == 0 {
		if refused := refusedError(f.name, err); refused != nil {
			return nil, refused
		}
		return nil, fmt.Errorf("read the beginning of the dump: %w", err)
	}
	return head[:n], nil
}

func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		if refused := refusedError(name, err); refused != nil {
			return nil, refused
		}
		return nil, err
	}
	return f, nil
}

// sizeOf returns how large a file is in bytes, and -1 for the memory of the
// running kernel, of which stat says nothing true.
func sizeOf(f *os.File) (int64, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, err
	case info.IsDir():
		return 0, &UnrecognizedError{Name: f.Name(), Looks: "a directory", hint: "give the dump file in it, such as vmcore or dump.<date>"}
	case isKcore(f.Name()):
		return -1, nil
	case info.Mode().IsRegular():
		return info.Size(), nil
	case info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0:
		return f.Seek(0, io.SeekEnd) // a disk partition that a dump was written to
	}
	return 0, &UnrecognizedError{Name: f.Name(), Looks: "not a regular file", hint: "save the dump to a file first: kdbg reads it in any order"}
}
