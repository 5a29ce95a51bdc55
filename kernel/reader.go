package kernel

import "github.com/kdbg/kdbg/vmcore"

// Reader reads the members of one object, one after the other, and keeps the
// first error. A walker fills a record with it and looks at Err once: what could
// not be read is zero, or for text says why in its place.
type Reader struct {
	Value
	Err error
}

// Uint reads the number or pointer that a path of members leads to.
func (r *Reader) Uint(members ...string) uint64 {
	u, err := r.UintAt(members...)
	r.keep(err)
	return u
}

// Int reads a number with its sign.
func (r *Reader) Int(members ...string) int64 {
	v, err := r.Path(members...)
	if err != nil {
		r.keep(err)
		return 0
	}
	i, err := v.Int()
	r.keep(err)
	return i
}

// Pointer reads a pointer.
func (r *Reader) Pointer(members ...string) vmcore.Addr {
	return vmcore.Addr(r.Uint(members...))
}

// Target returns the object that a pointer points to. Nothing is read of it.
func (r *Reader) Target(members ...string) Value {
	p, err := r.Path(members...)
	if err == nil {
		p, err = p.Deref()
	}
	r.keep(err)
	return p
}

// AddrOf returns the address of a member, which is read only if pointers lead
// to it.
func (r *Reader) AddrOf(members ...string) vmcore.Addr {
	v, err := r.Path(members...)
	r.keep(err)
	a, _ := v.Addr()
	return a
}

// Text reads a string. Where it cannot, the result names why, as in <excluded>.
func (r *Reader) Text(members ...string) string {
	s, err := r.StringAt(members...)
	if err != nil {
		r.keep(err)
		return "<" + ErrorKind(err) + ">"
	}
	return s
}

func (r *Reader) keep(err error) {
	if r.Err == nil {
		r.Err = err
	}
}
