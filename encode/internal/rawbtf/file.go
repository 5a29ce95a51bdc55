package rawbtf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kdbg/kdbg/encode/internal/elfedit"
)

// A SplitError is a split BTF that was read without a base.
type SplitError struct {
	File string
	Made *Identity // what it is split on; nil: it does not say
}

func (e *SplitError) Error() string {
	if e.Made != nil {
		return fmt.Sprintf("%s: it is split on the BTF of %v, which is not named", e.File, e.Made)
	}
	return e.File + ": it is split, and its base is not named"
}

func (e *SplitError) Hint() string {
	return "name the vmlinux, or its BTF, that the module was built against with --base"
}

// A BaseError is a split BTF that was read with the wrong base.
type BaseError struct {
	File string
	Made *Identity // what it is split on; nil: it does not say
	Base Identity  // what it was read with
}

func (e *BaseError) Error() string {
	if e.Made != nil {
		return fmt.Sprintf("%s: it is split on the BTF of %v, not on this base, %v", e.File, e.Made, e.Base)
	}
	return e.File + ": it is split on another base"
}

func (e *BaseError) Hint() string {
	return "its base is the BTF of the vmlinux, of the very build, that it was encoded against"
}

// ReadFile reads the BTF of a file: a raw one, or the .BTF of an ELF file. base
// is what it is split on, nil if it is whole. The .BTF of a module built outside
// of the kernel's tree brings its base, which takes the place of base.
func ReadFile(name string, base *Blob) (*Blob, error) {
	raw, err := elfedit.Read(name, ".BTF")
	switch {
	case errors.Is(err, elfedit.ErrNotELF):
		if raw, err = os.ReadFile(name); err != nil {
			return nil, err
		}
	case errors.Is(err, elfedit.ErrNoSection):
		return nil, fmt.Errorf("%s: it has no .BTF section", name)
	case errors.As(err, new(*fs.PathError)):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	default:
		if own, err := elfedit.Read(name, ".BTF.base"); err == nil {
			if base, err = Parse(own, nil); err != nil {
				return nil, fmt.Errorf("%s: .BTF.base: %w", name, err)
			}
		}
	}
	b, err := Parse(raw, base)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := b.checkBase(name); err != nil {
		return nil, err
	}
	return b, nil
}

// checkBase says what is wrong with the base that b, of a file, was read with.
func (b *Blob) checkBase(file string) error {
	var made *Identity
	if id, ok := b.MadeFor(); ok {
		made = &id
	}
	switch {
	case b.base == nil && b.looksSplit():
		return &SplitError{file, made}
	case b.base != nil && made != nil && !b.base.fits(*made):
		return &BaseError{file, made, b.base.Identity()}
	case !b.fitsBase():
		return &BaseError{File: file, Base: b.base.Identity()}
	}
	return nil
}

// fitsBase reports whether the names that b takes from its base are whole strings
// there. In a base that is not b's own, some of them almost surely begin within
// a string, or are none.
func (b *Blob) fitsBase() bool {
	if b.base == nil {
		return true
	}
	for _, t := range b.All() {
		if !b.wholeName(t.Name) {
			return false
		}
		for i := range t.Vlen {
			var name Str
			switch t.Kind {
			case KindStruct, KindUnion:
				name = t.Member(i).Name
			case KindEnum, KindEnum64:
				name = t.Enumerator(i).Name
			case KindFuncProto:
				name = t.Param(i).Name
			}
			if !b.wholeName(name) {
				return false
			}
		}
	}
	return true
}

func (b *Blob) wholeName(s Str) bool {
	if uint32(s) >= b.str0 || s == 0 {
		return true // its own
	}
	base := b.base
	for uint32(s) < base.str0 {
		base = base.base
	}
	off := uint32(s) - base.str0
	return off == 0 || base.strs[off-1] == 0
}

// looksSplit reports whether b's strings do not begin as those of a whole BTF do.
func (b *Blob) looksSplit() bool {
	return len(b.at) > 0 && (len(b.strs) == 0 || b.strs[0] != 0)
}
