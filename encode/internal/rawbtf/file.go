package rawbtf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kdbg/kdbg/encode/internal/elfedit"
)

// A SplitError is a split BTF that was read without a base.
type SplitError struct{ File string }

func (e *SplitError) Error() string { return e.File + ": it is split, and its base is not named" }
func (e *SplitError) Hint() string {
	return "name the vmlinux, or its BTF, that the module was built against with --base"
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
	if base == nil && b.looksSplit() {
		return nil, &SplitError{name}
	}
	return b, nil
}

// looksSplit reports whether b's strings do not begin as those of a whole BTF do.
func (b *Blob) looksSplit() bool {
	return len(b.at) > 0 && (len(b.strs) == 0 || b.strs[0] != 0)
}
