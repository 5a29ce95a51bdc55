package encode

import (
	"math/bits"

	"github.com/kdbg/kdbg/encode/internal/dedup"
)

// signature sums up the prototype in fs.protos, so that two of one name can be
// compared across units. Types count by kind and name and not by what is behind
// a name, const does not count, and a declared structure is the one defined
// elsewhere: callers see no difference.
func (fs *functions) signature(w *worker, ret dedup.Entry) uint64 {
	steps := maxSteps
	h := mix(uint64(len(fs.protos)), shallow(w, w.types.Class(ret), &steps))
	for _, p := range fs.protos {
		h = mix(h, shallow(w, w.types.Class(p.Ref), &steps))
	}
	return h
}

// maxSteps bounds the types that are looked at in one prototype. Functions with
// pointers to functions have some 50.
const maxSteps = 1 << 12

// shallow sums up one type. The steps that it may take go down.
func shallow(w *worker, c dedup.Class, steps *int) uint64 {
	h := uint64(0)
	for ; c != 0 && *steps > 0; *steps-- {
		s := w.types.Shape(c)
		switch s.Kind {
		case dedup.Const:
		case dedup.Ptr, dedup.Volatile, dedup.Restrict, dedup.TypeTag:
			h = mix(h, uint64(s.Kind))
		case dedup.Array:
			h = mix(h, uint64(s.Kind)|uint64(s.Size)<<8)
		case dedup.FuncProto:
			h = mix(h, uint64(s.Kind)|uint64(len(s.Params))<<8)
			*steps--
			for _, p := range s.Params {
				h = mix(h, shallow(w, p, steps))
			}
		default:
			return mix(h, uint64(s.Kind)|uint64(s.Name)<<8)
		}
		c = s.Ref
	}
	return h
}

func mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^0x9e3779b97f4a7c15, v^0xd6e8feb86659fd93)
	return hi ^ lo ^ v
}

// hasAggregate reports whether a parameter is a structure or union itself.
func (fs *functions) hasAggregate(w *worker) bool {
	for _, p := range fs.protos {
		c := w.types.Class(p.Ref)
		for range maxTypeDepth {
			s := w.types.Shape(c)
			switch s.Kind {
			case dedup.Struct, dedup.Union:
				return true
			case dedup.Typedef, dedup.Const, dedup.Volatile:
				c = s.Ref
				continue
			}
			break
		}
	}
	return false
}
